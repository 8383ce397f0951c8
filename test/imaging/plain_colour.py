"""Colour conversions in plain NumPy, from the formulas, to hold OpenCV's against."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def bt601(luma: NDArray[Any], u: NDArray[Any], v: NDArray[Any]) -> NDArray[np.float64]:
    """Red, green, blue of ITU-R BT.601 in the range 16 to 235, (H, W, 3), 0 to 255, not rounded.

    Luma below black counts as black before chroma is added, as OpenCV has it.
    """
    bright = (np.maximum(luma.astype(np.float64), 16) - 16) * 255 / 219
    blue, red = (u.astype(np.float64) - 128) * 255 / 224, (v.astype(np.float64) - 128) * 255 / 224
    weights = {"red": 0.299, "green": 0.587, "blue": 0.114}
    r = bright + 2 * (1 - weights["red"]) * red
    b = bright + 2 * (1 - weights["blue"]) * blue
    g = (bright - weights["red"] * r - weights["blue"] * b) / weights["green"]
    return np.clip(np.stack([r, g, b], axis=2), 0, 255)


def twice(chroma: NDArray[Any], *, rows: bool) -> NDArray[Any]:
    """Each sample for the pixels that share it: two columns, and two rows if so."""
    wide = np.repeat(chroma, 2, axis=1)
    return np.repeat(wide, 2, axis=0) if rows else wide


def colour_at(pattern: str, height: int, width: int) -> NDArray[np.intp]:
    """Index of the colour (0 red, 1 green, 2 blue) under each pixel of a mosaic, (H, W)."""
    rows, columns = np.indices((height, width))
    letters = np.array(["rgb".index(letter) for letter in pattern])
    return np.asarray(letters[2 * (rows % 2) + columns % 2])


def mosaic(picture: NDArray[Any], pattern: str) -> NDArray[Any]:
    """What a sensor under a filter pattern sees of (H, W, 3)."""
    where = colour_at(pattern, *picture.shape[:2])
    return np.asarray(np.take_along_axis(picture, where[:, :, None], axis=2)[:, :, 0])


def demosaic(raw: NDArray[Any], pattern: str) -> NDArray[np.int64]:
    """Bilinear interpolation: each colour is the mean of its nearest samples, halves rounded up.

    The border of one pixel is left out.

    Returns:
        (H - 2, W - 2, 3).
    """
    height, width = raw.shape
    where = colour_at(pattern, height, width)
    result = np.zeros((height - 2, width - 2, 3), np.int64)
    for row in range(1, height - 1):
        for column in range(1, width - 1):
            near_raw = raw[row - 1 : row + 2, column - 1 : column + 2].astype(np.int64)
            near = where[row - 1 : row + 2, column - 1 : column + 2]
            for colour in range(3):
                if near[1, 1] == colour:
                    value = near_raw[1, 1]
                else:
                    cross = np.zeros((3, 3), bool)
                    cross[1, ::2] = cross[::2, 1] = True
                    samples = near_raw[(near == colour) & cross]
                    if samples.size == 0:
                        samples = near_raw[near == colour]
                    value = (2 * samples.sum() + samples.size) // (2 * samples.size)
                result[row - 1, column - 1, colour] = value
    return result
