"""Pairing of real messages through message_filters, in one process."""

from __future__ import annotations

import os
import time

import pytest
import rclpy
from harness import PATIENCE, qos
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image

from camf_ros.nodes import topics
from camf_ros.nodes.inputs import Inputs
from camf_ros.pairing.synchronizer import ImagePair, LoneFrame
from camf_ros.settings.fusion_settings import FusionSettings, PairingSettings

pytestmark = pytest.mark.ros


class Bench:
    """A node with inputs, and publishers for both cameras."""

    def __init__(self, settings: FusionSettings) -> None:
        self.context = rclpy.Context()
        self.context.init()
        self.node = rclpy.create_node("bench", context=self.context)
        self.frames: list[str] = []
        self.pairs: list[tuple[int, int]] = []
        self.whole: list[ImagePair] = []
        self.alone: list[tuple[str, int]] = []
        self.bad: list[str] = []
        self.inputs = Inputs(
            self.node,
            settings,
            on_frame=self.frames.append,
            hand_out=lambda item: self._lone(item) if isinstance(item, LoneFrame) else self._pair(item),
            reject=lambda error: self.bad.append(f"{error.reason}: {error}"),
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

    def _pair(self, pair: ImagePair) -> None:
        self.whole.append(pair)
        self.pairs.append((milliseconds(pair.thermal), milliseconds(pair.rgb)))

    def _lone(self, lone: LoneFrame) -> None:
        self.alone.append((lone.camera, milliseconds(lone.message)))

    def feed(self, *frames: tuple[str, int], content: bytes | None = None) -> list[tuple[int, int]]:
        """Publish (camera, stamp in ms) one after another, each taken before the next; the pairs so far.

        Pictures are all different, as those of live cameras, unless their content is given.
        """
        for camera, stamp in frames:
            message = Image(data=os.urandom(8) if content is None else content)
            message.header.stamp.sec, rest = divmod(stamp, 1000)
            message.header.stamp.nanosec = rest * 1_000_000
            before = len(self.frames)
            self.publishers[camera].publish(message)
            end = self.node.get_clock().now().nanoseconds + PATIENCE * 1e9
            while len(self.frames) == before and self.node.get_clock().now().nanoseconds < end:
                self.executor.spin_once(timeout_sec=0.05)
        return self.pairs

    def settle(self, count: int) -> list[tuple[int, int]]:
        """Wait until there are so many pairs: for those that come when their waiting time is over."""
        end = time.monotonic() + PATIENCE
        while len(self.pairs) < count and time.monotonic() < end:
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

    def make(*, on_missing="wait", missing_timeout=0.5, **settings) -> Bench:
        whole = FusionSettings(
            on_missing=on_missing, missing_timeout=missing_timeout, pairing=PairingSettings(**settings)
        )
        made.append(Bench(whole))
        return made[-1]

    yield make
    for item in made:
        item.close()


POLICIES = pytest.mark.parametrize("policy", ["nearest", "approximate", "exact"])
NOT_EXACT = pytest.mark.parametrize("policy", ["nearest", "approximate"])


@NOT_EXACT
def test_thermal_comes_first_in_a_pair_whichever_arrives_first(bench, policy):
    made = bench(policy=policy, slop=0.02)
    made.feed(("rgb", 1000), ("thermal", 1005), ("thermal", 1100), ("rgb", 1110))
    assert made.settle(2) == [(1005, 1000), (1100, 1110)]


@NOT_EXACT
def test_slop_is_the_limit(bench, policy):
    made = bench(policy=policy, slop=0.02)
    made.feed(("rgb", 1000), ("thermal", 1025), ("rgb", 1040))
    assert made.settle(1) == [(1025, 1040)]


@pytest.mark.parametrize(("policy", "slop"), [("nearest", 0.016), ("nearest", 0.1), ("approximate", 0.016)])
def test_a_slow_thermal_camera_pairs_with_the_rgb_frames_near_it(bench, policy, slop):
    feed = [("rgb", 1000 + 33 * k) for k in range(12)]
    feed[4:4] = [("thermal", 1102)]  # after RGB 1099
    feed[9:9] = [("thermal", 1235)]  # after RGB 1231
    made = bench(policy=policy, slop=slop)
    made.feed(*feed)
    assert made.settle(2) == [(1102, 1099), (1235, 1231)]


def test_thirty_hertz_that_arrives_late_pairs_with_nine_hertz_as_nearly_as_possible(bench):
    """Where the greedy policy takes the first RGB frame within the slop, which is too early."""
    rgb = [round(1000 + 1000 * k / 30) for k in range(60)]
    thermal = [round(1003 + 1000 * k / 9) for k in range(18)]
    arrivals = sorted([(stamp + 60, "rgb", stamp) for stamp in rgb] + [(stamp, "thermal", stamp) for stamp in thermal])
    made = bench(slop=0.1, max_delay=5.0)  # long, so that a slow machine changes nothing
    made.feed(*[(camera, stamp) for _, camera, stamp in arrivals])
    best = [(stamp, min(rgb, key=lambda other, stamp=stamp: abs(other - stamp))) for stamp in thermal]
    assert len(made.pairs) >= 17
    assert made.pairs == best[: len(made.pairs)]
    assert [round(1e3 * pair.skew) for pair in made.whole] == [a - b for a, b in made.pairs]
    assert made.inputs.stream.dropped["rgb spare"] > 30


def test_exact_takes_equal_stamps_only(bench):
    pairs = bench(policy="exact").feed(("rgb", 1000), ("thermal", 1001), ("thermal", 1000), ("rgb", 1001))
    assert sorted(pairs) == [(1000, 1000), (1001, 1001)]


@POLICIES
def test_every_frame_is_reported_paired_or_not(bench, policy):
    made = bench(policy=policy)
    made.feed(("rgb", 1000), ("rgb", 1100), ("thermal", 5000))
    assert made.frames == ["rgb", "rgb", "thermal"]
    assert made.pairs == []


@NOT_EXACT
def test_after_a_jump_back_the_first_pair_is_found_although_the_queues_were_full(bench, policy):
    made = bench(policy=policy, queue_size=3)
    made.feed(*[("rgb", 90_000 + 100 * k) for k in range(5)], ("thermal", 95_000))
    made.feed(("thermal", 2000), ("rgb", 2003))
    assert made.settle(1) == [(2000, 2003)]


@POLICIES
def test_a_stamp_before_all_time_is_reported_and_does_no_harm(bench, policy):
    made = bench(policy=policy)
    pairs = made.feed(("rgb", -5000), ("thermal", -5000), ("rgb", 1000), ("thermal", 1000))
    assert pairs == [(1000, 1000)]
    causes = [text.partition(";")[0] for text in made.bad]
    assert causes == ["stamp: rgb frame: stamp is -5 s", "stamp: thermal frame: stamp is -5 s"]


@NOT_EXACT
def test_a_frame_that_is_merely_late_clears_nothing(bench, policy):
    made = bench(policy=policy, slop=0.02)
    made.feed(("rgb", 2000), ("rgb", 2100), ("rgb", 1500), ("thermal", 2101))
    assert made.settle(1) == [(2101, 2100)]


@POLICIES
@pytest.mark.parametrize("offset", [-0.05, 0.05])
def test_offsets_count_for_every_policy_and_change_no_message(bench, policy, offset):
    made = bench(policy=policy, slop=0.001, thermal_offset=offset)
    stamps = [(stamp, stamp + round(1000 * offset)) for stamp in (2000, 2100, 2200)]
    made.feed(*[(camera, stamp) for pair in stamps for camera, stamp in zip(("thermal", "rgb"), pair, strict=True)])
    assert made.settle(3) == stamps
    assert [pair.skew for pair in made.whole] == [0, 0, 0]
    assert [pair.time for pair in made.whole] == pytest.approx([2.0, 2.1, 2.2])


@POLICIES
def test_frames_without_stamp_are_reported(bench, policy):
    made = bench(policy=policy)
    assert made.feed(("thermal", 0), ("rgb", 1000), ("thermal", 0), ("thermal", 1000)) == [(1000, 1000)]
    text = "stamp: thermal frame: stamp is 0 s; expected a time after 0; check the driver, or set pairing.zero_stamps"
    # By arrival no two stamps are equal.
    further = " and pairing.policy to nearest" if policy == "exact" else ""
    assert made.bad == [f"{text} to arrival{further}"] * 2


@NOT_EXACT
def test_frames_without_stamp_can_be_paired_by_their_arrival(bench, policy):
    """The other camera's stamps are of the same clock."""
    made = bench(policy=policy, zero_stamps="arrival", slop=PATIENCE)
    now = made.node.get_clock().now().nanoseconds / 1e9
    made.feed(("thermal", 0), ("rgb", round(1000 * now)))
    made.settle(1)
    assert [thermal for thermal, _ in made.pairs] == [0]
    assert made.whole[0].time == pytest.approx(now, abs=PATIENCE)
    assert made.whole[0].skew == pytest.approx(made.whole[0].time - milliseconds(made.whole[0].rgb) / 1000, abs=1e-6)
    assert made.bad == []


def test_stamps_of_a_clock_of_its_own_can_be_ignored(bench):
    made = bench(thermal_stamps="arrival", rgb_stamps="arrival", slop=5.0)
    made.feed(("thermal", 5), ("rgb", 7_000_000), ("thermal", 5), ("rgb", 7_000_000))
    assert made.settle(1)[0] == (5, 7_000_000)
    assert 0 <= -made.whole[0].skew < 5
    assert made.bad == []
