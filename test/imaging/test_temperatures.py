"""Temperatures that are known come out, with their places; what is no scene is never the hottest or the coldest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from camf_ros.errors import ParameterError
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.imaging.thermal.temperatures import (
    Measured,
    coloured,
    implausible,
    isotherm,
    measure,
    outside,
    temperatures,
    why_none,
)
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.table import build, specs
from camf_ros.settings.temperature_settings import Box, Spot, TemperatureSettings
from camf_ros.settings.thermal_settings import UNITS, ThermalSettings

HEIGHT, WIDTH = 96, 128
HOT, COLD = (40, 90), (70, 20)  # row, column
Frame = NDArray[Any]


def scene() -> NDArray[np.float64]:
    """Celsius: about 20, a blob whose middle has 80.0 and one whose middle has -5.0."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    celsius = 20 + np.random.default_rng(1).normal(0, 0.2, (HEIGHT, WIDTH))
    for (row, column), peak in ((HOT, 80.0), (COLD, -5.0)):
        blob = np.exp(-((x - column) ** 2 + (y - row) ** 2) / 40)
        celsius += blob * (peak - celsius[row, column])
    return celsius


def raw_of(celsius: NDArray[np.float64], unit: str) -> Frame:
    scale, offset = UNITS[unit]
    raw = (celsius - offset) / scale
    return raw.astype(np.float32) if unit in ("celsius", "kelvin") else np.rint(raw).astype(np.uint16)


def seen(raw: Frame, unit: str = "centikelvin", frames: int = 1, **others: Any) -> tuple[Frame, Measured]:
    """Temperatures and readings of the last of some frames, half a second apart."""
    thermal = ThermalSettings(unit=unit)
    front_end = ThermalFrontEnd(thermal)
    for number in range(frames):
        front_end.apply(raw, 1.0 + 0.5 * number)
    assert front_end.state is not None
    assert why_none(raw, front_end.state, thermal) == ""
    celsius = temperatures(raw, front_end.state, thermal)
    return celsius, measure(celsius, TemperatureSettings(**others))


def places(measured: Measured) -> tuple[tuple[int, int], tuple[int, int]]:
    hottest, coldest = measured.image.hottest, measured.image.coldest
    return (hottest.y, hottest.x), (coldest.y, coldest.x)


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_gives_the_temperature_that_was_there(unit: str) -> None:
    celsius, measured = seen(raw_of(scene(), unit), unit)
    step = UNITS[unit][0] if unit not in ("celsius", "kelvin") else 0.0
    np.testing.assert_allclose(celsius, scene(), rtol=0, atol=0.5 * step + 2e-4)
    assert measured.image.hottest.temperature == pytest.approx(80.0, abs=0.5 * step + 2e-4)
    assert measured.image.coldest.temperature == pytest.approx(-5.0, abs=0.5 * step + 2e-4)
    assert measured.image.mean == pytest.approx(scene().mean(), abs=0.5 * step + 2e-4)
    assert measured.image.pixels == HEIGHT * WIDTH
    if unit not in {"decikelvin", "optris"}:  # in tenths of a degree several pixels are equal
        assert places(measured) == (HOT, COLD)


def test_custom_is_scale_and_offset() -> None:
    raw = np.full((32, 32), 1000, np.uint16)
    raw[3, 4] = 1400
    thermal = ThermalSettings(unit="custom", scale=0.05, offset=-20.0, dead_pixels="off")
    front_end = ThermalFrontEnd(thermal)
    front_end.apply(raw, 1.0)
    assert front_end.state is not None
    image = measure(temperatures(raw, front_end.state, thermal), TemperatureSettings()).image
    assert (image.hottest.x, image.hottest.y) == (4, 3)
    assert (image.coldest.x, image.coldest.y) == (0, 0), "the first one, row by row"
    assert image.hottest.temperature == pytest.approx(50.0)
    assert image.coldest.temperature == pytest.approx(30.0)


def test_spots_and_boxes() -> None:
    raw = raw_of(scene(), "centikelvin")
    celsius, measured = seen(
        raw, spots="motor 90 40; corner 0 0 ;gone 500 3", boxes="door 10 60 20 20;edge 120 90 50 50"
    )
    (motor, at), (_, corner), (_, gone) = measured.spots
    assert motor == Spot("motor", 90, 40)
    assert at.temperature == pytest.approx(celsius[39:42, 89:92].mean(), abs=1e-4)
    assert corner.temperature == pytest.approx(celsius[:2, :2].mean(), abs=1e-4)
    assert np.isnan(gone.temperature)
    door, edge = measured.boxes
    part = celsius[60:80, 10:30]
    assert door.box == Box("door", 10, 60, 20, 20)
    assert (door.coldest.y, door.coldest.x) == COLD
    assert door.hottest.temperature == part.max()
    assert celsius[door.hottest.y, door.hottest.x] == part.max()
    assert (door.mean, door.pixels) == (pytest.approx(part.mean(), abs=1e-4), 400)
    assert edge.pixels == 6 * 8, "the part that is in the picture"
    settings = TemperatureSettings(spots="gone 500 3; here 1 1", boxes="edge 120 90 50 50")
    assert outside(raw.shape, settings).startswith("gone, edge of temperatures.spots and boxes: not in")
    assert outside(raw.shape, TemperatureSettings(spots="here 127 95", boxes="all 0 0 128 96")) == ""


def telemetry(raw: Frame) -> None:
    raw[-2:] = np.random.default_rng(2).integers(0, 65536, (2, WIDTH))


def corners(raw: Frame) -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    raw[((x - WIDTH / 2) / WIDTH) ** 2 + ((y - HEIGHT / 2) / HEIGHT) ** 2 > 0.4] = 0


def saturated_corner(raw: Frame) -> None:
    raw[:20, :20] = 65535


def stuck_lines(raw: Frame) -> None:
    raw[:, 60] = 60_000
    raw[12] = 100


@pytest.mark.parametrize("spoil", [telemetry, corners, saturated_corner, stuck_lines])
def test_what_is_no_scene_is_not_measured(spoil: Any) -> None:
    raw = raw_of(scene(), "centikelvin")
    spoil(raw)
    celsius, measured = seen(raw)
    assert places(measured) == (HOT, COLD)
    assert measured.image.pixels < HEIGHT * WIDTH
    assert np.isnan(celsius).sum() == HEIGHT * WIDTH - measured.image.pixels


def test_dead_pixels_are_not_measured() -> None:
    raw = raw_of(scene(), "centikelvin")
    raw[5, 5], raw[90, 120] = 60_000, 20_000
    celsius, measured = seen(raw, frames=6, spots="dead 5 5", boxes="only 5 5 1 1")
    assert places(measured) == (HOT, COLD)
    assert np.isnan(celsius[[5, 90], [5, 120]]).all()
    assert measured.spots[0][1].temperature == pytest.approx(20, abs=0.2), "its neighbours are alive"
    box = measured.boxes[0]
    assert (box.pixels, np.isnan(box.mean), np.isnan(box.hottest.temperature)) == (0, True, True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_not_measured(value: float) -> None:
    raw = raw_of(scene(), "kelvin")
    raw[20:30, 20:30] = value
    _, measured = seen(raw, "kelvin")
    assert places(measured) == (HOT, COLD)
    assert measured.image.pixels == HEIGHT * WIDTH - 100


def test_without_a_unit_or_with_8_bits_there_are_none() -> None:
    raw = raw_of(scene(), "centikelvin")
    front_end = ThermalFrontEnd(ThermalSettings())
    front_end.apply(raw, 1.0)
    assert front_end.state is not None
    assert "thermal.unit is unknown: set it" in why_none(raw, front_end.state, ThermalSettings())
    grey = front_end.apply((raw // 200).astype(np.uint8), 2.0)
    assert "8 bits" in why_none(grey, front_end.state, ThermalSettings(unit="centikelvin"))


def test_the_isotherm_colours_its_range_and_nothing_else() -> None:
    raw = raw_of(scene(), "centikelvin")
    thermal, settings = (
        ThermalSettings(unit="centikelvin"),
        TemperatureSettings(isotherm_minimum=40, isotherm_maximum=60),
    )
    front_end = ThermalFrontEnd(thermal)
    grey = front_end.apply(raw, 1.0)
    assert front_end.state is not None
    celsius = temperatures(raw, front_end.state, thermal)
    measured = measure(celsius, settings)
    nothing = measured._replace(image=measured.image._replace(pixels=0))
    picture = isotherm(grey, celsius, nothing, settings)
    inside = (celsius >= 40) & (celsius <= 60)
    assert 20 < inside.sum() < 1000
    np.testing.assert_array_equal(picture[~inside], np.repeat(grey[~inside][:, None], 3, axis=1))
    assert (np.ptp(picture[inside].astype(int), axis=1) > 30).all()
    marked = isotherm(grey, celsius, measured, settings)
    assert tuple(marked[HOT]) == (255, 64, 64)
    assert tuple(marked[COLD]) == (64, 160, 255)
    assert isotherm(grey, celsius, measured, TemperatureSettings(isotherm_minimum=500, isotherm_maximum=600)).shape == (
        HEIGHT,
        WIDTH,
        3,
    )


@pytest.mark.parametrize("palette", specs(FusionSettings)["temperatures.palette"].choices)
def test_palettes_get_brighter_from_cold_to_hot_or_change_their_hue(palette: str) -> None:
    ramp = np.arange(256, dtype=np.uint8)[None]
    colours = coloured(ramp, palette)[0]
    assert len(np.unique(colours, axis=0)) > 100
    if palette not in ("jet", "turbo"):
        luminance = colours @ np.array([0.299, 0.587, 0.114])
        assert luminance[-1] - luminance[0] > 100
    else:
        assert colours[16, 2] > colours[16, 0], "cold is blue"
        assert colours[240, 0] > colours[240, 2], "hot is red"


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"temperatures.spots": "motor 1"}, "temperatures.spots has 'motor 1'"),
        ({"temperatures.spots": "a 1 2; a 3 4"}, "'a 3 4' a second time"),
        ({"temperatures.spots": "a -1 2"}, "'a -1 2'"),
        ({"temperatures.spots": "a 1 99999"}, "'a 1 99999'"),
        ({"temperatures.boxes": "a 1 2 0 4"}, "'a 1 2 0 4'"),
        ({"temperatures.boxes": "a 1 2 3"}, "expected NAME X Y WIDTH HEIGHT"),
        ({"temperatures.isotherm_minimum": 50.0}, "less than temperatures.isotherm_maximum, which is 40"),
        ({"thermal.unit": "centikelvin", "thermal.scale": 0.04}, "expected 0.01 and -273.15, which the unit means"),
        ({"thermal.unit": "kelvin", "thermal.polarity": "black_hot"}, "black_hot with thermal.unit kelvin"),
        ({"thermal.unit": "fahrenheit"}, "thermal.unit is 'fahrenheit'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, object], what: str) -> None:
    with pytest.raises(ParameterError) as caught:
        build(FusionSettings, values)
    assert what in str(caught.value)


def test_what_is_not_above_absolute_zero_is_no_temperature() -> None:
    """0 counts and 0 K are what cameras send where they measure nothing."""
    for unit, nothing in (("centikelvin", 0), ("kelvin", 0.0), ("kelvin", -5.0), ("celsius", -300.0)):
        raw = raw_of(scene(), unit)
        raw[10:12, 30:33] = nothing
        celsius, measured = seen(raw, unit)
        assert np.isnan(celsius[10:12, 30:33]).all(), (unit, nothing)
        assert measured.image.coldest.temperature > -6


@pytest.mark.parametrize(
    ("unit", "taken_for", "told"),
    [
        ("centikelvin", "centikelvin", ""),
        ("centikelvin", "decikelvin", "2662 °C on average"),
        ("0.04_kelvin", "centikelvin", "-200 °C on average"),
        ("celsius", "kelvin", "-253 °C on average"),
    ],
)
def test_a_unit_that_cannot_be_right_is_told(unit: str, taken_for: str, told: str) -> None:
    text = implausible(seen(raw_of(scene(), unit), taken_for)[1])
    assert told in text
    assert bool(told) == ("thermal.unit is not the unit" in text)


def test_scale_and_offset_may_say_what_the_unit_means() -> None:
    thermal = ThermalSettings(unit="centikelvin", scale=0.01, offset=-273.15)
    assert thermal.conversion == (0.01, -273.15)
    assert thermal.conversion_text == "value * 0.01 - 273.15 °C"
    assert ThermalSettings(scale=0.1).conversion_text == "none: thermal.unit is unknown"
