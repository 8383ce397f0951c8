"""The source check of an adapted model: calibrated on the rig's own cameras, and tried on pairs kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from camf_ros.network.blend import BlendNetwork
from camf_ros.settings.fusion_settings import SourceCheckSettings
from camf_ros.source_check import check as kinds
from camf_ros.source_check.check import SourceCheck
from camf_ros.source_check.source_model import UNCALIBRATED, Calibration, CropSides, SourceModel, reduction
from camf_ros.training.adapt_frames import Frame, Grey
from camf_ros.training.classifier_stage import ClassifierTask, Draw
from camf_ros.training.data import random_crops
from camf_ros.training.loop import Stage, warm_cosine

#: Pictures of the thermal camera and of the RGB camera.
Eyes = tuple[list[Grey], list[Grey]]

# Looks that a picture's score is averaged over, and for which each pair is shown to the check.
_LOOKS, _SHOWN = 6, 8
_WARM_UP = 20


class Found(NamedTuple):
    """What a source check says of each of N pairs, (N,) each, 0 or 1."""

    found: NDArray[np.float64]  #: Whether it calls the pair swapped when it is shown the wrong way round
    alarmed: NDArray[np.float64]  #: Whether it says that a camera is wrong when it is shown the right way round

    @property
    def swapped(self) -> float:
        """Share of the swapped pairs that are found."""
        return float(self.found.mean())

    @property
    def alarms(self) -> float:
        """Share of the right pairs with a false alarm."""
        return float(self.alarmed.mean())

    @property
    def right(self) -> NDArray[np.float64]:
        """How right it is about each pair, -1 to 1."""
        return self.found - self.alarmed

    def to_dict(self) -> dict[str, float]:
        """Shares, as stored in a model."""
        return {"swapped": self.swapped, "alarms": self.alarms}


def eyes_of(pictures: Sequence[Grey]) -> list[Grey]:
    """Pictures of one camera in its own geometry, at the size at which the source check looks at them."""
    result = []
    for picture in pictures:
        factor = reduction(picture.shape)
        size = picture.shape[1] // factor, picture.shape[0] // factor
        result.append(picture if factor == 1 else cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    return [np.asarray(picture, np.uint8) for picture in result]


def crop_side(network: BlendNetwork, *cameras: Sequence[Grey]) -> int:
    """Side of the crops of pictures as of :func:`eyes_of` that the classifier can be asked about; 0: too small."""
    shortest = min(min(picture.shape) for pictures in cameras for picture in pictures)
    return CropSides.of(network.architecture).fitting((shortest, shortest))


def source_task(network: BlendNetwork, training: Eyes, held: Eyes, seed: int) -> ClassifierTask | None:
    """Telling this rig's thermal crops from its RGB crops; None where a camera's pictures are too small.

    Args:
        network: Its classifier is trained. Its class activation weights stay: they belong to the fusion.
        training: Thermal and RGB pictures to learn from.
        held: Those that are not learnt from.
        seed: Of every random choice.
    """
    side = crop_side(network, *training, *held)
    if not side:
        return None

    def draw_from(eyes: Eyes) -> Draw:
        return lambda count, rng: torch.cat([random_crops(pictures, count, side, rng) for pictures in eyes])

    crops = draw_from(training), draw_from(held)
    return ClassifierTask("classifier", network, network.classifier, *crops, seed, torch.device("cpu"))


def source_stage(task: ClassifierTask, *, steps: int, batch: int, learning_rate: float) -> Stage:
    """Its training, with the encoder as it is."""
    task.network.requires_grad_(False)
    task.classifier.requires_grad_(True)
    task.classifier.linear.weight.requires_grad_(False)
    parameters = [value for value in task.classifier.parameters() if value.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    stage = task.stage(task.classifier, optimizer, steps=steps, batch=batch)
    return replace(stage, schedule=warm_cosine(steps, 0.05, min(_WARM_UP, steps)), validate_every=steps)


class _Classifier:
    """The network's own classifier, before it is exported."""

    def __init__(self, network: BlendNetwork) -> None:
        self._network = network

    def logits(self, first: NDArray[np.uint8], second: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """See :class:`camf_ros.source_check.source_model.Classifier`."""
        with torch.no_grad():
            pictures = torch.from_numpy(np.stack((first, second))[:, None]).float()
            return np.asarray(self._network.classifier(self._network.features(pictures)).numpy(), np.float32)


def source_model_of(network: BlendNetwork, frames: Sequence[Frame], held: Sequence[Frame]) -> SourceModel:
    """The classifier, calibrated on all pairs and on those that it never learnt; the fit that is less sure counts.

    Args:
        network: Adapted.
        frames: All pairs of the recording.
        held: Those of them that were not trained on.
    """
    sides = CropSides.of(network.architecture)
    model = SourceModel(_Classifier(network), sides, UNCALIBRATED, calibrated=False, weakness="")
    fits = []
    for some in (frames, held):
        scored = [frame for frame in some if sides.fitting(frame.thermal.shape) and sides.fitting(frame.rgb.shape)]
        if not scored:
            return model
        scores = np.array([[_difference(model, image) for image in (f.thermal, f.rgb)] for f in scored])
        fits.append(Calibration.fitted(*scores.T))
    return SourceModel(model.classifier, sides, fits[0].less_sure(fits[1]), calibrated=True, weakness="")


def tried(model: SourceModel, frames: Sequence[Frame], settings: SourceCheckSettings | None = None) -> Found:
    """Show pairs to the check of the node, the right way round and swapped, each for longer than its patience."""
    settings = settings or SourceCheckSettings()
    wrong = {kinds.SWAPPED, kinds.THERMAL_VISIBLE, kinds.RGB_INFRARED}
    rows = [
        (
            kinds.SWAPPED in _said(model, settings, frame.rgb, frame.thermal),
            bool(wrong & _said(model, settings, frame.thermal, frame.rgb)),
        )
        for frame in frames
    ]
    return Found(*np.array(rows, np.float64).T)


def _said(
    model: SourceModel, settings: SourceCheckSettings, thermal: NDArray[np.uint8], rgb: NDArray[np.uint8]
) -> set[str]:
    check, said = SourceCheck(model, settings), set[str]()
    for look in range(_SHOWN):
        findings = check.look(thermal, rgb, look * settings.period).findings
        said |= {finding.kind for finding in findings if finding.warning}
    return said


def _difference(model: SourceModel, image: NDArray[np.uint8]) -> float:
    return float(np.mean([model.differences(image, look) for look in range(_LOOKS)]))
