"""Layers of the network in numpy: convolutions as matrix products, and enlargements."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]

# Bytes of the patches that one matrix product takes in: more than a cache holds is written to memory and read again.
_BAND_BYTES = 2**21


def as_rows(weight: NDArray[np.float32]) -> Features:
    """(O, C, 3, 3) as (O, 9 C), as patches lie: window place by window place, within it channel by channel."""
    return np.ascontiguousarray(weight.transpose(0, 2, 3, 1).reshape(len(weight), -1))


def convolved(padded: Features, weight: Features, bias: Features, stride: int) -> Features:
    """A 3x3 convolution with ReLU, without a border of its own.

    Args:
        padded: (C, H, W).
        weight: (O, 9 C), of :func:`as_rows`.
        bias: (O, 1).
        stride: 1 or 2.

    Returns:
        (O, (H - 3) // stride + 1, (W - 3) // stride + 1).
    """
    rows, columns = ((side - 3) // stride + 1 for side in padded.shape[1:])
    out = np.empty((len(weight), rows, columns), np.float32)
    for top, bottom in _bands(rows, columns * weight.shape[1] * 4):
        patches = patches_of(padded, top, bottom, columns, stride)
        band = weight @ patches.reshape(weight.shape[1], -1)
        band += bias
        np.maximum(band.reshape(len(weight), bottom - top, columns), 0, out=out[:, top:bottom])
    return out


def _bands(rows: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    step = max(1, _BAND_BYTES // row_bytes)
    for top in range(0, rows, step):
        yield top, min(rows, top + step)


def patches_of(x: Features, first: int, last: int, columns: int, stride: int) -> Features:
    """What the 3x3 windows of some rows see: (9, C, rows, columns)."""
    patches = np.empty((9, len(x), last - first, columns), np.float32)
    for place in range(9):
        down, right = divmod(place, 3)
        rows = slice(first * stride + down, (last - 1) * stride + down + 1, stride)
        patches[place] = x[:, rows, right : right + (columns - 1) * stride + 1 : stride]
    return patches


def enlarged(x: Features, height: int, width: int) -> Features:
    """Bilinear, from (C, h, w) to (C, height, width): between the middles of pixels, the outermost repeated."""
    return np.asarray(np.matmul(np.matmul(_between(x.shape[1], height), x), _between(x.shape[2], width).T), np.float32)


def _between(coarse: int, fine: int) -> Features:
    """Matrix (fine, coarse) of one side of an enlargement."""
    places = np.clip((np.arange(fine) + 0.5) * coarse / fine - 0.5, 0, coarse - 1)
    below = np.minimum(places.astype(int), max(coarse - 2, 0))
    matrix = np.zeros((fine, coarse), np.float32)
    rows = np.arange(fine)
    matrix[rows, below] = 1 - (places - below)
    matrix[rows, np.minimum(below + 1, coarse - 1)] += places - below
    return matrix
