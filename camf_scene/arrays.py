"""Array types, typed OpenCV calls and noise that the scene's modules share."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]

#: Side of the noise tiles in pixels; they repeat without a seam.
TILE = 512


def blur(image: F32, sigma: float) -> F32:
    """Gaussian blur with a standard deviation in pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def wide_blur(image: F32, sigma: float) -> F32:
    """Gaussian blur for large sigmas, done on a smaller copy."""
    factor = max(1, int(sigma / 4))
    h, w = image.shape[:2]
    small = cv2.resize(image, (max(1, w // factor), max(1, h // factor)), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), sigma / factor)
    return np.asarray(cv2.resize(soft, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)


def resize(image: F32, size: tuple[int, int]) -> F32:
    """Resize to (width, height), averaging when it shrinks."""
    shrink = size[0] < image.shape[1]
    how = cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=how), np.float32)


def smooth(x: F32, low: float, high: float) -> F32:
    """Smooth step from 0 at ``low`` to 1 at ``high``."""
    s = np.clip((x - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return np.asarray(s * s * (3.0 - 2.0 * s), np.float32)


def tile(rng: np.random.Generator, cells: int, octaves: int = 5, gain: float = 0.5) -> F32:
    """A seamless tile of fractal noise, (TILE, TILE), mean 0 and standard deviation 1.

    Args:
        rng: Source of the random grids.
        cells: Blobs along one side in the coarsest octave; a power of two.
        octaves: Number of octaves, each with twice the blobs.
        gain: Weight of each octave relative to the one before.
    """
    total = np.zeros((TILE, TILE), np.float32)
    weight = 1.0
    for octave in range(octaves):
        n = min(cells << octave, TILE)
        grid = np.pad(rng.standard_normal((n, n)).astype(np.float32), 2, mode="wrap")
        step = TILE // n
        fine = cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += np.float32(weight) * fine[2 * step : 2 * step + TILE, 2 * step : 2 * step + TILE]
        weight *= gain
    total -= total.mean()
    return np.asarray(total / total.std(), np.float32)


def sample(texture: F32, x: F32, y: F32) -> F32:
    """Values of a seamless tile at pixel positions ``x``, ``y`` that may lie anywhere."""
    out = cv2.remap(
        texture,
        np.asarray(np.mod(x, texture.shape[1]), np.float32),
        np.asarray(np.mod(y, texture.shape[0]), np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return np.asarray(out, np.float32)
