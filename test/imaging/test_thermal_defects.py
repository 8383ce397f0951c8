"""Defects of thermal cameras: bytes in the wrong order and dead pixels are found; nothing else is taken for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import plain_thermal as plain
import pytest
from numpy.typing import NDArray

from camf_ros.imaging.thermal.defects import WARNING, DeadPixels
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd, put_right
from camf_ros.settings.thermal_settings import ThermalSettings

SWAPPED = ThermalSettings(byte_order="swapped")


def street(moment: float = 4.0) -> NDArray[np.uint16]:
    return np.asarray(plain.street(320, 256).thermal(moment), np.uint16)


def signed(counts: NDArray[np.uint16]) -> NDArray[np.int16]:
    return (counts.astype(np.int32) - 7400).astype(np.int16)


def suspected(picture: NDArray[Any], **others: Any) -> bool:
    front_end = ThermalFrontEnd(ThermalSettings(**others))
    front_end.apply(picture, 1.0)
    assert (WARNING in front_end.state.warnings) == front_end.state.swapped
    return front_end.state.swapped


@pytest.mark.parametrize("agc", ["plateau", "linear", "clahe", "temperature"])
@pytest.mark.parametrize("moment", [4.0, 12.0])
def test_wrong_order_is_noticed_and_turned_round(agc: str, moment: float) -> None:
    for right, wrong in (
        (street(moment), street(moment).byteswap()),
        (signed(street(moment)).astype(np.float32), signed(street(moment)).byteswap().astype(np.float32)),
        ((shifted := (street(moment) << 2).astype(np.uint16)), shifted.byteswap()),
        ((full := cv2.normalize(street(moment), None, 0, 65535, cv2.NORM_MINMAX).astype(np.uint16)), full.byteswap()),  # type: ignore[call-overload]
        ((celsius := street(moment).astype(np.float32) / 32 - 220), celsius.byteswap()),
    ):
        assert not suspected(right, agc=agc)
        assert suspected(wrong, agc=agc)
        np.testing.assert_array_equal(put_right(wrong, SWAPPED), right)


# Made by the tests: drawing the street takes seconds.
PICTURES: dict[str, Callable[[], NDArray[Any]]] = {
    "noise": lambda: np.random.default_rng(0).integers(0, 65536, (256, 320)).astype(np.uint16),
    "an even wall": lambda: np.random.default_rng(0).normal(7300, 3, (256, 320)).astype(np.uint16),
    "noisy": lambda: np.random.default_rng(0).normal(20_000, 4000, (256, 320)).astype(np.uint16),
    "8 bits in the high byte": lambda: (street() // 30 << 8).astype(np.uint16),
    "14 bits in the high ones": lambda: (street() << 2).astype(np.uint16),
    "8 bits in both": lambda: (street() // 32 % 256 * 257).astype(np.uint16),
    "over the whole range": lambda: cv2.normalize(street(), None, 0, 65535, cv2.NORM_MINMAX).astype(np.uint16),  # type: ignore[call-overload]
    "something very hot": lambda: np.maximum(street(), 60_000 * (np.arange(320) > 250).astype(np.uint16)),
    "large floats": lambda: street().astype(np.float32) * 1e4,
}


@pytest.mark.parametrize("kind", PICTURES)
def test_others_are_not_suspected(kind: str) -> None:
    assert not suspected(PICTURES[kind]())


def test_8_bit_pictures_have_no_order() -> None:
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(put_right(picture, SWAPPED), picture)


NOISE = 3.0
SIZE = (96, 128)
PLACES = [(10, 20), (0, 0), (50, 127), (95, 60), (40, 41)]


def frame(number: int, dtype: type[Any] = np.uint16) -> NDArray[Any]:
    """A scene that moves a little."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    scene = 7000 + 200 * np.sin((x + number) / 15.0) + 100 * np.cos(y / 9.0)
    return (scene + np.random.default_rng(number).normal(0, NOISE, SIZE)).astype(dtype)


def spread(height: float, y: float, x: float, blur: float) -> NDArray[np.float64]:
    """What a point looks like through a lens: a Gaussian, integrated over each pixel."""
    line = [
        np.array(
            [
                0.5 * math.erf((i + 0.5 - at) / (blur * 2**0.5)) - 0.5 * math.erf((i - 0.5 - at) / (blur * 2**0.5))
                for i in range(length)
            ]
        )
        for length, at in ((SIZE[0], y), (SIZE[1], x))
    ]
    return height * np.outer(line[0], line[1])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("rate", [9, 60])
@pytest.mark.parametrize("stuck", [0, 6000, 9000, 16383])
def test_stuck_pixels_are_found_and_repaired(stuck: int, rate: int, dtype: type[Any]) -> None:
    pixels = DeadPixels()
    for number in range(2 * rate):
        clean = frame(number, dtype)
        broken = clean.copy()
        for place in PLACES:
            broken[place] = stuck
        kept = broken.copy()
        repaired = pixels.repair(broken, NOISE, number / rate)
        np.testing.assert_array_equal(broken, kept)
    assert pixels.places.size == len(PLACES)
    changed = np.argwhere(repaired != broken)
    assert {tuple(place) for place in changed.tolist()} == set(PLACES)
    for place in PLACES:
        assert abs(float(repaired[place]) - float(clean[place])) < 40


def test_one_frame_is_not_enough() -> None:
    pixels = DeadPixels()
    broken = frame(0)
    broken[PLACES[0]] = 16383
    assert pixels.repair(broken, NOISE, 0.0) is broken
    assert pixels.repair(broken, NOISE, 0.9) is broken


def test_a_pixel_that_recovers_is_let_go() -> None:
    pixels = DeadPixels()
    for number in range(60):
        picture = frame(number)
        if number < 20:
            picture[PLACES[0]] = 16383
        pixels.repair(picture, NOISE, number / 10)
        if number == 19:
            assert pixels.places.size == 1
    assert pixels.places.size == 0


@pytest.mark.parametrize("blur", [0.5, 0.7, 1.0])
def test_small_hot_things_seen_through_a_lens_stay_even_if_they_do_not_move(blur: float) -> None:
    """A person far away is one pixel wide, and may wait."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        pixels = DeadPixels()
        y, x = rng.uniform(10, 80, 2)
        point = spread(float(rng.uniform(200, 4000)), y, x, blur)
        for number in range(16):
            pixels.repair((frame(number, np.float64) + point).astype(np.uint16), NOISE, number / 4)
        assert pixels.places.size == 0


def test_a_sharp_point_that_moves_stays() -> None:
    pixels = DeadPixels()
    for number in range(40):
        picture = frame(number)
        picture[50, 20 + number // 4] += 3000  # a pixel in 0.4 s
        assert pixels.repair(picture, NOISE, number / 10) is picture


def test_noise_of_salt_and_pepper_is_not_repaired() -> None:
    pixels = DeadPixels()
    salt = np.random.default_rng(4).random(SIZE) < 0.02
    for number in range(30):
        picture = frame(number)
        picture[salt] = 16383
        assert pixels.repair(picture, NOISE, number / 10) is picture


def test_nothing_of_the_street_is_taken_for_dead() -> None:
    street = plain.street()
    front_end = ThermalFrontEnd(ThermalSettings(dead_pixels="auto"))
    for number in range(12):
        front_end.apply(street.thermal(4 + number * 0.25), 4 + number * 0.25)
        assert front_end.state.dead_pixels == 0


def test_dead_pixels_between_others() -> None:
    """Their medians are those of the live neighbours; one in the middle of dead ones has none and stays."""
    pixels = DeadPixels()
    pixels.repair(frame(0), NOISE, 0.0)
    block = [50 * SIZE[1] + 50 + dy * SIZE[1] + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    pixels._dead = np.array(block)
    picture = frame(1)
    picture[49:52, 49:52] = 16383
    got = pixels.repair(picture, NOISE, 0.1)
    assert got[50, 50] == 16383
    assert got[49, 49] == int(np.median(np.delete(picture[48:51, 48:51].ravel(), [4, 5, 7, 8])))


def test_switched_off_and_on() -> None:
    street = frame(0)
    street[10, 10] = 16383
    front_end = ThermalFrontEnd(ThermalSettings(dead_pixels="off"))
    for number in range(10):
        front_end.apply(street, number * 0.3)
    assert front_end.state.dead_pixels == 0
    front_end.configure(ThermalSettings(dead_pixels="auto"))
    for number in range(10, 20):
        grey = front_end.apply(street, number * 0.3)
    assert front_end.state.dead_pixels == 1
    assert abs(int(grey[10, 10]) - int(cv2.medianBlur(grey, 3)[10, 10])) <= 12
    front_end.configure(ThermalSettings(dead_pixels="off"))
    assert front_end.apply(street, 7.0)[10, 10] == 255
    assert front_end.state.dead_pixels == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    pixels = DeadPixels()
    picture = np.full(size, 100, np.uint16)
    picture[0, 0] = 60_000
    for number in range(10):
        got = pixels.repair(picture, 1.0, number * 1.0)
    assert got.shape == size
