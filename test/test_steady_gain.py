"""The gain over time: a low-pass by the stamps, whatever the frame rate; and when it starts anew."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camf_ros.pipeline import SteadyGain

GAINS = st.floats(0.5, 1.5)


def follow(frames: Sequence[tuple[float, float]], time_constant: float = 1.0) -> list[float]:
    """The gains used for frames (stamp, automatic gain), with the engine's arithmetic."""
    steady, gains = SteadyGain(), []
    for stamp, own in frames:
        gain, hold = steady.wanted(stamp, time_constant)
        gains.append(hold * gain + (1 - hold) * own if gain else own)
        steady.used(gains[-1], stamp)
    return gains


@given(
    old=GAINS,
    new=GAINS,
    time_constant=st.floats(0.01, 60.0),
    steps=st.lists(st.floats(1e-3, 5.0), min_size=1, max_size=40),
)
def test_answer_to_a_step_does_not_depend_on_the_frame_rate(
    old: float, new: float, time_constant: float, steps: list[float]
) -> None:
    """However the time is divided into frames, what is left of the difference is exp(-time / time constant)."""
    stamps = 100.0 + np.cumsum([0.0, *steps])
    gains = follow([(stamps[0], old), *((stamp, new) for stamp in stamps[1:])], time_constant)
    left = np.exp(-(stamps - stamps[0]) / time_constant)
    np.testing.assert_allclose(gains, new + left * (old - new), atol=1e-9)


@given(frames=st.lists(st.tuples(st.floats(1e-3, 2.0), GAINS), min_size=1, max_size=30))
def test_never_beyond_what_the_frames_have(frames: list[tuple[float, float]]) -> None:
    stamps = np.cumsum([elapsed for elapsed, _ in frames])
    own = [gain for _, gain in frames]
    gains = follow(list(zip(stamps, own, strict=True)))
    assert gains[0] == own[0]
    assert min(own) - 1e-12 <= min(gains)
    assert max(gains) <= max(own) + 1e-12


@pytest.mark.parametrize("rate", [10.0, 30.0, 60.0])
def test_flicker_is_taken_out(rate: float) -> None:
    """A source that jumps with every frame: the swing is no more than one frame's share of it."""
    own = [0.6 if number % 2 else 0.9 for number in range(int(10 * rate))]
    gains = np.array(follow([(number / rate, gain) for number, gain in enumerate(own)]))
    swing = np.abs(np.diff(gains))
    assert swing.max() <= 0.3 * (1 - math.exp(-1 / rate)) + 1e-12
    settled = gains[int(6 * rate) :]
    np.testing.assert_allclose(settled, 0.75, atol=0.5 * 0.3 * (1 - math.exp(-1 / rate)) + 1e-3)


@pytest.mark.parametrize("stamp", [5.0, 4.9, 0.0, -3.0, math.nan])
def test_clock_that_goes_back_or_stands_still_starts_anew(stamp: float) -> None:
    assert follow([(5.0, 0.6), (stamp, 0.9)]) == [0.6, 0.9]
    steady = follow([(5.0, 0.6), (stamp, 0.9), (stamp + 0.1, 0.6)])
    if not math.isnan(stamp):
        assert steady[2] == pytest.approx(0.6 + math.exp(-0.1) * 0.3), "and goes on from there"


def test_first_frame_takes_its_own_wherever_the_clock_is() -> None:
    for stamp in (0.0, 1e-3, 1.7e9):
        assert follow([(stamp, 0.8)]) == [0.8]


def test_without_a_time_constant_each_frame_takes_its_own() -> None:
    frames = [(0.0, 0.6), (0.1, 0.9), (0.2, 0.7)]
    assert follow(frames, 0.0) == [0.6, 0.9, 0.7]


def test_forgotten_is_as_new() -> None:
    steady = SteadyGain()
    steady.used(0.6, 1.0)
    assert steady.wanted(1.1, 1.0) == (0.6, pytest.approx(math.exp(-0.1)))
    steady.forget()
    assert steady.wanted(1.1, 1.0) == SteadyGain().wanted(1.1, 1.0)


def test_wanting_is_not_using() -> None:
    """A frame that fails leaves no trace: the time since the last fused one counts."""
    steady = SteadyGain()
    steady.used(0.6, 1.0)
    steady.wanted(1.5, 1.0)
    assert steady.wanted(2.0, 1.0) == (0.6, pytest.approx(math.exp(-1.0)))
