"""What the thermal front end computes, pixel by pixel and as slowly as it is easily read."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streets import night_street

from camf_ros.settings.thermal_settings import ThermalSettings
from camf_scene import NightStreet


def street(width: int = 640, height: int = 512) -> NightStreet:
    """The simulated street in thermal frames of this size."""
    return night_street(thermal_size=(width, height))


def stretch(picture: NDArray[Any], black: float, white: float) -> NDArray[np.float64]:
    """Linear between two levels, not rounded."""
    return np.clip((picture.astype(np.float64) - black) * 255 / (white - black), 0, 255)


def plateau_levels(counts: NDArray[Any], width: int, limit: float, least_span: float) -> tuple[dict[int, float], float]:
    """Grey level of each count from one below the least to one above the largest, and the contrast of detail.

    A level is the middle of what the count takes up.
    """
    values = Counter(counts.ravel().tolist())
    first, last = min(values), max(values)
    number: Counter[int] = Counter()
    for value, pixels in values.items():
        number[(value - first) // width] += pixels
    plateau = limit * counts.size / len(number)
    clipped = {place: min(pixels, plateau) for place, pixels in number.items()}
    total = sum(clipped.values())
    rises = {place: min(255 * clipped[place] / total / width, 255 / least_span) for place in clipped}
    # What is left over goes to all bins alike, up to the last that occurs.
    bins = (last - first) // width + 1
    spare = max(0, 255 - width * sum(rises.values())) / (width * bins)
    rises = {place: min(rises.get(place, 0) + spare, 255 / least_span) for place in range(bins)}
    level = (255 - sum(rises[(value - first) // width] for value in range(first, last + 1))) / 2
    levels = {first - 1: level}
    for value in range(first, last + 1):
        rise = rises[(value - first) // width]
        levels[value] = level + rise / 2
        level += rise
    levels[last + 1] = level
    return levels, sum(pixels * rises[place] for place, pixels in number.items()) / counts.size


class Plateau:
    """What the front end does with agc plateau and no dead pixels: every count, every pixel, nothing left out."""

    def __init__(self, settings: ThermalSettings) -> None:
        self._settings = settings
        self._grid: tuple[float, float] | None = None
        self._mapping: NDArray[np.float64] | None = None
        self._stamp = 0.0

    def apply(self, image: NDArray[Any], stamp: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Least and largest grey: where the base lies between two counts, it may be rounded to either."""
        settings = self._settings
        step = max(1, math.isqrt(image.size // 65536))
        sample = image[::step, ::step]
        low, high = (float(each) for each in np.percentile(sample, (settings.low_percentile, settings.high_percentile)))
        floor = 12**-0.5 if image.dtype == np.uint16 else float(np.spacing(np.float32(max(abs(low), abs(high)))))
        noise = max(floor, _noise(image.astype(np.float64)))
        least_span = settings.least_span or noise * 255 / 4
        middle, half = (low + high) / 2, max(high - low, least_span) / 2
        low, high = middle - half, middle + half
        origin, width = self._choose_grid(image, low, high, noise)
        counts = (image.astype(np.float64) - origin) / width
        places = np.rint(counts[::step, ::step]).astype(int)
        target = self._target(
            places, (low - origin) / width, (high - origin) / width, noise / width, least_span / width
        )
        if self._mapping is None or settings.time_constant == 0:
            self._mapping = target
        share = 1 - math.exp(-(stamp - self._stamp) / settings.time_constant) if settings.time_constant else 1.0
        self._mapping = self._mapping + share * (target - self._mapping)
        self._stamp = stamp
        contrast = self._mapping[-1]
        base = quarter_base(counts, (16 / contrast) ** 2)
        detail = settings.detail_gain * contrast * (counts - base)
        # Single precision holds a base to this part of a count.
        greys = (self._mapping[np.rint(base + way * 0.05).astype(int).clip(0, 65535)] + detail for way in (-1, 1))
        least, largest = (np.rint(np.clip(grey, 0, 255)) for grey in greys)
        return least, largest

    def _choose_grid(self, image: NDArray[Any], low: float, high: float, noise: float) -> tuple[float, float]:
        if image.dtype == np.uint16:
            return 0.0, 1.0
        step = max(noise / 4, (high - low) / 4096)
        old = self._grid
        if old is None or old[1] > 4 * step or low < old[0] or high > old[0] + 65535 * old[1]:
            self._grid = ((low + high - 65536 * step) / 2, step)
            if old is not None and self._mapping is not None:
                every = np.arange(65536)
                new_values, old_values = (grid[0] + grid[1] * every for grid in (self._grid, old))
                levels = np.interp(new_values, old_values, self._mapping[:-1])
                self._mapping = np.append(levels, self._mapping[-1] * step / old[1])
        assert self._grid is not None
        return self._grid

    def _target(
        self, counts: NDArray[Any], low: float, high: float, noise: float, least_span: float
    ) -> NDArray[np.float64]:
        settings = self._settings
        levels, contrast = plateau_levels(counts, max(1, round(noise)), settings.plateau_limit, least_span)
        every = np.arange(65536)
        equalised = np.append(np.interp(every, list(levels), list(levels.values())), contrast)
        linear = np.append(stretch(every, low, high), 255 / (high - low))
        return equalised + settings.linear_share * (linear - equalised)


def _noise(picture: NDArray[np.float64]) -> float:
    height, width = picture.shape
    step = max(1, math.isqrt(picture.size // 4096))
    differences = sorted(
        abs(picture[y, x] - picture[y, x + 1] - picture[y + 1, x] + picture[y + 1, x + 1])
        for y in range(0, height - 1, step)
        for x in range(0, width - 1, step)
    )
    lower = differences[: len(differences) // 2]
    # The mean of the lower half of normal deviates of spread 1 is 0.32466; four pixels make a difference.
    return float(np.mean(lower)) / (2 * 0.32466) if lower else 0.0


def equalised_by_tiles(
    picture: NDArray[Any], tiles: tuple[int, int], levels: tuple[float, float], *, nodes: int, limit: float
) -> NDArray[np.float64]:
    """Histogram equalisation by tiles, every pixel between the curves of the four tiles around it."""
    (height, width), (low, high) = picture.shape, levels
    curves = np.zeros((*tiles, nodes))
    numbers = np.zeros((*tiles, nodes))
    for y in range(height):
        for x in range(width):
            node = int(min(max((picture[y, x] - low) / (high - low) * nodes, 0), nodes - 1))
            numbers[y * tiles[0] // height, x * tiles[1] // width, node] += 1
    for down in range(tiles[0]):
        for across in range(tiles[1]):
            parts = numbers[down, across] / numbers[down, across].sum()
            clipped = np.minimum(parts, limit / nodes)
            clipped = clipped + (1 - clipped.sum()) / nodes
            curves[down, across] = [255 * (clipped[:node].sum() + clipped[node] / 2) for node in range(nodes)]
    result = np.zeros((height, width))
    middles = low + (high - low) * (np.arange(nodes) + 0.5) / nodes
    for y in range(height):
        for x in range(width):
            row = min(max((y + 0.5) * tiles[0] / height - 0.5, 0), tiles[0] - 1)
            column = min(max((x + 0.5) * tiles[1] / width - 0.5, 0), tiles[1] - 1)
            for down in {math.floor(row), math.ceil(row)}:
                for across in {math.floor(column), math.ceil(column)}:
                    share = (1 - abs(row - down)) * (1 - abs(column - across))
                    result[y, x] += share * np.interp(picture[y, x], middles, curves[down, across])
    return result


def guided_base(picture: NDArray[np.float64], radius: int, variance: float) -> NDArray[np.float64]:
    """The guided filter at full size, the picture its own guide."""
    share, rest = _guided(picture, radius, variance)
    return share * picture + rest


def quarter_base(picture: NDArray[np.float64], variance: float) -> NDArray[np.float64]:
    """The guided filter of windows of 5 x 5 at a quarter of the size, its coefficients interpolated."""
    (height, width), (rows, columns) = picture.shape, [max(1, size // 4) for size in picture.shape]
    small = _means(height, rows) @ picture @ _means(width, columns).T
    share, rest = (
        _interpolation(height, rows) @ part @ _interpolation(width, columns).T for part in _guided(small, 2, variance)
    )
    return share * picture + rest


def _interpolation(size: int, small: int) -> NDArray[np.float64]:
    """(size, small), weights of linear interpolation between the middles of pixels."""
    middles = (np.arange(size) + 0.5) * small / size - 0.5
    return np.array([np.interp(middles, np.arange(small), row) for row in np.eye(small)]).T


def _means(size: int, small: int) -> NDArray[np.float64]:
    """(small, size), how much of each pixel lies in each of the larger ones, as a share of those."""
    edges, pixels = np.linspace(0, size, small + 1)[:, None], np.arange(size)
    parts = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return np.clip(parts, 0, None) * small / size


def _guided(picture: NDArray[np.float64], radius: int, variance: float) -> tuple[NDArray[np.float64], ...]:
    spread = _windows(picture, radius).var(axis=(2, 3))
    share = spread / (spread + variance)
    rest = (1 - share) * _windows(picture, radius).mean(axis=(2, 3))
    return tuple(_windows(part, radius).mean(axis=(2, 3)) for part in (share, rest))


def _windows(picture: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    padded = np.pad(picture, radius, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1, 2 * radius + 1))
