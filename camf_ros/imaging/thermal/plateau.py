"""Plateau histogram equalisation that keeps fine detail.

A smooth base is taken out of the picture by an edge-preserving guided filter (He, Sun, Tang, IEEE PAMI 35, 2013) at a
quarter of the size. The base is equalised: each value gets grey levels by how often it occurs, but no more than a
plateau allows, and a share of the levels is given out linearly. What the base leaves, the detail, is added with one
gain everywhere, so that it survives where the base is compressed.
"""

from __future__ import annotations

from typing import NamedTuple, TypeGuard

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.thermal.agc import Following, Levels
from camf_ros.imaging.thermal.scene import Raw, Scene
from camf_ros.settings.thermal_settings import ThermalSettings

_COUNTS = 65536
# Steps of the grid of float values: a fraction of the noise is lost in none.
_STEPS_PER_NOISE = 4
_STEPS_PER_SPAN = 4096
# The grid is made again if it is coarser than this times what the scene needs: something hot has left the picture.
_MOST_COARSE = 4
# The base is computed at this fraction of the size, with windows of so many of its pixels.
_REDUCTION = 4
_WINDOW = 5
# Rows that are processed at once, so that their data fit into the cache.
_ROWS = 64
# Differences that the equalisation would show with fewer grey levels than this are detail, larger ones are edges.
_DETAIL_LEVELS = 16.0


class Grid(NamedTuple):
    """How raw values become counts: ``count = (value - origin) / step``."""

    origin: float
    step: float

    def counts(self, values: Raw, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Counts, not rounded, 0 to 65535."""
        counts = np.empty(values.shape, np.float32) if out is None else out
        if self == COUNTS:
            np.copyto(counts, values)
        else:
            np.subtract(values, np.float32(self.origin), out=counts)
            counts *= np.float32(1 / self.step)
            np.clip(counts, 0, _COUNTS - 1, out=counts)
        return counts

    def value(self, count: float) -> float:
        """Of a count."""
        return self.origin + self.step * count


COUNTS = Grid(0.0, 1.0)


class _Buffers:
    """Memory for one size of pictures, used in every frame: allocating it costs more than the computation."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.counts, self.share, self.rest = np.empty((3, *shape), np.float32)
        # For _ROWS rows only.
        rows = (_ROWS, *shape[1:])
        self.rounded, self.index = np.empty(rows, np.uint16), np.empty(rows, np.intp)
        self.levels = np.empty(rows, np.float32)


class PlateauEqualisation:
    """Equalises one camera's frames by a mapping that follows them."""

    def __init__(self) -> None:
        self._following = Following()
        self._grid: Grid | None = None
        # Counts that the mapping covers. Below and above, grey levels are those of its ends.
        self._span = range(0)
        self._buffers = _Buffers((0, 0))

    def apply(
        self, image: Raw, scene: Scene, stamp: float, settings: ThermalSettings
    ) -> tuple[NDArray[np.uint8], Levels]:
        """Grey picture (H, W), and the raw values at which it becomes black and white."""
        grid = self._prepare(image, scene)
        histogram = scene.histogram
        if histogram is None:
            histogram = np.bincount(np.rint(grid.counts(scene.sample)).astype(np.uint16))
        low, high = (scene.low - grid.origin) / grid.step, (scene.high - grid.origin) / grid.step
        span = self._widen(_span_of(histogram, low, high))
        # Bins as wide as the noise: the resolution of the camera's counts does not matter.
        width = max(1, round(scene.noise / grid.step))
        target = equalisation(histogram, width, settings.plateau_limit, scene.least_span / grid.step, span)
        if settings.linear_share:
            target += settings.linear_share * (stretch(low, high, span) - target)
        mapping = self._following.follow(target, stamp, settings.time_constant)
        table = np.empty(_COUNTS, np.float32)
        table[: span.start], table[span.stop :] = mapping[0], mapping[-2]
        # The last entry is the contrast of detail, in grey levels a count.
        table[span.start : span.stop], slope = mapping[:-1], float(mapping[-1])
        grey = self._render(grid, image, table, slope, settings.detail_gain)
        black, white = np.searchsorted(table, table[0], "right") - 1, np.searchsorted(table, table[-1])
        return grey, (grid.value(float(black)), grid.value(float(white)))

    def _render(
        self, grid: Grid, image: Raw, table: NDArray[np.float32], slope: float, detail_gain: float
    ) -> NDArray[np.uint8]:
        if self._buffers.shape != image.shape:
            self._buffers = _Buffers(image.shape)
        buffers = self._buffers
        counts = grid.counts(image, buffers.counts)
        share, rest = guided_filter(counts, (_DETAIL_LEVELS / slope) ** 2, buffers.share, buffers.rest)
        grey = np.empty(image.shape, np.uint8)
        for top in range(0, image.shape[0], _ROWS):
            rows = slice(top, min(top + _ROWS, image.shape[0]))
            used = slice(rows.stop - top)
            base, index = share[rows], buffers.index[used]
            base *= counts[rows]
            base += rest[rows]
            np.copyto(index, np.add(base, np.float32(0.5), out=buffers.rounded[used], casting="unsafe"))
            detail = np.subtract(counts[rows], base, out=base)
            # No index is outside of the table; wrap is the fastest mode.
            levels = table.take(index, mode="wrap", out=buffers.levels[used])
            cv2.addWeighted(levels, 1.0, detail, detail_gain * slope, 0.0, grey[rows], cv2.CV_8U)
        return grey

    def _prepare(self, image: Raw, scene: Scene) -> Grid:
        """Counts are their own grid; that of floats stays while it fits, and the mapping moves with it."""
        old = self._grid
        if image.dtype == np.uint16:
            new = COUNTS
        else:
            step = max(scene.noise / _STEPS_PER_NOISE, (scene.high - scene.low) / _STEPS_PER_SPAN)
            new = old if _fits(old, scene, step) else Grid((scene.low + scene.high - _COUNTS * step) / 2, step)
        if old is not None and new != old:
            before, self._span = self._span, _moved_span(self._span, old, new)
            self._following.rewrite(lambda mapping: _moved(mapping, before, old, self._span, new))
        self._grid = new
        return new

    def _widen(self, span: range) -> range:
        """Keep the mapping for these counts as well."""
        before = self._span or span
        self._span = range(min(before.start, span.start), max(before.stop, span.stop))
        more = (before.start - self._span.start, self._span.stop - before.stop)
        if any(more):
            self._following.rewrite(lambda mapping: np.append(np.pad(mapping[:-1], more, mode="edge"), mapping[-1]))
        return self._span


def _span_of(histogram: NDArray[np.intp], low: float, high: float) -> range:
    """The counts from which to which grey levels of a frame rise, and one more at both ends."""
    first, last = int(np.argmax(histogram > 0)), histogram.size - 1
    return range(int(max(0, min(first - 1, low - 1))), 1 + int(min(_COUNTS - 1, max(last + 1, high + 1))))


def _fits(grid: Grid | None, scene: Scene, step: float) -> TypeGuard[Grid]:
    """Whether a grid holds the scene and is not much coarser than the step that it needs."""
    if grid is None or grid is COUNTS or grid.step > _MOST_COARSE * step:
        return False
    return grid.origin <= scene.low and scene.high <= grid.value(_COUNTS - 1)


def equalisation(
    histogram: NDArray[np.intp], width: int, limit: float, least_span: float, span: range
) -> NDArray[np.float64]:
    """(len(span) + 1,): grey levels of counts, not decreasing, 0 to 255, and the contrast of detail.

    Each bin of so many counts gets levels by how often it occurs; what the limit of contrast leaves over goes to all
    bins alike, also to those between that do not occur. The histogram starts at count 0, and its last count occurs.
    ``limit`` is the most that a bin is worth, as a multiple of the mean over those that occur; ``least_span``, counts,
    bounds the contrast everywhere; ``span`` holds all counts that occur. The contrast of detail is the mean, over the
    pixels, of the grey levels that a count more makes.
    """
    first, last = int(np.argmax(histogram > 0)), histogram.size - 1
    occurring = histogram[first:]
    bins = np.add.reduceat(occurring, np.arange(0, occurring.size, width)).astype(np.float64)
    pixels = bins.sum()
    plateau = limit * pixels / np.count_nonzero(bins)
    clipped = np.minimum(bins, plateau)
    rises = np.minimum(clipped * (255.0 / (width * clipped.sum())), 255.0 / least_span)
    # Levels that the noise limit leaves over are spread evenly, also over values that do not occur. Otherwise a warm
    # person in front of an even wall would be a few levels above it.
    spare = max(0.0, 255.0 - width * float(rises.sum())) / (width * rises.size)
    rises = np.minimum(rises + spare, 255.0 / least_span)
    slopes = np.repeat(rises, width)[: occurring.size]
    grey = np.cumsum(slopes)
    result = np.empty(len(span) + 1)
    # Levels that no bin may use stay free at both ends.
    start = (255.0 - grey[-1]) / 2
    result[: first - span.start] = start
    result[first - span.start : last + 1 - span.start] = start + grey - slopes / 2
    result[last + 1 - span.start : -1] = start + grey[-1]
    result[-1] = (bins @ rises) / pixels
    return result


def stretch(low: float, high: float, span: range) -> NDArray[np.float64]:
    """What :func:`equalisation` gives, for a linear stretch between two counts, ``low`` less than ``high``."""
    slope = 255.0 / (high - low)
    result = np.empty(len(span) + 1)
    np.clip((np.arange(span.start, span.stop) - low) * slope, 0.0, 255.0, out=result[:-1])
    result[-1] = slope
    return result


def guided_filter(
    counts: NDArray[np.float32],
    variance: float,
    share_memory: NDArray[np.float32] | None = None,
    rest_memory: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Share and rest, (H, W) each: ``share * counts + rest`` is the base without fine detail, edges kept.

    Counts are (H, W), 0 to 65535. ``variance``, counts squared, is the variation in a window up to which it is detail.
    The last two arguments are memory for the results.
    """
    height, width = counts.shape
    size = (max(1, width // _REDUCTION), max(1, height // _REDUCTION))
    small = np.asarray(cv2.resize(counts, size, interpolation=cv2.INTER_AREA), np.float32)
    # Only differences count, and around 0 float32 holds their squares more precisely.
    middle = np.float32(small.mean())
    small -= middle
    mean = _windows(small)
    spread = np.maximum(_windows(small * small) - mean * mean, 0)
    share = spread / (spread + np.float32(variance))
    rest = (1 - share) * (mean + middle)
    share, rest = (
        np.asarray(cv2.resize(_windows(part), (width, height), memory, interpolation=cv2.INTER_LINEAR), np.float32)
        for part, memory in ((share, share_memory), (rest, rest_memory))
    )
    return share, rest


def _windows(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(image, (_WINDOW, _WINDOW), borderType=cv2.BORDER_REPLICATE), np.float32)


def _moved_span(span: range, old: Grid, new: Grid) -> range:
    first, last = ((old.value(count) - new.origin) / new.step for count in (span.start, span.stop - 1))
    start = int(min(max(first - 1, 0), _COUNTS - 1))
    return range(start, 1 + int(min(max(last + 1, start), _COUNTS - 1)))


def _moved(mapping: NDArray[np.float64], before: range, old: Grid, after: range, new: Grid) -> NDArray[np.float64]:
    counts, others = np.arange(before.start, before.stop), np.arange(after.start, after.stop)
    levels = np.interp(new.value(0.0) + new.step * others, old.value(0.0) + old.step * counts, mapping[:-1])
    return np.append(levels, mapping[-1] * new.step / old.step)
