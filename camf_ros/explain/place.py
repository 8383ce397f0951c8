"""One place of an explained frame in numbers: why is it as bright as it is?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.explain.explanation import INFRARED, VISIBLE, Explanation
from camf_ros.explain.placement import share_over_picture
from camf_ros.explain.working_size import shrunk_to
from camf_ros.imaging.luminance import Visible

# Pixels of the working picture on each side of the middle: what is measured is a square of five by five.
_RADIUS = 2


class Place(NamedTuple):
    """A pixel of the fused picture.

    Attributes:
        x: Column, from 0.
        y: Row, from 0.
    """

    x: int
    y: int


class PlaceNumbers(NamedTuple):
    """Means over a small square around a place; levels are luminance, 0 to 255.

    Attributes:
        thermal: Level of the thermal picture, as the network was given it.
        rgb: Level of the RGB picture.
        fused: Level of the fused picture.
        whole: Level of what the decoder makes of all features at the working size: about that of the fused picture, and
            what the next two are to be compared with.
        without_thermal: Level of what the decoder makes without the features of thermal.
        without_rgb: Level of what it makes without those of RGB.
        share: Share of the features that comes from thermal, 0 to 1.
        both: Whether both cameras see the place; if not, the fused picture is that of one of them, and the levels
            without the one or the other and the share mean nothing.
    """

    thermal: float
    rgb: float
    fused: float
    whole: float
    without_thermal: float
    without_rgb: float
    share: float
    both: bool


# Grey levels that a camera's features must matter for, and how many times as much as the other's, for a verdict.
_MATTERS, _TIMES = 20.0, 2.0


def verdict_on(numbers: PlaceNumbers) -> str:
    """Whose doing the level of a place is, by what changes when a camera's features are left out.

    Args:
        numbers: Of a place that both cameras see.
    """
    thermal, rgb = (abs(numbers.whole - rest) for rest in (numbers.without_thermal, numbers.without_rgb))
    if max(thermal, rgb) < _MATTERS:
        return "either camera alone would do"
    if thermal >= _TIMES * rgb:
        return "thermal's doing"
    return "RGB's doing" if rgb >= _TIMES * thermal else "both cameras' doing"


def within(explanation: Explanation, place: Place) -> bool:
    """Whether a place is in the picture."""
    height, width = explanation.fused.shape[:2]
    return bool(0 <= place.x < width and 0 <= place.y < height)


def look_at(explanation: Explanation, place: Place) -> PlaceNumbers:
    """The numbers of a place.

    Args:
        explanation: Of the frame.
        place: In the picture (:func:`within`).
    """
    (height, width), work = explanation.fused.shape[:2], explanation.work
    row, column = int((place.y + 0.5) * work[0] / height), int((place.x + 0.5) * work[1] / width)
    square = np.s_[max(row - _RADIUS, 0) : row + _RADIUS + 1, max(column - _RADIUS, 0) : column + _RADIUS + 1]

    def mean(picture: NDArray[np.uint8] | NDArray[np.float32]) -> float:
        return float(picture[square].mean(dtype=np.float64))

    rgb, fused = (shrunk_to(Visible(picture).luminance, work) for picture in (explanation.rgb, explanation.fused))
    return PlaceNumbers(
        thermal=mean(shrunk_to(explanation.thermal, work)),
        rgb=mean(rgb),
        fused=mean(fused),
        whole=mean(explanation.whole),
        without_thermal=mean(explanation.without[INFRARED]),
        without_rgb=mean(explanation.without[VISIBLE]),
        share=mean(share_over_picture(explanation)),
        both=bool(explanation.both is None or mean(shrunk_to(explanation.both, work)) > 127),
    )
