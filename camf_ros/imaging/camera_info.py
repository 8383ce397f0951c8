"""What a camera_info says: intrinsics for the registration, and the camera_info of an image made from the pictures.

For any object with the fields of sensor_msgs/CameraInfo: what a node receives, and what is read from a recording.
"""

from __future__ import annotations

import copy
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.camera_model import Camera, scaling

# A second at 30 Hz.
_KEPT = 30
_IDENTITY = np.eye(3).ravel().tolist()


class InfoHistory:
    """The last camera_info messages of one camera."""

    def __init__(self) -> None:
        # The last few, because the one that belongs to a pair in work may have been followed by others.
        self._kept: deque[Any] = deque(maxlen=_KEPT)

    def keep(self, info: Any) -> None:
        """Take a message."""
        self._kept.append(info)

    def of(self, stamp: Any) -> Any:
        """The message that goes with an image; a camera that sends it rarely, or once, means the last one.

        Args:
            stamp: The image's; None for the last message.

        Returns:
            None before the first message.
        """
        infos = tuple(self._kept)
        last = infos[-1] if infos else None
        return next((info for info in infos if info.header.stamp == stamp), last)


def picture_size(info: Any) -> tuple[int, int]:
    """(height, width) of the pictures that a camera_info goes with: its region of interest, binned."""
    width, height = info.roi.width or info.width, info.roi.height or info.height
    return height // max(info.binning_y, 1), width // max(info.binning_x, 1)


def camera_of(info: Any) -> Camera | None:
    """Intrinsics for the pictures as they come: after the region of interest and the binning.

    Args:
        info: The message; None where there is none.

    Returns:
        None without a message, and where the first element of K is 0, which says that the camera is not calibrated.

    Raises:
        RegistrationError: If the distortion model is not known, or the numbers make no sense.
    """
    if info is None or info.k[0] == 0:
        return None
    height, width = picture_size(info)
    k = _to_picture(info) @ np.array(info.k, np.float64).reshape(3, 3)
    return Camera(width, height, _plain(k), str(info.distortion_model) or "plumb_bob", _plain(np.array(info.d)))


def fused_info(info: Any, header: Any, size: tuple[int, int], *, undistorted: bool) -> Any:
    """The camera_info of an image made from a camera's pictures.

    Args:
        info: Of the reference camera.
        header: Of the fused image.
        size: (height, width) of the fused image.
        undistorted: Whether the lens's distortion was taken out.

    Returns:
        A message of the same type: K and P for the size; a D of zeros, no rectification, and P made of K, if
        undistorted. Region and binning are in K and P already. The message as it was, under the header, where nothing
        is to change. What is computed is in plain lists.
    """
    own = picture_size(info)
    result = copy.copy(info)
    result.header = header
    if own == size == (info.height, info.width) and not undistorted:
        return result
    result.height, result.width = size
    result.binning_x = result.binning_y = 0
    result.roi = copy.copy(info.roi)
    result.roi.x_offset = result.roi.y_offset = result.roi.width = result.roi.height = 0
    result.roi.do_rectify = False
    to_result = scaling(own, size) @ _to_picture(info)
    k = to_result @ np.array(info.k, np.float64).reshape(3, 3)
    result.k = k.ravel().tolist()
    if undistorted:
        result.distortion_model = "plumb_bob"
        result.d = [0.0] * 5
        result.r = _IDENTITY
        result.p = np.column_stack([k, np.zeros(3)]).ravel().tolist()
    else:
        result.p = (to_result @ np.array(info.p, np.float64).reshape(3, 4)).ravel().tolist()
    return result


def _to_picture(info: Any) -> NDArray[np.float64]:
    """(3, 3): pixels of the full sensor to pixels of the pictures."""
    height, width = picture_size(info)
    region = (info.roi.height or info.height, info.roi.width or info.width)
    cut = np.array([[1, 0, -float(info.roi.x_offset)], [0, 1, -float(info.roi.y_offset)], [0, 0, 1]])
    # The size that is left over when the binning does not divide the region is cut off, not squeezed in.
    used = (height * max(info.binning_y, 1), width * max(info.binning_x, 1))
    return np.asarray(scaling(used, (height, width)) @ cut) if all(region) else np.eye(3)


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values.ravel())
