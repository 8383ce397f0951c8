"""What a frame is measured for: its range, its noise, and how much of it is at the end of the sensor's scale."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ImageError
from camf_ros.settings.thermal import ThermalSettings

#: Raw values: counts or temperatures.
Raw = NDArray[np.uint16 | np.float32]
#: Of pixels.
Mask = NDArray[np.bool_]

#: Noise of one standard deviation gets at most this many grey levels.
NOISE_LEVELS = 4.0

# Percentiles are taken over about this many pixels: a regular grid of them is as good as all and much cheaper.
_SAMPLES = 65536
_NOISE_SAMPLES = 4096
# Mean of the lower half of the absolute values of a standard normal variable, 4 (phi(0) - phi(0.6745)).
_LOWER_HALF = 0.32466
#: Full scale of 8, 10, 12, 14 and 16 bits.
FULL_SCALES = (255, 1023, 4095, 16383, 65535)
# Spread of the error of rounding to whole counts.
_ROUNDING = 12**-0.5
_LEAST_NOISE = 1e-9
# Beyond it the distance to the next number is none.
_LARGEST = float(np.finfo(np.float32).max) / 2


class Scene(NamedTuple):
    """One frame in figures, raw values.

    Attributes:
        low: The lower percentile, less what is missing to the least span.
        high: The upper percentile, likewise.
        noise: Standard deviation of the noise of a pixel, as far as it differs from the pixels beside it.
        least_span: Least difference that may become black and white.
        sample: (n,), finite values of the scene on a regular grid.
        histogram: (n,), how often each count up to the largest occurs in the sample; None for floats.
        saturated: Share of the sample at 0 or at the full scale of a converter; 0 for floats.
        outside: (H, W), where there is no scene; None where it is everywhere.
    """

    low: float
    high: float
    noise: float
    least_span: float
    sample: Raw
    histogram: NDArray[np.intp] | None
    saturated: float
    outside: Mask | None = None


def stride(size: int, samples: int = _SAMPLES) -> int:
    """Step of a regular grid that takes about so many of the pixels."""
    return max(1, math.isqrt(size // samples))


def measure(image: Raw, settings: ThermalSettings, outside: Mask | None = None) -> Scene:
    """Figures of one frame.

    Args:
        image: (H, W), uint16 or float32.
        settings: Percentiles and least span.
        outside: (H, W), pixels that are no scene and do not count; not all of them.

    Raises:
        ImageError: If no value is finite.
    """
    step = stride(image.size)
    sample: Raw = image[::step, ::step].ravel()
    if outside is not None:
        sample = sample[~outside[::step, ::step].ravel()]
        if sample.size == 0:
            sample = image[~outside]
    percentiles = (settings.low_percentile, settings.high_percentile)
    histogram, saturated = None, 0.0
    if sample.dtype == np.uint16:
        histogram = np.bincount(sample)
        low, high, saturated = _of_counts(histogram, sample.size, percentiles)
        floor = _ROUNDING
    else:
        finite = np.isfinite(sample)
        if not finite.all():
            sample = sample[finite]
        if sample.size == 0:  # bad pixels may lie just where the grid does
            sample = image[np.isfinite(image) if outside is None else np.isfinite(image) & ~outside]
        if sample.size == 0:
            raise ImageError("thermal image has no finite value", expected="kelvin, celsius or counts")
        low, high = (float(value) for value in np.percentile(sample, percentiles))
        floor = max(_LEAST_NOISE, float(np.spacing(np.float32(min(_LARGEST, max(abs(low), abs(high)))))))
    noise = max(floor, noise_of(image, outside))
    least = settings.least_span or noise * 255 / NOISE_LEVELS
    if high - low < least:
        middle = (low + high) / 2
        # Within what a float32 holds.
        low, high = max(middle - least / 2, -2 * _LARGEST), min(middle + least / 2, 2 * _LARGEST)
    return Scene(low, high, noise, least, sample, histogram, saturated, outside)


def noise_of(image: Raw, outside: Mask | None = None) -> float:
    """Standard deviation of the noise of a pixel.

    From differences of differences in blocks of two by two pixels, which leave nothing of a gradient, a row or a
    column: the mean of the lower half of their magnitudes, so that edges and texture in half of the picture do not
    count.

    Args:
        image: (H, W), uint16 or float32.
        outside: (H, W), pixels that do not count.

    Returns:
        0 or more, in the unit of the values.
    """
    step = stride(image.size, _NOISE_SAMPLES)
    grids = [
        (slice(row, image.shape[0] - 1 + row, step), slice(column, image.shape[1] - 1 + column, step))
        for row in (0, 1)
        for column in (0, 1)
    ]
    # Exact for counts, and for floats as good as they are.
    corners = [image[grid].astype(np.float64) for grid in grids]
    with np.errstate(invalid="ignore"):  # infinity less infinity: sorted out below
        difference = np.abs(corners[0] - corners[1] - corners[2] + corners[3]).ravel()
    if outside is not None:
        difference = difference[~np.logical_or.reduce([outside[grid] for grid in grids]).ravel()]
    difference = difference[np.isfinite(difference)]
    half = difference.size // 2
    if half == 0:
        return 0.0
    # Four independent pixels make one difference: its spread is twice theirs.
    return float(np.partition(difference, half)[:half].mean()) / (2 * _LOWER_HALF)


def _of_counts(histogram: NDArray[np.intp], size: int, percentiles: tuple[float, float]) -> tuple[float, float, float]:
    """Both percentiles as np.percentile gives them, bit by bit, and the share of saturated values.

    From a histogram: without sorting, in a third of the time.
    """
    below = histogram.cumsum()
    places = (size - 1) * (np.array(percentiles) / 100)
    lower = np.floor(places)
    values = np.searchsorted(below, (lower, np.minimum(lower + 1, size - 1)), side="right").astype(np.float64)
    share = places - lower
    step = values[1] - values[0]
    # From the nearer of the two values, as np.percentile does: rounding then is the same.
    low, high = np.where(share < 0.5, values[0] + step * share, values[1] - step * (1 - share))
    top = histogram.size - 1
    ends = int(histogram[0]) if top else 0
    if top in FULL_SCALES or top == 0:
        ends += int(histogram[top])
    return float(low), float(high), ends / size
