"""The thermal front end: raw counts and temperatures to grey levels that follow the scene."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import plain_thermal as plain
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from camf_ros.errors import ImageError, ParameterError
from camf_ros.imaging.thermal.defects import single_holes
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.imaging.thermal.scene import NOISE_LEVELS, noise_of
from camf_ros.settings.thermal_settings import ThermalSettings

# So small a least span limits nothing.
NO_LIMIT = 1e-6
#: Black is the smallest value and white the largest.
FULL = ThermalSettings(agc="linear", low_percentile=0.0, high_percentile=100.0, time_constant=1.0, least_span=NO_LIMIT)
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
    settings = ThermalSettings(agc="linear", low_percentile=low, high_percentile=high, least_span=NO_LIMIT)
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
    got = ThermalFrontEnd(ThermalSettings(agc="linear", least_span=NO_LIMIT)).apply(picture, 0.0).astype(np.int16)
    black, white = np.percentile(picture, (0.5, 99.5))
    expected = np.clip((picture - black) * 255 / (white - black), 0, 255)
    assert np.abs(got - expected).max() <= 4


@given(
    values=st.lists(st.integers(0, 65535), min_size=2, max_size=40),
    settings=st.builds(
        ThermalSettings,
        agc=st.just("linear"),
        low_percentile=st.floats(0, 49),
        high_percentile=st.floats(51, 100),
        least_span=st.just(NO_LIMIT),
        dead_pixels=st.just("off"),
    ),
)
def test_counts_are_stretched_exactly_as_defined(values: list[int], settings: ThermalSettings) -> None:
    picture = np.array(values, np.uint16).reshape(1, -1)
    black, white = np.percentile(picture, (settings.low_percentile, settings.high_percentile))
    got = ThermalFrontEnd(settings).apply(picture, 0.0)
    if white > black:
        # Half a grey level may be rounded either way: the stretch is kept as a slope and an offset.
        np.testing.assert_allclose(got, plain.stretch(picture, black, white), atol=0.5 + 1e-6)
    else:
        np.testing.assert_allclose(got, 127.5 + 127.5 * np.sign(picture - black), atol=0.5)


@given(
    values=st.lists(st.integers(0, 65535), min_size=4, max_size=40),
    settings=st.builds(
        ThermalSettings, agc=st.just("linear"), low_percentile=st.floats(0, 49), high_percentile=st.floats(51, 100)
    ),
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
    settings = replace(FULL, dead_pixels="off")
    clean = ThermalFrontEnd(settings).apply(picture, 0.0)
    picture[3, 4], picture[5, 6], picture[7, 8] = np.nan, -np.inf, np.inf
    got = ThermalFrontEnd(settings).apply(picture, 0.0)
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


@pytest.mark.parametrize("settings", [FULL, ThermalSettings(agc="plateau"), ThermalSettings(agc="clahe")])
def test_one_front_end_serves_one_camera(settings: ThermalSettings) -> None:
    first, second, third = (ThermalFrontEnd(settings) for _ in range(3))
    first.apply(ramp(0, 60_000, np.float32), 0.0)
    second.apply(ramp(0, 1000, np.float32), 0.0)
    picture = ramp(0, 2000, np.float32)
    np.testing.assert_array_equal(second.apply(picture, 0.0), third.apply(picture, 0.0))


# All modes.

MODES = ["linear", "plateau", "clahe", "temperature"]
SMALL_FLOATS = st.floats(-1e4, 1e4, width=32)
WILD_FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


def settings_of(agc: str, **others: Any) -> ThermalSettings:
    """Of a mode; the temperatures are what the street's counts are."""
    return ThermalSettings(agc=agc, scale=1 / 32, offset=-7100 / 32, minimum=-20.0, maximum=40.0, **others)


@pytest.mark.parametrize("agc", MODES)
@given(
    values=st.one_of(
        hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=WILD_FLOATS),
        hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=SMALL_FLOATS),
        hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)),
        hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)),
    ),
    more=st.sampled_from([{}, {"least_span": 10.0}, {"dead_pixels": "off"}, {"time_constant": 0.0}]),
)
@pytest.mark.filterwarnings("error")
def test_whatever_comes_in_grey_comes_out(agc: str, values: NDArray[Any], more: dict[str, Any]) -> None:
    front_end = ThermalFrontEnd(settings_of(agc, process_8bit=True, **more))
    finite = np.isfinite(values)
    before = values.copy()
    for stamp in (1.0, 1.1, 5.0):
        if not finite.any():
            with pytest.raises(ImageError, match="no finite value"):
                front_end.apply(values, stamp)
            continue
        got = front_end.apply(values, stamp)
        assert (got.dtype, got.shape, got.flags.c_contiguous) == (np.uint8, values.shape, True)
        black = np.isnan(values) | (values == -np.inf)
        # Single pixels without a number are filled in.
        if more.get("dead_pixels") != "off" and (single := single_holes(values.astype(np.float32))) is not None:
            black.flat[single] = False
        assert set(got[black].tolist()) <= {0}
        assert set(got[values == np.inf].tolist()) <= {255}
        state = front_end.state
        assert state.invalid == pytest.approx(1 - finite.mean())
        assert all(0 <= share <= 1 for share in (state.clipped, state.saturated))
        assert state.levels[0] < state.levels[1]
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("agc", MODES)
def test_black_hot_camera_is_inverted(agc: str) -> None:
    counts = plain.street(160, 128).thermal(4.0)
    if agc == "temperature":
        with pytest.raises(ParameterError, match=r"thermal\.polarity"):
            settings_of(agc, polarity="black_hot")
        return
    white_hot = ThermalFrontEnd(settings_of(agc)).apply(counts, 0.0)
    black_hot = ThermalFrontEnd(settings_of(agc, polarity="black_hot")).apply((16383 - counts).astype(np.uint16), 0.0)
    # Bins need not lie the same way in both.
    assert np.abs(white_hot.astype(int) - black_hot).mean() < 1.5


def test_black_hot_in_8_bit_and_with_gaps() -> None:
    settings = ThermalSettings(polarity="black_hot", dead_pixels="off")
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(ThermalFrontEnd(settings).apply(picture, 0.0), 255 - picture)
    values = ramp(0, 100, np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    assert ThermalFrontEnd(settings).apply(values, 0.0)[0, :3].tolist() == [0, 0, 255]


@pytest.mark.parametrize("agc", MODES)
def test_8_bit_is_processed_if_wanted(agc: str) -> None:
    picture = ((plain.street(160, 128).thermal(4.0) - 7000) // 12).astype(np.uint8)
    settings = replace(settings_of(agc, process_8bit=True), scale=1.0, offset=0.0, minimum=0.0, maximum=60.0)
    got = ThermalFrontEnd(settings).apply(picture, 0.0)
    np.testing.assert_array_equal(got, ThermalFrontEnd(settings).apply(picture.astype(np.uint16), 0.0))
    assert got.std() > picture.std()


@pytest.mark.parametrize("agc", ["linear", "plateau", "clahe"])
@pytest.mark.parametrize(("noise", "dtype"), [(0.05, np.float32), (3.0, np.uint16), (40.0, np.uint16)])
def test_noise_of_an_even_scene_is_not_blown_up(agc: str, noise: float, dtype: type[Any]) -> None:
    rng = np.random.default_rng(5)
    front_end = ThermalFrontEnd(settings_of(agc))
    got = front_end.apply((rng.normal(300, noise, (256, 320)) + (7000 if noise >= 1 else 0)).astype(dtype), 0.0)
    assert got.std() <= 1.1 * NOISE_LEVELS
    assert abs(float(got.mean()) - 127.5) < 3
    assert front_end.state.noise == pytest.approx(noise, rel=0.1)


def test_least_span_in_input_units() -> None:
    picture = ramp(1000, 1010)
    got = ThermalFrontEnd(ThermalSettings(0.0, 100.0, agc="linear", least_span=100.0)).apply(picture, 0.0)
    np.testing.assert_allclose(got, plain.stretch(picture, 955, 1055), atol=0.51)


def test_noise_is_not_taken_for_texture_nor_gradients_for_noise() -> None:
    rng = np.random.default_rng(6)
    y, x = np.mgrid[0:256, 0:320]
    scene = 3.0 * x + 100 * (np.sin(x / 9.0) + (y > 100)) + 50 * rng.normal(size=(256, 1))
    assert noise_of((7000 + scene).astype(np.float32)) < 0.5
    assert noise_of((7000 + scene + rng.normal(0, 5, scene.shape)).astype(np.uint16)) == pytest.approx(5, rel=0.15)


@pytest.mark.parametrize(
    ("values", "saturated"),
    [([0, 5, 9, 70], 0.25), ([1, 5, 9, 16383], 0.25), ([0, 0, 65535, 65535], 1.0), ([3, 3, 9, 16382], 0.0)],
)
def test_saturated_share(values: list[int], saturated: float) -> None:
    front_end = ThermalFrontEnd(ThermalSettings())
    front_end.apply(np.array(values, np.uint16).reshape(2, 2), 0.0)
    assert front_end.state.saturated == saturated


def test_temperature_range_is_fixed() -> None:
    """Hundredths of a kelvin, as cameras with radiometric output send them."""
    settings = ThermalSettings(agc="temperature", scale=0.01, offset=-273.15, minimum=10.0, maximum=60.0)
    front_end = ThermalFrontEnd(settings)
    celsius = ramp(-20.0, 100.0, np.float64)
    counts = np.rint((celsius + 273.15) * 100).astype(np.uint16)
    got = front_end.apply(counts, 0.0)
    np.testing.assert_allclose(got, plain.stretch(counts * 0.01 - 273.15, 10, 60), atol=0.51)
    assert front_end.state.levels == pytest.approx((28315, 33315))
    assert front_end.state.clipped == pytest.approx(70 / 120, abs=0.01)
    # Another scene changes nothing.
    np.testing.assert_array_equal(
        front_end.apply(counts[:32] // 2 * 2, 0.5), (front_end.apply(counts // 2 * 2, 0.1))[:32]
    )
    floats = ThermalFrontEnd(replace(settings, scale=1.0)).apply((celsius + 273.15).astype(np.float32), 0.0)
    assert np.abs(floats.astype(int) - got).max() <= 1


@pytest.mark.parametrize("agc", MODES)
def test_settings_change_while_it_runs(agc: str) -> None:
    street = plain.street(160, 128)
    changed, same = (ThermalFrontEnd(settings_of("linear")) for _ in range(2))
    for front_end in (changed, same):
        front_end.apply(street.thermal(4.0), 4.0)
    changed.configure(settings_of(agc))
    expected = same if agc == "linear" else ThermalFrontEnd(settings_of(agc))
    np.testing.assert_array_equal(changed.apply(street.thermal(4.1), 4.1), expected.apply(street.thermal(4.1), 4.1))


@pytest.mark.parametrize("wrong", [{"minimum": 5.0, "maximum": 5.0}, {"low_percentile": 50.0, "high_percentile": 50.0}])
def test_settings_that_contradict_each_other(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="less than"):
        ThermalSettings(**wrong)
