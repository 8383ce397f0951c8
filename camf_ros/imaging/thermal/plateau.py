"""Plateau histogram equalisation that keeps fine detail.

A smooth base is taken out of the picture (an edge-preserving guided filter: He, Sun, Tang, IEEE PAMI 35, 2013, at a
quarter of the size). The base is equalised: each value gets grey levels by how often it occurs, but no more than a
plateau allows, and a share of the levels is given out linearly, so that what is common does not take them all. What
the base leaves, the detail, is added with one gain everywhere, so that it survives where the base is compressed.
"""

from __future__ import annotations

from typing import NamedTuple, TypeGuard

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.thermal.following import Following, Levels
from camf_ros.imaging.thermal.scene import Raw, Scene
from camf_ros.settings.thermal import ThermalSettings

_COUNTS = 65536
_EVERY_COUNT = np.arange(_COUNTS, dtype=np.float64)
# Steps of the grid of float values: a fraction of the noise is lost in none.
_STEPS_PER_NOISE = 4
_STEPS_PER_SPAN = 4096
# The grid is made anew if it is coarser than this times what the scene needs: something hot has left the picture.
_MOST_COARSE = 4
# The base is computed at this fraction of the size, with windows of so many of its pixels.
_REDUCTION = 4
_WINDOW = 5
# Differences that the equalisation would show with fewer grey levels than this are detail, larger ones are edges.
_DETAIL_LEVELS = 16.0


class Grid(NamedTuple):
    """How raw values become counts: ``count = (value - origin) / step``."""

    origin: float
    step: float

    def counts(self, values: Raw) -> NDArray[np.float32]:
        """Counts, not rounded, 0 to 65535."""
        counts = values.astype(np.float32)
        if self != COUNTS:
            counts -= np.float32(self.origin)
            counts *= np.float32(1 / self.step)
            np.clip(counts, 0, _COUNTS - 1, out=counts)
        return counts

    def value(self, count: float) -> float:
        """The value of a count."""
        return self.origin + self.step * count


COUNTS = Grid(0.0, 1.0)


class PlateauEqualisation:
    """Equalises one camera's frames by a mapping that follows them."""

    def __init__(self) -> None:
        self._following = Following()
        self._grid: Grid | None = None

    def apply(
        self, image: Raw, scene: Scene, stamp: float, settings: ThermalSettings
    ) -> tuple[NDArray[np.uint8], Levels]:
        """Grey picture (H, W), and the raw values at which it becomes black and white."""
        grid = self._prepare(image, scene)
        sample = scene.sample if image.dtype == np.uint16 else np.rint(grid.counts(scene.sample))
        # Bins as wide as the noise, so that it does not matter how finely a camera counts.
        width = max(1, round(scene.noise / grid.step))
        target = equalisation(sample.astype(np.uint16), width, settings.plateau_limit, scene.least_span / grid.step)
        if settings.linear_share:
            ends = ((scene.low - grid.origin) / grid.step, (scene.high - grid.origin) / grid.step)
            target += settings.linear_share * (stretch(*ends) - target)
        mapping = self._following.follow(target, stamp, settings.time_constant)
        # The last entry is the contrast of detail, in grey levels a count.
        table, slope = mapping[:-1].astype(np.float32), float(mapping[-1])
        counts = grid.counts(image)
        base = smooth_base(counts, (_DETAIL_LEVELS / slope) ** 2)
        detail = np.subtract(counts, base, out=counts)
        base += np.float32(0.5)
        grey = cv2.addWeighted(
            table.take(base.astype(np.uint16)), 1.0, detail, settings.detail_gain * slope, 0.0, dtype=cv2.CV_8U
        )
        black, white = np.searchsorted(table, table[0], "right") - 1, np.searchsorted(table, table[-1])
        return np.asarray(grey, np.uint8), (grid.value(float(black)), grid.value(float(white)))

    def _prepare(self, image: Raw, scene: Scene) -> Grid:
        """Counts are their own grid; that of floats stays while it fits, and the mapping moves with it."""
        old = self._grid
        if image.dtype == np.uint16:
            new = COUNTS
        else:
            step = max(scene.noise / _STEPS_PER_NOISE, (scene.high - scene.low) / _STEPS_PER_SPAN)
            new = old if _fits(old, scene, step) else Grid((scene.low + scene.high - _COUNTS * step) / 2, step)
        if old is not None and new != old:
            self._following.rewrite(lambda mapping: _moved(mapping, old, new))
        self._grid = new
        return new


def _fits(grid: Grid | None, scene: Scene, step: float) -> TypeGuard[Grid]:
    """Whether a grid holds the scene and is not much coarser than the step that it needs."""
    if grid is None or grid is COUNTS or grid.step > _MOST_COARSE * step:
        return False
    return grid.origin <= scene.low and scene.high <= grid.value(_COUNTS - 1)


def equalisation(sample: NDArray[np.uint16], width: int, limit: float, least_span: float) -> NDArray[np.float64]:
    """Grey level of every count, and the contrast of detail.

    Each bin gets levels by how often it occurs; what the limit of contrast leaves over goes to all bins alike, also to
    those between that do not occur.

    Args:
        sample: (n,), n at least 1.
        width: Of a bin, counts.
        limit: Most that a bin is worth, as a multiple of the mean over those that occur.
        least_span: Least number of counts from black to white: bounds the contrast everywhere.

    Returns:
        (65537,), 65536 grey levels that do not decrease, 0 to 255, and the mean over the pixels of the grey levels that
        a count more makes, above 0.
    """
    first, last = int(sample.min()), int(sample.max())
    histogram = np.bincount((sample - np.uint16(first)) // np.uint16(min(width, _COUNTS - 1))).astype(np.float64)
    plateau = limit * sample.size / np.count_nonzero(histogram)
    clipped = np.minimum(histogram, plateau)
    rises = np.minimum(clipped * (255.0 / (width * clipped.sum())), 255.0 / least_span)
    # What the noise forbids to use here is given out evenly, also to values that do not occur: one warm person before
    # an even wall must not be a few levels above it.
    spare = max(0.0, 255.0 - width * float(rises.sum())) / (width * rises.size)
    rises = np.minimum(rises + spare, 255.0 / least_span)
    slopes = np.repeat(rises, width)[: last - first + 1]
    grey = np.cumsum(slopes)
    result = np.empty(_COUNTS + 1)
    # What the noise forbids to use anywhere is left free at both ends.
    start = (255.0 - grey[-1]) / 2
    result[:first] = start
    result[first : last + 1] = start + grey - slopes / 2
    result[last + 1 : -1] = start + grey[-1]
    result[-1] = (histogram @ rises) / sample.size
    return result


def stretch(low: float, high: float) -> NDArray[np.float64]:
    """What :func:`equalisation` gives, for a linear stretch between two counts, ``low`` less than ``high``."""
    slope = 255.0 / (high - low)
    result = np.empty(_COUNTS + 1)
    np.clip((_EVERY_COUNT - low) * slope, 0.0, 255.0, out=result[:-1])
    result[-1] = slope
    return result


def smooth_base(counts: NDArray[np.float32], variance: float) -> NDArray[np.float32]:
    """The picture without its fine detail, edges kept: a guided filter with the picture as its own guide.

    Args:
        counts: (H, W), 0 to 65535.
        variance: Variation in a window up to which it is detail, counts squared.

    Returns:
        (H, W), 0 to 65535 but for rounding.
    """
    height, width = counts.shape
    size = (max(1, width // _REDUCTION), max(1, height // _REDUCTION))
    small = np.asarray(cv2.resize(counts, size, interpolation=cv2.INTER_AREA), np.float32)
    # Only differences count, and float32 holds their squares better around 0.
    middle = np.float32(small.mean())
    small -= middle
    mean = _windows(small)
    spread = np.maximum(_windows(small * small) - mean * mean, 0)
    share = spread / (spread + np.float32(variance))
    rest = (1 - share) * (mean + middle)
    share, rest = (
        np.asarray(cv2.resize(_windows(part), (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        for part in (share, rest)
    )
    share *= counts
    share += rest
    return share


def _windows(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(image, (_WINDOW, _WINDOW), borderType=cv2.BORDER_REPLICATE), np.float32)


def _moved(mapping: NDArray[np.float64], old: Grid, new: Grid) -> NDArray[np.float64]:
    counts = np.arange(_COUNTS)
    levels = np.interp(new.value(0.0) + new.step * counts, old.value(0.0) + old.step * counts, mapping[:-1])
    return np.append(levels, mapping[-1] * new.step / old.step)
