"""What is done to the node during the soak, one thing at a time; after each it must fuse again."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import rclpy
from node_benchmark.ends import CAMERA_QOS, LISTENER_QOS, now, to_stamp
from node_benchmark.processes import BenchmarkError
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger

from camf_ros.nodes import topics
from soak_run.camera import messages_of
from soak_run.cameras import CAMERAS, Cameras
from soak_run.observer import Observer

# Longer than missing_timeout, so that a camera that is gone is noticed.
_GONE = 2.0
_PUSHES = 50
_SECOND = 1_000_000_000


class Faults:
    """All of them, by name, and the messages that they inject; ``period`` of the cameras is in ns."""

    def __init__(self, observer: Observer, cameras: Cameras, file: Path, period: int, seed: int) -> None:
        self._observer, self._cameras, self._period = observer, cameras, period
        self._random = random.Random(seed)
        node = observer.node
        self._publishers: tuple[Publisher, Publisher] = (
            node.create_publisher(Image, topics.THERMAL_IMAGE, CAMERA_QOS),
            node.create_publisher(Image, topics.RGB_IMAGE, CAMERA_QOS),
        )
        with np.load(file) as drawn:
            self._good, self._small = (
                tuple(messages_of(camera, drawn[camera][:1, ::step, ::step])[0] for camera in CAMERAS)
                for step in (1, 2)
            )
        self.all: dict[str, Callable[[], None]] = {
            "thermal camera killed": partial(self._kill, topics.THERMAL),
            "rgb camera killed": partial(self._kill, topics.RGB),
            "both cameras killed": partial(self._kill, *CAMERAS),
            "random bytes": self._random_bytes,
            "broken headers": self._broken_headers,
            "other resolution": self._other_resolution,
            "stamp in the future": partial(self._stamp, 3600 * _SECOND),
            "stamp in the past": partial(self._stamp, -3600 * _SECOND),
            "ten times the rate": self._flood,
            "parameters": self._parameters,
            "model reloaded": self._reload,
            "paused": self._pause,
            "slow subscriber": self._slow,
        }

    def _send(self, pair: tuple[Image, ...], shift: int = 0) -> None:
        # Between two multiples of the period, and so none of the cameras'.
        stamp = to_stamp(now() // self._period * self._period + self._period // 2 + shift)
        for publisher, message in zip(self._publishers, pair, strict=True):
            message.header.stamp = stamp
            publisher.publish(message)

    def _kill(self, *cameras: str) -> None:
        for camera in cameras:
            self._cameras.kill(camera)
        self._observer.spin(_GONE)
        for camera in cameras:
            self._cameras.start(camera)

    def _random_bytes(self) -> None:
        for length in (0, 1, 1000, 100_000):
            data = self._random.randbytes(length)
            self._send(
                (
                    Image(height=480, width=640, step=1280, encoding="mono16", data=data),
                    Image(height=480, width=640, step=1920, encoding="rgb8", data=data),
                )
            )
            self._observer.spin(0.1)

    def _broken_headers(self) -> None:
        for fields in (
            {"encoding": "no such"},
            {"height": 0, "width": 0},
            {"height": 2**31, "width": 2**31},
            {"step": 3},
        ):
            good = Image(height=2, width=2, step=4, encoding="mono16", data=bytes(8))
            for name, value in fields.items():
                setattr(good, name, value)
            self._send((good, self._good[1]))
            self._observer.spin(0.1)

    def _other_resolution(self) -> None:
        for pair in (self._small, self._good, self._small):
            self._send(pair)
            self._observer.spin(0.3)

    def _stamp(self, shift: int) -> None:
        for _ in range(3):
            self._send(self._good, shift)
            self._observer.spin(0.1)

    def _flood(self) -> None:
        for number in range(_PUSHES):
            self._send(self._good, number)
            self._observer.spin(1e-10 * self._period)

    def _parameters(self) -> None:
        wanted: list[tuple[str, object, bool]] = [
            ("thermal.agc", "linear", True),
            ("thermal.agc", "clahe", True),
            ("thermal.agc", "plateau", True),
            ("reference", "thermal", True),
            ("reference", "rgb", True),
            ("gain", 1.0, True),
            ("gain", 0.0, True),
            ("gain", 99.0, False),
            ("reference", "lidar", False),
            ("model", "/no/such/file", False),
            ("thermal.low_percentile", 99.0, False),
        ]
        for name, value, good in wanted:
            if self._observer.set(name, value) != good:
                raise BenchmarkError(f"{name} := {value!r} was {'refused' if good else 'accepted'}")

    def _reload(self) -> None:
        answer = self._observer.call(Trigger, "reload")
        if not answer.success:
            raise BenchmarkError(f"reload was refused: {answer.message}")
        self._observer.spin(_GONE)

    def _pause(self) -> None:
        for wanted in (False, True):
            answer = self._observer.call(SetBool, "enable", data=wanted)
            if not answer.success:
                raise BenchmarkError(f"enable was refused: {answer.message}")

    def _slow(self) -> None:
        # Another reader of the fused images, a participant of its own, that never takes one.
        context = rclpy.Context()
        context.init()
        node = rclpy.create_node("sleeper", context=context)
        node.create_subscription(Image, topics.FUSED_IMAGE, lambda _: None, LISTENER_QOS)
        self._observer.spin(_GONE)
        node.destroy_node()
        context.shutdown()
