"""Qabf, the share of the sources' edges that the fused picture keeps.

Xydeas and Petrovic, Electronics Letters 36, 2000. The paper leaves three things open. They are settled as in the
program that the field compares itself with, because figures are worth nothing unless they compare: the picture is
surrounded by zeros; a gradient without horizontal part has an orientation of +90 degrees whatever its sign; and where
both gradients are equally strong, that strength in grey levels stands for their ratio, which raises the edge value by
at most 0.06 %.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.luminance import GreyImage

_RIGHT = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
_UP = np.array([[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]])

# Logistic curves from relative strength and orientation to preserved strength and orientation: ceiling, slope, centre.
_STRENGTH = (0.9994, 15.0, 0.5)
_ORIENTATION = (0.9879, 22.0, 0.8)

_Array = NDArray[np.float64]


def edge_transfer(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> float:
    """Qabf: preserved edges, every pixel of either source weighted with its gradient there; 0 to 0.987.

    Args:
        infrared: (H, W).
        visible: (H, W).
        fused: (H, W).
    """
    target = _gradient(fused)
    kept = available = 0.0
    for source in (infrared, visible):
        gradient = _gradient(source)
        kept += float(np.sum(gradient[0] * _preserved(gradient, target)))
        available += float(np.sum(gradient[0]))
    # Two black sources have no edges, not even against the zeros around them.
    return kept / available if available > 0 else 0.0


def _gradient(image: GreyImage) -> tuple[_Array, _Array]:
    """Strength, and orientation from -pi/2 to pi/2, of Sobel's gradient."""
    grey = image.astype(np.float64)
    right = cv2.filter2D(grey, cv2.CV_64F, _RIGHT, borderType=cv2.BORDER_CONSTANT)
    up = cv2.filter2D(grey, cv2.CV_64F, _UP, borderType=cv2.BORDER_CONSTANT)
    upright = right == 0
    orientation = np.where(upright, np.pi / 2, np.arctan(up / np.where(upright, 1, right)))
    return np.sqrt(right**2 + up**2), orientation


def _preserved(source: tuple[_Array, _Array], fused: tuple[_Array, _Array]) -> _Array:
    (strength_s, orientation_s), (strength_f, orientation_f) = source, fused
    larger = np.maximum(strength_s, strength_f)
    ratio = np.minimum(strength_s, strength_f) / np.where(larger > 0, larger, 1)
    strength = np.where(strength_s == strength_f, strength_f, ratio)
    orientation = 1 - np.abs(orientation_s - orientation_f) / (np.pi / 2)
    return _logistic(strength, *_STRENGTH) * _logistic(orientation, *_ORIENTATION)


def _logistic(value: _Array, ceiling: float, slope: float, centre: float) -> _Array:
    return ceiling / (1 + np.exp(-slope * (value - centre)))
