"""Stage 3: decoder and encoder learn, through the frozen fusion rule, to make pictures that keep both sources."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from camf_ros.evaluation.metrics import mean, score
from camf_ros.network.decoder import BORDER
from camf_ros.network.devices import autocast
from camf_ros.network.model import CamfNetwork
from camf_ros.training.classifier import Sources, load_sources
from camf_ros.training.config import FusionRecipe, Recipe
from camf_ros.training.crops import generator, normalise
from camf_ros.training.distributed import process_count, share, share_size
from camf_ros.training.fusion_losses import weighted_losses
from camf_ros.training.images import is_validation
from camf_ros.training.loop import Stage, warm_cosine

# Validation pairs are cut to this many pixels a side: figures in seconds rather than minutes.
_VALIDATION_SIDE = 320
_GREY = 127.5
# The classifier's loss is taken on one pair in so many.
_JUDGED = 4


def fusion_stage(network: CamfNetwork, recipe: Recipe, data: Path, device: torch.device) -> Stage:
    """Stage 3 of a recipe.

    The classifier stays as it is, so the class activation weights do too. The encoder may change; that the frozen
    classifier still tells its features apart is part of the loss, so that the weights keep their meaning.

    Args:
        network: Its decoder, and its encoder if the recipe says so, are trained in place.
        recipe: What to do.
        data: Folder that the recipe's folders are in.
        device: Where to train.

    Raises:
        DataError: If pictures are missing or unreadable.
    """
    settings = recipe.fusion
    folders, held = [], []
    for folder in settings.pairs:
        sources = load_sources(data, [folder], settings.crop)
        keep = [is_validation(path, settings.validation) for path in sources.names]
        folders.append(sources.choose([not k for k in keep]))
        held.append(sources.choose(keep))
    weights = network.class_activation_weights().detach()
    network.classifier.requires_grad_(False)
    network.encoder.requires_grad_(settings.train_encoder)
    judged = max(1, settings.batch // _JUDGED)
    own = share_size(judged)
    labels = torch.tensor([0] * own + [1] * own, device=device)
    inner = slice(BORDER, -BORDER)
    gain = torch.full((settings.batch,), settings.gain, device=device) if settings.gain else None
    gain_of_share = None if gain is None else share(gain)

    def loss(step: int) -> Tensor:
        rng = generator(recipe.seed, "fusion", step)
        infrared, visible = (share(x).to(device) for x in pair_crops(folders, settings, rng))
        with autocast(device):
            features = network.encoder(torch.cat((infrared, visible)))
            used = network.own_gain(features, weights) if gain_of_share is None else gain_of_share
            fused = network.fuse_encoded(features, (settings.crop, settings.crop), weights, used).fused
        grey = ((x.float() + 1) * _GREY for x in (infrared[..., inner, inner], visible[..., inner, inner], fused))
        total = weighted_losses(
            *grey,
            information=settings.information_weight,
            edges=settings.edge_weight,
            differences=settings.difference_weight,
            structure=settings.structure_weight,
        )
        if settings.train_encoder and settings.classifier_weight and own:
            # On some of the pairs: the classifier costs as much as all the rest.
            scores = network.classifier([torch.cat((f[:own], f[len(infrared) :][:own])).float() for f in features])
            # Processes can have different numbers of these pairs, so that the mean of their means would be another one.
            each = F.cross_entropy(scores, labels, reduction="sum") / (2 * judged) * process_count()
            total = total + settings.classifier_weight * each
        return total

    def validate() -> Mapping[str, float]:
        result = {}
        for folder, pairs in zip(settings.pairs, held, strict=True):
            if pairs.names:
                each = zip(pairs.infrared, pairs.visible, strict=True)
                scores = [_score(network, pair, weights, gain, device) for pair in each]
                result.update({f"{name} {folder}": value for name, value in mean(scores).items()})
        return result

    return Stage(
        name="fusion",
        module=torch.nn.ModuleDict({"encoder": network.encoder, "decoder": network.decoder}),
        optimizer=torch.optim.Adam(
            [p for part in (network.encoder, network.decoder) for p in part.parameters() if p.requires_grad],
            lr=settings.learning_rate,
        ),
        steps=settings.steps,
        loss=loss,
        schedule=warm_cosine(settings.steps, settings.final_rate),
        validate=validate,
        validate_every=2000,
    )


def pair_crops(folders: list[Sources], settings: FusionRecipe, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Crops at one random place of both pictures of random pairs, every folder as often as the others.

    Some have their contrast and brightness changed, source by source, as cameras differ; in some, one source is blank,
    as that of a covered lens.

    Args:
        folders: Pairs.
        settings: Number and size of the crops, share of those that are changed.
        rng: Source of every choice.

    Returns:
        Infrared and visible, each (batch, 1, crop, crop), float32, range -1 to 1.
    """
    side = settings.crop
    batch: NDArray[np.uint8] = np.empty((2, settings.batch, 1, side, side), np.uint8)
    for row in range(settings.batch):
        sources = folders[int(rng.integers(len(folders)))]
        chosen = int(rng.integers(len(sources.names)))
        pair = sources.infrared[chosen], sources.visible[chosen]
        top = rng.integers(pair[0].shape[0] - side + 1)
        left = rng.integers(pair[0].shape[1] - side + 1)
        flip = rng.integers(2)
        for source, image in enumerate(pair):
            crop = image[top : top + side, left : left + side]
            batch[source, row, 0] = crop[:, ::-1] if flip else crop
    x = normalise(torch.from_numpy(batch))
    # Contrast about the mean of the crop, and brightness; what falls outside the range saturates, as in a camera.
    shape = (2, settings.batch, 1, 1, 1)
    chosen_rows = rng.random(shape) < settings.vary
    contrast = np.where(chosen_rows, rng.uniform(0.5, 1.25, shape), 1.0)
    brightness = np.where(chosen_rows, rng.uniform(-0.3, 0.3, shape), 0.0)
    centre = x.mean((-3, -2, -1), keepdim=True)
    x = ((x - centre) * torch.from_numpy(contrast).float() + centre + torch.from_numpy(brightness).float()).clamp(-1, 1)
    for row in range(settings.batch):
        if rng.random() < settings.blank:
            x[int(rng.integers(2)), row] = rng.uniform(-1, 1)
    return x[0], x[1]


def _score(
    network: CamfNetwork,
    pair: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    weights: Tensor,
    gain: Tensor | None,
    device: torch.device,
) -> dict[str, float]:
    infrared, visible = (image[:_VALIDATION_SIDE, :_VALIDATION_SIDE] for image in pair)
    with torch.no_grad(), autocast(device):
        x, y = (normalise(torch.from_numpy(image)[None, None]).to(device) for image in (infrared, visible))
        fused = network(x, y, weights, None if gain is None else gain[:1], contrast=1.0).fused
    levels = ((fused.float()[0, 0] + 1) * _GREY).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return score(infrared, visible, levels)
