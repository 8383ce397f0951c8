"""Contrast and sharpness of the fused picture alone: SD, SF, AG. They rise with noise as well as with detail."""

from __future__ import annotations

import math

import numpy as np

from camf_ros.imaging.luminance import GreyImage


def standard_deviation(fused: GreyImage) -> float:
    """SD: standard deviation of all pixels, grey levels.

    Args:
        fused: (H, W).
    """
    return float(np.std(fused, dtype=np.float64))


def spatial_frequency(fused: GreyImage) -> float:
    """SF: root of the summed mean squares of horizontal and vertical first differences, grey levels.

    Args:
        fused: (H, W), 2 x 2 or more.
    """
    grey = fused.astype(np.float64)
    return math.sqrt(np.mean(np.diff(grey, axis=1) ** 2) + np.mean(np.diff(grey, axis=0) ** 2))


def average_gradient(fused: GreyImage) -> float:
    """AG: mean of sqrt((gx² + gy²) / 2), central differences inside and one-sided ones at the border; grey levels.

    Args:
        fused: (H, W), 2 x 2 or more.
    """
    rows, columns = np.gradient(fused.astype(np.float64))
    return float(np.mean(np.sqrt((rows**2 + columns**2) / 2)))
