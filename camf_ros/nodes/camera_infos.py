"""What the cameras say of themselves: their camera_info topics, followed."""

from __future__ import annotations

from functools import partial

from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from camf_ros.imaging.camera_model import InfoHistory, camera_of, fused_info, picture_size
from camf_ros.nodes import topics
from camf_ros.nodes.qos import subscribe

__all__ = ["CameraInfos", "camera_of", "fused_info", "picture_size"]

_TOPICS = {topics.THERMAL: topics.THERMAL_INFO, topics.RGB: topics.RGB_INFO}


class CameraInfos:
    """The last camera_info messages of both cameras."""

    def __init__(self, node: Node) -> None:
        """Subscribe."""
        self._histories = {camera: InfoHistory() for camera in _TOPICS}
        self._node = node
        self._subscriptions = [
            subscribe(node, CameraInfo, topic, partial(self._keep, camera)) for camera, topic in _TOPICS.items()
        ]

    def close(self) -> None:
        """Unsubscribe; what was kept stays."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _keep(self, camera: str, info: CameraInfo) -> None:
        self._histories[camera].keep(info)

    def of(self, camera: str, stamp: Time | None) -> CameraInfo | None:
        """The message that goes with an image; a camera that sends it rarely, or once, means the last one.

        Args:
            camera: Whose.
            stamp: The image's; None for the last message.
        """
        return self._histories[camera].of(stamp)
