"""The classifier of a model, and how far it can be believed.

The check asks the model's inspection graph, in float32 and in one thread: it depends neither on the engine that fuses
nor on its arithmetic, and does not hold it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import CamfError
from camf_ros.models import find_model
from camf_ros.source_check.calibration import UNCALIBRATED, Calibration
from camf_ros.source_check.crops import CropSides, crop_at
from camf_ros.source_check.measured import CALIBRATIONS

if TYPE_CHECKING:
    from camf_ros.network.model_info import ModelInfo

#: A classifier that is right in fewer of its single crops is not asked: half of them is chance.
LEAST_ACCURACY = 0.7


class Classifier(Protocol):
    """What is asked about crops: the inspector of a model."""

    def logits(self, first: NDArray[np.uint8], second: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Scores (infrared, visible) of two grey crops of one size, (2, 2)."""


@dataclass(frozen=True)
class SourceModel:
    """A classifier with its calibration.

    Attributes:
        classifier: What is asked.
        sides: Of the crops that it takes.
        calibration: Of its scores.
        calibrated: Whether that was fitted for these very weights.
        weakness: Why the classifier is not asked; empty where it is.
    """

    classifier: Classifier
    sides: CropSides
    calibration: Calibration
    calibrated: bool
    weakness: str

    def differences(self, image: NDArray[np.uint8], look: int) -> NDArray[np.float32]:
        """Infrared score minus visible score of the two crops that belong to a look, (2,).

        Two crops of one camera are asked about together: the graph takes two pictures of one size, and the cameras may
        need crops of different sizes.

        Args:
            image: (H, W) grey or (H, W, 3) RGB, into which a crop fits.
            look: Its number, from 0: each has other places.

        Raises:
            EngineError: If the runtime fails.
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
    found = CALIBRATIONS.get(info.hash)
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
