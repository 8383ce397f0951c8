"""Batches of crops for a blending network: both sources of one place, altered as cameras and weather alter them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camf_ros.training.config import CropsRecipe
from camf_ros.training.sources import Sources

_Batch = NDArray[np.float32]

# Contrast and brightness (grey levels) of varied crops, sizes of rescaled ones.
_CONTRAST, _BRIGHTNESS, _SCALE = (0.5, 1.25), (-38, 38), (0.6, 1.6)
# Share of the noise in which neighbouring pixels are alike, as after demosaicing and compression, and share of the
# infrared noise with stripes along the columns, as of a microbolometer.
_SOFT, _STRIPED = 0.3, 0.3


class PairCrops(NamedTuple):
    """Crops of pairs, each (2, count, 1, side, side), infrared first, float32, grey levels 0 to 255.

    Attributes:
        clean: What the fused picture should keep.
        seen: What the network is shown: the same with noise in some of them.
    """

    clean: Tensor
    seen: Tensor


def pair_crops(folders: Sequence[Sources], count: int, settings: CropsRecipe, rng: np.random.Generator) -> PairCrops:
    """Crops at one random place of both pictures of random pairs, every folder as often as the others.

    Args:
        folders: Pairs, pictures of at least ``settings.side`` pixels in both directions.
        count: Number of pairs of crops.
        settings: Size of the crops, share of those that are altered in each way.
        rng: Source of every choice.
    """
    batch: _Batch = np.empty((2, count, 1, settings.side, settings.side), np.float32)
    for row in range(count):
        sources = folders[int(rng.integers(len(folders)))]
        chosen = int(rng.integers(len(sources.names)))
        batch[:, row, 0] = _crop(sources.infrared[chosen], sources.visible[chosen], settings, rng)
    batch = _varied(batch, settings.vary, rng)
    for row in range(count):
        if rng.random() < settings.blank:
            batch[int(rng.integers(2)), row] = rng.uniform(0, 255)
        if rng.random() < settings.invert:
            batch[0, row] = 255 - batch[0, row]
    seen = batch.copy()
    for source, row in np.ndindex(2, count):
        if rng.random() < settings.noise:
            seen[source, row, 0] += _noise(settings.side, settings.sigma, source == 0, rng)
    return PairCrops(torch.from_numpy(batch), torch.from_numpy(seen.clip(0, 255)))


def _crop(
    infrared: NDArray[np.uint8], visible: NDArray[np.uint8], settings: CropsRecipe, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """One place of both pictures, (2, side, side)."""
    height, width = infrared.shape
    side = taken = settings.side
    if rng.random() < settings.rescale:
        taken = min(int(np.ceil(side / rng.uniform(*_SCALE))), height, width)
    top, left = rng.integers(height - taken + 1), rng.integers(width - taken + 1)
    crops = [image[top : top + taken, left : left + taken] for image in (infrared, visible)]
    if taken != side:
        how = cv2.INTER_AREA if taken > side else cv2.INTER_LINEAR
        crops = [np.asarray(cv2.resize(crop, (side, side), interpolation=how), np.uint8) for crop in crops]
    both = np.stack(crops)
    return both[..., ::-1] if rng.integers(2) else both


def _varied(batch: _Batch, share: float, rng: np.random.Generator) -> _Batch:
    """Contrast about the mean of the crop, and brightness; what falls outside the range saturates, as in a camera."""
    shape = (*batch.shape[:2], 1, 1, 1)
    chosen = rng.random(shape) < share
    contrast = np.where(chosen, rng.uniform(*_CONTRAST, shape), 1.0).astype(np.float32)
    brightness = np.where(chosen, rng.uniform(*_BRIGHTNESS, shape), 0.0).astype(np.float32)
    centre = batch.mean((-3, -2, -1), keepdims=True)
    result: _Batch = ((batch - centre) * contrast + (centre + brightness)).clip(0, 255)
    return result


def _noise(side: int, sigma: float, infrared: bool, rng: np.random.Generator) -> NDArray[np.float64]:
    deviation = rng.uniform(1, sigma)
    noise: NDArray[np.float64] = rng.normal(0, deviation, (side, side))
    if rng.random() < _SOFT:
        noise = 1.6 * np.asarray(cv2.GaussianBlur(noise, (3, 3), 0.8), np.float64)
    if infrared and rng.random() < _STRIPED:
        noise = noise + rng.normal(0, deviation / 2, (1, side))
    return noise
