"""Training recipes: one YAML file describes a model from its data to its weights.

A recipe is checked whole before anything is loaded, so that a typing mistake does not surface after an hour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from camf_ros.errors import CamfError, ParameterError
from camf_ros.network.architecture import Architecture
from camf_ros.settings.spec import part, setting
from camf_ros.settings.table import build
from camf_ros.settings.yaml_file import read_yaml

# Below this side the classifier's 'valid' stages have nothing left.
_SMALLEST_CROP = 64
_MOST = 10**9


@dataclass(frozen=True)
class AutoEncoderRecipe:
    """Stage 1: reconstruct grey images."""

    images: tuple[str, ...] = setting((), "Folders below the data folder, searched recursively for pictures.")
    validation: float = setting(
        0.1,
        "Share of the pictures kept for validation, chosen by a hash of the file name.",
        minimum=0,
        maximum=0.9999,
    )
    steps: int = setting(20000, "Optimiser steps.", minimum=1, maximum=_MOST)
    batch: int = setting(32, "Crops a step.", minimum=1, maximum=65536)
    crop: int = setting(
        256,
        "Side of the square training crops; the loss is taken on the crop less 2 pixels a side.",
        minimum=_SMALLEST_CROP,
        maximum=4096,
        unit="pixels",
    )
    learning_rate: float = setting(
        1e-4,
        "Adam, peak value; warmed up over the first steps, then a cosine down to final_rate of it.",
        minimum=1e-9,
        maximum=1,
    )
    final_rate: float = setting(1.0, "Share of the learning rate that is left at the end.", minimum=0, maximum=1)
    initialisation: str = setting(
        "he", "How encoder and decoder begin; the paper's authors have glorot.", choices=("he", "glorot")
    )
    skip_dropout: float = setting(
        0.5,
        "Share of the crops for which the decoder does without the features of the finer layers, so that it learns to "
        "use the deepest ones; without meaning where those alone are fused, as in the paper.",
        minimum=0,
        maximum=1,
    )
    mse_weight: float = setting(
        5.0, "Weight of the mean squared error in the loss; the paper has 5.", minimum=0, maximum=1e6
    )
    laplacian_weight: float = setting(
        1.0, "Weight of the mean squared error of the Laplacians; the paper has 1.", minimum=0, maximum=1e6
    )


@dataclass(frozen=True)
class ClassifierRecipe:
    """Stage 2: tell infrared features from visible ones, encoder frozen."""

    pairs: tuple[str, ...] = setting((), "Folders below the data folder with infrared and visible in them.")
    validation: float = setting(0.1, "Share of the pairs kept for validation.", minimum=0, maximum=0.9999)
    steps: int = setting(20000, "Optimiser steps.", minimum=1, maximum=_MOST)
    batch: int = setting(16, "Crops a step, an even number: half of them are infrared.", minimum=2, maximum=65536)
    crop: int = setting(256, "Side of the square crops.", minimum=_SMALLEST_CROP, maximum=4096, unit="pixels")
    learning_rate: float = setting(1e-4, "RMSProp.", minimum=1e-9, maximum=1)
    folds: int = setting(
        5, "Folds of the cross-validation that measures the accuracy; 0 leaves it out.", minimum=0, maximum=1000
    )
    fold_steps: int = setting(2000, "Optimiser steps of each fold.", minimum=1, maximum=_MOST)

    def __post_init__(self) -> None:
        if self.batch % 2:
            raise ParameterError(f"classifier.batch is {self.batch}", expected="an even number")
        if self.folds == 1:
            raise ParameterError("classifier.folds is 1", expected="0, or 2 and more")


@dataclass(frozen=True)
class FusionRecipe:
    """Stage 3: make fused pictures that keep both sources, through the frozen fusion rule. Not in the paper."""

    pairs: tuple[str, ...] = setting((), "Folders below the data folder with infrared and visible in them.")
    validation: float = setting(0.1, "Share of the pairs kept for validation.", minimum=0, maximum=0.9999)
    steps: int = setting(0, "Optimiser steps; 0 leaves the stage out.", minimum=0, maximum=_MOST)
    batch: int = setting(16, "Pairs of crops a step.", minimum=1, maximum=65536)
    crop: int = setting(128, "Side of the square crops.", minimum=_SMALLEST_CROP, maximum=4096, unit="pixels")
    learning_rate: float = setting(
        1e-3, "Adam, peak value, with the same course as in the first stage.", minimum=1e-9, maximum=1
    )
    final_rate: float = setting(0.01, "Share of the learning rate that is left at the end.", minimum=0, maximum=1)
    train_encoder: bool = setting(True, "Whether the encoder learns too; the decoder always does.")
    gain: float = setting(0.0, "Gain of the fusion rule in training; 0 is the automatic one.", minimum=0, maximum=4)
    information_weight: float = setting(1.0, "Weight of the loss of visual information (VIF).", minimum=0, maximum=1e6)
    edge_weight: float = setting(1.0, "Weight of the loss of edges (Qabf).", minimum=0, maximum=1e6)
    difference_weight: float = setting(
        1.0, "Weight of what the fused picture lacks of the sources' intensities (SCD).", minimum=0, maximum=1e6
    )
    structure_weight: float = setting(1.0, "Weight of the loss of structure (SSIM).", minimum=0, maximum=1e6)
    classifier_weight: float = setting(
        0.1,
        "Weight of the frozen classifier's cross-entropy, which keeps the weights' meaning when the encoder learns.",
        minimum=0,
        maximum=1e6,
    )
    vary: float = setting(
        0.3, "Share of the crops whose contrast and brightness are changed, source by source.", minimum=0, maximum=1
    )
    blank: float = setting(0.03, "Share of the pairs in which one source is made blank.", minimum=0, maximum=1)

    def __post_init__(self) -> None:
        names = ("information_weight", "edge_weight", "difference_weight", "structure_weight")
        if not any(getattr(self, name) for name in names):
            raise ParameterError(
                f"{', '.join(f'fusion.{name}' for name in names)} are all 0", expected="at least one above 0"
            )


@dataclass(frozen=True)
class Recipe:
    """A whole model."""

    name: str = setting("", "Model name; the checkpoint is called after it.")
    seed: int = setting(1, "Seed of initialisation and of every random choice.", minimum=0, maximum=2**31 - 1)
    autoencoder: AutoEncoderRecipe = part(AutoEncoderRecipe)
    classifier: ClassifierRecipe = part(ClassifierRecipe)
    fusion: FusionRecipe = part(FusionRecipe)
    architecture: Architecture = field(default_factory=Architecture)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise ParameterError(
                f"name is {self.name!r}", expected="letters, digits, '.', '_' and '-': it becomes a file name"
            )
        for name, folders in (
            ("autoencoder.images", self.autoencoder.images),
            ("classifier.pairs", self.classifier.pairs),
            ("fusion.pairs", self.fusion.pairs),
        ):
            if not folders and not (name == "fusion.pairs" and self.fusion.steps == 0):
                raise ParameterError(f"{name} is empty", expected="a list of at least one folder below the data folder")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as written in the YAML file."""
        return asdict(self)


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        DataError: If the file is missing, too large, or no YAML.
        ParameterError: If it holds an unknown, missing or impossible entry.
    """
    data = read_yaml(path, "recipe", remedy="name a YAML file, or one of config/training without its ending")
    try:
        entries = dict(_mapping("the recipe", data))
        parts: dict[str, Any] = {}
        if "architecture" in entries:
            parts["architecture"] = Architecture.from_dict(_mapping("architecture", entries.pop("architecture")))
        return build(Recipe, _flat(entries), **parts)
    except CamfError as error:
        raise ParameterError(f"{path.name}: {error}") from error


def _mapping(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{where} is a {type(value).__name__}", expected="entries of the form 'name: value'")
    return value


def _flat(entries: Mapping[str, Any]) -> dict[str, object]:
    """Names of nested entries joined by dots, as settings are named."""
    result: dict[str, object] = {}
    for name, value in entries.items():
        if name in {"autoencoder", "classifier", "fusion"}:
            result.update({f"{name}.{key}": inner for key, inner in _mapping(name, value).items()})
        else:
            result[name] = value
    return result
