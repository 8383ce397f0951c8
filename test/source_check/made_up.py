"""Classifiers and pictures that tests make up."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from camf_ros.source_check.source_model import Calibration, CropSides, SourceModel

Picture = NDArray[np.uint8]


@dataclass
class ByBrightness:
    """Calls a crop infrared by so much as it is brighter than middle grey, and counts what it is asked."""

    asked: list[tuple[int, ...]] = field(default_factory=list)

    def logits(self, first: Picture, second: Picture, /) -> NDArray[np.float32]:
        self.asked += [first.shape, second.shape]
        return np.array([[(float(crop.mean()) - 127.5) / 10, 0.0] for crop in (first, second)], np.float32)


def model(weakness: str = "", sides: CropSides | None = None) -> SourceModel:
    return SourceModel(
        ByBrightness(), sides or CropSides(4, 52), Calibration(1.0, 0.0, 1.0, 200), calibrated=True, weakness=weakness
    )


def textured(level: float, shape: tuple[int, ...] = (240, 320), seed: int = 0) -> Picture:
    """Blocks about a grey level: structure of all sizes down to four pixels."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(level, 25, (-(-shape[0] // 8), -(-shape[1] // 8)))
    return np.clip(np.kron(coarse, np.ones((8, 8)))[: shape[0], : shape[1]], 0, 255).astype(np.uint8)


def coloured(grey: Picture) -> Picture:
    """With the same luminance, roughly, and strong colours."""
    wide = grey.astype(int)
    return np.clip(np.stack([wide + 20, wide, wide - 40], axis=2), 0, 255).astype(np.uint8)
