"""What a detector's picture of a pair is made by, beside the fusion of RGB with inverted thermal.

One number steers it: how far RGB can be trusted, from 0 to 1. By day RGB and inverted thermal are alike: the sky is
bright, and warm roads and walls are as dark as asphalt and shade. By night the sky is dark in RGB, lamps dazzle, and
what is left is noise and the colour of the lamps. So the correlation of both says which it is, on a few thousand
pixels: RGB is trusted unless it is clearly unlike. The number changes little by little with the picture, and so does
everything that follows from it:

* by day there is a little less of thermal and more of RGB, in which a detector knows what it sees;
* by night what is bright in RGB is made darker, because lamps dazzle, and RGB's colour goes, which is that of the
  lamps.

How this was chosen and what else was tried: docs/detector.md.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.luminance import GreyImage

#: What the amounts of thermal and of RGB are multiplied with by day; by night they stay.
BY_DAY = (0.8, 1.1)
#: Grey level of RGB from which on it dazzles by night, and what is left of a level above it.
DAZZLING, LEFT = 140, 0.3
#: Correlation with inverted thermal at which RGB is not trusted at all; from 0 on it is trusted wholly.
UNLIKE = -0.2
# Longer side of the pictures that are compared, pixels.
_SIDE = 80


def trust_in_rgb(
    thermal: GreyImage, luminance: GreyImage, seen: NDArray[np.bool_] | None = None, *, unlike: float = UNLIKE
) -> float:
    """How far RGB can be trusted, 0 (night) to 1 (day).

    Args:
        thermal: (h, w), hot as white.
        luminance: (h, w), of RGB.
        seen: (H, W), where both cameras see something; None: everywhere.
        unlike: Correlation with inverted thermal at which RGB is not trusted at all.
    """
    height, width = thermal.shape
    scale = _SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    warm, bright = (
        cv2.resize(each, size, interpolation=cv2.INTER_AREA).astype(np.float32) for each in (thermal, luminance)
    )
    if seen is not None:
        both = cv2.resize(seen.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        warm, bright = warm[both], bright[both]
    if not warm.size:
        return 1.0
    warm, bright = warm - warm.mean(), bright - bright.mean()
    # A level is added to each deviation: pictures of one level are like nothing.
    alike = -float((warm * bright).mean() / ((warm.std() + 1) * (bright.std() + 1)))
    x = min(max(1 - alike / unlike, 0.0), 1.0)
    return x * x * (3 - 2 * x)


def factors(trust: float) -> tuple[float, float]:
    """What the amounts of thermal and of RGB are multiplied with at all levels.

    Args:
        trust: Of :func:`trust_in_rgb`.
    """
    thermal, rgb = BY_DAY
    return 1 - trust * (1 - thermal), 1 - trust * (1 - rgb)


def undazzled(luminance: GreyImage, trust: float, dazzling: float = DAZZLING, left: float = LEFT) -> GreyImage:
    """RGB's luminance with less of what dazzles by night; the same one by day.

    Args:
        luminance: (h, w), 0 to 255.
        trust: Of :func:`trust_in_rgb`.
        dazzling: Grey level from which on it dazzles.
        left: What is left of a level above it.
    """
    if trust == 1:
        return luminance
    levels = np.arange(256, dtype=np.float64)
    above = np.maximum(levels - dazzling, 0)
    return np.asarray(cv2.LUT(luminance, np.rint(levels - (1 - trust) * (1 - left) * above).astype(np.uint8)), np.uint8)
