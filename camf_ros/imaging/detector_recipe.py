"""What a detector's picture of a pair is made by, beside the fusion of RGB with inverted thermal.

One number steers it: how far RGB can be trusted, from 0 to 1. By day RGB and inverted thermal are alike: the sky is
bright, and warm roads and walls are as dark as asphalt and shade. By night the sky is dark in RGB, lamps dazzle, and
what is left is noise and the colour of the lamps. So the correlation of both says which it is, on a few thousand
pixels. It changes little by little with the picture, and so does everything that follows from it:

* by day thermal's amounts are reduced, because a detector sees most in RGB;
* by night RGB's amounts are reduced in all levels but the coarsest, which leaves its noise out, and its colour goes.

How this was chosen and what else was tried: docs/detector.md.
"""

from __future__ import annotations

import cv2
import numpy as np

from camf_ros.imaging.luminance import GreyImage

#: Amounts of thermal by day and of RGB's detail by night, as a share of the network's.
THERMAL_BY_DAY, RGB_BY_NIGHT = 0.8, 0.5
#: Levels of detail, of 1 to 16 pixels, in which RGB is reduced by night.
DETAIL_LEVELS = 5
# Correlation with inverted thermal from which on RGB is trusted wholly; at its negative it is not at all.
_ALIKE = 0.2
# Longer side of the pictures that are compared, pixels.
_SIDE = 80


def trust_in_rgb(thermal: GreyImage, luminance: GreyImage) -> float:
    """How far RGB can be trusted, 0 (night) to 1 (day).

    Args:
        thermal: (h, w), hot as white.
        luminance: (h, w), of RGB.
    """
    height, width = thermal.shape
    scale = _SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    warm, bright = (
        cv2.resize(each, size, interpolation=cv2.INTER_AREA).astype(np.float32) for each in (thermal, luminance)
    )
    warm, bright = warm - warm.mean(), bright - bright.mean()
    # A level is added to each deviation: pictures of one level are like nothing.
    alike = -float((warm * bright).mean() / ((warm.std() + 1) * (bright.std() + 1)))
    x = min(max(0.5 + 0.5 * alike / _ALIKE, 0.0), 1.0)
    return x * x * (3 - 2 * x)


def factors(trust: float) -> list[tuple[float, float]]:
    """What the amounts of thermal and of RGB are multiplied with at each level, finest first; the last holds for more.

    Args:
        trust: Of :func:`trust_in_rgb`.
    """
    thermal = 1 - trust * (1 - THERMAL_BY_DAY)
    detail = 1 - (1 - trust) * (1 - RGB_BY_NIGHT)
    return [(thermal, detail)] * DETAIL_LEVELS + [(thermal, 1.0)]
