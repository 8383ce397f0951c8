"""What the source check says: numbers for machines, sentences for people."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.source_check.measures import Measures

#: Kinds of findings.
SWAPPED = "swapped"
THERMAL_VISIBLE = "thermal looks visible"
RGB_INFRARED = "rgb looks infrared"
COVERED = "covered"
FROZEN = "frozen"
GREY_RGB = "grey rgb"


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed.

    Attributes:
        kind: One of the constants of this module.
        camera: ``thermal``, ``rgb``, or empty for both.
        warning: Whether somebody should look after it; else it is information only.
        text: One sentence with the evidence in numbers.
    """

    kind: str
    camera: str
    warning: bool
    text: str


@dataclass(frozen=True)
class CameraReport:
    """About one camera.

    Attributes:
        probability: That it is what it should be, 0 to 1, over the last looks; None where it was not judged.
        not_judged: Why not; empty where it was.
        measures: Of the newest picture; None where that is unusable.
        frozen: Seconds for which its frames have been bit-identical.
    """

    probability: float | None
    not_judged: str
    measures: Measures | None
    frozen: float


@dataclass(frozen=True)
class SourceReport:
    """About both cameras.

    Attributes:
        thermal: The thermal camera.
        rgb: The RGB camera.
        swapped: Probability that they are swapped, against that they are right, 0 to 1; None where one is not judged.
        findings: Warnings first.
        calibrated: Whether the probabilities were fitted for this model. If not, they are the classifier's own.
    """

    thermal: CameraReport
    rgb: CameraReport
    swapped: float | None
    findings: tuple[Finding, ...]
    calibrated: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences of the findings that somebody should look after."""
        return tuple(finding.text for finding in self.findings if finding.warning)
