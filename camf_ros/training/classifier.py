"""The auxiliary classifier learns to tell infrared features from visible ones.

In the paper that is stage 2, on the features of an encoder that stays as it is. A blending network has no other goal for its
encoder before it fuses, so encoder and classifier learn together, in stage 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camf_ros.network.blend import BlendNetwork
from camf_ros.network.classifier import AuxiliaryClassifier
from camf_ros.network.devices import autocast
from camf_ros.network.inference import Network
from camf_ros.network.paper import PaperNetwork
from camf_ros.training.config import BlendRecipe, PaperRecipe
from camf_ros.training.crops import generator, random_crops
from camf_ros.training.distributed import share
from camf_ros.training.images import is_validation
from camf_ros.training.loop import Stage, Trainer
from camf_ros.training.pair_crops import pair_crops
from camf_ros.training.sources import Sources, load_sources

#: Given n and a generator: n crops of infrared pictures, then n of visible ones, (2 n, 1, side, side), grey levels.
Draw = Callable[[int, np.random.Generator], Tensor]

# Crops drawn to measure an accuracy, and how many at a time.
_ACCURACY_CROPS, _ACCURACY_BATCH = 512, 64
_VALIDATE_EVERY = 500


class Examples:
    """What a classifier learns from and what it is measured on.

    Args:
        training: Draws crops to learn from.
        held: Draws crops that are never learnt from; None if there are none.
    """

    def __init__(self, training: Draw, held: Draw | None) -> None:
        self.training = training
        self.held = held


def scores(network: Network, classifier: AuxiliaryClassifier, grey: Tensor, device: torch.device) -> Tensor:
    """Class scores, (N, 2), of pictures (N, 1, H, W), grey levels; features in reduced precision where that is fast."""
    with autocast(device):
        features = network.features(grey.to(device))
    result: Tensor = classifier([f.float() for f in features])
    return result


def accuracy(
    network: Network, classifier: AuxiliaryClassifier, held: Draw | None, name: str, seed: int, device: torch.device
) -> dict[str, float]:
    """``accuracy`` (0 to 1) on crops that are held back; empty if there are none."""
    if held is None:
        return {}
    half, right = _ACCURACY_BATCH // 2, 0
    labels = torch.tensor([0] * half + [1] * half, device=device)
    with torch.no_grad():
        for start in range(0, _ACCURACY_CROPS, _ACCURACY_BATCH):
            crops = held(half, generator(seed, f"{name} accuracy", start))
            right += int((scores(network, classifier, crops, device).argmax(1) == labels).sum())
    return {"accuracy": right / _ACCURACY_CROPS}


def classifier_stage(
    name: str,
    network: Network,
    classifier: AuxiliaryClassifier,
    examples: Examples,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    steps: int,
    batch: int,
    seed: int,
    device: torch.device,
) -> Stage:
    """A stage that trains ``module``: the classifier, or encoder and classifier."""
    half = batch // 2
    labels = share(torch.tensor([0] * half + [1] * half, device=device))

    def loss(step: int) -> Tensor:
        crops = examples.training(half, generator(seed, name, step))
        return F.cross_entropy(scores(network, classifier, share(crops), device), labels)

    def validate() -> Mapping[str, float]:
        return accuracy(network, classifier, examples.held, name, seed, device)

    return Stage(
        name=name,
        module=module,
        optimizer=optimizer,
        steps=steps,
        loss=loss,
        schedule=lambda _step: 1.0,
        validate=validate,
        validate_every=_VALIDATE_EVERY,
    )


def joint_stage(network: BlendNetwork, recipe: BlendRecipe, examples: Examples, device: torch.device) -> Stage:
    """Stage 1 of a blending network: encoder and classifier."""
    settings = recipe.classifier
    module = nn.ModuleDict({"encoder": network.encoder, "classifier": network.classifier})
    return classifier_stage(
        "classifier",
        network,
        network.classifier,
        examples,
        module,
        torch.optim.Adam(module.parameters(), lr=settings.learning_rate),
        steps=settings.steps,
        batch=settings.batch,
        seed=recipe.seed,
        device=device,
    )


def blend_examples(recipe: BlendRecipe, training: list[Sources], held: list[Sources]) -> Examples:
    """Crops as the network is shown them when it fuses; the infrared and the visible ones are of different pairs."""

    def draw_from(folders: list[Sources]) -> Draw:
        def draw(count: int, rng: np.random.Generator) -> Tensor:
            seen = pair_crops(folders, 2 * count, recipe.crops, rng).seen
            return torch.cat((seen[0, :count], seen[1, count:]))

        return draw

    some = [sources for sources in held if sources.names]
    return Examples(draw_from(training), draw_from(some) if some else None)


def paper_stage(
    name: str,
    network: PaperNetwork,
    classifier: AuxiliaryClassifier,
    recipe: PaperRecipe,
    examples: Examples,
    steps: int,
    device: torch.device,
) -> Stage:
    """Stage 2 of the paper: a classifier on the features of a frozen encoder."""
    network.encoder.requires_grad_(False)
    settings = recipe.classifier
    return classifier_stage(
        name,
        network,
        classifier,
        examples,
        classifier,
        torch.optim.RMSprop(classifier.parameters(), lr=settings.learning_rate),
        steps=steps,
        batch=settings.batch,
        seed=recipe.seed,
        device=device,
    )


def paper_examples(recipe: PaperRecipe, training: Sources, held: Sources) -> Examples:
    """Crops of the pictures as they are."""

    def draw_from(sources: Sources) -> Draw:
        def draw(count: int, rng: np.random.Generator) -> Tensor:
            classes = (sources.infrared, sources.visible)
            return torch.cat([random_crops(images, count, recipe.classifier.crop, rng) for images in classes])

        return draw

    return Examples(draw_from(training), draw_from(held) if held.names else None)


def train_classifier(
    network: PaperNetwork, recipe: PaperRecipe, data: Path, device: torch.device, trainer: Trainer
) -> dict[str, float]:
    """Stage 2 of the paper's recipe: the classifier that the fusion rule is read from.

    Returns:
        Validation accuracy (``accuracy``, 0 to 1) and training time (``seconds``).
    """
    settings = recipe.classifier
    sources = load_sources(data, settings.pairs, settings.crop)
    held = [is_validation(path, settings.validation, recipe.held_out) for path in sources.names]
    examples = paper_examples(recipe, *sources.apart(held))
    return trainer.run(paper_stage("classifier", network, network.classifier, recipe, examples, settings.steps, device))


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
        examples = paper_examples(recipe, *sources.apart(held))
        fresh = AuxiliaryClassifier(recipe.architecture.channels).to(device)
        stage = paper_stage(f"fold{fold + 1}", network, fresh, recipe, examples, settings.fold_steps, device)
        accuracies.append(trainer.run(stage)["accuracy"])
    return accuracies
