"""Which parts of a picture the classifier looks at, and at which scale."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.luminance import Visible
from camf_ros.source_check.crop_classifier import SMALLEST_CROP, STEP

#: Side of a crop in training, pixels.
SIDE = 128
# Usual shorter side of the training pictures. A far larger picture shows too little in a crop, and too softly.
_SHORT_SIDE = 400
# Steps of the sequence of places (Roberts' R2, from the plastic number): it covers the square evenly at any length.
_PLASTIC = 1.32471795724474602596
_STEPS = (1 / _PLASTIC, 1 / _PLASTIC**2)


def reduction(shape: tuple[int, ...]) -> int:
    """Whole factor by which a picture of a shape (H, W, ...) is reduced before it is looked at."""
    return max(1, round(min(shape[:2]) / _SHORT_SIDE))


def place(number: int) -> tuple[float, float]:
    """Place of a crop in its room to move: (down, right), each from 0 to 1.

    Both cameras are looked at in the same places: what is odd about a scene is odd in both.
    """
    return math.fmod(number * _STEPS[0], 1.0), math.fmod(number * _STEPS[1], 1.0)


def unsuitable(image: NDArray[np.uint8] | None) -> str:
    """Why a picture cannot be judged; empty where it can."""
    if image is None:
        return "no picture"
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        return f"a picture of shape {image.shape} and type {image.dtype} is neither grey nor RGB of 8 bit"
    if min(image.shape[:2]) < SMALLEST_CROP:
        return f"{image.shape[1]} x {image.shape[0]} pixels are too few, {SMALLEST_CROP} a side are needed"
    return ""


def crop_at(image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """One crop.

    Args:
        image: (H, W) grey or (H, W, 3) RGB; see :func:`unsuitable`.
        number: Of the place, from 0.

    Returns:
        Square, grey; its side is :data:`SIDE`, or what fits.
    """
    factor = reduction(image.shape)
    side = min(SIDE, min(image.shape[:2]) // factor // STEP * STEP)
    span = side * factor
    down, right = place(number)
    top, left = round(down * (image.shape[0] - span)), round(right * (image.shape[1] - span))
    part = Visible(np.ascontiguousarray(image[top : top + span, left : left + span])).luminance
    if factor == 1:
        return part
    return np.asarray(cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
