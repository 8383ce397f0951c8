"""Pairs thermal and RGB messages as they arrive; lets through those left alone.

What belongs together is decided in :mod:`camf_ros.pairing.stream`; here are the subscriptions, clocks and the timer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from camf_ros.errors import CamfError
from camf_ros.nodes import topics
from camf_ros.nodes.filter_matcher import FilterMatcher
from camf_ros.nodes.fingerprint import fingerprint
from camf_ros.nodes.qos import subscribe
from camf_ros.pairing.matchers import NearestMatcher
from camf_ros.pairing.presence import Missing
from camf_ros.pairing.stamps import StampRule
from camf_ros.pairing.stream import ImagePair, LoneFrame, PairStream
from camf_ros.settings.fusion_settings import FusionSettings

__all__ = ["ImagePair", "LoneFrame", "Pairing", "seconds"]

# Waiting pairs are looked at this many times within pairing.max_delay, but no more often than the second number says.
_LOOKS = 4
_SHORTEST_LOOK = 0.002


def seconds(stamp: Any) -> float:
    """A builtin_interfaces/Time in seconds."""
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)


class Pairing:
    """Subscribes to both cameras and hands out pairs, and frames that are alone where the settings want them."""

    def __init__(
        self,
        node: Node,
        settings: FusionSettings,
        *,
        on_pair: Callable[[ImagePair], None],
        on_lone: Callable[[LoneFrame], None],
        on_frame: Callable[[str], None],
        on_bad_stamp: Callable[[str, Time], str],
    ) -> None:
        """Subscribe.

        Args:
            node: Whose subscriptions.
            settings: Policy and its limits, and what to do while a camera is missing.
            on_pair: Called with each pair in the executor's thread. Must not raise: that would end the node.
            on_lone: Called there with each frame of a camera that is alone, if ``on_missing`` is ``pass_through``. No
                pair has it afterwards.
            on_frame: Called with the camera's name for each message, paired or not.
            on_bad_stamp: Called with the camera's name and the stamp for each message whose stamp is no time, or 0
                where ``zero_stamps`` does not say what to do instead; says what is wrong.
        """
        self._node = node
        self._on_pair, self._on_lone, self._on_frame, self._on_bad_stamp = on_pair, on_lone, on_frame, on_bad_stamp
        pairing = settings.pairing
        self._stamps = StampRule(pairing, node.get_logger().warning)
        matcher = NearestMatcher(pairing) if pairing.policy == "nearest" else FilterMatcher(pairing)
        self._stream = PairStream(settings, matcher, time.monotonic())
        # By the steady clock: simulated time may stand still. Runs only while a pair waits.
        self._timer = node.create_timer(
            max(_SHORTEST_LOOK, pairing.max_delay / _LOOKS),
            self._look,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self._timer.cancel()
        self._subscriptions = [
            self._subscribe(topics.THERMAL, topics.THERMAL_IMAGE, settings.input_transport.thermal),
            self._subscribe(topics.RGB, topics.RGB_IMAGE, settings.input_transport.rgb),
        ]

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many frames came into no pair, by camera and reason ("thermal late"); empty for other policies."""
        return self._stream.dropped

    def configure(self, settings: FusionSettings) -> None:
        """Take over what can change at run time; from the thread that takes messages."""
        self._stream.configure(settings)

    def close(self) -> None:
        """Unsubscribe; frames that wait are dropped."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._node.destroy_timer(self._timer)

    def used(self, item: ImagePair | LoneFrame) -> None:
        """See :meth:`camf_ros.pairing.stream.PairStream.used`."""
        self._stream.used(item)

    def refused(self, item: ImagePair | LoneFrame, error: CamfError) -> None:
        """See :meth:`camf_ros.pairing.stream.PairStream.refused`."""
        self._stream.refused(item, error)

    def missing(self) -> Mapping[str, Missing]:
        """The cameras that are missing now, why and for how long; from the thread that takes messages."""
        return self._stream.missing(time.monotonic())

    def _subscribe(self, camera: str, topic: str, transport: str) -> Any:
        node = self._node
        kind, topic = (Image, topic) if transport == "raw" else (CompressedImage, topics.compressed(node, topic))
        return subscribe(node, kind, topic, lambda message: self._arrived(camera, message))

    def _arrived(self, camera: str, message: Image | CompressedImage) -> None:
        self._on_frame(camera)
        stamp = self._stamps.time(camera, message.header.stamp, self._clock)
        if stamp is None:
            problem = self._on_bad_stamp(camera, message.header.stamp)
            self._stream.refuse(camera, fingerprint(message), time.monotonic(), problem)
            return
        self._hand_out(self._stream.add(camera, message, stamp, fingerprint(message), time.monotonic()))
        self._wake()

    def _look(self) -> None:
        self._hand_out(self._stream.expire(time.monotonic()))
        self._wake()

    def _hand_out(self, found: list[ImagePair | LoneFrame] | list[ImagePair]) -> None:
        for item in found:
            if isinstance(item, LoneFrame):
                self._on_lone(item)
            else:
                self._on_pair(item)

    def _wake(self) -> None:
        waiting = self._stream.deadline() is not None
        if waiting and self._timer.is_canceled():
            self._timer.reset()
        elif not waiting and not self._timer.is_canceled():
            self._timer.cancel()

    def _clock(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
