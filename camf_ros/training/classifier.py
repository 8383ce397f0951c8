"""Stage 2: the auxiliary classifier learns to tell infrared features from visible ones; the encoder stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from camf_ros.imaging.pairs import find_pairs
from camf_ros.network.classifier import AuxiliaryClassifier
from camf_ros.network.devices import autocast
from camf_ros.network.encoder import Encoder
from camf_ros.network.model import CamfNetwork
from camf_ros.training.config import ClassifierRecipe, Recipe
from camf_ros.training.crops import generator, random_crops
from camf_ros.training.distributed import share
from camf_ros.training.images import GreyImage, is_validation, load_grey
from camf_ros.training.loop import Stage, Trainer

# Crops drawn to measure an accuracy, and how many at a time.
_ACCURACY_CROPS, _ACCURACY_BATCH = 512, 32


@dataclass(frozen=True)
class Sources:
    """Grey pictures of both classes, in one order: entry i of both lists is one pair."""

    infrared: list[GreyImage]
    visible: list[GreyImage]
    names: list[Path]

    def choose(self, keep: Sequence[bool]) -> Sources:
        """The pairs whose entry in ``keep`` is true."""
        rows = [row for row, kept in enumerate(keep) if kept]
        return Sources(
            [self.infrared[row] for row in rows],
            [self.visible[row] for row in rows],
            [self.names[row] for row in rows],
        )


def load_sources(data: Path, folders: Sequence[str], crop: int) -> Sources:
    """Load all pairs of some folders.

    Raises:
        DataError: If a picture has no counterpart of the same name, or cannot be read.
    """
    pairs = [pair for folder in folders for pair in find_pairs(data / folder)]
    infrared, visible = ([load_grey(path, crop) for path in files] for files in zip(*pairs, strict=True))
    return Sources(infrared, visible, [path for path, _ in pairs])


def classifier_stage(
    name: str,
    encoder: Encoder,
    classifier: AuxiliaryClassifier,
    sources: Sources,
    settings: ClassifierRecipe,
    *,
    steps: int,
    seed: int,
    device: torch.device,
    held_out: Sources | None = None,
) -> Stage:
    """Train a classifier on a frozen encoder's features of some pairs; report accuracy on others."""
    half = settings.batch // 2
    labels = share(torch.tensor([0] * half + [1] * half, device=device))

    def logits(crops: Tensor) -> Tensor:
        with torch.no_grad(), autocast(device):
            features = encoder(crops.to(device))
        scores: Tensor = classifier([f.float() for f in features])
        return scores

    def loss(step: int) -> Tensor:
        rng = generator(seed, name, step)
        crops = [random_crops(images, half, settings.crop, rng) for images in (sources.infrared, sources.visible)]
        return F.cross_entropy(logits(share(torch.cat(crops))), labels)

    def validate() -> Mapping[str, float]:
        if held_out is None or not held_out.names:
            return {}
        return {"accuracy": accuracy(held_out)}

    def accuracy(pairs: Sources) -> float:
        right = 0
        with torch.no_grad():
            for label, images in enumerate((pairs.infrared, pairs.visible)):
                for start in range(0, _ACCURACY_CROPS // 2, _ACCURACY_BATCH):
                    rng = generator(seed, f"{name} accuracy {label}", start)
                    crops = random_crops(images, _ACCURACY_BATCH, settings.crop, rng)
                    right += int((logits(crops).argmax(1) == label).sum())
        return right / _ACCURACY_CROPS

    return Stage(
        name=name,
        module=classifier,
        optimizer=torch.optim.RMSprop(classifier.parameters(), lr=settings.learning_rate),
        steps=steps,
        loss=loss,
        schedule=lambda _step: 1.0,
        validate=validate,
        validate_every=500,
    )


def train_classifier(
    network: CamfNetwork, recipe: Recipe, data: Path, device: torch.device, trainer: Trainer
) -> dict[str, float]:
    """Stage 2 of a recipe: the classifier that the fusion rule is read from.

    Returns:
        Validation accuracy (``accuracy``, 0 to 1) and training time (``seconds``).
    """
    return trainer.run(_stage_of(network, recipe, data, device))


def validation_accuracy(network: CamfNetwork, recipe: Recipe, data: Path, device: torch.device) -> dict[str, float]:
    """``accuracy`` (0 to 1) of the classifier as it is on the validation pairs of stage 2; empty if there are none."""
    validate = _stage_of(network, recipe, data, device).validate
    return dict(validate()) if validate else {}


def _stage_of(network: CamfNetwork, recipe: Recipe, data: Path, device: torch.device) -> Stage:
    settings = recipe.classifier
    sources = load_sources(data, settings.pairs, settings.crop)
    held = [is_validation(path, settings.validation) for path in sources.names]
    return classifier_stage(
        "classifier",
        network.encoder,
        network.classifier,
        sources.choose([not h for h in held]),
        settings,
        steps=settings.steps,
        seed=recipe.seed,
        device=device,
        held_out=sources.choose(held),
    )


def cross_validate(
    network: CamfNetwork, recipe: Recipe, data: Path, device: torch.device, trainer: Trainer
) -> list[float]:
    """Accuracy (0 to 1) of fresh classifiers on each fold of the pairs, trained on the others."""
    settings = recipe.classifier
    sources = load_sources(data, settings.pairs, settings.crop)
    order = generator(recipe.seed, "folds", 0).permutation(len(sources.names))
    accuracies = []
    for fold in range(settings.folds):
        held = [False] * len(order)
        for row in order[fold :: settings.folds]:
            held[row] = True
        torch.manual_seed(recipe.seed + fold)
        stage = classifier_stage(
            f"fold{fold + 1}",
            network.encoder,
            AuxiliaryClassifier(recipe.architecture).to(device),
            sources.choose([not h for h in held]),
            settings,
            steps=settings.fold_steps,
            seed=recipe.seed,
            device=device,
            held_out=sources.choose(held),
        )
        accuracies.append(trainer.run(stage)["accuracy"])
    return accuracies
