"""Pairing of real messages through message_filters, in one process."""

from __future__ import annotations

import time

import pytest
import rclpy
from harness import PATIENCE, qos
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image

from camf_ros.nodes import topics
from camf_ros.nodes.pairing import Pairing
from camf_ros.settings.fusion import PairingSettings

pytestmark = pytest.mark.ros


class Bench:
    """A node with a Pairing, and publishers for both cameras."""

    def __init__(self, settings: PairingSettings) -> None:
        self.context = rclpy.Context()
        self.context.init()
        self.node = rclpy.create_node("bench", context=self.context)
        self.frames: list[str] = []
        self.pairs: list[tuple[int, int]] = []
        self.bad: list[tuple[str, int]] = []
        self.pairing = Pairing(
            self.node,
            settings,
            on_pair=self._pair,
            on_frame=self.frames.append,
            on_bad_stamp=lambda camera, stamp: self.bad.append((camera, stamp.sec)),
        )
        self.publishers = {
            camera: self.node.create_publisher(Image, topic, qos("reliable"))
            for camera, topic in ((topics.THERMAL, topics.THERMAL_IMAGE), (topics.RGB, topics.RGB_IMAGE))
        }
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        end = time.monotonic() + PATIENCE
        while not all(p.get_subscription_count() for p in self.publishers.values()):
            assert time.monotonic() < end, "the subscriptions were not found"
            self.executor.spin_once(timeout_sec=0.05)

    def _pair(self, thermal: Image, rgb: Image) -> None:
        self.pairs.append((milliseconds(thermal), milliseconds(rgb)))

    def feed(self, *frames: tuple[str, int]) -> list[tuple[int, int]]:
        """Publish (camera, stamp in ms) one after another, each taken before the next; the pairs so far."""
        for camera, stamp in frames:
            message = Image()
            message.header.stamp.sec, rest = divmod(stamp, 1000)
            message.header.stamp.nanosec = rest * 1_000_000
            before = len(self.frames)
            self.publishers[camera].publish(message)
            end = self.node.get_clock().now().nanoseconds + PATIENCE * 1e9
            while len(self.frames) == before and self.node.get_clock().now().nanoseconds < end:
                self.executor.spin_once(timeout_sec=0.05)
        return self.pairs

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


def milliseconds(message: Image) -> int:
    return message.header.stamp.sec * 1000 + message.header.stamp.nanosec // 1_000_000


@pytest.fixture
def bench():
    made = []

    def make(**settings) -> Bench:
        made.append(Bench(PairingSettings(**settings)))
        return made[-1]

    yield make
    for item in made:
        item.close()


def test_thermal_comes_first_in_a_pair_whichever_arrives_first(bench):
    pairs = bench(slop=0.02).feed(("rgb", 1000), ("thermal", 1005), ("thermal", 1100), ("rgb", 1110))
    assert pairs == [(1005, 1000), (1100, 1110)]


def test_slop_is_the_limit(bench):
    pairs = bench(slop=0.02).feed(("rgb", 1000), ("thermal", 1025), ("rgb", 1040))
    assert pairs == [(1025, 1040)]


def test_a_slow_thermal_camera_pairs_with_the_rgb_frames_near_it(bench):
    feed = [("rgb", 1000 + 33 * k) for k in range(12)]
    feed[4:4] = [("thermal", 1102)]  # after RGB 1099
    feed[9:9] = [("thermal", 1235)]  # after RGB 1231
    assert bench(slop=0.016).feed(*feed) == [(1102, 1099), (1235, 1231)]


def test_exact_takes_equal_stamps_only(bench):
    pairs = bench(policy="exact").feed(("rgb", 1000), ("thermal", 1001), ("thermal", 1000), ("rgb", 1001))
    assert sorted(pairs) == [(1000, 1000), (1001, 1001)]


def test_every_frame_is_reported_paired_or_not(bench):
    made = bench()
    made.feed(("rgb", 1000), ("rgb", 1100), ("thermal", 5000))
    assert made.frames == ["rgb", "rgb", "thermal"]
    assert made.pairs == []


def test_after_a_jump_back_the_first_pair_is_found_although_the_queues_were_full(bench):
    made = bench(queue_size=3)
    made.feed(*[("rgb", 90_000 + 100 * k) for k in range(5)], ("thermal", 95_000))
    assert made.feed(("thermal", 2000), ("rgb", 2003)) == [(2000, 2003)]


@pytest.mark.parametrize("policy", ["approximate", "exact"])
def test_a_stamp_before_all_time_is_reported_and_does_no_harm(bench, policy):
    made = bench(policy=policy)
    pairs = made.feed(("rgb", -5000), ("thermal", -5000), ("rgb", 1000), ("thermal", 1000))
    assert pairs == [(1000, 1000)]
    assert made.bad == [("rgb", -5), ("thermal", -5)]


def test_a_frame_that_is_merely_late_clears_nothing(bench):
    made = bench(slop=0.02)
    assert made.feed(("rgb", 2000), ("rgb", 2100), ("rgb", 1500), ("thermal", 2101)) == [(2101, 2100)]
