"""The stage of an adaptation: encoder, classifier and heads learn a rig, held near the model they start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from camf_ros.evaluation.metrics import METRICS
from camf_ros.network.blend import BlendNetwork
from camf_ros.training.adapt_sources import Eyes, crop_side
from camf_ros.training.config import CropsRecipe, FusionRecipe
from camf_ros.training.data import PairCrops, Sources, generator, pair_crops, random_crops
from camf_ros.training.fusion_losses import weighted_losses
from camf_ros.training.fusion_stage import fuse
from camf_ros.training.loop import Stage, warm_cosine

Grey = NDArray[np.uint8]

_WARM_UP = 50
_GOAL = ("VIF", "Qabf")
# Pairs that are validated on in each round, and the largest part of a picture, (height, width), that is looked at.
_VALIDATED, _PART = 24, (480, 640)
# Detail up to this standard deviation of a Gaussian, pixels; how much of it is added, in training and in validation.
_FINE, _DETAIL, _DETAIL_VALIDATED = 4.0, (0.2, 0.8), 0.6


@dataclass(frozen=True)
class AdaptationRecipe:
    """What decides an adaptation beside the recording and the model that it starts from.

    Attributes:
        steps: Optimiser steps, at most.
        batch: Pairs of crops a step.
        side: Of the square crops, pixels, a multiple of the network's step; smaller where the pictures are.
        learning_rate: Adam, peak value; a cosine down to ``final_rate`` of it.
        final_rate: Share that is left at the end.
        pull: Weight of the squared distance of the weights from those that they start from.
        replay: Share of the crops that are of the simulated scene.
        cleaned: Share of the rig's crops that the network is shown without the cameras' faults: see :func:`detailed`.
        invert: Share of the rig's crops whose infrared is inverted: the picture for detectors is made of such.
        classifier_weight: Of the classifier's cross-entropy.
        judged: Crops of each camera that the classifier is shown a step.
        validate_every: Steps between two validations.
        patience: Validations without a better one after which it ends.
        source_steps: Steps of the classifier alone, afterwards.
        source_batch: Crops of each of these.
        source_rate: Adam, peak value.
        seed: Of every random choice.
        information: Factor of the weight of the information term, which counts more than in training from nothing.
        difference: Factor of that of the difference term: a camera's faults change intensities more than detail.
        losses: Weights of the terms in the training of the model that it starts from.
    """

    steps: int = 1500
    batch: int = 2
    side: int = 192
    learning_rate: float = 1.6e-3
    final_rate: float = 0.05
    pull: float = 0.02
    replay: float = 0.4
    cleaned: float = 0.35
    invert: float = 0.3
    classifier_weight: float = 0.3
    judged: int = 2
    validate_every: int = 150
    patience: int = 4
    source_steps: int = 500
    source_batch: int = 12
    source_rate: float = 3e-3
    seed: int = 1
    information: float = 1.2
    difference: float = 0.4
    losses: FusionRecipe = field(default_factory=FusionRecipe)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


class RigPair(NamedTuple):
    """A pair in one geometry, all (H, W) of one size.

    Attributes:
        name: For messages.
        infrared: As the network is shown it.
        visible: Likewise.
        infrared_aim: The same without the camera's faults.
        visible_aim: Likewise.
    """

    name: str
    infrared: Grey
    visible: Grey
    infrared_aim: Grey
    visible_aim: Grey


class Rig(NamedTuple):
    """What is learnt from.

    Attributes:
        training: Pairs in one geometry.
        held: Those to validate on.
        eyes: Pictures of each camera in its own geometry, at the size at which the source check looks at them.
        scene: Pairs of the simulated scene; None without it.
    """

    training: list[RigPair]
    held: list[RigPair]
    eyes: Eyes
    scene: Sources | None


def rig_crops(pairs: Sequence[RigPair], side: int, recipe: AdaptationRecipe, rng: np.random.Generator) -> PairCrops:
    """One crop at a random place of a random pair; see :class:`PairCrops`."""
    crop = _part(np.stack(pairs[int(rng.integers(len(pairs)))][1:]), side, rng)
    if rng.random() < recipe.invert:
        crop[[0, 2]] = 255 - crop[[0, 2]]
    if rng.random() < recipe.cleaned:
        other = _part(pairs[int(rng.integers(len(pairs)))].visible_aim[None], side, rng)[0]
        crop[2] = detailed(crop[2], other, float(rng.uniform(*_DETAIL)))
        crop[:2] = crop[2:]
    seen, clean = (torch.from_numpy(part)[:, None, None] for part in (crop[:2], crop[2:]))
    return PairCrops(clean, seen)


def _part(pictures: Grey, side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Random square of pictures (N, H, W), flipped at random; (N, side, side)."""
    missing = [max(0, side - length) for length in pictures.shape[1:]]
    if any(missing):
        pictures = np.pad(pictures, ((0, 0), (0, missing[0]), (0, missing[1])), mode="symmetric")
    top, left = (int(rng.integers(length - side + 1)) for length in pictures.shape[1:])
    crop = pictures[:, top : top + side, left : left + side]
    if rng.integers(2):
        crop = crop[..., ::-1]
    return np.ascontiguousarray(crop, np.float32)


def detailed(infrared: NDArray[np.float32], other: NDArray[np.float32], amount: float) -> NDArray[np.float32]:
    """An infrared picture with the fine detail of another picture, both (H, W), grey levels.

    Stands for a camera without faults: where noise was taken off, fine detail went with it, and a network that has seen
    only such pictures forgets how to keep detail.
    """
    detail = other - cv2.GaussianBlur(other, (0, 0), _FINE)
    return np.asarray((infrared + amount * detail).clip(0, 255), np.float32)


def detailed_pairs(pairs: Sequence[RigPair]) -> list[RigPair]:
    """The pairs as of cameras without faults: cleaned, the infrared with the fine detail of another pair's visible."""
    result = []
    for number, pair in enumerate(pairs):
        other = pairs[(number + len(pairs) // 2) % len(pairs)].visible_aim[:, ::-1]
        sized = np.asarray(cv2.resize(other, pair.infrared.shape[::-1], interpolation=cv2.INTER_AREA), np.float32)
        aim = pair.infrared_aim.astype(np.float32)
        infrared = detailed(aim, sized, _DETAIL_VALIDATED).round().astype(np.uint8)
        result.append(RigPair(pair.name, infrared, pair.visible_aim, infrared, pair.visible_aim))
    return result


def adaptation_stage(
    network: BlendNetwork, rig: Rig, recipe: AdaptationRecipe, validate: Callable[[], Mapping[str, float]]
) -> Stage:
    """The stage.

    Args:
        network: Trained in place.
        rig: What to learn from.
        recipe: How.
        validate: Measures; see :class:`Stage`.
    """
    step_of = network.architecture.step
    largest = max(min(pair.infrared.shape) for pair in rig.training)
    side = min(recipe.side // step_of, max(2, largest // step_of)) * step_of
    losses = replace(
        recipe.losses,
        information_weight=recipe.information * recipe.losses.information_weight,
        difference_weight=recipe.difference * recipe.losses.difference_weight,
    )
    start = {name: value.detach().clone() for name, value in network.named_parameters()}
    crops = CropsRecipe(side=side, noise=0.05, sigma=6.0)

    def drawn(rng: np.random.Generator) -> PairCrops:
        if rig.scene is not None and rng.random() < recipe.replay:
            return pair_crops([rig.scene], 1, crops, rng)
        return rig_crops(rig.training, side, recipe, rng)

    def judged(rng: np.random.Generator) -> Tensor:
        scores, labels = [], []
        folders = [rig.eyes] if rig.scene is None else [rig.eyes, (rig.scene.infrared, rig.scene.visible)]
        for label in (0, 1):
            images = folders[int(rng.random() < recipe.replay) if len(folders) > 1 else 0][label]
            length = crop_side(network, images)
            if not length:
                continue  # too small to be judged, by the source check as well
            seen = random_crops(images, recipe.judged, length, rng)
            scores.append(network.classifier(network.features(seen)))
            labels += [label] * recipe.judged
        return F.cross_entropy(torch.cat(scores), torch.tensor(labels)) if scores else torch.zeros(())

    def loss(step: int) -> Tensor:
        rng = generator(recipe.seed, "adaptation", step)
        batch = [drawn(rng) for _ in range(recipe.batch)]
        infrared, visible = torch.cat([crop.clean for crop in batch], dim=1)
        seen_ir, seen_vis = torch.cat([crop.seen for crop in batch], dim=1)
        output = network(seen_ir, seen_vis, network.class_activation_weights().detach())
        total = weighted_losses(infrared, visible, output.infrared_part + output.visible_part, losses)
        away = torch.stack([((value - start[name]) ** 2).sum() for name, value in network.named_parameters()]).sum()
        return total + recipe.classifier_weight * judged(rng) + recipe.pull * away

    module = nn.ModuleDict({"encoder": network.encoder, "heads": network.heads, "classifier": network.classifier})
    return Stage(
        name="adaptation",
        module=module,
        optimizer=torch.optim.Adam(module.parameters(), lr=recipe.learning_rate),
        steps=recipe.steps,
        loss=loss,
        schedule=warm_cosine(recipe.steps, recipe.final_rate, min(_WARM_UP, recipe.steps)),
        validate=validate,
        validate_every=recipe.validate_every,
    )


def fused(network: BlendNetwork, pairs: Sequence[RigPair]) -> list[Grey]:
    """The middle of fused pictures of pairs."""
    weights = network.class_activation_weights().detach()
    return [fuse(network, middle(pair.infrared), middle(pair.visible), weights, torch.device("cpu")) for pair in pairs]


def middle(picture: Grey) -> Grey:
    """The part of a picture that validation looks at."""
    top, left = (max(0, (length - most) // 2) for length, most in zip(picture.shape, _PART, strict=True))
    return np.ascontiguousarray(picture[top : top + _PART[0], left : left + _PART[1]])


def goals(pairs: Sequence[RigPair], pictures: Sequence[Grey]) -> NDArray[np.float64]:
    """VIF + Qabf of fused pictures against the pictures without faults, of each pair, (N,)."""
    return np.array(
        [
            sum(METRICS[name].value(middle(pair.infrared_aim), middle(pair.visible_aim), picture) for name in _GOAL)
            for pair, picture in zip(pairs, pictures, strict=True)
        ]
    )


def evenly(pairs: Sequence[RigPair], most: int = _VALIDATED) -> list[RigPair]:
    """So many pairs, evenly out of all."""
    count = min(len(pairs), most)
    return [pairs[number * len(pairs) // count] for number in range(count)]
