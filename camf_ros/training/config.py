"""Training recipes: one YAML file describes a model from its data to its default gain.

A recipe is checked whole before anything is loaded, so that a typing mistake does not surface after an hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from camf_ros.errors import CamfError, ParameterError
from camf_ros.network.architecture import Architecture

_T = TypeVar("_T")


@dataclass(frozen=True)
class AutoEncoderRecipe:
    """Stage 1: reconstruct grey images.

    Attributes:
        images: Folders below the data folder, searched recursively for pictures.
        validation: Share of the pictures kept for validation, 0 to 1, chosen by a hash of the file name.
        steps: Optimiser steps.
        batch: Crops a step.
        crop: Side of the square training crops, pixels; the loss is taken on the crop less 2 pixels a side.
        learning_rate: Adam, peak value; warmed up over the first steps, then a cosine down to ``final_rate`` of it.
        final_rate: Share of the learning rate that is left at the end, 0 to 1.
        mse_weight: Weight of the mean squared error (paper: 5).
        laplacian_weight: Weight of the mean squared error of the Laplacians (paper: 1).
    """

    images: tuple[str, ...]
    validation: float = 0.1
    steps: int = 20000
    batch: int = 32
    crop: int = 256
    learning_rate: float = 1e-4
    final_rate: float = 1.0
    mse_weight: float = 5.0
    laplacian_weight: float = 1.0


@dataclass(frozen=True)
class ClassifierRecipe:
    """Stage 2: tell infrared features from visible ones, encoder frozen.

    Attributes:
        pairs: Folders below the data folder with ``infrared`` and ``visible`` in them.
        validation: Share of the pairs kept for validation, 0 to 1.
        steps: Optimiser steps.
        batch: Crops a step, half of them infrared.
        crop: Side of the square crops, pixels.
        learning_rate: RMSProp.
        folds: Folds of the cross-validation that measures the accuracy; 0 leaves it out.
        fold_steps: Optimiser steps of each fold.
    """

    pairs: tuple[str, ...]
    validation: float = 0.1
    steps: int = 20000
    batch: int = 16
    crop: int = 256
    learning_rate: float = 1e-4
    folds: int = 5
    fold_steps: int = 2000


@dataclass(frozen=True)
class Recipe:
    """A whole model.

    Attributes:
        name: Model name; the checkpoint is called after it.
        autoencoder: Stage 1.
        classifier: Stage 2.
        seed: Seed of initialisation and of every random choice.
        gain: Default gain of the fusion rule, above 0.
        architecture: Layer widths.
    """

    name: str
    autoencoder: AutoEncoderRecipe
    classifier: ClassifierRecipe
    seed: int = 1
    gain: float = 0.7
    architecture: Architecture = field(default_factory=Architecture)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as written in the YAML file."""
        return asdict(self)


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        ParameterError: If the file is missing, is not YAML, or holds an unknown, missing or impossible entry.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"recipe {path} cannot be read ({error})", expected="a YAML file") from error
    root = _mapping(path.name, data)
    parts: dict[str, Any] = dict(root)
    for key, part in (("autoencoder", AutoEncoderRecipe), ("classifier", ClassifierRecipe)):
        if key in parts:
            parts[key] = _build(f"{path.name}: {key}", part, _mapping(key, parts[key]))
    if "architecture" in parts:
        try:
            parts["architecture"] = Architecture.from_dict(_mapping("architecture", parts["architecture"]))
        except CamfError as error:
            raise ParameterError(f"{path.name}: {error}") from error
    recipe = _build(path.name, Recipe, parts)
    _check(recipe)
    return recipe


def _mapping(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{where} is a {type(value).__name__}", expected="entries of the form 'name: value'")
    return value


def _build(where: str, kind: type[_T], data: Mapping[str, Any]) -> _T:
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - set(known))
    required = {n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
    missing = sorted(required - set(data))
    if unknown or missing:
        raise ParameterError(f"{where} has unknown entries {unknown} and lacks {missing}", expected=f"{sorted(known)}")
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
    for name, value in values.items():
        default = known[name].default
        # A number written where a text belongs (or the other way round) would fail much later.
        if isinstance(default, (int, float)) and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ParameterError(f"{where}: {name} is {value!r}", expected="a number")
    return kind(**values)


def _check(recipe: Recipe) -> None:
    stages: dict[str, AutoEncoderRecipe | ClassifierRecipe] = {
        "autoencoder": recipe.autoencoder,
        "classifier": recipe.classifier,
    }
    for where, stage in stages.items():
        for name in ("steps", "batch", "learning_rate"):
            if not getattr(stage, name) > 0:
                raise ParameterError(f"{where}: {name} is {getattr(stage, name)!r}", expected="a number above 0")
        if not 0 <= stage.validation < 1:
            raise ParameterError(f"{where}: validation is {stage.validation!r}", expected="0 or more, below 1")
    smallest = 64  # below it the classifier's 'valid' stages have nothing left
    for where, crop in (("autoencoder", recipe.autoencoder.crop), ("classifier", recipe.classifier.crop)):
        if crop < smallest:
            raise ParameterError(f"{where}: crop is {crop}", expected=f"at least {smallest} pixels")
    if recipe.gain <= 0:
        raise ParameterError(f"gain is {recipe.gain!r}", expected="a number above 0")
    if recipe.classifier.batch % 2:
        raise ParameterError(
            f"classifier: batch is {recipe.classifier.batch}",
            expected="an even number: half of it is infrared",
        )
