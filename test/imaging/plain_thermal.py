"""What the thermal front end computes, pixel by pixel and as slowly as it is easily read."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camf_ros.scene import NightStreet


@cache
def street(width: int = 640, height: int = 512) -> NightStreet:
    """The embedded street; building it takes longer than most tests."""
    return NightStreet(1, thermal_size=(width, height))


def stretch(picture: NDArray[Any], black: float, white: float) -> NDArray[np.float64]:
    """Linear between two levels, not rounded."""
    return np.clip((picture.astype(np.float64) - black) * 255 / (white - black), 0, 255)


def plateau_levels(counts: NDArray[np.uint16], width: int, limit: float, least_span: float) -> dict[int, float]:
    """Grey level of each count that occurs: the middle of what it takes up."""
    values = counts.ravel().tolist()
    first, last = min(values), max(values)
    number: dict[int, int] = {}
    for value in values:
        number[(value - first) // width] = number.get((value - first) // width, 0) + 1
    plateau = limit * counts.size / len(number)
    clipped = {place: min(pixels, plateau) for place, pixels in number.items()}
    total = sum(clipped.values())
    rises = {place: min(255 * clipped[place] / total / width, 255 / least_span) for place in clipped}
    # What is left over goes to all bins alike, up to the last that occurs.
    bins = (last - first) // width + 1
    spare = max(0, 255 - width * sum(rises.values())) / (width * bins)
    rises = {place: min(rises.get(place, 0) + spare, 255 / least_span) for place in range(bins)}
    total_rise = sum(rises.get((value - first) // width, 0) for value in range(first, last + 1))
    level = (255 - total_rise) / 2
    levels = {}
    for value in range(first, last + 1):
        rise = rises.get((value - first) // width, 0)
        if value in values:
            levels[value] = level + rise / 2
        level += rise
    return levels


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
    share, rest = np.zeros(picture.shape), np.zeros(picture.shape)
    for y, x in np.ndindex(picture.shape):
        window = _window(picture, y, x, radius)
        share[y, x] = window.var() / (window.var() + variance)
        rest[y, x] = (1 - share[y, x]) * window.mean()
    result = np.zeros(picture.shape)
    for y, x in np.ndindex(picture.shape):
        result[y, x] = _window(share, y, x, radius).mean() * picture[y, x] + _window(rest, y, x, radius).mean()
    return result


def _window(picture: NDArray[np.float64], y: int, x: int, radius: int) -> NDArray[np.float64]:
    padded = np.pad(picture, radius, mode="edge")
    return padded[y : y + 2 * radius + 1, x : x + 2 * radius + 1]
