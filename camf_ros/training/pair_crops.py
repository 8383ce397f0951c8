"""Batches of crops for the third stage: both sources of one place, altered as cameras and weather alter them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camf_ros.training.classifier import Sources
from camf_ros.training.config import FusionRecipe
from camf_ros.training.crops import normalise


def pair_crops(folders: list[Sources], settings: FusionRecipe, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Crops at one random place of both pictures of random pairs, every folder as often as the others.

    Some have their contrast and brightness changed, source by source, as cameras differ; in some, one source is blank,
    as that of a covered lens.

    Args:
        folders: Pairs.
        settings: Number and size of the crops, share of those that are changed.
        rng: Source of every choice.

    Returns:
        Infrared and visible, each (batch, 1, crop, crop), float32, range -1 to 1.
    """
    side = settings.crop
    batch: NDArray[np.uint8] = np.empty((2, settings.batch, 1, side, side), np.uint8)
    for row in range(settings.batch):
        sources = folders[int(rng.integers(len(folders)))]
        chosen = int(rng.integers(len(sources.names)))
        pair = sources.infrared[chosen], sources.visible[chosen]
        top = rng.integers(pair[0].shape[0] - side + 1)
        left = rng.integers(pair[0].shape[1] - side + 1)
        flip = rng.integers(2)
        for source, image in enumerate(pair):
            crop = image[top : top + side, left : left + side]
            batch[source, row, 0] = crop[:, ::-1] if flip else crop
    x = normalise(torch.from_numpy(batch))
    # Contrast about the mean of the crop, and brightness; what falls outside the range saturates, as in a camera.
    shape = (2, settings.batch, 1, 1, 1)
    chosen_rows = rng.random(shape) < settings.vary
    contrast = np.where(chosen_rows, rng.uniform(0.5, 1.25, shape), 1.0)
    brightness = np.where(chosen_rows, rng.uniform(-0.3, 0.3, shape), 0.0)
    centre = x.mean((-3, -2, -1), keepdim=True)
    x = ((x - centre) * torch.from_numpy(contrast).float() + centre + torch.from_numpy(brightness).float()).clamp(-1, 1)
    for row in range(settings.batch):
        if rng.random() < settings.blank:
            x[int(rng.integers(2)), row] = rng.uniform(-1, 1)
    return x[0], x[1]
