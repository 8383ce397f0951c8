"""What the cameras say of themselves: camera_info to what the registration knows, and that of a fused image."""

from __future__ import annotations

from collections import deque
from functools import partial

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from camf_ros.imaging.camera_model import Camera, scaling
from camf_ros.nodes import topics
from camf_ros.nodes.image_messages import camera_info_with
from camf_ros.nodes.qos import SENSOR_INPUT

_TOPICS = {topics.THERMAL: topics.THERMAL_INFO, topics.RGB: topics.RGB_INFO}
# A second at 30 Hz.
_KEPT = 30
_IDENTITY = np.eye(3).ravel().tolist()


class CameraInfos:
    """The last camera_info messages of both cameras."""

    def __init__(self, node: Node) -> None:
        """Subscribe."""
        # The last few, because the one that belongs to a pair in work may have been followed by others.
        self._kept: dict[str, deque[CameraInfo]] = {camera: deque(maxlen=_KEPT) for camera in _TOPICS}
        self._node = node
        self._subscriptions = [
            node.create_subscription(CameraInfo, topic, partial(self._keep, camera), SENSOR_INPUT)
            for camera, topic in _TOPICS.items()
        ]

    def close(self) -> None:
        """Unsubscribe; what was kept stays."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _keep(self, camera: str, info: CameraInfo) -> None:
        self._kept[camera].append(info)

    def of(self, camera: str, stamp: Time | None) -> CameraInfo | None:
        """The message that goes with an image; a camera that sends it rarely, or once, means the last one.

        Args:
            camera: Whose.
            stamp: The image's; None for the last message.
        """
        infos = tuple(self._kept[camera])
        last = infos[-1] if infos else None
        return next((info for info in infos if info.header.stamp == stamp), last)


def picture_size(info: CameraInfo) -> tuple[int, int]:
    """(height, width) of the pictures that a camera_info goes with: its region of interest, binned."""
    width, height = info.roi.width or info.width, info.roi.height or info.height
    return height // max(info.binning_y, 1), width // max(info.binning_x, 1)


def camera_of(info: CameraInfo | None) -> Camera | None:
    """Intrinsics for the pictures as they come: after the region of interest and the binning.

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


def fused_info(info: CameraInfo, header: Header, size: tuple[int, int], *, undistorted: bool) -> CameraInfo:
    """The camera_info of an image made from a camera's pictures.

    Args:
        info: Of the reference camera.
        header: Of the fused image.
        size: (height, width) of the fused image.
        undistorted: Whether the lens's distortion was taken out.

    Returns:
        K and P for the size; a D of zeros, no rectification, and P made of K, if undistorted. Region and binning are
        in K and P already. The message as it was, under the header, where nothing is to change.
    """
    own = picture_size(info)
    if own == size == (info.height, info.width) and not undistorted:
        return camera_info_with(info, header)
    result = camera_info_with(info, header)
    result.height, result.width = size
    result.binning_x = result.binning_y = 0
    result.roi = type(info.roi)()
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


def _to_picture(info: CameraInfo) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(3, 3): pixels of the full sensor to pixels of the pictures."""
    height, width = picture_size(info)
    region = (info.roi.height or info.height, info.roi.width or info.width)
    cut = np.array([[1, 0, -float(info.roi.x_offset)], [0, 1, -float(info.roi.y_offset)], [0, 0, 1]])
    # The size that is left over when the binning does not divide the region is cut off, not squeezed in.
    used = (height * max(info.binning_y, 1), width * max(info.binning_x, 1))
    return np.asarray(scaling(used, (height, width)) @ cut) if all(region) else np.eye(3)


def _plain(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, ...]:
    return tuple(float(value) for value in values.ravel())
