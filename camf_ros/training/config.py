"""Training recipes: one YAML file describes a model from its data to its weights.

The kind of the architecture decides which parts a recipe has: the paper's network has ``autoencoder`` and
``classifier``, a blending network ``crops``, ``classifier`` and ``fusion``. A recipe is checked whole before anything
is loaded, so that a typing mistake does not surface after an hour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from camf_ros.errors import CamfError, DataError, ParameterError
from camf_ros.network.architecture import BlendArchitecture, PaperArchitecture, from_dict, to_dict
from camf_ros.settings.table import KEY, build, part, setting
from camf_ros.settings.yaml_file import read_yaml

# Below these sides the classifier's 'valid' stages have nothing left of features at 1/4 and at 1/8 of the size.
_SMALLEST_CROP, _SMALLEST_BLEND_CROP = 64, 104
_LARGEST_CROP = 4096
_MOST = 10**9
_HELD_OUT = (
    "Names of pictures, without their ending, that are never trained on; they are for validation, beside the share "
    "chosen by the hash of the name. In a YAML file also the name of a text file beside it, one name a line."
)


def _weight(default: float, text: str) -> float:
    return setting(default, text, minimum=0, maximum=1e6)


def _share(default: float, text: str) -> float:
    return setting(default, text, minimum=0, maximum=1)


def _rate(default: float, text: str) -> float:
    return setting(default, text, minimum=1e-9, maximum=1)


def _kept(default: float, text: str) -> float:
    return setting(default, text, minimum=0, maximum=0.9999)


def _steps(default: int, text: str = "Optimiser steps.") -> int:
    return setting(default, text, minimum=1, maximum=_MOST)


@dataclass(frozen=True)
class AutoEncoderRecipe:
    """Stage 1 of the paper: reconstruct grey images."""

    images: tuple[str, ...] = setting((), "Folders below the data folder, searched recursively for pictures.")
    validation: float = _kept(0.1, "Share of the pictures kept for validation, chosen by a hash of the file name.")
    steps: int = _steps(20000)
    batch: int = setting(32, "Crops a step.", minimum=1, maximum=65536)
    crop: int = setting(
        256,
        "Side of the square training crops; the loss is taken on the crop less 2 pixels a side.",
        minimum=_SMALLEST_CROP,
        maximum=_LARGEST_CROP,
        unit="pixels",
    )
    learning_rate: float = _rate(
        1e-4, "Adam, peak value; warmed up over the first steps, then a cosine down to final_rate of it."
    )
    final_rate: float = _share(1.0, "Share of the learning rate that is left at the end.")
    initialisation: str = setting(
        "he", "How encoder and decoder begin; the paper's authors have glorot.", choices=("he", "glorot")
    )
    mse_weight: float = _weight(5.0, "Weight of the mean squared error in the loss; the paper has 5.")
    laplacian_weight: float = _weight(1.0, "Weight of the mean squared error of the Laplacians; the paper has 1.")


@dataclass(frozen=True)
class ClassifierRecipe:
    """Stage 2 of the paper: tell infrared features from visible ones, encoder frozen."""

    pairs: tuple[str, ...] = setting((), "Folders below the data folder with infrared and visible in them.")
    validation: float = _kept(0.1, "Share of the pairs kept for validation.")
    steps: int = _steps(20000)
    batch: int = setting(16, "Crops a step, an even number: half of them are infrared.", minimum=2, maximum=65536)
    crop: int = setting(256, "Side of the square crops.", minimum=_SMALLEST_CROP, maximum=_LARGEST_CROP, unit="pixels")
    learning_rate: float = _rate(1e-4, "RMSProp.")
    folds: int = setting(
        5, "Folds of the cross-validation that measures the accuracy; 0 leaves it out.", minimum=0, maximum=1000
    )
    fold_steps: int = _steps(2000, "Optimiser steps of each fold.")

    def __post_init__(self) -> None:
        _check_even("classifier.batch", self.batch)
        if self.folds == 1:
            raise ParameterError("classifier.folds is 1", expected="0, or 2 and more")


@dataclass(frozen=True)
class CropsRecipe:
    """What a blending network is shown in both stages: crops of pairs, altered as cameras and weather alter them."""

    side: int = setting(
        128,
        "Side of the square crops, a multiple of 2^(levels of the pyramid - 1).",
        minimum=_SMALLEST_BLEND_CROP,
        maximum=_LARGEST_CROP,
        unit="pixels",
    )
    rescale: float = _share(0.0, "Share of the crops that are enlarged or reduced, by 0.6 to 1.6.")
    vary: float = _share(0.3, "Share of the crops whose contrast and brightness are changed, source by source.")
    blank: float = _share(0.03, "Share of the pairs in which one source is made blank.")
    invert: float = _share(
        0.5, "Share of the crops whose infrared is inverted: both polarities, white-hot and black-hot."
    )
    noise: float = _share(
        0.3, "Share of the crops with the noise of a sensor, source by source; the losses compare with the clean ones."
    )
    sigma: float = setting(
        8.0, "Largest standard deviation of the noise; the smallest is 1.", minimum=1, maximum=128, unit="grey levels"
    )


@dataclass(frozen=True)
class JointClassifierRecipe:
    """Stage 1 of a blending network: encoder and classifier learn together to tell infrared from visible."""

    steps: int = _steps(800)
    batch: int = setting(16, "Crops a step, an even number: half of them are infrared.", minimum=2, maximum=65536)
    learning_rate: float = _rate(1e-3, "Adam.")
    linear_rate: float = _rate(
        2e-2, "Adam, of the linear layer that the class activation weights are read off: they are to differ."
    )

    def __post_init__(self) -> None:
        _check_even("classifier.batch", self.batch)


@dataclass(frozen=True)
class FusionRecipe:
    """Stage 2 of a blending network: encoder and heads learn to fuse, with frozen class activation weights."""

    weights: str = setting(
        "read",
        "Class activation weights: read off the classifier, which is the method. To see what they bring: all equal, or "
        "those of the classifier shuffled within each scale.",
        choices=("read", "equal", "shuffled"),
    )
    steps: int = _steps(2000)
    batch: int = setting(8, "Pairs of crops a step.", minimum=1, maximum=65536)
    learning_rate: float = _rate(
        3e-3, "Adam, peak value; warmed up over the first steps, then a cosine down to final_rate of it."
    )
    final_rate: float = _share(0.01, "Share of the learning rate that is left at the end.")
    validate_every: int = _steps(1000, "Steps between two validations.")
    information_weight: float = _weight(1.5, "Weight of the loss of visual information (VIF).")
    edge_weight: float = _weight(5.0, "Weight of the loss of edges (Qabf).")
    difference_weight: float = _weight(1.5, "Weight of what the fused picture lacks of the sources' intensities (SCD).")
    structure_weight: float = _weight(2.5, "Weight of the loss of structure (SSIM).")
    gradient_weight: float = _weight(0.3, "Weight of the differences from the larger of both gradients, at full size.")
    gradient_boost: float = setting(
        1.15, "By how much that gradient is multiplied to be the goal.", minimum=0, maximum=10
    )
    contrast_weight: float = _weight(
        0.2, "Weight of the contrast to the surroundings that is lost, at the size of people."
    )
    contrast_aim: float = setting(
        1.1, "Share of the stronger source's contrast that is asked for.", minimum=0, maximum=10
    )
    brightness_weight: float = _weight(
        0.2, "Weight of the difference from the visible picture in bright skies that are dark in infrared."
    )
    faint_detail: float = setting(
        0.0,
        "In bright even parts of the visible picture, such as a sky, infrared detail below about this is left out of "
        "the goals; 0 leaves it in.",
        minimum=0,
        maximum=128,
        unit="grey levels",
    )
    range_weight: float = _weight(0.05, "Weight of what is outside the grey levels 0 to 255 and will be cut off.")
    classifier_weight: float = _weight(
        0.1,
        "Weight of the frozen classifier's cross-entropy, which keeps the weights' meaning while the encoder learns.",
    )

    def __post_init__(self) -> None:
        names = [
            f"{term}_weight" for term in ("information", "edge", "difference", "structure", "gradient", "contrast")
        ]
        if not any(getattr(self, name) for name in names):
            raise ParameterError(
                f"{', '.join(f'fusion.{name}' for name in names)} are all 0", expected="at least one above 0"
            )


@dataclass(frozen=True)
class PaperRecipe:
    """A model with the paper's network."""

    name: str = setting("", "Model name; the checkpoint is called after it.")
    seed: int = setting(1, "Seed of initialisation and of every random choice.", minimum=0, maximum=2**31 - 1)
    terms: str = setting("", "Terms of use of the data, as far as they are known. The model carries them.")
    held_out: tuple[str, ...] = setting((), _HELD_OUT)
    autoencoder: AutoEncoderRecipe = part(AutoEncoderRecipe)
    classifier: ClassifierRecipe = part(ClassifierRecipe)
    architecture: PaperArchitecture = field(default_factory=PaperArchitecture)

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_folders("autoencoder.images", self.autoencoder.images)
        _check_folders("classifier.pairs", self.classifier.pairs)

    @property
    def batches(self) -> dict[str, int]:
        """Batch of each stage."""
        return {"autoencoder": self.autoencoder.batch, "classifier": self.classifier.batch}

    @property
    def folders(self) -> list[str]:
        """Folders below the data folder, sorted."""
        return sorted({*self.autoencoder.images, *self.classifier.pairs})

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as written in the YAML file."""
        return {**asdict(self), "architecture": to_dict(self.architecture)}


@dataclass(frozen=True)
class BlendRecipe:
    """A model with a blending network."""

    name: str = setting("", "Model name; the checkpoint is called after it.")
    seed: int = setting(1, "Seed of initialisation and of every random choice.", minimum=0, maximum=2**31 - 1)
    terms: str = setting("", "Terms of use of the data, as far as they are known. The model carries them.")
    pairs: tuple[str, ...] = setting((), "Folders below the data folder with infrared and visible in them.")
    validation: float = _kept(0.1, "Share of the pairs kept for validation, chosen by a hash of the file name.")
    held_out: tuple[str, ...] = setting((), _HELD_OUT)
    crops: CropsRecipe = part(CropsRecipe)
    classifier: JointClassifierRecipe = part(JointClassifierRecipe)
    fusion: FusionRecipe = part(FusionRecipe)
    architecture: BlendArchitecture = field(default_factory=BlendArchitecture)

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_folders("pairs", self.pairs)
        if self.crops.side % self.architecture.step:
            raise ParameterError(
                f"crops.side is {self.crops.side}",
                expected=f"a multiple of {self.architecture.step}, for a pyramid of {self.architecture.levels} levels",
            )

    @property
    def batches(self) -> dict[str, int]:
        """Batch of each stage."""
        return {"classifier": self.classifier.batch, "fusion": self.fusion.batch}

    @property
    def folders(self) -> list[str]:
        """Folders below the data folder, sorted."""
        return sorted(set(self.pairs))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as written in the YAML file."""
        return {**asdict(self), "architecture": to_dict(self.architecture)}


Recipe = PaperRecipe | BlendRecipe
_KINDS: dict[str, type[PaperRecipe] | type[BlendRecipe]] = {"paper": PaperRecipe, "blend": BlendRecipe}


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises DataError if the file, or that of ``held_out``, is missing, too large, or not readable, and ParameterError if
    it holds an unknown, missing or impossible entry.
    """
    data = read_yaml(path, "recipe", remedy="name a YAML file, or one of config/training without its ending")
    try:
        entries = dict(_mapping("the recipe", data))
        if isinstance(entries.get("held_out"), str):
            entries["held_out"] = _names(path.parent / entries["held_out"])
        return recipe_of(entries)
    except DataError:
        raise
    except CamfError as error:
        raise ParameterError(f"{path.name}: {error}") from error


def recipe_of(data: Mapping[str, Any]) -> Recipe:
    """A recipe from plain data, such as ``to_dict`` gives; what is left out keeps its default.

    Raises ParameterError if an entry is unknown, missing or impossible, and CheckpointError if the architecture is.
    """
    entries = dict(data)
    # Without an architecture a recipe is the paper's.
    architecture = _mapping("architecture", entries.pop("architecture", {"kind": "paper"}))
    kind = architecture.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ParameterError(f"architecture.kind is {kind!r}", expected=" or ".join(_KINDS))
    recipe = _KINDS[kind]
    others = {name for other in _KINDS.values() for name in _parts(other)} - _parts(recipe)
    if foreign := sorted(others & entries.keys()):
        raise ParameterError(
            f"the architecture is of kind {kind}, which has no part {', '.join(foreign)}",
            expected=f"the parts {', '.join(sorted(_parts(recipe)))}",
            remedy="take it out, or choose another architecture.kind",
        )
    default = PaperArchitecture() if kind == "paper" else BlendArchitecture()
    shape = from_dict({**to_dict(default), **architecture})
    return build(recipe, _flat(entries, _parts(recipe)), architecture=shape)


def _parts(recipe: type[Any]) -> set[str]:
    """Names of the fields that are settings classes themselves."""
    return {entry.name for entry in fields(recipe) if isinstance(entry.metadata.get(KEY), type)}


def _names(path: Path) -> list[str]:
    """Lines of a text file, without empty ones and those that begin with #."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"held_out: {path} cannot be read ({error})", remedy="name a text file beside the recipe, or give a list"
        ) from error
    return [line for line in lines if line and not line.startswith("#")]


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ParameterError(f"name is {name!r}", expected="letters, digits, '.', '_' and '-': it becomes a file name")


def _check_folders(name: str, folders: tuple[str, ...]) -> None:
    if not folders:
        raise ParameterError(f"{name} is empty", expected="a list of at least one folder below the data folder")


def _check_even(name: str, batch: int) -> None:
    if batch % 2:
        raise ParameterError(f"{name} is {batch}", expected="an even number")


def _mapping(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{where} is a {type(value).__name__}", expected="entries of the form 'name: value'")
    return value


def _flat(entries: Mapping[str, Any], parts: set[str]) -> dict[str, object]:
    """Names of nested entries joined by dots, as settings are named."""
    result: dict[str, object] = {}
    for name, value in entries.items():
        if name in parts:
            result.update({f"{name}.{key}": inner for key, inner in _mapping(name, value).items()})
        else:
            result[name] = value
    return result
