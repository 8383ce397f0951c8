"""Fusion at a smaller size, at little cost to what the RGB camera resolves.

The network is given both pictures at the processing size. What it changes, ``fused - shrunk RGB luminance``, is
enlarged and added to the full RGB luminance ``Y``: ``Y + up(fused - down(Y))``, which is ``up(fused)`` plus the detail
``Y - up(down(Y))`` that shrinking took away.
"""

from __future__ import annotations

import cv2
import numpy as np

from camf_ros.imaging.luminance import GreyImage


def shrunk(luminance: GreyImage, size: tuple[int, int]) -> GreyImage:
    """A luminance at (height, width): areas are averaged where it gets smaller, bilinear where it gets larger."""
    smaller = size[0] <= luminance.shape[0] and size[1] <= luminance.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(luminance, (size[1], size[0]), interpolation=method), np.uint8)


def with_detail(fused: GreyImage, small: GreyImage, full: GreyImage) -> GreyImage:
    """The fused luminance at full size.

    Args:
        fused: (h, w), fused at the processing size.
        small: (h, w), the RGB luminance that was fused.
        full: (H, W), the RGB luminance it was made of.

    Returns:
        (H, W), 0 to 255.
    """
    change = cv2.subtract(fused, small, dtype=cv2.CV_16S)
    enlarged = cv2.resize(change, (full.shape[1], full.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(full, enlarged, dtype=cv2.CV_8U), np.uint8)
