"""More than the node can take, and listeners that do not listen."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from harness import scene
from trouble import Footprint, Trouble, assert_nothing_leaked, counted, kill, settled

pytestmark = [pytest.mark.ros, pytest.mark.fault]

DELAY, PERIOD = 0.1, 1 / 15
PAIRS = 100
SLEEPER = """
import sys, rclpy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("sleeper")
node.create_subscription(Image, "fused/image", print, 10)
while not node.count_publishers("fused/image"):
    pass
print("subscribed", flush=True)
sys.stdin.read()
"""


def test_ten_times_the_rate_is_dropped_and_latency_does_not_grow(processes, probe, model, tmp_path, monkeypatch):
    trouble = Trouble(tmp_path, monkeypatch)
    node = processes.start(
        "fusion_node", model=str(model), device="cpu", threads=1, diagnostics_period=0.1, source_check__enabled=False
    )
    probe.wait_for_node()
    before = settled(probe, node.pid)
    trouble.order(DELAY)
    pairs = counted(probe, "pairs")
    for number in range(PAIRS):
        probe.send(*scene(number))
        probe.spin_for(DELAY / 10)
    fused = len(probe.fused)
    newest = probe.header("rgb_frame").stamp

    def accounted() -> bool:
        done = sum(counted(probe, key) for key in ("fused", "rejected", "dropped for a newer pair"))
        return counted(probe, "pairs") > pairs and done == counted(probe, "pairs")

    assert probe.spin_until(lambda: probe.fused[-1].header.stamp == newest), "the newest is fused in the end"
    assert probe.spin_until(accounted), probe.diagnostics
    assert counted(probe, "dropped for a newer pair") > 0
    # In a queue nearly all would still be waiting when the last one is sent; here one waits, and one is at work. A few
    # more where the processor is not ours alone.
    assert len(probe.fused) - fused < PAIRS / 5
    stamps = [(message.header.stamp.sec, message.header.stamp.nanosec) for message in probe.weights]
    assert stamps == sorted(set(stamps))
    trouble.order("")
    assert_nothing_leaked(probe, node.pid, before)


def test_sizes_that_never_come_again_do_not_starve_the_output(processes, probe):
    """As many pairs as of one size, but for those during which the first networks are made: not a few of a hundred."""
    processes.start(
        "fusion_node", model="camf-lite", device="cpu", threads=1, diagnostics_period=0.1, source_check__enabled=False
    )
    probe.wait_for_node()

    def fused(sizes) -> int:
        """Pairs of these that are fused, of as many as a camera sends in the time."""
        before = len(probe.fused)
        for number, (width, height) in enumerate(sizes):
            probe.send(*scene(number, (width, height), (width // 2, height // 2)))
            probe.spin_for(PERIOD)
        newest = probe.header("rgb_frame").stamp
        assert probe.spin_until(lambda: probe.fused[-1].header.stamp == newest)
        return len(probe.fused) - before

    for width in (320, 336, 352):
        probe.fuse(*scene(0, (width, 240), (160, 120)))
    usual = fused([(320, 240)] * PAIRS)
    assert fused([(360 + 4 * number, 240 + 2 * number) for number in range(PAIRS)]) > usual / 6


def test_a_subscriber_that_sleeps_or_stands_still_costs_the_others_nothing(fusion, probe):
    before = settled(probe, fusion.pid)
    with subprocess.Popen([sys.executable, "-c", SLEEPER], stdin=-1, stdout=-1, text=True) as sleeper:
        try:
            assert sleeper.stdout.readline() == "subscribed\n"
            assert probe.spin_until(lambda: probe.node.count_subscribers("fused/image") == 2)
            for number in range(30):
                probe.fuse(*scene(number, (160, 120)))  # fails if one does not come
            sleeper.send_signal(signal.SIGSTOP)
            for number in range(30):
                probe.fuse(*scene(number, (160, 120)))
            during = Footprint.of(fusion.pid)
        finally:
            kill(sleeper)
    assert during.private < before.private + 64
    assert_nothing_leaked(probe, fusion.pid, before)
