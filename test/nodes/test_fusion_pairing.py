"""The fusion node pairs real streams over DDS: rates, latencies and stamps as cameras have them."""

from __future__ import annotations

import numpy as np
import pytest
from std_msgs.msg import Header

from camf_ros.nodes.publishers import image_message

pytestmark = pytest.mark.ros

START = 1_000_000  # ms


def header(milliseconds: int) -> Header:
    result = Header(frame_id="camera")
    result.stamp.sec, rest = divmod(milliseconds, 1000)
    result.stamp.nanosec = rest * 1_000_000
    return result


def play(probe, *, thermal, rgb, rgb_late: int) -> None:
    """Publish frames with these stamps (ms) in the order of their arrival, each a moment after the one before."""
    grey, colour = np.full((48, 64), 9000, np.uint16), np.full((48, 64, 3), 90, np.uint8)
    arrivals = [(stamp, 0, stamp) for stamp in thermal] + [(stamp + rgb_late, 1, stamp) for stamp in rgb]
    for _, camera, stamp in sorted(arrivals):
        if camera:
            probe.rgb.publish(image_message(colour, "rgb8", header(stamp)))
        else:
            probe.thermal.publish(image_message(grey, "mono16", header(stamp)))
        probe.spin_for(0.01)


def pairs(probe) -> list[tuple[int, int]]:
    return [
        tuple(stamp.sec * 1000 + stamp.nanosec // 1_000_000 for stamp in (message.thermal_stamp, message.rgb_stamp))
        for message in probe.weights
    ]


def test_thirty_and_nine_hertz_pair_as_nearly_as_possible_with_a_wide_slop(processes, probe, model):
    processes.start(
        "fusion_node", model=model, device="cpu", pairing__slop=0.1, pairing__max_delay=5.0, diagnostics_period=0.2
    )
    probe.wait_for_node()
    rgb = [START + round(1000 * k / 30) for k in range(90)]
    thermal = [START + 3 + round(1000 * k / 9) for k in range(26)]
    play(probe, thermal=thermal, rgb=rgb, rgb_late=50)
    best = [(stamp, min(rgb, key=lambda other, stamp=stamp: abs(other - stamp))) for stamp in thermal]
    # A slow machine fuses the newest pair only; one that was formed is one of the best.
    assert probe.spin_until(lambda: len(probe.weights) >= 5), probe.diagnostics
    assert [pair for pair in pairs(probe) if pair not in best] == []
    assert [round(1000 * message.skew) for message in probe.weights] == [a - b for a, b in pairs(probe)]
    assert probe.spin_until(lambda: int(probe.diagnostics.get("unpaired: rgb spare", "0")) >= 50), probe.diagnostics


def test_a_constant_latency_of_the_thermal_camera_is_taken_out(processes, probe, model):
    processes.start("fusion_node", model=model, device="cpu", pairing__thermal_offset=-0.06)
    probe.wait_for_node()
    rgb = [START + 100 * k for k in range(10)]
    play(probe, thermal=[stamp + 60 for stamp in rgb], rgb=rgb, rgb_late=0)
    assert probe.spin_until(lambda: len(probe.weights) >= 3)
    assert all(a - b == 60 for a, b in pairs(probe))
    assert [message.skew for message in probe.weights] == [0.0] * len(probe.weights)


def test_two_cameras_without_stamps_pair_by_arrival(processes, probe, model):
    fusion = processes.start(
        "fusion_node", model=model, device="cpu", pairing__zero_stamps="arrival", pairing__slop=5.0
    )
    probe.wait_for_node()
    play(probe, thermal=[0] * 5, rgb=[0] * 5, rgb_late=0)
    assert probe.spin_until(lambda: bool(probe.weights)), probe.diagnostics
    assert abs(probe.weights[0].skew) < 5.0
    fusion.terminate()
    log, _ = fusion.communicate(timeout=30)
    assert log.count("thermal frames have stamp 0") == log.count("rgb frames have stamp 0") == 1
    assert "pairing.rgb_offset" in log
