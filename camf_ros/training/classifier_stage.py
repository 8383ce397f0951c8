"""The auxiliary classifier learns to tell infrared features from visible ones.

In the paper that is stage 2, on the features of an encoder that stays as it is. A blending network has no other goal
for its encoder before it fuses, so encoder and classifier learn together, in stage 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camf_ros.network.blend import BlendNetwork
from camf_ros.network.classifier import AuxiliaryClassifier
from camf_ros.network.inference import Network, autocast
from camf_ros.network.paper import PaperNetwork
from camf_ros.training.config import BlendRecipe, PaperRecipe
from camf_ros.training.data import Sources, generator, is_validation, load_sources, pair_crops, random_crops
from camf_ros.training.distributed import share
from camf_ros.training.loop import Stage, Trainer

#: Given n and a generator: n crops of infrared pictures, then n of visible ones, (2 n, 1, side, side), grey levels.
Draw = Callable[[int, np.random.Generator], Tensor]

# Crops drawn to measure an accuracy, and how many at a time.
_ACCURACY_CROPS, _ACCURACY_BATCH = 512, 64
_VALIDATE_EVERY = 500


@dataclass(frozen=True)
class ClassifierTask:
    """Telling infrared crops from visible ones."""

    name: str  #: Of the stage; random choices depend on it
    network: Network  #: Gives the features
    classifier: AuxiliaryClassifier  #: Usually the network's own
    training: Draw  #: Crops to learn from
    held: Draw | None  #: Crops that are never learnt from; None if there are none
    seed: int  #: Of every random choice
    device: torch.device  #: Where to compute

    def scores(self, grey: Tensor) -> Tensor:
        """Class scores, (N, 2), of pictures (N, 1, H, W), grey levels."""
        with autocast(self.device):
            features = self.network.features(grey.to(self.device))
        scores: Tensor = self.classifier([f.float() for f in features])
        return scores

    def accuracy(self) -> dict[str, float]:
        """``accuracy`` (0 to 1) on the crops that are held; empty if there are none."""
        if self.held is None:
            return {}
        half, right = _ACCURACY_BATCH // 2, 0
        labels = self._labels(half)
        with torch.no_grad():
            for start in range(0, _ACCURACY_CROPS, _ACCURACY_BATCH):
                crops = self.held(half, generator(self.seed, f"{self.name} accuracy", start))
                right += int((self.scores(crops).argmax(1) == labels).sum())
        return {"accuracy": right / _ACCURACY_CROPS}

    def stage(self, module: nn.Module, optimizer: torch.optim.Optimizer, *, steps: int, batch: int) -> Stage:
        """A stage that trains ``module``: the classifier, or encoder and classifier."""
        half = batch // 2
        labels = share(self._labels(half))

        def loss(step: int) -> Tensor:
            crops = self.training(half, generator(self.seed, self.name, step))
            return F.cross_entropy(self.scores(share(crops)), labels)

        return Stage(
            name=self.name,
            module=module,
            optimizer=optimizer,
            steps=steps,
            loss=loss,
            schedule=lambda _step: 1.0,
            validate=self.accuracy,
            validate_every=_VALIDATE_EVERY,
        )

    def _labels(self, half: int) -> Tensor:
        return torch.tensor([0] * half + [1] * half, device=self.device)


def blend_task(
    network: BlendNetwork, recipe: BlendRecipe, training: list[Sources], held: list[Sources], device: torch.device
) -> ClassifierTask:
    """On crops as the network is shown them when it fuses; the infrared and the visible ones are of different pairs."""

    def draw_from(folders: list[Sources]) -> Draw:
        def draw(count: int, rng: np.random.Generator) -> Tensor:
            seen = pair_crops(folders, 2 * count, recipe.crops, rng).seen
            return torch.cat((seen[0, :count], seen[1, count:]))

        return draw

    some = [sources for sources in held if sources.names]
    crops = draw_from(training), draw_from(some) if some else None
    return ClassifierTask("classifier", network, network.classifier, *crops, recipe.seed, device)


def joint_stage(task: ClassifierTask, recipe: BlendRecipe) -> Stage:
    """Stage 1 of a blending network: encoder and classifier."""
    settings = recipe.classifier
    module = nn.ModuleDict({"encoder": task.network.encoder, "classifier": task.classifier})
    linear = task.classifier.linear
    groups: list[dict[str, Any]] = [
        {"params": [*task.network.encoder.parameters(), *task.classifier.stages.parameters()]},
        {"params": linear.parameters(), "lr": settings.linear_rate},
    ]
    optimizer = torch.optim.Adam(groups, lr=settings.learning_rate)
    return task.stage(module, optimizer, steps=settings.steps, batch=settings.batch)


def paper_task(
    network: PaperNetwork, recipe: PaperRecipe, training: Sources, held: Sources, device: torch.device
) -> ClassifierTask:
    """On crops of the pictures as they are."""

    def draw_from(sources: Sources) -> Draw:
        def draw(count: int, rng: np.random.Generator) -> Tensor:
            classes = (sources.infrared, sources.visible)
            return torch.cat([random_crops(images, count, recipe.classifier.crop, rng) for images in classes])

        return draw

    crops = draw_from(training), draw_from(held) if held.names else None
    return ClassifierTask("classifier", network, network.classifier, *crops, recipe.seed, device)


def paper_stage(task: ClassifierTask, recipe: PaperRecipe, steps: int) -> Stage:
    """Stage 2 of the paper: a classifier on the features of a frozen encoder."""
    task.network.encoder.requires_grad_(False)
    settings = recipe.classifier
    optimizer = torch.optim.RMSprop(task.classifier.parameters(), lr=settings.learning_rate)
    return task.stage(task.classifier, optimizer, steps=steps, batch=settings.batch)


def train_classifier(
    network: PaperNetwork, recipe: PaperRecipe, data: Path, device: torch.device, trainer: Trainer
) -> dict[str, float]:
    """Stage 2 of the paper: the classifier that the fusion rule is read from.

    Returns validation accuracy (``accuracy``, 0 to 1) and training time (``seconds``).
    """
    settings = recipe.classifier
    sources = load_sources(data, settings.pairs, settings.crop)
    held = [is_validation(path, settings.validation, recipe.held_out) for path in sources.names]
    task = paper_task(network, recipe, *sources.apart(held), device)
    return trainer.run(paper_stage(task, recipe, settings.steps))


def cross_validate(
    network: PaperNetwork, recipe: PaperRecipe, data: Path, device: torch.device, trainer: Trainer
) -> list[float]:
    """Accuracy (0 to 1) of fresh classifiers on each fold of the pairs, trained on the others."""
    settings = recipe.classifier
    sources = load_sources(data, settings.pairs, settings.crop)
    sources = sources.choose([path.stem not in recipe.held_out for path in sources.names])
    order = generator(recipe.seed, "folds", 0).permutation(len(sources.names))
    accuracies = []
    for fold in range(settings.folds):
        held = [False] * len(order)
        for row in order[fold :: settings.folds]:
            held[row] = True
        torch.manual_seed(recipe.seed + fold)
        fresh = AuxiliaryClassifier(recipe.architecture.channels).to(device)
        task = paper_task(network, recipe, *sources.apart(held), device)
        task = replace(task, name=f"fold{fold + 1}", classifier=fresh)
        accuracies.append(trainer.run(paper_stage(task, recipe, settings.fold_steps))["accuracy"])
    return accuracies
