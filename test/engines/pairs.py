"""Pairs of pictures for the engines' tests, and how far a fused picture is from the plain network's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from camf_ros.network import load_checkpoint

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


def reference(model: Path, infrared: GreyImage, visible: GreyImage, gain: float | None = None) -> NDArray[np.float64]:
    """Fused grey levels before rounding, by the plain network in float64; automatic gain if none is given."""
    network = load_checkpoint(model).network.double()
    images = (torch.from_numpy(((picture - 127.5) / 127.5)[None, None]) for picture in (infrared, visible))
    constant = None if gain is None else torch.tensor([gain], dtype=torch.float64)
    with torch.inference_mode():
        fused = network(*images, network.class_activation_weights(), constant).fused
    return np.asarray(fused[0, 0].numpy() * 127.5 + 127.5, np.float64)


def psnr(picture: GreyImage, exact: NDArray[np.float64]) -> float:
    """In dB, of grey levels."""
    return float(10 * np.log10(255**2 / np.mean((picture - exact) ** 2)))
