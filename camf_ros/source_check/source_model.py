"""A model's classifier as the source check asks it: where it looks, and how its scores become probabilities.

The check runs the model's inspection graph in float32 and in one thread. It does not depend on the engine that fuses,
and does not slow it down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import CamfError
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.models import find_model
from camf_ros.network.architecture import MIN_FEATURE_SIZE, Architecture, BlendArchitecture
from camf_ros.network.model_info import ModelInfo
from camf_ros.source_check.measured import CALIBRATIONS

_Values = NDArray[np.float64]

#: Side of a crop in training, pixels.
SIDE = 128
# Usual shorter side of the training pictures. A far larger picture shows too little in a crop, and too softly.
_SHORT_SIDE = 400
# Steps of the sequence of places (Roberts' R2, from the plastic number): it covers the square evenly at any length.
_PLASTIC = 1.32471795724474602596
_STEPS = (1 / _PLASTIC, 1 / _PLASTIC**2)
#: A classifier that is right in fewer of its single crops is not asked: half of them is chance.
LEAST_ACCURACY = 0.7


@dataclass(frozen=True)
class Calibration:
    """How score differences become log-odds (Platt, 1999), fitted on pictures whose kind is known.

    A score difference is the infrared score minus the visible one, averaged over many crops of a picture. All crops of
    a picture may err together, so that their number alone says little.
    """

    slope: float  #: Of the log-odds that one picture is infrared
    offset: float  #: Of the same
    #: Slope of the log-odds that a pair is the right way round, over the difference of both cameras' score differences.
    #: What makes all crops of a scene look like one kind cancels out in it.
    joint: float
    pairs: int  #: What all of this was fitted on. With so many seen, nothing can be surer than one in so many.

    @classmethod
    def fitted(cls, infrared: _Values, visible: _Values, weights: _Values | None = None) -> Calibration:
        """Fit on the mean score differences (N,) of the pictures of N pairs by logistic regression.

        ``weights`` (N,) says how much each pair counts; alike when left out.
        """
        weights = np.ones(len(infrared)) if weights is None else weights
        kinds = np.repeat([1.0, 0.0], len(weights))
        both, apart = np.tile(weights, 2), infrared - visible
        slope, offset = _fit(np.concatenate((infrared, visible)), kinds, both, offset=True)
        joint, _ = _fit(np.concatenate((apart, -apart)), kinds, both, offset=False)
        return cls(slope, offset, joint, len(infrared))

    @classmethod
    def read(cls, entries: object) -> Calibration | None:
        """From the provenance of a model, as :meth:`to_dict` wrote it; None where it is anything else."""
        names = ("slope", "offset", "joint", "pairs")
        if not isinstance(entries, Mapping) or not all(
            isinstance(entries.get(name), (int, float)) and math.isfinite(entries[name]) for name in names
        ):
            return None
        slope, offset, joint, pairs = (float(entries[name]) for name in names)
        return cls(slope, offset, joint, int(pairs)) if pairs >= 1 else None

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, as stored in a model."""
        return {name: round(value, 4) for name, value in vars(self).items()}

    def less_sure(self, other: Calibration) -> Calibration:
        """Of two fits of one classifier the slopes that claim less, and the larger number of pairs."""
        flat = min(self, other, key=lambda fit: fit.slope)
        return Calibration(flat.slope, flat.offset, min(self.joint, other.joint), max(self.pairs, other.pairs))

    def infrared(self, difference: float) -> float:
        """Log-odds that a picture is infrared."""
        return self._capped(self.slope * difference + self.offset)

    def swapped(self, thermal: float, rgb: float) -> float:
        """Log-odds that two cameras are swapped, against that they are right."""
        return self._capped(self.joint * (rgb - thermal))

    def _capped(self, log_odds: float) -> float:
        most = math.log(self.pairs + 1)  # the rule of succession
        return min(max(log_odds, -most), most)


#: For a model nobody calibrated: the classifier's own probability, and for a pair that of the mean of both.
UNCALIBRATED = Calibration(1.0, 0.0, 0.5, 200)


def _fit(x: _Values, y: _Values, weights: _Values, *, offset: bool) -> tuple[float, float]:
    """Slope and offset of the log-odds of y over x, by Newton's method, with a faint pull towards 0."""
    columns = np.stack([x, np.ones_like(x)] if offset else [x], axis=1)
    found = np.zeros(columns.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(columns @ found, -500, 500)))
        gradient = columns.T @ (weights * (p - y)) + 1e-3 * found
        curvature = (columns.T * (weights * p * (1 - p))) @ columns + 1e-3 * np.eye(len(found))
        found = found - np.linalg.solve(curvature, gradient)
    return float(found[0]), float(found[1]) if offset else 0.0


def probability(log_odds: float) -> float:
    """0 to 1; any finite log-odds."""
    if log_odds < 0:
        return 1 - probability(-log_odds)
    return 1 / (1 + math.exp(-log_odds))


def log_odds(probability: float) -> float:
    """Of a probability between 0 and 1, both excluded."""
    return math.log(probability / (1 - probability))


@dataclass(frozen=True)
class CropSides:
    """Which sides of a crop a network and its classifier take, pixels."""

    step: int  #: They are multiples of this
    smallest: int  #: And not smaller than this

    @classmethod
    def of(cls, architecture: Architecture) -> CropSides:
        """Of a network: enough features for its classifier, and the smallest level of its pyramid has a pixel."""
        step, least = architecture.reduction, MIN_FEATURE_SIZE * architecture.reduction
        if isinstance(architecture, BlendArchitecture):
            least = max(least, architecture.step)
        return cls(step, math.ceil(least / step) * step)

    def fitting(self, shape: tuple[int, ...]) -> int:
        """Side of the crops of a picture (H, W, ...): :data:`SIDE`, or what fits; 0 where that is too small."""
        side = min(SIDE, min(shape[:2]) // reduction(shape)) // self.step * self.step
        return side if side >= self.smallest else 0


def reduction(shape: tuple[int, ...]) -> int:
    """Whole factor by which a picture of a shape (H, W, ...) is reduced before it is looked at."""
    return max(1, round(min(shape[:2]) / _SHORT_SIDE))


def place(number: int) -> tuple[float, float]:
    """Place of a crop in its room to move: (down, right), each from 0 to 1.

    Both cameras are looked at in the same places: what is odd about a scene is odd in both.
    """
    return math.fmod(number * _STEPS[0], 1.0), math.fmod(number * _STEPS[1], 1.0)


def crop_at(image: NDArray[np.uint8], number: int, side: int) -> NDArray[np.uint8]:
    """Crop (side, side), grey, at a place of (H, W) grey or (H, W, 3) RGB; ``side`` as of :meth:`CropSides.fitting`."""
    factor = reduction(image.shape)
    span = side * factor
    down, right = place(number)
    top, left = round(down * (image.shape[0] - span)), round(right * (image.shape[1] - span))
    part = RgbPicture(np.ascontiguousarray(image[top : top + span, left : left + span])).luminance
    if factor == 1:
        return part
    return np.asarray(cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


class Classifier(Protocol):
    """What is asked about crops: the inspector of a model."""

    def logits(self, first: NDArray[np.uint8], second: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Scores (infrared, visible) of two grey crops of one size, (2, 2)."""


@dataclass(frozen=True)
class SourceModel:
    """A classifier with its calibration."""

    classifier: Classifier  #: What is asked
    sides: CropSides  #: Of the crops that it takes
    calibration: Calibration  #: Of its scores
    calibrated: bool  #: Whether that was fitted for these very weights: a shipped model, or one of 'camf adapt'
    weakness: str  #: Why the classifier is not asked; empty where it is

    def differences(self, image: NDArray[np.uint8], look: int) -> NDArray[np.float32]:
        """Infrared score minus visible score of the two crops that belong to a look, (2,); each look has other places.

        Two crops of one camera are asked about together: the graph takes two pictures of one size, and the cameras may
        need crops of different sizes. ``image`` is (H, W) grey or (H, W, 3) RGB, into which a crop fits. Raises
        EngineError if the runtime fails.
        """
        side = self.sides.fitting(image.shape)
        scores = self.classifier.logits(*(crop_at(image, number, side) for number in (2 * look, 2 * look + 1)))
        difference: NDArray[np.float32] = scores[:, 0] - scores[:, 1]
        return difference


def read_source_model(name: str) -> SourceModel:
    """The classifier of a model by its name or file. If it cannot be opened, the reason is its weakness."""
    # Imports a runtime, which who only reads a report does not need.
    from camf_ros.engines.choose import open_inspector  # noqa: PLC0415

    try:
        inspector = open_inspector(find_model(name))
        return source_model(inspector, inspector.info)
    except CamfError as error:
        return SourceModel(_Nothing(), CropSides(1, 1), UNCALIBRATED, calibrated=False, weakness=str(error))


def source_model(classifier: Classifier, info: ModelInfo) -> SourceModel:
    """The classifier of a model that is open."""
    shipped = CALIBRATIONS.get(info.hash)
    found = Calibration(*shipped) if shipped else Calibration.read(info.training.get("source_check"))
    return SourceModel(
        classifier,
        CropSides.of(info.architecture),
        UNCALIBRATED if found is None else found,
        found is not None,
        _weakness(info.name, accuracy(info.training)),
    )


def accuracy(training: Mapping[str, Any]) -> float | None:
    """Share of single crops of unseen pictures in which a classifier was right, as its training measured it last."""
    metrics = training.get("metrics")
    stages = reversed(list(metrics.values())) if isinstance(metrics, Mapping) else ()
    for figures in stages:
        figure = figures.get("accuracy") if isinstance(figures, Mapping) else None
        if isinstance(figure, (int, float)):
            return float(figure)
    return None


class _Nothing:
    """In the place of a classifier that could not be opened."""

    def logits(self, first: NDArray[np.uint8], second: NDArray[np.uint8], /) -> NDArray[np.float32]:
        raise NotImplementedError


def _weakness(name: str, figure: float | None) -> str:
    if figure is None:
        return f"nobody measured how often the classifier of {name} is right"
    if not figure >= LEAST_ACCURACY:  # NaN too
        return f"the classifier of {name} is right in {figure:.0%} of its crops, {LEAST_ACCURACY:.0%} are needed"
    return ""
