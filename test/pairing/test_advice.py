"""What is advised where no two frames pair: followed, it makes pairs."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from camf_ros.pairing.synchronizer import PairStream
from camf_ros.settings.fusion_settings import FusionSettings, PairingSettings
from camf_ros.settings.table import build

NANO = 1_000_000_000
YEAR = 31_557_600
#: What the node's clock says, seconds, when the clock of the arrivals says 0.
NOW = 1_800_000_000


def run(settings, thermal, rgb, count=30, shift=0.0):
    """Pairs, and the advice at the end, of cameras at 10 Hz whose clocks are so many seconds ahead of the node's."""
    pairs = []
    stream = PairStream(FusionSettings(pairing=settings), 0.0, pairs.append)

    class Message:
        def __init__(self, stamp, number):
            self.header = self
            self.stamp = self
            self.sec, self.nanosec = divmod(stamp, NANO)
            self.data = bytes([number % 256]) * 8

    for number in range(count):
        for camera, ahead, later in (("thermal", thermal, 0.0), ("rgb", rgb, shift)):
            now = 0.1 * number + later
            clock = NOW * NANO + round(now * NANO)
            stamp = Message(clock + round(ahead * NANO), number)
            stream.take(camera, stamp, now, lambda clock=clock: clock)
            stream.expire(now)
    now += 1.0
    stream.expire(now)
    return pairs, stream.advice(NOW * NANO + round(now * NANO), now)


def followed(settings, advice):
    """The settings with every `set NAME to VALUE` in the advice."""
    names = re.findall(r"pairing\.(\w+)(?: and pairing\.(\w+))? to (\S+)", advice)
    values = {}
    for first, second, value in names:
        kind = type(getattr(settings, first))
        values |= {name: kind(value) for name in (first, second) if name}
    return replace(settings, **values)


@pytest.mark.parametrize("policy", ["nearest", "exact"])
@pytest.mark.parametrize(
    ("thermal", "rgb", "said"),
    [
        (10.0, 0.0, "10.000 s ahead of those of the RGB camera"),
        (0.0, 37.0, "37.000 s behind"),
        (-37.0, 0.0, "set pairing.thermal_offset to 37.000"),
        (0.0, 1.37, "set pairing.rgb_offset to -1.370"),
        (-50.0 * YEAR, 0.0, "(50.0 years) behind"),
        (0.0, -50.0 * YEAR, "set pairing.rgb_stamps to arrival"),
        (-56.0 * YEAR, -50.0 * YEAR, "set pairing.thermal_stamps and pairing.rgb_stamps to arrival"),
    ],
)
def test_clocks_that_differ(policy, thermal, rgb, said):
    settings = PairingSettings(policy=policy)
    pairs, advice = run(settings, thermal, rgb)
    assert pairs == []
    assert said in advice
    assert "slop" not in advice
    pairs, _ = run(followed(settings, advice), thermal, rgb)
    assert len(pairs) > 20


def test_an_offset_that_is_set_already_counts():
    settings = PairingSettings(thermal_offset=3.0)
    pairs, advice = run(settings, 10.0, 0.0)
    assert pairs == []
    assert "13.000 s ahead" in advice
    assert "set pairing.thermal_offset to -10.000" in advice
    assert len(run(followed(settings, advice), 10.0, 0.0)[0]) > 20


def test_cameras_that_take_turns():
    settings = PairingSettings(slop=0.01)
    pairs, advice = run(settings, 0.0, 0.0, shift=0.05)
    assert pairs == []
    assert "the nearest stamps differ by 0.050 s, pairing.slop is 0.01 s" in advice
    assert "raise pairing.slop" in advice


def test_exact_with_stamps_that_are_nearly_equal():
    settings = PairingSettings(policy="exact")
    pairs, advice = run(settings, 0.0, 0.0005)
    assert pairs == []
    assert "no two stamps are equal, the nearest differ by 0.000500 s: set pairing.policy to nearest" in advice
    assert len(run(followed(settings, advice), 0.0, 0.0005)[0]) > 20


def test_stamps_that_stand_still():
    stream = PairStream(FusionSettings(), 0.0, lambda _: None)
    for number in range(10):
        stream.add("thermal", None, 5 * NANO, bytes([number]), 0.1 * number)
        stream.add("rgb", None, (NOW + number) * NANO, bytes([number]), 0.1 * number)
    assert "the thermal camera stand still at 5.000 s" in stream.advice(NOW * NANO, 1.0)
    assert "set pairing.thermal_stamps to arrival" in stream.advice(NOW * NANO, 1.0)


def test_nothing_is_said_of_one_camera():
    stream = PairStream(FusionSettings(), 0.0, lambda _: None)
    assert stream.advice(NOW * NANO, 0.0) == ""
    stream.add("rgb", None, NOW * NANO, b"", 0.0)
    assert stream.advice(NOW * NANO, 0.0) == ""


def test_the_offsets_reach_from_tai_to_utc():
    for name in ("thermal_offset", "rgb_offset"):
        assert build(FusionSettings, {f"pairing.{name}": -37.0})
