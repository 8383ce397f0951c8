"""What a thermal frame is measured for: its range, its noise, saturation, and which pixels are no scene.

Rectified and rotated pictures have corners that nothing was seen for, at 0 or at the limit of their type; sensors have
lines that are stuck; small cores send telemetry as rows above or below the picture. A few of such pixels, far from all
others, would take most of the contrast of everything else.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ImageError
from camf_ros.settings.thermal_settings import ThermalSettings

#: Raw values: counts or temperatures.
Raw = NDArray[np.uint16 | np.float32]
#: Of pixels.
Mask = NDArray[np.bool_]

#: Noise of one standard deviation gets at most this many grey levels.
NOISE_LEVELS = 4.0

# Percentiles are taken over about this many pixels on a regular grid, which is as good as all and much cheaper.
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
# A picture with a shorter side is too small to tell.
_LEAST_SIDE = 16
# Pixels of one value that must hang together at a side, share of them with none but such neighbours where the scene may
# have that value, and share of the picture that must be scene.
_LEAST_AREA, _SOLID, _LEAST_SCENE = 4, 0.3, 0.02
# Side of the square around a pixel of a border of which nothing counts, and of that of which nothing counts that is
# unlike the scene.
_BESIDE, _NEAR = 5, 11
# What marks nothing in floats, which may have been 16 bits with a sign.
_FLOAT_LIMITS = (0.0, -32768.0, 32767.0, -273.15)
# Any value that is unlike the scene marks nothing where it makes up so much of the sides, and either fills two corners
# or has a picture around it whose neighbours are equal so seldom that no object in it is of one value.
_FILLED, _EQUAL = 0.02, 0.3
# The range of the scene is taken from so many pixels a side of the inner three quarters, without this share at both
# ends; what is further from it than so many times its span is unlike it.
_RANGE_SAMPLES, _TRIMMED, _SPANS = 24, 0.1, 2.0
# Lines are looked at in so many places first; stuck are those of which so much has one value, in runs of at most this
# share of all lines.
_PLACES, _MOSTLY, _MOST_STUCK = 8, 0.8, 0.02
# Rows of telemetry at either side at most; share of their values that are unlike the scene; how much rougher they are.
_MOST_ROWS, _UNLIKE, _ROUGHER = 6, 0.25, 8.0
# Those that may be telemetry and as many to compare them with.
_SIDE_ROWS = 2 * _MOST_ROWS


class Scene(NamedTuple):
    """One frame in figures, raw values.

    Attributes:
        low: The lower percentile, less what is missing to the least span; ``high``: the upper one, likewise.
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
    """Figures of an (H, W) frame; pixels ``outside`` do not count. Raises ImageError if no value is finite."""
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
    """Standard deviation of the noise of a pixel, 0 or more.

    From differences of differences in blocks of two by two pixels, which leave nothing of a gradient, a row or a
    column: the mean of the lower half of their magnitudes, so that edges and texture in half of the picture do not
    count.
    """
    step = stride(image.size, _NOISE_SAMPLES)
    grids = [
        (slice(row, image.shape[0] - 1 + row, step), slice(column, image.shape[1] - 1 + column, step))
        for row in (0, 1)
        for column in (0, 1)
    ]
    # Exact for counts, and as precise as the values for floats.
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
    # From the nearer of the two values, as np.percentile does, for the same rounding.
    low, high = np.where(share < 0.5, values[0] + step * share, values[1] - step * (1 - share))
    top = histogram.size - 1
    ends = int(histogram[0]) if top else 0
    if top in FULL_SCALES or top == 0:
        ends += int(histogram[top])
    return float(low), float(high), ends / size


class NoScene(NamedTuple):
    """Pixels of a frame that are no scene.

    Attributes:
        mask: (H, W), where there is no scene.
        border: Number of pixels of empty borders and corners.
        lines: Number of constant rows and columns.
        top: Rows of telemetry above the picture; ``bottom``: below it.
    """

    mask: Mask
    border: int
    lines: int
    top: int
    bottom: int

    @property
    def text(self) -> str:
        """In words."""
        parts = [f"{self.lines} constant lines"] if self.lines else []
        parts += [f"{rows} rows {where}" for rows, where in ((self.top, "above"), (self.bottom, "below")) if rows]
        return ", ".join([f"border of {self.border} pixels", *parts] if self.border else parts)

    @property
    def warning(self) -> str:
        """What the user should do about rows that are no picture; empty where there are none."""
        return "; ".join(
            f"the {place} {rows} thermal rows are no picture (telemetry?): set thermal.crop_{side} to {rows}"
            for place, side, rows in (("first", "top", self.top), ("last", "bottom", self.bottom))
            if rows
        )

    def within(self, image: Raw, scene: Scene) -> Raw:
        """The frame with what is no scene as cold or as hot as the scene gets."""
        low, high = scene.sample.min(), scene.sample.max()
        result: Raw = image.copy()
        result[self.mask] = np.clip(image[self.mask], low, high)
        result[: self.top] = result[len(result) - self.bottom :] = low
        return result

    @property
    def share(self) -> float:
        """Of all pixels, 0 to 1."""
        return int(np.count_nonzero(self.mask)) / self.mask.size


def find_no_scene(image: Raw) -> NoScene | None:
    """The pixels of an (H, W) frame that are no scene; None where that is nothing, or nearly all.

    What is not finite is left to others.
    """
    height, width = image.shape
    if min(height, width) < _LEAST_SIDE:
        return None
    low, high = _range(image)
    top, bottom = (_telemetry(rows, low, high) for rows in (image[:_SIDE_ROWS], image[: -_SIDE_ROWS - 1 : -1]))
    part = image[top : height - bottom]
    limits = _limits(part, low, high)
    rows, columns = (_stuck(lines, low, high) for lines in (part, part.T))
    if not (top or bottom or limits or rows or columns):
        return None
    mask = np.zeros(image.shape, np.bool_)
    inner = mask[top : height - bottom]
    for value in limits:
        inner |= _at_sides(part, value, like_scene=low <= value <= high)
    if limits:
        # Interpolation mixed the filled borders with the pixels beside them.
        beside, near = (_around(inner, reach) for reach in (_BESIDE, _NEAR))
        inner |= beside | (near & ((part < low) | (part > high)))
    border = int(np.count_nonzero(inner))
    inner[rows] = True
    inner[:, columns] = True
    mask[:top] = mask[height - bottom :] = True
    found = NoScene(mask, border, len(rows) + len(columns), top, bottom)
    return found if 0 < found.share <= 1 - _LEAST_SCENE else None


def _range(image: Raw) -> tuple[float, float]:
    """Lower and upper end of what most of the inner pixels are."""
    height, width = image.shape
    inner = image[
        height // 8 : height - height // 8 : max(1, height // _RANGE_SAMPLES),
        width // 8 : width - width // 8 : max(1, width // _RANGE_SAMPLES),
    ].ravel()
    if inner.dtype != np.uint16:
        inner = inner[np.isfinite(inner)]
        if inner.size == 0:
            return -np.inf, np.inf
    cut = int(_TRIMMED * inner.size)
    ordered = np.sort(inner)
    low, high = float(ordered[cut]), float(ordered[-1 - cut])
    span = _SPANS * max(high - low, 1.0 if inner.dtype == np.uint16 else 1e-6)
    return low - span, high + span


def _telemetry(rows: Raw, low: float, high: float) -> int:
    """How many of the first n rows are telemetry; rows are (2 n, W), the outermost first, and the others are compared.

    Values below low and above high are unlike the scene.
    """
    first = rows[0]
    if int(np.count_nonzero((first < low) | (first > high))) < _UNLIKE * first.size:
        return 0
    with np.errstate(invalid="ignore", over="ignore"):
        values = np.nan_to_num(rows.astype(np.float64), posinf=0.0, neginf=0.0)
        unlike = ((values < low) | (values > high)).mean(axis=1) >= _UNLIKE
        rough = np.abs(np.diff(values, axis=1)).mean(axis=1)
    usual = float(np.median(rough[len(rows) // 2 :]))
    other = unlike & (rough > _ROUGHER * max(usual, 1e-6))
    count = int(np.argmin(other)) if not other.all() else len(rows)
    return count if count <= _MOST_ROWS else 0


def _limits(image: Raw, low: float, high: float) -> set[float]:
    """The values that mark nothing and occur at the sides."""
    sides = np.concatenate((image[0], image[-1], image[:, 0], image[:, -1]))
    found = _fillings(image, sides[(sides < low) | (sides > high)], sides.size)
    if image.dtype == np.uint16:
        return found | {float(end) for end in (sides.min(), sides.max()) if end == 0 or end in FULL_SCALES}
    largest = float(np.fmax.reduce(sides))
    if largest in FULL_SCALES:
        found.add(largest)
    return found | {each for each in _FLOAT_LIMITS if (sides == image.dtype.type(each)).any()}


def _fillings(image: Raw, unlike: Raw, size: int) -> set[float]:
    """Of values at the sides that are unlike the scene, those that can be no object in it; ``size``: of all sides."""
    if unlike.size < _FILLED * size:
        return set()
    values, counts = np.unique(unlike[np.isfinite(unlike)], return_counts=True)
    corners = image[[0, 0, -1, -1], [0, -1, 0, -1]]
    noisy: bool | None = None
    found = set()
    for value in values[counts >= _FILLED * size]:
        if np.count_nonzero(corners == value) < 2:
            if noisy is None:
                height, width = image.shape
                inner = image[height // 4 : height - height // 4, width // 4 : width - width // 4]
                noisy = float((inner[:, 1:] == inner[:, :-1]).mean()) < _EQUAL
            if not noisy:
                continue
        found.add(float(value))
    return found


def _at_sides(image: Raw, value: float, *, like_scene: bool) -> Mask:
    """Where pixels of a value hang together with a side; where the scene may have that value, without gaps."""
    equal = (image == image.dtype.type(value)).view(np.uint8)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(equal, connectivity=8, ltype=cv2.CV_32S)
    sides = np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    kept = np.zeros(len(statistics), np.bool_)
    kept[np.unique(sides)] = True
    kept &= statistics[:, cv2.CC_STAT_AREA] >= _LEAST_AREA
    kept[0] = False  # what has another value
    if like_scene:
        whole = cv2.erode(equal, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
        solid = np.bincount(labels[whole > 0], minlength=len(statistics))
        kept &= solid >= _SOLID * statistics[:, cv2.CC_STAT_AREA]
    return np.asarray(kept[labels], np.bool_)


def _around(mask: Mask, side: int) -> Mask:
    """Pixels in whose square of so many pixels a side one of the mask lies."""
    return np.asarray(cv2.dilate(mask.view(np.uint8), np.ones((side, side), np.uint8)), np.uint8).view(np.bool_)


def _stuck(lines: Raw, low: float, high: float) -> list[int]:
    """Lines of one value that is unlike the scene, a few side by side at most."""
    count, length = lines.shape
    # First in one column only, where hardly any line is unlike the scene.
    place = lines[:, length // 3]
    candidates = np.flatnonzero((place < low) | (place > high))
    if candidates.size == 0:
        return []
    values = place[candidates]
    places = lines[candidates, :: max(1, length // _PLACES)] == values[:, None]
    found = np.count_nonzero(places, axis=1) >= _MOSTLY * places.shape[1]
    # Lines may cross each other.
    equal = np.count_nonzero(lines[candidates[found]] == values[found, None], axis=1)
    stuck = candidates[found][equal >= _MOSTLY * length]
    most = max(2, int(_MOST_STUCK * count))
    runs = np.split(stuck, np.flatnonzero(np.diff(stuck) != 1) + 1)
    return [int(number) for run in runs if len(run) <= most for number in run]
