"""More than the node can take, and listeners that do not listen."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from harness import scene
from trouble import Footprint, Trouble, assert_nothing_leaked, counted, kill, settled

pytestmark = [pytest.mark.ros, pytest.mark.fault]

DELAY = 0.1
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
