"""Thermal values whose bytes are in the wrong order: a driver that says nothing of it, or says the wrong thing.

Such a picture is noise, because what changes from pixel to pixel is taken for the high byte. Turned round it is smooth.
"""

from __future__ import annotations

import numpy as np

from camf_ros.imaging.frames import Image
from camf_ros.imaging.thermal.scene import Raw, Scene

# Rows that are looked at.
_ROWS = 48
# Counts in the wrong order fill the range: so many values of what is taken for the high byte occur at least, and so
# many of the low one at most (14 bits); a picture is rougher than itself turned round by this factor at least.
_LEAST_SPAN = 32768.0
_HIGH, _LOW, _ROUGHER = 128, 64, 1.25
# Share of float values that must be numbers, and how large they may be.
_NUMBERS, _LARGEST = 0.9, 1e9
# Temperatures in the wrong order may all be as good as 0.
_MOST_TINY = 1e-6

#: What the user should know of such a picture.
WARNING = "the thermal picture is noise whose bytes seem to be in the wrong order: set thermal.byte_order to swapped"


def swapped(image: Image) -> Image:
    """The picture with the bytes of each value in the other order.

    Args:
        image: (H, W). Whole float32 values within 16 bits are taken for what signed counts were made.

    Returns:
        (H, W), of the same type; 8-bit pictures as they are.
    """
    if image.dtype == np.float32:
        if _whole(image):
            return np.asarray(image.astype(np.int16).byteswap(), np.float32)
        bits = np.ascontiguousarray(image).view(np.uint32)
        return np.asarray(bits.byteswap().view(np.float32), np.float32)
    turned: Image = image.byteswap()
    return turned


def looks_swapped(image: Raw, scene: Scene) -> bool:
    """Whether a picture is noise as it is, and smooth with the bytes of each value in the other order.

    Args:
        image: (H, W), uint16 or float32.
        scene: Its figures.
    """
    span = scene.high - scene.low
    if span < _LEAST_SPAN and (image.dtype == np.uint16 or span > _MOST_TINY):
        return False
    rows = np.ascontiguousarray(image[:: max(1, len(image) // _ROWS)])
    turned = swapped(rows)
    if rows.dtype == np.float32 and not _whole(rows):
        return not _numbers(rows) and _numbers(turned)
    counts = rows.astype(np.int64).ravel() & 0xFFFF
    high, low = (np.count_nonzero(np.bincount(part)) for part in (counts >> 8, counts & 0xFF))
    return bool(high >= _HIGH and low <= _LOW) and _roughness(rows) > _ROUGHER * _roughness(turned)


def _roughness(rows: Image) -> float:
    """Mean difference of pixels side by side, as a share of the range of most of them."""
    values = rows.astype(np.float64)
    low, high = np.percentile(values, (2, 98))
    return float(np.abs(np.diff(values, axis=1)).mean()) / max(float(high - low), 1.0)


def _numbers(rows: Image) -> bool:
    """Whether values may be temperatures, or counts."""
    size = np.abs(rows)
    with np.errstate(invalid="ignore"):
        return bool((((size > 1 / _LARGEST) | (size == 0)) & (size < _LARGEST)).mean() >= _NUMBERS)


def _whole(image: Image) -> bool:
    """Whether floats are signed counts of 16 bits."""
    rows = image[:: max(1, len(image) // _ROWS)]
    with np.errstate(invalid="ignore"):
        return bool(((rows == np.rint(rows)) & (np.abs(rows) <= _LEAST_SPAN)).all())
