"""Thermal front end: raw counts or temperatures to the 8-bit grey picture that the network is given."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ImageError
from camf_ros.imaging.raw_image import Image
from camf_ros.settings.thermal import ThermalSettings

# Percentiles are taken over about this many pixels: a regular grid of them is as good as all and much cheaper.
_SAMPLES = 65536
# From one frame to the next the range of a scene does not change by such a factor.
_MOST_SPAN_RATIO = 20.0


class ThermalFrontEnd:
    """Linear stretch between two percentiles that follows the scene slowly.

    Keeps the two levels between frames, so one object serves one camera.
    """

    def __init__(self, settings: ThermalSettings) -> None:
        """Start without levels: the first frame sets them."""
        self._settings = settings
        self._levels: tuple[float, float] | None = None
        self._stamp = 0.0

    def apply(self, image: Image, stamp: float) -> NDArray[np.uint8]:
        """Grey picture of one frame.

        Args:
            image: (H, W), uint8 (returned as it is), uint16 or float32; NaN and -inf become black, +inf white.
            stamp: Acquisition time, seconds. One that is not later than the last starts anew.

        Returns:
            (H, W), 0 to 255. Where both levels are one, 128, with 255 above and 0 below.

        Raises:
            ImageError: If no value of a float image is finite.
        """
        if image.dtype == np.uint8:
            return np.ascontiguousarray(image, dtype=np.uint8)
        low, high = self._follow(self._measure(image), stamp)
        if high <= low:
            # An even scene; something small in it may still be hotter.
            return np.where(image > high, 255, np.where(image < low, 0, 128)).astype(np.uint8)
        if image.dtype == np.uint16:
            # One look-up a pixel instead of float arithmetic on the whole picture.
            return _levels(low, high).take(np.asarray(image, np.uint16))
        values = np.clip(image, low, high)
        cv2.patchNaNs(values, low)
        values -= np.float32(low)
        return np.asarray(cv2.convertScaleAbs(values, alpha=255.0 / (high - low)), np.uint8)

    def _measure(self, image: Image) -> tuple[float, float]:
        stride = max(1, math.isqrt(image.size // _SAMPLES))
        sample = image[::stride, ::stride].ravel()
        percentiles = (self._settings.low_percentile, self._settings.high_percentile)
        if sample.dtype == np.uint16:
            return _percentiles_of_counts(np.asarray(sample, np.uint16), percentiles)
        if sample.dtype == np.float32:
            sample = sample[np.isfinite(sample)]
            if sample.size == 0:  # bad pixels may lie just where the grid does
                sample = image[np.isfinite(image)]
            if sample.size == 0:
                raise ImageError("thermal image has no finite value", expected="kelvin, celsius or counts")
        low, high = np.percentile(sample, percentiles)
        return float(low), float(high)

    def _follow(self, measured: tuple[float, float], stamp: float) -> tuple[float, float]:
        elapsed = stamp - self._stamp
        if (
            self._levels is None
            or elapsed <= 0  # the clock went back, or the camera does not tell the time
            or self._settings.time_constant == 0
            or _unlike(self._levels, measured)
        ):
            self._levels = measured
        else:
            # A first-order low-pass on elapsed time: independent of the frame rate.
            share = 1 - math.exp(-elapsed / self._settings.time_constant)
            low, high = self._levels
            self._levels = (low + share * (measured[0] - low), high + share * (measured[1] - high))
        self._stamp = stamp
        return self._levels


def _levels(low: float, high: float) -> NDArray[np.uint8]:
    """Grey level of each of the 65536 counts; only those between black and white need arithmetic."""
    first, last = math.ceil(low), math.floor(high)
    table = np.zeros(65536, np.uint8)
    table[first : last + 1] = np.rint((np.arange(first, last + 1) - low) * (255.0 / (high - low)))
    table[last + 1 :] = 255
    return table


def _percentiles_of_counts(sample: NDArray[np.uint16], percentiles: tuple[float, float]) -> tuple[float, float]:
    """What np.percentile gives, bit by bit, from a histogram: without sorting, in a third of the time."""
    below = np.bincount(sample).cumsum()
    places = (sample.size - 1) * (np.array(percentiles) / 100)
    lower = np.floor(places)
    values = np.searchsorted(below, (lower, np.minimum(lower + 1, sample.size - 1)), side="right").astype(np.float64)
    share = places - lower
    step = values[1] - values[0]
    # From the nearer of the two values, as np.percentile does: rounding then is the same.
    low, high = np.where(share < 0.5, values[0] + step * share, values[1] - step * (1 - share))
    return float(low), float(high)


def _unlike(levels: tuple[float, float], others: tuple[float, float]) -> bool:
    """Whether two pairs of levels have so little in common that one must not be followed slowly from the other.

    A frame of another range (the camera recalibrated), or one with corrupt values, would else spoil minutes.
    """
    spans = sorted((levels[1] - levels[0], others[1] - others[0]))
    apart = levels[0] > others[1] or others[0] > levels[1]
    return apart or spans[1] > _MOST_SPAN_RATIO * spans[0]
