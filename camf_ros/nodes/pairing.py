"""Pairs thermal and RGB messages by their stamps, with filters of message_filters; lets through those left alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import message_filters
from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from camf_ros.nodes import topics
from camf_ros.nodes.fingerprint import fingerprint
from camf_ros.nodes.nearest_filter import NearestStampSynchronizer
from camf_ros.nodes.qos import SENSOR_INPUT
from camf_ros.nodes.stamped import Stamped, nanoseconds
from camf_ros.pairing.presence import Missing, Presence
from camf_ros.settings.fusion import FusionSettings

_NANO = 1_000_000_000
# A stamp this much before the newest one is not late: the clock went back, as when a recording starts anew.
_JUMP = _NANO
# Waiting pairs are looked at this many times within pairing.max_delay, but no more often than the second number says.
_LOOKS = 4
_SHORTEST_LOOK = 0.002


def seconds(stamp: Any) -> float:
    """A builtin_interfaces/Time in seconds."""
    return float(stamp.sec) + 1e-9 * float(stamp.nanosec)


class ImagePair(NamedTuple):
    """Two messages that belong together.

    Attributes:
        thermal: Thermal message.
        rgb: RGB message.
        skew: Difference of the stamps that they were paired by, thermal less RGB, seconds: with both offsets.
        time: Of the thermal frame, seconds: its stamp, or its arrival where it has none.
        arrived: When the later of them arrived, seconds, monotonic.
    """

    thermal: Image | CompressedImage
    rgb: Image | CompressedImage
    skew: float
    time: float
    arrived: float


class LoneFrame(NamedTuple):
    """A message of one camera while the other is missing.

    Attributes:
        camera: Whose.
        message: Its message.
        time: When it was taken, seconds: its stamp, or its arrival where it has none.
        arrived: When it arrived, seconds, monotonic.
    """

    camera: str
    message: Image | CompressedImage
    time: float
    arrived: float


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
        on_bad_stamp: Callable[[str, Time], None],
    ) -> None:
        """Subscribe.

        Args:
            node: Whose subscriptions.
            settings: Policy and its limits, and what to do while a camera is missing.
            on_pair: Called with each pair in the executor's thread. Must not raise: message_filters calls it while
                holding a lock that an exception would leave locked.
            on_lone: Called there with each frame of a camera that is alone, if ``on_missing`` is ``pass_through``. No
                pair has it afterwards.
            on_frame: Called with the camera's name for each message, paired or not.
            on_bad_stamp: Called with the camera's name and the stamp for each message whose stamp is no time, or 0
                where ``zero_stamps`` does not say what to do instead.
        """
        self._node, self._settings = node, settings.pairing
        self._on_pair, self._on_lone, self._on_frame, self._on_bad_stamp = on_pair, on_lone, on_frame, on_bad_stamp
        self._presence = Presence((topics.THERMAL, topics.RGB), settings.missing_timeout, time.monotonic())
        self.configure(settings)
        self._subscribers: list[message_filters.Subscriber] = []
        self._newest: dict[str, int] = {}
        self._without_stamps: set[str] = set()
        self._by_arrival = {
            topics.THERMAL: self._settings.thermal_stamps == "arrival",
            topics.RGB: self._settings.rgb_stamps == "arrival",
        }
        offsets = {topics.THERMAL: self._settings.thermal_offset, topics.RGB: self._settings.rgb_offset}
        # Only their difference matters, and message_filters takes no time before 0.
        self._offsets = {camera: round(_NANO * (each - min(offsets.values()))) for camera, each in offsets.items()}
        thermal = self._subscribe(node, topics.THERMAL, topics.THERMAL_IMAGE, settings.input_transport.thermal)
        rgb = self._subscribe(node, topics.RGB, topics.RGB_IMAGE, settings.input_transport.rgb)
        self._nearest: NearestStampSynchronizer | None = None
        if self._settings.policy == "exact":
            self._filter = message_filters.TimeSynchronizer([thermal, rgb], self._settings.queue_size)
        elif self._settings.policy == "approximate":
            self._filter = message_filters.ApproximateTimeSynchronizer(
                [thermal, rgb], queue_size=self._settings.queue_size, slop=self._settings.slop
            )
        else:
            self._filter = self._nearest = NearestStampSynchronizer(
                [thermal, rgb], self._settings.queue_size, self._settings.slop, self._settings.max_delay
            )
            # By the steady clock: simulated time may stand still. Runs only while a pair waits.
            self._timer = node.create_timer(
                max(_SHORTEST_LOOK, self._settings.max_delay / _LOOKS),
                self._look,
                clock=Clock(clock_type=ClockType.STEADY_TIME),
            )
            self._timer.cancel()
        self._filter.registerCallback(self._paired)

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many frames came into no pair, by camera and reason ("thermal late"); empty for other policies."""
        if self._nearest is None:
            return {}
        return {
            f"{camera} {reason}": count
            for camera, counts in zip((topics.THERMAL, topics.RGB), self._nearest.dropped, strict=True)
            for reason, count in sorted(counts.items())
        }

    def configure(self, settings: FusionSettings) -> None:
        """Take over what can change at run time; from the thread that takes messages."""
        self._passes = settings.on_missing == "pass_through"
        self._presence.timeout = settings.missing_timeout

    def close(self) -> None:
        """Unsubscribe; frames that wait are dropped."""
        for subscriber in self._subscribers:
            self._node.destroy_subscription(subscriber.sub)
        self._subscribers.clear()
        if self._nearest is not None:
            self._node.destroy_timer(self._timer)

    def missing(self) -> Mapping[str, Missing]:
        """The cameras that are missing now, why and for how long; from the thread that takes messages."""
        now = time.monotonic()
        states = {camera: self._presence.missing(camera, now) for camera in (topics.THERMAL, topics.RGB)}
        return {camera: state for camera, state in states.items() if state}

    def _subscribe(self, node: Node, camera: str, topic: str, transport: str) -> Any:
        kind, topic = (Image, topic) if transport == "raw" else (CompressedImage, topics.compressed(node, topic))
        subscriber = message_filters.Subscriber(node, kind, topic, qos_profile=SENSOR_INPUT)
        # Between subscriber and synchroniser, because the latter raises on what is no time, and that ends the node.
        gate = message_filters.SimpleFilter()
        subscriber.registerCallback(lambda message: self._arrived(camera, message, gate))
        self._subscribers.append(subscriber)
        return gate

    def _arrived(self, camera: str, message: Image | CompressedImage, gate: Any) -> None:
        self._on_frame(camera)
        stamp = self._stamp(camera, message.header.stamp)
        if stamp is None:
            self._on_bad_stamp(camera, message.header.stamp)
            return
        frame = Stamped(message, stamp + self._offsets[camera], time.monotonic())
        self._presence.arrived(camera, fingerprint(message), frame.arrived)
        if self._passes and self._presence.alone(camera, frame.arrived):
            frame.passed = True
            self._on_lone(LoneFrame(camera, message, self._seconds(camera, frame), frame.arrived))
        if self._nearest is None:
            self._look_for_jump(camera, stamp)
        # Also one that was passed on: it may keep a later one from a worse pair.
        gate.signalMessage(frame)
        if self._nearest is not None:
            self._wake()

    def _seconds(self, camera: str, frame: Stamped) -> float:
        """Time of a frame without its offset."""
        sec, nanosec = divmod(frame.time - self._offsets[camera], _NANO)
        return float(sec) + 1e-9 * float(nanosec)

    def _stamp(self, camera: str, stamp: Time) -> int | None:
        """Time of a frame without its offset, nanoseconds; None where it has none."""
        if self._by_arrival[camera]:
            return int(self._node.get_clock().now().nanoseconds)
        if stamp.sec < 0:
            return None
        if stamp.sec or stamp.nanosec:
            return nanoseconds(stamp)
        if self._settings.zero_stamps == "reject":
            return None
        if camera not in self._without_stamps:
            self._without_stamps.add(camera)
            self._node.get_logger().warning(
                f"{camera} frames have stamp 0: paired by their arrival, which is later than the exposure; set "
                f"pairing.{camera}_offset to minus the camera's latency, or have the driver stamp its images"
            )
        return int(self._node.get_clock().now().nanoseconds)

    def _paired(self, thermal: Stamped, rgb: Stamped) -> None:
        if thermal.passed or rgb.passed:
            return  # published before: again, and out of order, it would only confuse who listens
        self._on_pair(
            ImagePair(
                thermal.message,
                rgb.message,
                # In whole nanoseconds first, where floats would round.
                skew=1e-9 * float(thermal.time - rgb.time),
                time=self._seconds(topics.THERMAL, thermal),
                arrived=max(thermal.arrived, rgb.arrived),
            )
        )

    # For the nearest policy.

    def _look(self) -> None:
        if self._nearest is not None:
            self._nearest.expire()
            self._wake()

    def _wake(self) -> None:
        waiting = self._nearest is not None and self._nearest.waiting
        if waiting and self._timer.is_canceled():
            self._timer.reset()
        elif not waiting and not self._timer.is_canceled():
            self._timer.cancel()

    # For the others, which know nothing of jumps.

    def _look_for_jump(self, camera: str, stamp: int) -> None:
        if stamp < self._newest.get(camera, stamp) - _JUMP:
            self._forget_after(stamp + _JUMP)
        self._newest[camera] = max(stamp, self._newest.get(camera, stamp))

    def _forget_after(self, limit: int) -> None:
        """Drop waiting messages with later stamps: they would hold the queues and never find a counterpart."""
        self._newest.clear()
        with self._filter.lock:
            for queue in self._filter.queues:
                for key in [key for key, message in queue.items() if message.time > limit]:
                    del queue[key]
