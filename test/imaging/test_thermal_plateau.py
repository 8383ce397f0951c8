"""Plateau equalisation: the curve against its definition, and what becomes of detail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import plain_thermal as plain
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.imaging.thermal.plateau import equalisation, guided_filter
from camf_ros.settings.thermal_settings import ThermalSettings

COUNTS = st.integers(0, 65000).flatmap(lambda low: st.lists(st.integers(low, low + 500), min_size=1, max_size=60))
EVERY = range(65536)
PLATEAU = ThermalSettings(agc="plateau", dead_pixels="off")


@given(values=COUNTS, width=st.integers(1, 9), limit=st.floats(1, 50), least=st.floats(0.01, 500))
def test_curve_is_what_it_is_defined_to_be(values: list[int], width: int, limit: float, least: float) -> None:
    counts = np.array(values, np.uint16)
    levels, contrast = plain.plateau_levels(counts, width, limit, least)
    got = equalisation(np.bincount(counts), width, limit, least, range(min(levels), max(levels) + 1))
    np.testing.assert_allclose(got, [*levels.values(), contrast], rtol=1e-9, atol=1e-6)


@given(values=COUNTS, width=st.integers(1, 9), limit=st.floats(1, 50), least=st.floats(0.01, 500))
def test_hotter_is_never_darker(values: list[int], width: int, limit: float, least: float) -> None:
    table = equalisation(np.bincount(values), width, limit, least, EVERY)[:-1]
    assert (np.diff(table) >= -1e-9).all()
    assert table.min() >= -1e-9
    assert table.max() <= 255 + 1e-9
    # Nothing is steeper than the least span allows: between the middles of two counts lie two halves.
    assert np.diff(table).max() <= 255 / least + 1e-9


def assert_as_plain(frames: list[NDArray[Any]], settings: ThermalSettings = PLATEAU, seconds: float = 0.1) -> None:
    """At most one grey level from the plain version in every frame."""
    front_end, reference = ThermalFrontEnd(settings), plain.Plateau(settings)
    for number, frame in enumerate(frames):
        stamp = 1.0 + seconds * number
        got = front_end.apply(frame, stamp)
        least, largest = reference.apply(frame, stamp)
        assert (got >= least - 1).all()
        assert (got <= largest + 1).all()


def kelvin(counts: NDArray[np.uint16]) -> NDArray[np.float32]:
    return ((counts.astype(np.float64) - 7100) / 32 + 273.15).astype(np.float32)


@pytest.mark.parametrize(
    "settings",
    [
        PLATEAU,
        replace(PLATEAU, linear_share=0.0, time_constant=0.0),
        replace(PLATEAU, detail_gain=3.0, plateau_limit=20.0, least_span=50.0),
    ],
)
@pytest.mark.parametrize("convert", [np.asarray, kelvin])
def test_street_as_in_the_plain_version(settings: ThermalSettings, convert: Any) -> None:
    frames = [convert(plain.street(160, 128).thermal(second)) for second in (2.0, 2.5, 3.0)]
    if convert is kelvin and settings.least_span:
        settings = replace(settings, least_span=settings.least_span / 32)
    assert_as_plain(frames, settings, 0.5)


def test_full_size_as_in_the_plain_version() -> None:
    assert_as_plain([plain.street().thermal(second) for second in (4.0, 4.1)])


@pytest.mark.parametrize("height", [200, 4000, 9000])
@pytest.mark.parametrize("convert", [np.asarray, kelvin])
def test_something_hot_that_comes_and_goes_as_in_the_plain_version(height: int, convert: Any) -> None:
    """The range that is followed grows with it, and the grid of temperatures changes."""
    frames = []
    for number in range(10):
        frame = plain.street(160, 128).thermal(number / 2).astype(np.int64)
        if 3 <= number < 6:
            frame[40:60, 20 + number : 50 + number] += height
        frames.append(convert(frame.clip(0, 65535).astype(np.uint16)))
    assert_as_plain(frames, seconds=0.5)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (4, 4), (5, 11), (8, 64), (62, 80), (121, 163)])
@pytest.mark.parametrize("ends", [(0, 1), (0, 2), (7000, 7003), (7000, 7300), (0, 65536), (65530, 65536)])
def test_random_and_constant_pictures_as_in_the_plain_version(size: tuple[int, int], ends: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    assert_as_plain([rng.integers(*ends, size).astype(np.uint16)] * 2)
    assert_as_plain([np.full(size, rng.integers(*ends), np.uint16)] * 2)


def test_memory_of_one_frame_is_not_in_the_next() -> None:
    """What a frame gave stays as it is when others follow."""
    front_end = ThermalFrontEnd(PLATEAU)
    pictures = [plain.street(160, 128).thermal(second) for second in (1.0, 3.0)]
    first = front_end.apply(pictures[0], 1.0)
    before = first.copy()
    front_end.apply(pictures[1], 1.1)
    np.testing.assert_array_equal(first, before)


def test_base_is_a_guided_filter() -> None:
    """What is 4 x 4 pixels large is as if filtered at a quarter of the size."""
    rng = np.random.default_rng(1)
    small = 7000 + np.kron(rng.integers(0, 2, (4, 5)), np.ones((6, 6))) * 300 + rng.normal(0, 5, (24, 30))
    large = np.kron(small, np.ones((4, 4))).astype(np.float32)
    share, rest = guided_filter(large, 400.0)
    got = share * large + rest
    expected = np.kron(plain.guided_base(small, 2, 400.0), np.ones((4, 4)))
    # Coefficients are interpolated between the large pixels.
    inside = np.abs(got - expected)
    assert np.median(inside) < 1.0
    assert np.abs(got - expected).mean() < 0.02 * 300


def bumpy(size: tuple[int, int] = (256, 320)) -> NDArray[np.float64]:
    """A cool ground with some structure, and a hot wall; the same fine grating on both."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    picture = 7000.0 + 150 * np.sin(x / 25.0) + 100 * np.cos(y / 31.0)
    picture[:, size[1] * 3 // 4 :] = 11_000
    return picture + 10 * np.sign(np.sin(x * np.pi / 2 + 0.1)) + np.random.default_rng(1).normal(0, 1.5, size)


def grating(grey: NDArray[np.uint8]) -> float:
    """Height of the grating in grey levels."""
    values = grey.astype(np.float64)
    return float(np.abs(values[:, :-2] - values[:, 2:]).mean()) / 2


def test_fine_detail_survives_the_compression() -> None:
    picture = bumpy().astype(np.uint16)
    linear, plateau = (
        ThermalFrontEnd(ThermalSettings(agc=agc, dead_pixels="off")).apply(picture, 0.0)
        for agc in ("linear", "plateau")
    )
    ground, wall = np.s_[:, :220], np.s_[:, 250:]
    for part in (ground, wall):
        assert grating(plateau[part]) > 4 * grating(linear[part])
    # One gain everywhere, also where the curve is flat.
    assert grating(plateau[wall]) > 0.5 * grating(plateau[ground])
    assert plateau[wall].mean() > plateau[ground].mean() + 60


def test_detail_gain_is_the_contrast_of_detail() -> None:
    picture = bumpy().astype(np.float32)
    heights = [
        grating(
            ThermalFrontEnd(ThermalSettings(agc="plateau", detail_gain=gain, dead_pixels="off")).apply(picture, 0.0)[
                20:-20, 20:200
            ]
        )
        for gain in (0.0, 1.0, 2.0)
    ]
    assert heights[0] < 0.6 * heights[1]
    assert heights[2] - heights[1] == pytest.approx(heights[1] - heights[0], rel=0.2)


def test_no_halo_beside_something_hot() -> None:
    """The base keeps edges: right beside them, the ground is as grey as elsewhere."""
    picture = np.full((256, 320), 7000.0) + np.random.default_rng(2).normal(0, 3, (256, 320))
    picture[:, 160:] += 2000
    got = ThermalFrontEnd(PLATEAU).apply(picture.astype(np.uint16), 0.0).astype(np.float64)
    columns = got.mean(axis=0)
    assert np.abs(columns[100:158] - columns[:100].mean()).max() < 3
    assert np.abs(columns[162:220] - columns[220:].mean()).max() < 3


def test_counts_and_temperatures_give_the_same_picture() -> None:
    counts = plain.street(320, 256).thermal(4.0)
    for settings in (PLATEAU, ThermalSettings(agc="clahe", dead_pixels="off"), ThermalSettings(dead_pixels="off")):
        one, other = (ThermalFrontEnd(settings).apply(picture, 0.0).astype(int) for picture in (counts, kelvin(counts)))
        assert np.abs(one - other).mean() < 1.0
        assert np.abs(one - other).max() <= 12


def test_a_higher_plateau_gives_more_to_what_is_frequent() -> None:
    counts = plain.street(320, 256).thermal(4.0)
    spreads = []
    for limit in (1.0, 3.0, 100.0):
        table = equalisation(np.bincount(counts.ravel()), 4, limit, 0.01, EVERY)[:-1]
        low, high = np.percentile(counts, (20, 80))
        spreads.append(table[int(high)] - table[int(low)])
    assert spreads == sorted(spreads)
    assert spreads[2] == pytest.approx(0.6 * 255, abs=5)


def test_one_warm_thing_before_an_even_wall_stands_out() -> None:
    """The noise forbids to spread the wall, and nothing else occurs to give the levels to."""
    wall = 7500 + np.random.default_rng(2).normal(0, 5, (256, 320))
    y, x = np.mgrid[0:256, 0:320]
    disc = (y - 100) ** 2 + (x - 150) ** 2 < 16**2
    wall[disc] += 2000
    grey = ThermalFrontEnd(ThermalSettings(agc="plateau", linear_share=0.0)).apply(np.rint(wall).astype(np.uint16), 1.0)
    assert grey[disc].mean() > grey[~disc].mean() + 200
    assert grey[~disc].std() < 5, "and the noise is not blown up"


def test_linear_share_goes_from_equalised_to_linear() -> None:
    """All linear is the linear mode; what lies between is between both, where no detail is at work."""
    counts = np.rint(bumpy()).astype(np.uint16)
    shares = [
        ThermalFrontEnd(ThermalSettings(agc="plateau", linear_share=share, dead_pixels="off")).apply(counts, 1.0)
        for share in (0.0, 0.5, 1.0)
    ]
    linear = ThermalFrontEnd(ThermalSettings(agc="linear", dead_pixels="off")).apply(counts, 1.0)
    none, half, whole = (picture.astype(float) for picture in shares)
    inside = (linear > 0) & (linear < 255)
    assert inside.mean() > 0.8
    assert np.abs(whole - linear)[inside].max() <= 2
    assert np.abs(none - whole).mean() > 3, "they differ"
    between = (half >= np.minimum(none, whole) - 3) & (half <= np.maximum(none, whole) + 3)
    assert between.mean() > 0.97


@pytest.mark.parametrize("hot", [400.0, 800.0, 2500.0])
def test_temperatures_have_their_grey_levels_again_when_something_hot_has_gone(hot: float) -> None:
    y, x = np.mgrid[0:96, 0:128]
    rng = np.random.default_rng(3)
    room = 293.0 + 3 * x / 128 + rng.normal(0, 0.02, x.shape)
    fire = np.where((y < 20) & (x < 30), 293 + hot, room)
    front_end = ThermalFrontEnd(PLATEAU)
    for number in range(10):
        front_end.apply(fire.astype(np.float32), 1.0 + 0.1 * number)
    for number in range(600):
        after = front_end.apply(room.astype(np.float32), 2.0 + 0.1 * number)
    fresh = ThermalFrontEnd(PLATEAU).apply(room.astype(np.float32), 1.0)
    assert len(np.unique(after)) > 0.9 * len(np.unique(fresh))
    assert np.abs(after.astype(int) - fresh).mean() < 1.5
