"""Random training crops that depend on (seed, stream, step) alone: a resumed run sees what an unbroken one saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camf_ros.training.images import GreyImage


def generator(seed: int, stream: str, step: int) -> np.random.Generator:
    """The random generator of one step of one stage."""
    return np.random.default_rng([seed, *stream.encode(), step])


def random_crops(images: Sequence[GreyImage], count: int, side: int, rng: np.random.Generator) -> Tensor:
    """Crops at random places of random pictures, flipped at random.

    Args:
        images: Pictures of at least ``side`` pixels in both directions.
        count: Number of crops.
        side: Side of a crop, pixels.
        rng: Source of every choice.

    Returns:
        (count, 1, side, side), float32, grey levels 0 to 255.
    """
    batch: NDArray[np.uint8] = np.empty((count, 1, side, side), np.uint8)
    for row in batch:
        image = images[int(rng.integers(len(images)))]
        top = rng.integers(image.shape[0] - side + 1)
        left = rng.integers(image.shape[1] - side + 1)
        crop = image[top : top + side, left : left + side]
        if rng.integers(2):
            crop = crop[:, ::-1]
        row[0] = crop
    return torch.from_numpy(batch).float()
