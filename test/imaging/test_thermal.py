"""The thermal front end: raw counts and temperatures to grey levels that follow the scene."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from camf_ros.errors import ImageError
from camf_ros.imaging.thermal import ThermalFrontEnd
from camf_ros.settings.thermal import ThermalSettings

#: Black is the smallest value and white the largest.
FULL = ThermalSettings(low_percentile=0.0, high_percentile=100.0, time_constant=1.0)
RAW = [np.uint16, np.float32]


def ramp(low: float, high: float, dtype: type[Any] = np.uint16) -> NDArray[Any]:
    """A picture with every level between two values."""
    return np.linspace(low, high, 64 * 100).reshape(64, 100).astype(dtype)


def test_8_bit_is_taken_as_it_is() -> None:
    picture = np.random.default_rng(1).integers(40, 90, (20, 30), dtype=np.uint8)
    front_end = ThermalFrontEnd(ThermalSettings())
    for stamp in (0.0, 1.0):
        np.testing.assert_array_equal(front_end.apply(picture, stamp), picture)
    strided = np.repeat(picture, 2, axis=1)[:, ::2]
    assert front_end.apply(strided, 2.0).flags.c_contiguous
    np.testing.assert_array_equal(front_end.apply(strided, 2.0), picture)


@pytest.mark.parametrize("dtype", RAW)
def test_stretch_is_linear_between_black_and_white(dtype: type[Any]) -> None:
    picture = ramp(20_000, 21_000, dtype)
    got = ThermalFrontEnd(FULL).apply(picture, 0.0)
    assert (got.dtype, got.shape) == (np.uint8, picture.shape)
    np.testing.assert_allclose(got, (picture.astype(np.float64) - 20_000) * 0.255, atol=0.51)
    assert (got.min(), got.max()) == (0, 255)


def test_small_differences_of_temperature_are_seen() -> None:
    got = ThermalFrontEnd(FULL).apply(ramp(295.0, 296.0, np.float32), 0.0)
    np.testing.assert_allclose(got, np.linspace(0, 255, got.size).reshape(got.shape), atol=0.6)


@pytest.mark.parametrize("dtype", RAW)
@pytest.mark.parametrize(("low", "high"), [(0.0, 100.0), (0.5, 99.5), (10.0, 90.0)])
def test_percentiles(dtype: type[Any], low: float, high: float) -> None:
    settings = ThermalSettings(low_percentile=low, high_percentile=high)
    picture = np.random.default_rng(2).permutation(ramp(1000, 7399, dtype).ravel()).reshape(64, 100)
    got = ThermalFrontEnd(settings).apply(picture, 0.0)
    black, white = np.percentile(picture.astype(np.float64), (low, high))
    expected = np.clip((picture - black) * 255 / (white - black), 0, 255)
    np.testing.assert_allclose(got, expected, atol=0.51)
    assert (got == 0).mean() == pytest.approx(low / 100, abs=0.004)
    assert (got == 255).mean() == pytest.approx(1 - high / 100, abs=0.004)


def test_large_pictures_are_sampled_fairly() -> None:
    """Levels of a picture with a million values differ little from those of all its values."""
    picture = np.random.default_rng(3).normal(20_000, 500, (1024, 1280)).astype(np.uint16)
    got = ThermalFrontEnd(ThermalSettings()).apply(picture, 0.0).astype(np.int16)
    black, white = np.percentile(picture, (0.5, 99.5))
    expected = np.clip((picture - black) * 255 / (white - black), 0, 255)
    assert np.abs(got - expected).max() <= 4


@given(
    values=st.lists(st.integers(0, 65535), min_size=2, max_size=40),
    settings=st.builds(ThermalSettings, low_percentile=st.floats(0, 49), high_percentile=st.floats(51, 100)),
)
def test_counts_are_stretched_exactly_as_defined(values: list[int], settings: ThermalSettings) -> None:
    picture = np.array(values, np.uint16).reshape(1, -1)
    black, white = np.percentile(picture, (settings.low_percentile, settings.high_percentile))
    got = ThermalFrontEnd(settings).apply(picture, 0.0)
    if white > black:
        expected = np.clip(np.rint((picture - black) * (255 / (white - black))), 0, 255)
        np.testing.assert_array_equal(got, expected)
    else:
        np.testing.assert_array_equal(got, 128 + 127 * np.sign(picture - black) - (picture < black))


@given(
    values=st.lists(st.integers(0, 65535), min_size=4, max_size=40),
    settings=st.builds(ThermalSettings, low_percentile=st.floats(0, 49), high_percentile=st.floats(51, 100)),
)
def test_hotter_is_never_darker(values: list[int], settings: ThermalSettings) -> None:
    counts = np.sort(np.array(values, np.uint16)).reshape(1, -1)
    for picture in (counts, counts.astype(np.float32), counts.astype(np.float32) * 0.01 - 100):
        got = ThermalFrontEnd(settings).apply(picture, 0.0)
        assert (np.diff(got.astype(int)) >= 0).all()


@pytest.mark.parametrize("dtype", RAW)
def test_flat_picture_is_grey(dtype: type[Any]) -> None:
    front_end = ThermalFrontEnd(ThermalSettings())
    for stamp in (0.0, 1.0):
        got = front_end.apply(np.full((8, 9), 300, dtype), stamp)
        np.testing.assert_array_equal(got, np.full((8, 9), 128, np.uint8))


@pytest.mark.parametrize("dtype", RAW)
def test_one_hot_spot_before_an_even_background_is_seen(dtype: type[Any]) -> None:
    """It covers less than the percentiles cut off, and it is what a thermal camera is there for."""
    picture = np.full((40, 50), 20_000, dtype)
    picture[20, 30] = 24_000
    picture[5, 6] = 18_000
    got = ThermalFrontEnd(ThermalSettings()).apply(picture, 0.0)
    assert got[20, 30] > got[0, 0] > got[5, 6]


def test_values_that_are_no_temperatures() -> None:
    picture = ramp(280, 320, np.float32)
    clean = ThermalFrontEnd(FULL).apply(picture, 0.0)
    picture[3, 4], picture[5, 6], picture[7, 8] = np.nan, -np.inf, np.inf
    got = ThermalFrontEnd(FULL).apply(picture, 0.0)
    assert (got[3, 4], got[5, 6], got[7, 8]) == (0, 0, 255)
    unchanged = np.isfinite(picture)
    np.testing.assert_array_equal(got[unchanged], clean[unchanged])
    assert np.isnan(picture[3, 4]), "the message's own data was written to"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nothing_finite(value: float) -> None:
    front_end = ThermalFrontEnd(FULL)
    before = front_end.apply(ramp(280, 320, np.float32), 0.0)
    with pytest.raises(ImageError, match="no finite value"):
        front_end.apply(np.full((4, 5), value, np.float32), 1.0)
    np.testing.assert_array_equal(front_end.apply(ramp(280, 320, np.float32), 2.0), before)


def test_invalid_pixels_on_a_regular_grid() -> None:
    """Levels come from a sample of the pixels; that it is invalid throughout does not make the picture so."""
    picture = np.random.default_rng(4).normal(300, 5, (512, 640)).astype(np.float32)
    picture[::2, ::2] = np.nan
    got = ThermalFrontEnd(FULL).apply(picture, 0.0)
    assert (got[::2, ::2] == 0).all()
    assert got[1::2, 1::2].std() > 10


@pytest.mark.parametrize("marker", [3.4e38, -3.4e38, 1e30])
def test_huge_marker_of_invalid_pixels(marker: float) -> None:
    picture = ramp(280, 320, np.float32)
    picture[0, :5] = marker
    got = ThermalFrontEnd(ThermalSettings()).apply(picture, 0.0)
    assert set(got[0, :5].tolist()) == {255 if marker > 0 else 0}
    assert got[32].std() > 0.5


def white_level(front_end: ThermalFrontEnd, stamp: float) -> float:
    """White level just after a stamp, read off the grey levels of a frame from 0 to 2000."""
    grey = front_end.apply(ramp(0, 2000, np.float32), stamp + 1e-6)
    values = ramp(0, 2000, np.float32)
    inside = (grey > 0) & (grey < 255)
    return float(255 * values[inside].sum() / grey[inside].astype(np.float64).sum())


@pytest.mark.parametrize("rate", [1, 4, 30, 200])
@pytest.mark.parametrize("time_constant", [0.5, 1.0, 3.0])
def test_levels_follow_in_time_and_not_in_frames(rate: int, time_constant: float) -> None:
    front_end = ThermalFrontEnd(ThermalSettings(0.0, 100.0, time_constant))
    start = 1_700_000_000.0
    front_end.apply(ramp(0, 1000, np.float32), start)
    for frame in range(1, 2 * rate):
        front_end.apply(ramp(0, 2000, np.float32), start + frame / rate)
    expected = 1000 + 1000 * (1 - math.exp(-2 / time_constant))
    assert white_level(front_end, start + 2.0) == pytest.approx(expected, rel=0.002)


def test_without_time_constant_levels_follow_at_once() -> None:
    front_end = ThermalFrontEnd(ThermalSettings(0.0, 100.0, 0.0))
    front_end.apply(ramp(0, 1000, np.float32), 0.0)
    assert white_level(front_end, 0.001) == pytest.approx(2000, rel=0.001)


def test_a_camera_that_does_not_tell_the_time_gets_levels_frame_by_frame() -> None:
    front_end = ThermalFrontEnd(FULL)
    front_end.apply(ramp(0, 1000, np.float32), 0.0)
    grey = front_end.apply(ramp(0, 2000, np.float32), 0.0)
    assert (grey.min(), grey.max(), (grey == 255).mean() < 0.01) == (0, 255, True)


def test_one_corrupt_frame_spoils_no_more_than_itself() -> None:
    front_end = ThermalFrontEnd(ThermalSettings())
    good = ramp(280, 310, np.float32)
    corrupt = good.copy()
    corrupt[: corrupt.shape[0] // 8] = 3e38
    before = front_end.apply(good, 1.0)
    front_end.apply(corrupt, 1.1)
    np.testing.assert_array_equal(front_end.apply(good, 1.2), before)


def test_a_camera_that_recalibrates_to_another_range_is_followed_at_once() -> None:
    front_end = ThermalFrontEnd(ThermalSettings())
    before = front_end.apply(ramp(7000, 7600, np.uint16), 1.0)
    after = front_end.apply(ramp(9000, 9600, np.uint16), 1.1)
    np.testing.assert_array_equal(after, before)


def test_stamps_that_go_back_start_anew() -> None:
    """A bag that is played again must not show the end of its last round."""
    front_end = ThermalFrontEnd(FULL)
    front_end.apply(ramp(0, 60_000, np.float32), 100.0)
    assert white_level(front_end, 3.0) == pytest.approx(2000, rel=0.001)
    # The new time counts from there on.
    front_end.apply(ramp(0, 1000, np.float32), 3.1)
    level = white_level(front_end, 3.1)
    assert level == pytest.approx(2000 - 1000 * (1 - math.exp(-0.1)), rel=0.002)


def test_one_front_end_serves_one_camera() -> None:
    first, second = ThermalFrontEnd(FULL), ThermalFrontEnd(FULL)
    first.apply(ramp(0, 60_000, np.float32), 0.0)
    assert white_level(second, 0.0) == pytest.approx(2000, rel=0.001)
