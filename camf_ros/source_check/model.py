"""The classifier of a checkpoint, and how far it can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from camf_ros.source_check.calibration import UNCALIBRATED, Calibration
from camf_ros.source_check.crop_classifier import CropClassifier
from camf_ros.source_check.measured import CALIBRATIONS

if TYPE_CHECKING:
    from camf_ros.network.checkpoint_file import CheckpointFile

#: A classifier that is right in fewer of its single crops is not asked: half of them is chance.
LEAST_ACCURACY = 0.7


class Classifier(Protocol):
    """What is asked about crops."""

    def logits(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scores (infrared, visible) of a grey crop."""


@dataclass(frozen=True)
class SourceModel:
    """A classifier with its calibration.

    Attributes:
        classifier: What is asked.
        calibration: Of its scores.
        calibrated: Whether that was fitted for these very weights.
        weakness: Why the classifier is not asked; empty where it is.
    """

    classifier: Classifier
    calibration: Calibration
    calibrated: bool
    weakness: str


def read_source_model(path: Path) -> SourceModel:
    """The classifier of a checkpoint file.

    Raises:
        CheckpointError: If the file cannot be used.
    """
    # Not before it is needed: who lacks a library must hear so from the engine, which says what to install.
    from camf_ros.network.checkpoint_file import read_checkpoint_file  # noqa: PLC0415

    return source_model(read_checkpoint_file(path))


def source_model(checkpoint: CheckpointFile) -> SourceModel:
    """The classifier of a checkpoint."""
    found = CALIBRATIONS.get(checkpoint.hash)
    return SourceModel(
        CropClassifier(checkpoint.architecture, checkpoint.tensors),
        UNCALIBRATED if found is None else found,
        found is not None,
        _weakness(checkpoint.name, accuracy(checkpoint.training)),
    )


def accuracy(training: Mapping[str, Any]) -> float | None:
    """Share of single crops of unseen pictures in which a classifier was right, as its training measured it last."""
    metrics = training.get("metrics")
    for stage in ("fusion", "classifier"):
        figures = metrics.get(stage) if isinstance(metrics, Mapping) else None
        figure = figures.get("accuracy") if isinstance(figures, Mapping) else None
        if isinstance(figure, (int, float)):
            return float(figure)
    return None


def _weakness(name: str, figure: float | None) -> str:
    if figure is None:
        return f"nobody measured how often the classifier of {name} is right"
    if not figure >= LEAST_ACCURACY:  # NaN too
        return f"the classifier of {name} is right in {figure:.0%} of its crops, {LEAST_ACCURACY:.0%} are needed"
    return ""
