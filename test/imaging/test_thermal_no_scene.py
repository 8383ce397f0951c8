"""Pixels that are no scene move no grey level, in any mode; what is scene is never taken for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import plain_thermal as plain
import pytest
from numpy.typing import NDArray

from camf_ros.errors import ImageError
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd, put_right
from camf_ros.imaging.thermal.scene import find_no_scene
from camf_ros.settings.thermal_settings import ThermalSettings

Picture = NDArray[Any]
HEIGHT, WIDTH = 240, 320
MODES = ["plateau", "linear", "clahe", "temperature"]
Y, X = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
CORNERS = ((X - WIDTH / 2) / (WIDTH / 2)) ** 2 + ((Y - HEIGHT / 2) / (HEIGHT / 2)) ** 2 > 1.55


def counts() -> NDArray[np.uint16]:
    """A warm pattern with a hot spot at (230, 150) and noise, around 7300."""
    heat = (
        40
        + 60 * np.exp(-((X - 90) ** 2 + (Y - 120) ** 2) / 400)
        + 90 * np.exp(-((X - 230) ** 2 + (Y - 150) ** 2) / 250)
    )
    heat += ((X // 40 + Y // 40) % 2) * 15 + np.random.default_rng(1).normal(0, 1, (HEIGHT, WIDTH))
    return (7000 + 5 * heat).astype(np.uint16)


def settings_of(agc: str, **others: Any) -> ThermalSettings:
    return ThermalSettings(agc=agc, scale=1.0, offset=0.0, minimum=7000.0, maximum=8000.0, **others)


def grey(picture: Picture, agc: str = "plateau", **others: Any) -> tuple[NDArray[np.int16], ThermalFrontEnd]:
    """Of the third of three frames."""
    front_end = ThermalFrontEnd(settings_of(agc, **others))
    for stamp in (1.0, 1.1, 1.2):
        result = front_end.apply(picture, stamp)
    return result.astype(np.int16), front_end


def with_value(place: Any, value: float) -> Callable[[Picture], Picture]:
    def change(picture: Picture) -> Picture:
        picture = picture.copy()
        picture[place] = value
        return picture

    return change


def crossing(picture: Picture) -> Picture:
    picture = picture.copy()
    picture[100:102] = 2000
    picture[:, 200] = 30_000
    return picture


def telemetry(place: Any, seed: int, filled: int) -> Callable[[Picture], Picture]:
    def change(picture: Picture) -> Picture:
        picture = picture.copy()
        rows = np.zeros_like(picture[place])
        rows[:, :filled] = np.random.default_rng(seed).integers(0, 65536, rows[:, :filled].shape)
        picture[place] = rows
        return picture

    return change


SPOILT = {
    "corners of 0": with_value(CORNERS, 0),
    "corners at the limit": with_value(CORNERS, 65535),
    "corners at full scale": with_value(CORNERS, 16383),
    "corners of 1": with_value(CORNERS, 1),
    "corners of a camera's largest value": with_value(CORNERS, 12345),
    "one corner of a camera's largest value": with_value(np.s_[:30, :30], 12345),
    "one saturated corner": with_value(np.s_[:30, :30], 65535),
    "above": with_value(np.s_[:12], 0),
    "below": with_value(np.s_[-1:], 0),
    "left": with_value(np.s_[:, :20], 65535),
    "right": with_value(np.s_[:, -2:], 0),
    "all around": lambda picture: np.pad(picture[8:-8, 8:-8], 8),
    "row of 0": with_value(np.s_[100], 0),
    "columns at the limit": with_value(np.s_[:, 60:63], 65535),
    "row stuck": with_value(np.s_[30], 1234),
    "lines that cross": crossing,
    "telemetry above": telemetry(np.s_[:2], 0, WIDTH),
    "telemetry below": telemetry(np.s_[-3:], 1, 60),
}


@pytest.mark.parametrize("agc", MODES)
@pytest.mark.parametrize("kind", SPOILT)
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_what_is_no_scene_moves_no_level(kind: str, agc: str, dtype: type[Any]) -> None:
    picture = counts().astype(dtype)
    spoilt = SPOILT[kind](picture)
    expected, _ = grey(picture, agc)
    got, front_end = grey(spoilt, agc)
    # Where there is scene, a little away from what is none.
    changed = cv2.dilate((spoilt != picture).astype(np.uint8), np.ones((31, 31), np.uint8)) > 0
    assert np.abs(got - expected)[~changed].max() <= 8
    assert np.abs(got - expected)[~changed].mean() <= 2.5
    found = front_end.state.no_scene
    assert found.mask[spoilt != picture].all()
    assert found.share < (spoilt != picture).mean() + 0.12
    assert found.text
    assert bool(found.warning) == kind.startswith("telemetry")


@pytest.mark.parametrize("agc", MODES)
@pytest.mark.parametrize("how", [cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC])
def test_rotated_pictures(agc: str, how: int) -> None:
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 12, 1)
    filled = cv2.warpAffine(counts(), turn, (WIDTH, HEIGHT), flags=how)
    replicated = cv2.warpAffine(counts(), turn, (WIDTH, HEIGHT), flags=how, borderMode=cv2.BORDER_REPLICATE)
    got, expected = (grey(picture, agc)[0] for picture in (filled, replicated))
    whole = cv2.erode((filled > 6000).astype(np.uint8), np.ones((31, 31), np.uint8), borderValue=0) > 0
    assert np.abs(got - expected)[whole].mean() < 8


@pytest.mark.parametrize("agc", ["plateau", "linear", "clahe"])
@pytest.mark.parametrize("value", [0, -1, -273.15, -9999, 150, 3e38])
def test_temperatures_filled_with_a_value(agc: str, value: float) -> None:
    celsius = (counts().astype(np.float32) - 7000) / 50 + 20
    spoilt = with_value(CORNERS, value)(celsius)
    got, expected = grey(spoilt, agc)[0], grey(celsius, agc)[0]
    away = cv2.dilate(CORNERS.astype(np.uint8), np.ones((31, 31), np.uint8)) == 0
    assert np.abs(got - expected)[away].mean() <= 2.5


@pytest.mark.parametrize("agc", MODES)
@pytest.mark.parametrize(("dtype", "value"), [(np.uint16, 65535), (np.uint16, 0), (np.float32, 1e5), (np.float32, 0)])
def test_single_pixels_that_are_dead_move_no_level(agc: str, dtype: type[Any], value: float) -> None:
    """From the first frame on, before they are known well enough to be repaired."""
    picture = counts().astype(dtype)
    spoilt = picture.copy()
    spoilt[[40, 90, 150, 200], [30, 200, 111, 77]] = value
    difference = np.abs(grey(spoilt, agc)[0] - grey(picture, agc)[0])
    away = cv2.dilate((spoilt != picture).astype(np.uint8), np.ones((31, 31), np.uint8)) == 0
    assert difference[away].max() <= 8
    assert difference[away].mean() <= 1


SCENES = {
    "as it is": lambda picture: picture,
    "a saturated thing in the middle": with_value(np.s_[100:130, 60:100], 65535),
    "a thing at 0 in the middle": with_value(np.s_[100:130, 60:100], 0),
    "a cold and even sky": with_value(np.s_[:80], 6900),
    "an even wall": lambda picture: np.full_like(picture, 7000),
    "one dead pixel at the side": with_value(np.s_[0, 40], 0),
    "nothing but zeros": np.zeros_like,
    "at the limit all over": lambda picture: np.full_like(picture, 65535),
    "an even thing at the side of a picture without noise": lambda picture: with_value(np.s_[150:, 200:260], 31000)(
        np.full_like(picture, 29000)
    ),
    "few counts": lambda picture: ((picture - 7100) // 100).astype(picture.dtype),
}


@pytest.mark.parametrize("kind", SCENES)
def test_what_is_scene_counts(kind: str) -> None:
    assert find_no_scene(SCENES[kind](counts())) is None


def test_the_street_has_none() -> None:
    street = plain.street(320, 256)
    for moment in range(0, 40, 2):
        frame = street.thermal(float(moment))
        assert find_no_scene(frame) is None, moment
        assert find_no_scene(frame.astype(np.float32)) is None, moment


def test_a_hot_thing_at_the_side_stays_white() -> None:
    """Saturated and at the side, it may be a border: it is left out of the levels, and is white all the same."""
    got, _ = grey(with_value(np.s_[100:140, :30], 65535)(counts()), "linear")
    assert (got[105:135, 2:25] == 255).all()


@pytest.mark.parametrize("agc", MODES)
def test_single_pixels_without_a_number(agc: str) -> None:
    celsius = counts().astype(np.float32)
    holes = np.random.default_rng(2).random(celsius.shape) < 0.002
    spoilt = celsius.copy()
    spoilt[holes] = np.nan
    got, expected = grey(spoilt, agc)[0], grey(celsius, agc)[0]
    assert np.abs(got - expected).max() <= 40
    assert np.abs(got - expected)[holes].mean() <= 8
    assert np.abs(got - expected).mean() <= 0.5
    spoilt[50:60, 50:60] = np.nan
    assert (grey(spoilt, agc)[0][51:59, 51:59] == 0).all(), "an area without numbers is none of the sensor's faults"
    assert (grey(spoilt, agc, dead_pixels="off")[0][np.isnan(spoilt)] == 0).all()


def test_a_border_that_comes_and_goes_does_not_flicker() -> None:
    picture = counts()
    spoilt = with_value(CORNERS, 0)(picture)
    front_end, before = ThermalFrontEnd(settings_of("plateau")), None
    for number in range(20):
        got = front_end.apply(spoilt if number % 2 else picture, 1.0 + number / 30).astype(np.int16)
        if before is not None:
            assert np.abs(got - before)[60:180, 80:240].max() <= 3
        before = got


def test_telemetry_names_the_parameter() -> None:
    found = find_no_scene(SPOILT["telemetry below"](counts()))
    assert (found.top, found.bottom) == (0, 3)
    assert found.warning == "the last 3 thermal rows are no picture (telemetry?): set thermal.crop_bottom to 3"
    found = find_no_scene(telemetry(np.s_[:2], 4, 80)(SPOILT["telemetry below"](counts())))
    assert "set thermal.crop_top to 2" in found.warning
    assert "set thermal.crop_bottom to 3" in found.warning


def test_crop() -> None:
    picture = counts()
    settings = ThermalSettings(crop_top=2, crop_bottom=3, crop_left=5, crop_right=7)
    got = put_right(picture, settings)
    np.testing.assert_array_equal(got, picture[2:-3, 5:-7])
    assert got.flags.c_contiguous
    assert put_right(picture, ThermalSettings()) is picture
    with pytest.raises(ImageError, match=r"320x240 .* leave nothing"):
        put_right(picture, ThermalSettings(crop_top=200, crop_bottom=40))
