"""Which parts of a picture the classifier looks at, and at which scale. Needs no runtime of a network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.luminance import RgbPicture
from camf_ros.network.architecture import MIN_FEATURE_SIZE, Architecture, BlendArchitecture

#: Side of a crop in training, pixels.
SIDE = 128
# Usual shorter side of the training pictures. A far larger picture shows too little in a crop, and too softly.
_SHORT_SIDE = 400
# Steps of the sequence of places (Roberts' R2, from the plastic number): it covers the square evenly at any length.
_PLASTIC = 1.32471795724474602596
_STEPS = (1 / _PLASTIC, 1 / _PLASTIC**2)


@dataclass(frozen=True)
class CropSides:
    """Which sides of a crop a network and its classifier take, pixels.

    Attributes:
        step: They are multiples of this.
        smallest: And not smaller than this.
    """

    step: int
    smallest: int

    @classmethod
    def of(cls, architecture: Architecture) -> CropSides:
        """Of a network: its scales halve evenly, and the smallest level of its pyramid has a pixel."""
        step, least = architecture.reduction, MIN_FEATURE_SIZE * architecture.reduction
        if isinstance(architecture, BlendArchitecture):
            step, least = 2 ** len(architecture.encoder), max(least, architecture.step)
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
    """One crop.

    Args:
        image: (H, W) grey or (H, W, 3) RGB.
        number: Of the place, from 0.
        side: Of the crop, pixels, as :meth:`CropSides.fitting` gives it for this picture.

    Returns:
        (side, side), grey.
    """
    factor = reduction(image.shape)
    span = side * factor
    down, right = place(number)
    top, left = round(down * (image.shape[0] - span)), round(right * (image.shape[1] - span))
    part = RgbPicture(np.ascontiguousarray(image[top : top + span, left : left + span])).luminance
    if factor == 1:
        return part
    return np.asarray(cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
