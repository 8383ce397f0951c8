"""Pairs of pictures for the engines' tests: smooth as real ones are, with edges and noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

GreyImage = NDArray[np.uint8]


def smooth_pair(height: int, width: int, seed: int = 0) -> tuple[GreyImage, GreyImage]:
    """Two unlike scenes of one size: blurred noise at several scales, some squares, a little grain."""
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(2):
        picture = rng.normal(0, 3, (height, width))
        for scale in (2, 6, 20):
            noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), scale)
            picture += 30 * noise / max(float(noise.std()), 1e-9)
        for _ in range(4):
            top, left = rng.integers(height), rng.integers(width)
            picture[top : top + height // 4, left : left + width // 6] += rng.normal(0, 60)
        pictures.append(np.clip(picture + rng.uniform(70, 180), 0, 255).astype(np.uint8))
    return pictures[0], pictures[1]
