"""Pictures for the tests of the fusion losses."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Picture = NDArray[np.uint8]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
#: Standard deviations of the blur, pixels: from noise to clouds.
BLURS = (0.0, 0.7, 1.5, 4.0, 8.0)


def picture(seed: int, blur: float, height: int = 77, width: int = 94) -> Picture:
    """Noise of one contrast, however smooth."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width))
    if blur:
        noise = cv2.GaussianBlur(noise, (0, 0), blur)
    return np.asarray((128 + 35 * noise / noise.std()).clip(0, 255).round().astype(np.uint8))


def triples(blur: float) -> list[tuple[Picture, Picture, Picture]]:
    """Two sources, one of them sharper, and pictures fused well, badly and not at all."""
    one, other = picture(1, blur), picture(2, blur / 2)
    mean = ((one.astype(int) + other) // 2).astype(np.uint8)
    pale = (96 + one // 4).astype(np.uint8)
    strong = (1.4 * mean.astype(float) - 51).clip(0, 255).astype(np.uint8)
    return [(one, other, fused) for fused in (mean, np.maximum(one, other), pale, strong, one, picture(3, blur))]


def batch(*pictures: Picture) -> Tensor:
    return torch.from_numpy(np.stack(pictures).astype(np.float32))[:, None]


def one_loss(loss: Loss, triple: tuple[Picture, Picture, Picture]) -> float:
    return float(loss(*(batch(image) for image in triple)))


def person(level: float, around: float) -> Tensor:
    """A square of the size of a person before a wall."""
    image = torch.full((1, 1, 96, 96), float(around))
    image[..., 40:56, 40:56] = level
    return image
