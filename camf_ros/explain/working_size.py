"""The size at which a picture is explained: small enough to be quick, and divided evenly by the features' cells."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ImageError, ParameterError
from camf_ros.network.constants import BORDER
from camf_ros.network.numpy_network import MAP_REACH, STEP

#: Smallest side of the working picture, pixels: the classifier's maps need as much. A multiple of STEP that, with the
#: border that the network adds, is one too.
LEAST = STEP * MAP_REACH - 2 * BORDER


def check_limit(limit: int) -> None:
    """Check what :func:`working_size` is to keep to.

    Raises:
        ParameterError: If it is below :data:`LEAST`.
    """
    if limit < LEAST:
        raise ParameterError(f"the longer side of an explanation is {limit}", expected=f"at least {LEAST} pixels")


def working_size(size: tuple[int, int], limit: int) -> tuple[int, int]:
    """Height and width to work at.

    Args:
        size: (H, W) of the pictures.
        limit: Of the longer side, pixels. A narrow picture may be longer, if the shorter side would fall below
            :data:`LEAST` otherwise.

    Returns:
        Multiples of :data:`~camf_ros.network.numpy_network.STEP`, about in the proportion of the pictures.

    Raises:
        ImageError: If a side is below :data:`LEAST`.
        ParameterError: If the limit is.
    """
    check_limit(limit)
    height, width = size
    shorter, longer = min(size), max(size)
    if shorter < LEAST:
        raise ImageError(
            f"a picture of {width} x {height} is too small to be explained",
            expected=f"sides of at least {LEAST} pixels",
        )
    scale = min(1.0, max(limit / longer, LEAST / shorter))
    return _side(height, scale), _side(width, scale)


def _side(length: int, scale: float) -> int:
    return max(LEAST, round(length * scale / STEP) * STEP)


def shrunk_to(picture: NDArray[np.uint8], work: tuple[int, int]) -> NDArray[np.uint8]:
    """A grey picture at the working size: areas are averaged."""
    if picture.shape == work:
        return picture
    shrinking = picture.shape[0] >= work[0] and picture.shape[1] >= work[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, work[::-1], interpolation=method), np.uint8)
