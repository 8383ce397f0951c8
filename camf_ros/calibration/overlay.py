"""A picture for people: infrared over visible, before and after."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.align import Pair
from camf_ros.calibration.motions import Matrix
from camf_ros.imaging.camera_model import scaling

_BAR, _GAP, _INK, _BACKGROUND = 30, 6, 235, 24


def overlay(pair: Pair, matrix: Matrix, titles: tuple[str, str] = ("before", "after")) -> NDArray[np.uint8]:
    """Infrared in orange over visible in blue; where they lie on each other colours vanish.

    Args:
        pair: The pictures.
        matrix: (3, 3), visible pixel to infrared pixel.
        titles: Of the two halves.

    Returns:
        (H, W, 3) red, green, blue: left the infrared picture resized, right under the mapping.
    """
    size = (pair.visible.shape[0], pair.visible.shape[1])
    before = scaling(size, (pair.infrared.shape[0], pair.infrared.shape[1]))
    halves = [_titled(_mixed(pair, mapping), title) for mapping, title in zip((before, matrix), titles, strict=True)]
    gap = np.full((halves[0].shape[0], _GAP, 3), _BACKGROUND, np.uint8)
    return np.concatenate([halves[0], gap, halves[1]], axis=1)


def _mixed(pair: Pair, mapping: Matrix) -> NDArray[np.uint8]:
    size = (pair.visible.shape[1], pair.visible.shape[0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    infrared = cv2.equalizeHist(np.asarray(cv2.warpPerspective(pair.infrared, mapping, size, flags=flags), np.uint8))
    visible = cv2.equalizeHist(pair.visible)
    green = cv2.addWeighted(infrared, 0.5, visible, 0.5, 0)
    return np.asarray(cv2.merge([infrared, green, visible]), np.uint8)


def _titled(image: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
    bar = np.full((_BAR, image.shape[1], 3), _BACKGROUND, np.uint8)
    cv2.putText(bar, title, (8, _BAR - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (_INK, _INK, _INK), 1, cv2.LINE_AA)
    return np.concatenate([bar, image])
