"""Where the fused pictures come from: a file, a model, or one of two baselines that every method has to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from camf_ros.engines.engine import Engine
from camf_ros.imaging.luminance import GreyImage
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion import FusionSettings

#: The fused luminance of the pictures that a sample has: infrared, visible, and fused where that exists; (H, W) uint8.
Method = Callable[..., GreyImage]


def given(_infrared: GreyImage, _visible: GreyImage, fused: GreyImage) -> GreyImage:
    """The picture that was made by someone."""
    return fused


def maximum(infrared: GreyImage, visible: GreyImage) -> GreyImage:
    """The brighter pixel. High in MI and VIF, which shows that these two reward plain copying."""
    return np.maximum(infrared, visible)


def average(infrared: GreyImage, visible: GreyImage) -> GreyImage:
    """The mean of both pixels, halves rounded up."""
    # To even, as NumPy does it, would leave odd levels rarer than even ones and lower the entropy.
    return ((infrared.astype(np.uint16) + visible + 1) // 2).astype(np.uint8)


BASELINES: Mapping[str, Method] = {"max": maximum, "average": average}


def by_model(engine: Engine, settings: FusionSettings) -> Method:
    """Fusion of still pictures by a model.

    Args:
        engine: The model, ready to run.
        settings: As the node takes them.
    """

    def fuse(infrared: GreyImage, visible: GreyImage) -> GreyImage:
        # A pipeline of its own for each picture: nothing carries over from one to the next.
        return FusionPipeline(engine, settings).fuse(infrared, visible, stamp=0.0).image

    return fuse
