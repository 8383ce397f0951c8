"""Recordings of a rig: thermal and RGB of places that share their edges, as frames of any number of places."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.training.adapt_frames import Frame, Gathering

Grey = NDArray[np.uint8]


def place(seed: int, side: int = 128) -> tuple[Grey, Grey]:
    """Boxes that both cameras see, warm ones that only thermal sees, and a texture that only RGB sees."""
    rng = np.random.default_rng(seed)
    thermal, rgb = (np.full((side, side), level, np.float32) for level in rng.uniform(60, 120, 2))
    for number in range(14):
        left, top = rng.integers(0, side - 20, 2)
        width, height = rng.integers(8, 40, 2)
        box = slice(top, top + height), slice(left, left + width)
        thermal[box] = rng.uniform(20, 235)
        if number < 11:
            rgb[box] = rng.uniform(20, 235)
    texture = cv2.GaussianBlur(rng.normal(0, 1, (side, side)), (0, 0), 1.2) * 25
    thermal = cv2.GaussianBlur(thermal, (0, 0), 1.0)
    return thermal.clip(0, 255).astype(np.uint8), (rgb + texture).clip(0, 255).astype(np.uint8)


def noisy(picture: Grey, seed: int, sigma: float, stripes: float = 0.0) -> Grey:
    rng = np.random.default_rng(seed)
    added = rng.normal(0, sigma, picture.shape) + rng.normal(0, stripes, (1, picture.shape[1]))
    return np.asarray((picture + added).round().clip(0, 255), np.uint8)


def folder_of(count: int, sigma: float = 0.0, side: int = 128) -> Gathering:
    """A folder of different places; thermal with noise."""
    gathered = Gathering()
    for seed in range(count):
        thermal, rgb = place(seed, side)
        gathered.add(Frame(f"p{seed}", noisy(thermal, seed, sigma) if sigma else thermal, rgb, None))
    return gathered


def drive(places: int, at_each: int, period: float = 0.5) -> Gathering:
    """A recording that stays at each place for some frames, with a little noise."""
    gathered = Gathering()
    for number in range(places * at_each):
        thermal, rgb = place(number // at_each)
        gathered.add(Frame("", noisy(thermal, number, 1.0), noisy(rgb, number + 10**6, 1.0), period * number))
    return gathered
