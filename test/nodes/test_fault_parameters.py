"""Hundreds of parameter changes a second while frames flow."""

from __future__ import annotations

import random

import pytest
from harness import scene
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.parameter import Parameter
from trouble import assert_nothing_leaked, settled

pytestmark = [pytest.mark.ros, pytest.mark.fault]

GOOD = [
    ("gain", 1.0),
    ("gain", 0.0),
    ("thermal.agc", "clahe"),
    ("thermal.agc", "linear"),
    ("thermal.dead_pixels", False),  # as 'ros2 param set' sends off
    ("thermal.dead_pixels", "auto"),
    ("reference", "thermal"),
    ("reference", "rgb"),
    ("thermal.time_constant", 0.5),
    ("on_missing", "wait"),
    ("compressed.jpeg_quality", 50),
]
BAD = [
    ("gain", 99.0),
    ("gain", float("nan")),
    ("gain", "much"),
    ("thermal.agc", "none"),
    ("thermal.agc", False),
    ("threads", 2.0),
    ("reference", ["rgb"]),
    ("thermal.low_percentile", 50.0 + 1e-9),
    ("pairing.slop", 3.0),
    ("model", "/no/such/file"),
    ("registration.mode", "homography"),
    ("compressed.jpeg_quality", -1),
    ("no.such.parameter", 1),
    ("use_sim_time", "yes"),
]
REQUESTS = 400
# ROS keeps ten requests that wait, and silently drops what comes beyond.
AT_ONCE = 8


def test_storm(fusion, probe):
    before = settled(probe, fusion.pid)
    client = probe.client(SetParameters, "fusion/set_parameters")
    rng = random.Random(5)
    expected: dict[str, object] = {}
    for start in range(0, REQUESTS, AT_ONCE):
        futures = []
        for _ in range(AT_ONCE):
            good = rng.random() < 0.5
            name, value = rng.choice(GOOD if good else BAD)
            message = Parameter(name, value=value).to_parameter_msg()
            futures.append((good, name, value, client.call_async(SetParameters.Request(parameters=[message]))))
            if good:
                expected[name] = value
        probe.send(*scene(start))
        assert probe.spin_until(lambda futures=futures: all(future.done() for *_, future in futures))
        for good, name, value, future in futures:
            (result,) = future.result().results
            assert result.successful == good, f"{name} := {value!r}: {result.reason}"
            assert good or result.reason, f"{name} := {value!r} is refused without a reason"
    probe.send(*scene())
    # Earlier ones may still be under way.
    assert probe.spin_until(lambda: probe.fused[-1].header.stamp == probe.header("").stamp)
    fused = probe.fused[-1]
    assert (fused.width, fused.height) == ((64, 48) if expected["reference"] == "rgb" else (40, 32))
    getter = probe.client(GetParameters, "fusion/get_parameters")
    future = getter.call_async(GetParameters.Request(names=sorted(expected)))
    assert probe.spin_until(future.done)
    values = [Parameter.from_parameter_msg(_named(value)).value for value in future.result().values]
    assert dict(zip(sorted(expected), values, strict=True)) == expected
    assert_nothing_leaked(probe, fusion.pid, before)


def _named(value):
    message = Parameter("x", value=0).to_parameter_msg()
    message.value = value
    return message
