"""Pairs thermal and RGB messages by their stamps, with the filters of message_filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import message_filters
from builtin_interfaces.msg import Time
from rclpy.node import Node
from sensor_msgs.msg import Image

from camf_ros.nodes import topics
from camf_ros.nodes.qos import SENSOR_INPUT
from camf_ros.settings.fusion import PairingSettings

# A stamp this much before the newest one is not late: the clock went back, as when a recording starts anew.
_JUMP = 1.0


def seconds(stamp: Any) -> float:
    """A builtin_interfaces/Time in seconds."""
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)


class Pairing:
    """Subscribes to both cameras and hands out pairs."""

    def __init__(
        self,
        node: Node,
        settings: PairingSettings,
        *,
        on_pair: Callable[[Image, Image], None],
        on_frame: Callable[[str], None],
        on_bad_stamp: Callable[[str, Time], None],
    ) -> None:
        """Subscribe.

        Args:
            node: Whose subscriptions.
            settings: Policy and its limits.
            on_pair: Called with (thermal, RGB) in the executor's thread. Must not raise: message_filters calls it while
                holding a lock that an exception would leave locked.
            on_frame: Called with the camera's name for each message, paired or not.
            on_bad_stamp: Called with the camera's name and the stamp for each message whose stamp is no time.
        """
        self._on_frame, self._on_bad_stamp = on_frame, on_bad_stamp
        self._subscribers: list[message_filters.Subscriber] = []
        self._newest: dict[str, float] = {}
        thermal = self._subscribe(node, topics.THERMAL, topics.THERMAL_IMAGE)
        rgb = self._subscribe(node, topics.RGB, topics.RGB_IMAGE)
        if settings.policy == "exact":
            self._filter = message_filters.TimeSynchronizer([thermal, rgb], settings.queue_size)
        else:
            self._filter = message_filters.ApproximateTimeSynchronizer(
                [thermal, rgb], queue_size=settings.queue_size, slop=settings.slop
            )
        self._filter.registerCallback(on_pair)

    def _subscribe(self, node: Node, camera: str, topic: str) -> Any:
        subscriber = message_filters.Subscriber(node, Image, topic, qos_profile=SENSOR_INPUT)
        # Between subscriber and synchroniser, because the latter raises on what is no time, and that ends the node.
        gate = message_filters.SimpleFilter()
        subscriber.registerCallback(lambda message: self._arrived(camera, message, gate))
        self._subscribers.append(subscriber)
        return gate

    def _arrived(self, camera: str, message: Image, gate: Any) -> None:
        self._on_frame(camera)
        if message.header.stamp.sec < 0:
            self._on_bad_stamp(camera, message.header.stamp)
            return
        stamp = seconds(message.header.stamp)
        if stamp < self._newest.get(camera, stamp) - _JUMP:
            self._forget_after(stamp + _JUMP)
        self._newest[camera] = max(stamp, self._newest.get(camera, stamp))
        gate.signalMessage(message)

    def _forget_after(self, limit: float) -> None:
        """Drop waiting messages with later stamps: they would hold the queues and never find a counterpart."""
        self._newest.clear()
        with self._filter.lock:
            for queue in self._filter.queues:
                for key in [key for key, message in queue.items() if seconds(message.header.stamp) > limit]:
                    del queue[key]
