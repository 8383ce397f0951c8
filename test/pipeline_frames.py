"""A thermal and an RGB frame of different sizes, for tests of the pipeline."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

THERMAL = (26, 33)
RGB = (41, 58)


def counts(seed: int = 1, size: tuple[int, int] = THERMAL) -> NDArray[np.uint16]:
    """A 16-bit thermal frame: smooth, with noise."""
    noise = np.random.default_rng(seed).normal(0, 300, size)
    return (20_000 + cv2.GaussianBlur(noise, (0, 0), 2) * 10 + noise).clip(0, 65535).astype(np.uint16)


def colour(seed: int = 2, size: tuple[int, int] = RGB) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, 60, (*size, 3))
    return np.asarray((128 + cv2.GaussianBlur(noise, (0, 0), 1.5) * 2).clip(0, 255).astype(np.uint8))
