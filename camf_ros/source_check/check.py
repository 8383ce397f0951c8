"""Watches both cameras and says when one is not what it should be.

Evidence is averaged over places in the pictures and over time, becomes calibrated probabilities, and causes a warning
only when it has lasted: a false alarm costs more than a late one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camf_ros.settings.fusion_settings import SourceCheckSettings
from camf_ros.source_check.measured import LEAST_DETAIL, LEAST_STRUCTURE
from camf_ros.source_check.measures import FrameWatch, Measures, measure, too_few, unsuitable
from camf_ros.source_check.source_model import SourceModel, log_odds, probability

Picture = NDArray[np.uint8]

# With one camera wrong both are of one kind, and neither order is more likely. Where the order is right by 4 to 1 or
# more, the scene only looks odd to both: on validation pairs this took a false alarm away and few right ones.
_ORDERED = log_odds(0.8)
_NAMES = {"thermal": "thermal", "rgb": "RGB"}
#: Kinds of findings.
SWAPPED = "swapped"
THERMAL_VISIBLE = "thermal looks visible"
RGB_INFRARED = "rgb looks infrared"
COVERED = "covered"
FROZEN = "frozen"
GREY_RGB = "grey rgb"


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed."""

    kind: str  #: One of the constants of this module
    camera: str  #: ``thermal``, ``rgb``, or empty for both
    warning: bool  #: Whether somebody should look after it; else it is information only
    text: str  #: One sentence with the evidence in numbers


@dataclass(frozen=True)
class CameraReport:
    """About one camera."""

    #: That it is what it should be, 0 to 1, over the last looks; None where it was not judged.
    probability: float | None
    not_judged: str  #: Why not; empty where it was
    measures: Measures | None  #: Of the newest picture; None where that is unusable
    frozen: float  #: Seconds for which its frames have been bit-identical


@dataclass(frozen=True)
class SourceReport:
    """About both cameras."""

    thermal: CameraReport  #: The thermal camera
    rgb: CameraReport  #: The RGB camera
    #: Probability that they are swapped, against that they are right, 0 to 1; None where one is not judged.
    swapped: float | None
    findings: tuple[Finding, ...]  #: Warnings first
    calibrated: bool  #: Whether the probabilities were fitted for this model. If not, they are the classifier's own.

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences of the findings that somebody should look after."""
        return tuple(finding.text for finding in self.findings if finding.warning)


class DecayingMean:
    """Mean of values, of which each counts less by a factor of e after a time constant.

    Unlike a low-pass it is right from the first value on: the first few count alike.
    """

    def __init__(self, time_constant: float) -> None:
        self._time_constant = time_constant
        self._sum = 0.0
        self._weight = 0.0
        self._time = 0.0
        self._start = 0.0

    def add(self, value: float, now: float) -> None:
        """Take in one value at a time (seconds) that is not earlier than the one before."""
        if self._weight == 0:
            self._start = now
        kept = math.exp(-(now - self._time) / self._time_constant) if self._weight else 0.0
        self._sum = self._sum * kept + value
        self._weight = self._weight * kept + 1
        self._time = now

    @property
    def value(self) -> float | None:
        """The mean; None before the first value."""
        return self._sum / self._weight if self._weight else None

    @property
    def span(self) -> float:
        """Seconds that the mean speaks of: the time constant, or less when there were fewer."""
        return min(self._time - self._start, self._time_constant)


class _Camera:
    """What is known of one camera."""

    def __init__(self, time_constant: float) -> None:
        self.watch = FrameWatch()
        self._time_constant = time_constant
        self.restart()

    def restart(self) -> None:
        self.scores = DecayingMean(self._time_constant)


@dataclass(frozen=True)
class _Look:
    """One camera in one look."""

    measures: Measures | None
    not_judged: str
    covered: bool
    difference: float | None
    frozen: float
    frames: int


class SourceCheck:
    """Watches one pair of cameras.

    :meth:`note` may be called from any thread, and costs microseconds. :meth:`look` belongs to one thread.
    """

    def __init__(self, model: SourceModel, settings: SourceCheckSettings | None = None) -> None:
        self._model = model
        self._settings = settings or SourceCheckSettings()
        self._cameras = {name: _Camera(self._settings.time_constant) for name in _NAMES}
        self._since: dict[tuple[str, str], float] = {}
        self._looks = 0
        self._last: float | None = None

    def note(self, camera: str, frame: NDArray[Any], stamp: float, now: float) -> None:
        """A frame of ``thermal`` or ``rgb`` has arrived; see :meth:`camf_ros.source_check.measures.FrameWatch.note`.

        ``frame`` is as it came from the camera, before anything that follows the scene slowly. ``now`` is of the same
        clock as in :meth:`look`.
        """
        self._cameras[camera].watch.note(frame, stamp, now)

    def look(self, thermal: Picture | None, rgb: Picture | None, now: float) -> SourceReport:
        """Look at the newest pictures, in the cameras' own geometry: (H, W) grey, hot is white, or (H, W, 3) RGB.

        ``now`` is monotonic time, seconds; if it goes back, everything starts anew. Never raises: a report says of a
        picture that it cannot be judged.
        """
        if self._last is not None and now < self._last:
            self._since.clear()
            for camera in self._cameras.values():
                camera.restart()
        self._last = now
        looks = {name: self._look(name, image, now) for name, image in (("thermal", thermal), ("rgb", rgb))}
        self._looks += 1
        findings = [*self._plain_findings(looks, now), *self._classified(looks, now)]
        return SourceReport(
            thermal=self._camera_report(looks["thermal"], 1),
            rgb=self._camera_report(looks["rgb"], -1),
            swapped=None if (joint := self._joint(looks)) is None else probability(joint),
            findings=tuple(sorted(findings, key=lambda finding: not finding.warning)),
            calibrated=self._model.calibrated,
        )

    def _look(self, name: str, image: Picture | None, now: float) -> _Look:
        camera = self._cameras[name]
        frozen, frames = camera.watch.frozen()
        reason = unsuitable(image)
        if reason or image is None:
            return _Look(None, reason, covered=False, difference=None, frozen=frozen, frames=frames)
        measures = measure(image)
        covered = measures.detail < LEAST_DETAIL or measures.structure < LEAST_STRUCTURE
        reason = self._model.weakness or ("the picture has no structure" if covered else "") or self._too_small(image)
        if not reason:
            difference = float(self._model.differences(image, self._looks).mean())
            if np.isfinite(difference):
                camera.scores.add(difference, now)
        return _Look(measures, reason, covered, None if reason else camera.scores.value, frozen, frames)

    def _too_small(self, image: Picture) -> str:
        sides = self._model.sides
        return "" if sides.fitting(image.shape) else too_few(image.shape, sides.smallest)

    def _camera_report(self, look: _Look, sign: int) -> CameraReport:
        own = None if look.difference is None else probability(sign * self._model.calibration.infrared(look.difference))
        return CameraReport(own, look.not_judged, look.measures, look.frozen)

    def _joint(self, looks: dict[str, _Look]) -> float | None:
        thermal, rgb = looks["thermal"].difference, looks["rgb"].difference
        return None if thermal is None or rgb is None else self._model.calibration.swapped(thermal, rgb)

    def _plain_findings(self, looks: dict[str, _Look], now: float) -> list[Finding]:
        """What needs no classifier."""
        found = []
        for name, look in looks.items():
            said = _NAMES[name]
            if look.frozen >= self._settings.frozen_after:
                text = f"{said} is frozen: bit-identical frames for {look.frozen:.0f} s or more ({look.frames} frames)"
                found.append(Finding(FROZEN, name, warning=True, text=text))
            measures = look.measures
            if self._lasts(COVERED, name, look.covered, now) and measures is not None:
                text = (
                    f"{said} shows nothing: mean {measures.mean:.0f}, detail {measures.detail:.1f}, "
                    f"{measures.black:.0%} black, {measures.white:.0%} white; "
                    "lens covered or out of focus, or nothing to see"
                )
                found.append(Finding(COVERED, name, warning=True, text=text))
        measures = looks["rgb"].measures
        if measures is not None and measures.grey and not looks["rgb"].covered:
            text = f"RGB is grey: its channels differ by {measures.colour:.1f} levels"
            found.append(Finding(GREY_RGB, "rgb", warning=False, text=text))
        return found

    def _classified(self, looks: dict[str, _Look], now: float) -> list[Finding]:
        """What the classifier says: at most one of its findings, the one that explains most."""
        sure = log_odds(self._settings.confidence)
        thermal, rgb, joint = self._wrong(looks, "thermal"), self._wrong(looks, "rgb"), self._joint(looks)
        measures = looks["rgb"].measures
        # No thermal camera has colours; one that paints them is not caught.
        grey = measures is not None and measures.grey
        # A pair is swapped when both sides lean that way; one by itself is the fault of one camera.
        swapped = (
            grey
            and joint is not None
            and joint >= sure
            and min(0.0 if wrong is None else wrong for wrong in (thermal, rgb)) > 0
        )
        ordered = joint is not None and joint <= -_ORDERED
        visible = not swapped and not ordered and thermal is not None and thermal >= sure
        infrared = not swapped and not ordered and grey and rgb is not None and rgb >= sure
        spans = {name: camera.scores.span for name, camera in self._cameras.items()}
        found = []
        if self._lasts(SWAPPED, "", swapped, now) and None not in (joint, thermal, rgb):
            text = (
                f"thermal and RGB look swapped: {probability(joint or 0.0):.2f} over {min(spans.values()):.0f} s "
                f"(thermal visible {probability(thermal or 0.0):.2f}, RGB infrared {probability(rgb or 0.0):.2f})"
            )
            found.append(Finding(SWAPPED, "", warning=True, text=text))
        if self._lasts(THERMAL_VISIBLE, "thermal", visible, now):
            text = f"thermal looks visible: {probability(thermal or 0.0):.2f} over {spans['thermal']:.0f} s"
            found.append(Finding(THERMAL_VISIBLE, "thermal", warning=True, text=text))
        if self._lasts(RGB_INFRARED, "rgb", infrared, now):
            text = (
                f"RGB looks infrared: {probability(rgb or 0.0):.2f} over {spans['rgb']:.0f} s, and its pictures are "
                "grey: night mode, or a second thermal camera"
            )
            found.append(Finding(RGB_INFRARED, "rgb", warning=True, text=text))
        return found

    def _wrong(self, looks: dict[str, _Look], name: str) -> float | None:
        """Log-odds that a camera is not what it should be."""
        difference = looks[name].difference
        if difference is None:
            return None
        infrared = self._model.calibration.infrared(difference)
        return infrared if name == "rgb" else -infrared

    def _lasts(self, kind: str, camera: str, holds: bool, now: float) -> bool:
        """Whether something has held at every look for long enough."""
        key = (kind, camera)
        if not holds:
            self._since.pop(key, None)
            return False
        return now - self._since.setdefault(key, now) >= self._settings.patience
