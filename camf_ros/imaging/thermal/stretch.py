"""Linear stretch: between two levels that follow the scene, or between two fixed temperatures."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.thermal.following import Following, Levels
from camf_ros.imaging.thermal.scene import Raw, Scene
from camf_ros.settings.thermal import ThermalSettings


class LinearStretch:
    """Grey is slope times value plus offset; both follow those of the frames."""

    def __init__(self) -> None:
        self._following = Following()

    def apply(
        self, image: Raw, scene: Scene, stamp: float, settings: ThermalSettings
    ) -> tuple[NDArray[np.uint8], Levels]:
        """Grey picture (H, W), and the raw values that are black and white in it."""
        slope = 255.0 / (scene.high - scene.low)
        target = np.array((slope, -slope * scene.low))
        slope, offset = self._following.follow(target, stamp, settings.time_constant).tolist()
        levels = (-offset / slope, (255.0 - offset) / slope)
        return stretched(image, levels), levels


class TemperatureRange:
    """The same temperatures are black and white all the time."""

    def apply(
        self,
        image: Raw,
        scene: Scene,  # noqa: ARG002 (nothing of the frame matters)
        stamp: float,  # noqa: ARG002
        settings: ThermalSettings,
    ) -> tuple[NDArray[np.uint8], Levels]:
        """As :meth:`LinearStretch.apply`."""
        low, high = ((end - settings.offset) / settings.scale for end in (settings.minimum, settings.maximum))
        return stretched(image, (low, high)), (low, high)


def stretched(image: Raw, levels: Levels) -> NDArray[np.uint8]:
    """Grey levels between a black and a larger white value.

    Args:
        image: (H, W), uint16 or float32, finite.
        levels: Black and white.

    Returns:
        (H, W), rounded.
    """
    low, high = levels
    if image.dtype == np.uint16:
        # One look-up a pixel instead of float arithmetic on the whole picture.
        return _table(low, high).take(np.asarray(image, np.uint16))
    values = np.clip(image, low, high).astype(np.float32, copy=False)
    values -= np.float32(low)
    return np.asarray(cv2.convertScaleAbs(values, alpha=255.0 / (high - low)), np.uint8)


def _table(low: float, high: float) -> NDArray[np.uint8]:
    """Grey level of each of the 65536 counts; only those between black and white need arithmetic."""
    first, last = max(0, math.ceil(low)), min(65535, math.floor(high))
    table = np.zeros(65536, np.uint8)
    if first <= last:
        table[first : last + 1] = np.rint((np.arange(first, last + 1) - low) * (255.0 / (high - low)))
    table[max(0, last + 1) :] = 255
    return table
