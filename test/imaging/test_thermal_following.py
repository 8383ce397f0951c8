"""Grey levels over time: how they follow the scene, and what they do not follow."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.settings.thermal_settings import ThermalSettings

FOLLOWING = ["linear", "plateau", "clahe"]
RAW = [np.uint16, np.float32]
START = 1_700_000_000.0


def ramp(low: float, high: float, dtype: type[Any] = np.float32) -> NDArray[Any]:
    return np.linspace(low, high, 64 * 100).reshape(64, 100).astype(dtype)


def street(hot: bool, dtype: type[Any] = np.uint16) -> NDArray[Any]:
    """A background that never changes, with or without something very hot that covers a tenth of the picture."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:128, 0:160]
    picture = 7000 + 2 * x + 100 * np.sin(y / 20) + rng.normal(0, 2, (128, 160))
    if hot:
        picture[40:88, 40:84] += 5000
    return picture.astype(dtype)


BACKGROUND = np.ones((128, 160), np.bool_)
BACKGROUND[36:92, 36:88] = False


def settings_of(agc: str, time_constant: float = 1.0) -> ThermalSettings:
    return ThermalSettings(agc=agc, time_constant=time_constant, dead_pixels="off")


@pytest.mark.parametrize("dtype", RAW)
@pytest.mark.parametrize("agc", FOLLOWING)
@pytest.mark.parametrize("rate", [9, 30, 60])
def test_nothing_flickers_when_something_hot_comes_and_goes(agc: str, rate: int, dtype: type[Any]) -> None:
    """No grey level of the background moves by more, from one frame to the next, than the share of time allows."""
    front_end = ThermalFrontEnd(settings_of(agc))
    pictures = {hot: street(hot, dtype) for hot in (False, True)}
    frames = []
    for frame in range(4 * rate):
        hot = rate <= frame < 3 * rate
        frames.append(front_end.apply(pictures[hot], START + frame / rate)[BACKGROUND].astype(int))
    share = 1 - math.exp(-1 / rate)
    # Detail and rounding add a few levels to the bound that the module states.
    largest = max(np.abs(after - before).max() for before, after in pairwise(frames))
    assert largest <= 255 * share + 4
    # Without the memory it is a flash.
    alone = [ThermalFrontEnd(settings_of(agc)).apply(pictures[hot], 0.0)[BACKGROUND] for hot in (False, True)]
    assert np.abs(alone[1].astype(int) - alone[0]).max() > 2 * largest * (rate / 60)


@pytest.mark.parametrize("dtype", RAW)
@pytest.mark.parametrize("agc", FOLLOWING)
def test_rates_do_not_matter(agc: str, dtype: type[Any]) -> None:
    """After the same time, the same picture, at 9 and at 60 frames a second."""
    results = []
    for rate in (9, 60):
        front_end = ThermalFrontEnd(settings_of(agc))
        front_end.apply(street(False, dtype), START)
        for frame in range(1, rate + 1):
            got = front_end.apply(street(True, dtype), START + frame / rate)
        results.append(got.astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1
    assert np.abs(results[0] - ThermalFrontEnd(settings_of(agc)).apply(street(False, dtype), START)).max() > 5


@pytest.mark.parametrize("agc", FOLLOWING)
def test_what_stays_comes_out_as_if_it_had_always_been_there(agc: str) -> None:
    front_end = ThermalFrontEnd(settings_of(agc))
    front_end.apply(street(False), START)
    for frame in range(1, 200):
        got = front_end.apply(street(True), START + frame / 10)
    expected = ThermalFrontEnd(settings_of(agc)).apply(street(True), START)
    # The curves of clahe were once those of another range, and have bins in other places.
    assert np.abs(got.astype(int) - expected)[BACKGROUND].mean() <= (6 if agc == "clahe" else 0.5)


def white_level(front_end: ThermalFrontEnd, stamp: float) -> float:
    """White level just after a stamp."""
    front_end.apply(ramp(0, 2000), stamp + 1e-6)
    return front_end.state.levels[1]


@pytest.mark.parametrize("rate", [1, 4, 30, 200])
@pytest.mark.parametrize("time_constant", [0.5, 1.0, 3.0])
def test_contrast_follows_in_time_and_not_in_frames(rate: int, time_constant: float) -> None:
    """Contrast, which is one over the white level here, approaches that of the frames by the exponential law."""
    front_end = ThermalFrontEnd(ThermalSettings(0.0, 100.0, time_constant, agc="linear"))
    front_end.apply(ramp(0, 1000), START)
    for frame in range(1, 2 * rate):
        front_end.apply(ramp(0, 2000), START + frame / rate)
    expected = 1 / 2000 + (1 / 1000 - 1 / 2000) * math.exp(-2 / time_constant)
    assert white_level(front_end, START + 2.0) == pytest.approx(1 / expected, rel=1e-3)


@pytest.mark.parametrize("agc", FOLLOWING)
def test_without_time_constant_everything_is_at_once(agc: str) -> None:
    front_end = ThermalFrontEnd(settings_of(agc, 0.0))
    front_end.apply(street(True), 0.0)
    got = front_end.apply(street(False), 0.001)
    if agc != "clahe":  # whose range is kept as long as it does
        np.testing.assert_array_equal(got, ThermalFrontEnd(settings_of(agc, 0.0)).apply(street(False), 0.0))
    np.testing.assert_array_equal(got, front_end.apply(street(False), 0.002))


@pytest.mark.parametrize("agc", ["linear", "plateau"])
@pytest.mark.parametrize("stamp", [START, START - 100.0, float("nan")])
def test_a_clock_that_stands_still_or_goes_back_starts_anew(agc: str, stamp: float) -> None:
    """A camera that does not tell the time, a bag that is played again, and a stamp that is no number."""
    front_end = ThermalFrontEnd(settings_of(agc))
    front_end.apply(street(True), START)
    got = front_end.apply(street(False), stamp)
    fresh = ThermalFrontEnd(settings_of(agc))
    np.testing.assert_array_equal(got, fresh.apply(street(False), stamp))
    # The new time counts from there on.
    np.testing.assert_array_equal(front_end.apply(street(True), stamp + 1), fresh.apply(street(True), stamp + 1))


@pytest.mark.parametrize("agc", ["linear", "plateau"])
def test_one_corrupt_frame_spoils_no_more_than_itself(agc: str) -> None:
    disturbed, clean = (ThermalFrontEnd(settings_of(agc)) for _ in range(2))
    corrupt = street(False, np.float32)
    corrupt[:16] = np.random.default_rng(1).uniform(1e37, 3e38, (16, 160))
    other = np.full((128, 160), 60_000, np.float32)
    for front_end in (disturbed, clean):
        front_end.apply(street(True, np.float32), START)
        front_end.apply(street(False, np.float32), START + 0.1)
    disturbed.apply(corrupt, START + 0.2)
    disturbed.apply(other, START + 0.3)
    for later in (0.4, 0.5):
        np.testing.assert_array_equal(
            disturbed.apply(street(False, np.float32), START + later),
            clean.apply(street(False, np.float32), START + later),
        )


@pytest.mark.parametrize("agc", FOLLOWING)
@pytest.mark.parametrize("dtype", RAW)
def test_a_camera_that_recalibrates_to_another_range_is_followed_at_once(agc: str, dtype: type[Any]) -> None:
    front_end = ThermalFrontEnd(settings_of(agc))
    before = front_end.apply(street(False, dtype), START)
    for frame in (1, 2, 3):
        after = front_end.apply((street(False) + 3000).astype(dtype), START + frame / 10)
        assert np.abs(after.astype(int) - before).max() <= (1 if dtype == np.uint16 else 4)


def test_levels_of_a_followed_frame_are_those_that_made_it() -> None:
    front_end = ThermalFrontEnd(settings_of("linear"))
    front_end.apply(street(False), START)
    grey = front_end.apply(street(True), START + 0.3)
    black, white = front_end.state.levels
    expected = np.clip((street(True) - black) * 255 / (white - black), 0, 255)
    np.testing.assert_allclose(grey, expected, atol=0.51)
