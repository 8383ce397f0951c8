"""Clocks that jump: stamps in the past, in the future, going back; simulated time that is reset."""

from __future__ import annotations

import pytest
from harness import scene
from rosgraph_msgs.msg import Clock
from trouble import assert_nothing_leaked, counted, settled, start_watched

pytestmark = [pytest.mark.ros, pytest.mark.fault]

HOUR = 3600.0


@pytest.mark.parametrize("policy", ["nearest", "approximate", "exact"])
def test_a_pair_from_another_time_and_a_recording_that_starts_anew(processes, probe, model, policy):
    node = start_watched(processes, probe, model, pairing__policy=policy)
    before = settled(probe, node.pid)

    def fused() -> bool:
        stamp = probe.header("rgb_frame").stamp
        return any(message.header.stamp == stamp for message in probe.fused)

    for jump in (HOUR, -HOUR / 4, 24 * HOUR):
        probe.advance(jump)
        probe.send(*scene())
        probe.advance(-jump)
        # A pair or two may be spent on telling a jump from a wrong stamp.
        for number in range(4):
            probe.send(*scene(number))
            probe.spin_for(0.05)
        assert probe.spin_until(fused), f"after {jump} s: {probe.diagnostics}"
    for _ in range(3):
        for number in range(6):
            probe.send(*scene(number))
            assert number < 2 or probe.spin_until(fused), f"frame {number} of a round: {probe.diagnostics}"
            probe.spin_for(0.02)
        probe.advance(-10)
    assert counted(probe, "rejected") == 0
    assert_nothing_leaked(probe, node.pid, before)


@pytest.mark.parametrize("stamps", ["header", "arrival"])
def test_simulated_time_is_reset(processes, probe, model, stamps):
    node = start_watched(
        processes,
        probe,
        model,
        use_sim_time=True,
        pairing__thermal_stamps=stamps,
        pairing__rgb_stamps=stamps,
        no_data_timeout=60.0,
    )
    clock = probe.node.create_publisher(Clock, "/clock", 10)
    assert probe.spin_until(lambda: clock.get_subscription_count() > 0)
    for start in (5000.0, 10.0, 0.5):
        probe.advance(start - probe.header("").stamp.sec)
        fused = len(probe.fused)
        for number in range(200):
            message = Clock(clock=probe.header("", 0.1).stamp)
            clock.publish(message)
            probe.spin_for(0.05)
            probe.send(*scene(number))
            probe.spin_for(0.05)
            if len(probe.fused) >= fused + 5:
                break
        assert len(probe.fused) >= fused + 5, f"time {start}: {probe.diagnostics}"
    assert node.poll() is None
    assert counted(probe, "rejected") == 0
