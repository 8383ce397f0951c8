"""Temperatures of a thermal frame: the hottest and the coldest place, spots and boxes, and pictures of them.

Only pixels that the front end takes for scene are measured: not empty borders, stuck lines, telemetry, dead pixels, or
what is no number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.camera_messages import Image
from camf_ros.imaging.thermal.front_end import ThermalState
from camf_ros.settings.temperature_settings import Box, Spot, TemperatureSettings
from camf_ros.settings.thermal_settings import ThermalSettings

#: (H, W), degrees Celsius; NaN where nothing is measured.
Celsius = NDArray[np.float32]
Picture = NDArray[np.uint8]

_ABSOLUTE_ZERO = np.float32(-273.15)
# Means of a picture beyond which the unit is wrong, degrees Celsius: 0.01 K taken for 0.1 K has 2700 and more, degrees
# taken for kelvin have -200 and less.
_PLAUSIBLE = (-150.0, 2000.0)
# Pixels on each side of a spot that are averaged with it.
_AROUND = 1
# Markers: of what is hottest, coldest, and of spots and boxes.
_HOT, _COLD, _MARKED = (255, 64, 64), (64, 160, 255), (64, 255, 64)
# The darkest of the palette that shows a temperature of the range: black would not stand out from grey.
_DARKEST = 96
_FONT = cv2.FONT_HERSHEY_SIMPLEX
# Scale of the font for each pixel of a picture's width, its least, and the width from which on there is text.
_SCALE, _LEAST_SCALE, _LEAST_WIDTH = 1 / 1000, 0.35, 200


class Reading(NamedTuple):
    """A temperature at a place.

    Attributes:
        x: Column, from 0.
        y: Row, from 0.
        temperature: Degrees Celsius; NaN where nothing is measured.
    """

    x: int
    y: int
    temperature: float


class BoxReading(NamedTuple):
    """What is measured in a box.

    Attributes:
        box: Where.
        coldest: Its coldest pixel.
        hottest: Its hottest pixel.
        mean: Of its measured pixels, degrees Celsius; NaN where there is none.
        pixels: Number of measured pixels.
    """

    box: Box
    coldest: Reading
    hottest: Reading
    mean: float
    pixels: int


class Measured(NamedTuple):
    """All readings of a frame.

    Attributes:
        image: All of it.
        spots: With their temperatures, in the order of the settings.
        boxes: Likewise.
    """

    image: BoxReading
    spots: tuple[tuple[Spot, Reading], ...]
    boxes: tuple[BoxReading, ...]


def numbers_of(measured: Measured) -> dict[str, Any]:
    """All readings, degrees Celsius, for a JSON file; None where nothing is measured."""

    def reading(at: Reading) -> dict[str, Any]:
        return {"x": at.x, "y": at.y, "temperature": None if np.isnan(at.temperature) else at.temperature}

    def box(each: BoxReading) -> dict[str, Any]:
        numbers: dict[str, Any] = {**each.box._asdict(), "pixels": each.pixels}
        numbers["mean"] = None if np.isnan(each.mean) else each.mean
        return numbers | {"coldest": reading(each.coldest), "hottest": reading(each.hottest)}

    return {
        "image": box(measured.image),
        "spots": [{"name": spot.name, **reading(at)} for spot, at in measured.spots],
        "boxes": [box(each) for each in measured.boxes],
    }


def why_none(raw: Image, state: ThermalState, settings: ThermalSettings) -> str:
    """Why the values of a frame are no temperatures; empty if they are."""
    if settings.unit == "unknown":
        return "temperatures are asked for and thermal.unit is unknown: set it to the unit of the raw values"
    if raw.dtype == np.uint8 and state.levels is None:
        return "temperatures are asked for and the thermal image has 8 bits: set the camera to 16 bits or float"
    return ""


def temperatures(raw: Image, state: ThermalState, settings: ThermalSettings) -> Celsius:
    """Temperatures of a frame, (H, W), whose unit is known, with what the front end found in it."""
    scale, offset = settings.conversion
    # Hundredths of a kelvin below 655 K and their multiples are exact enough in float32: half of 0.0001 K.
    result: Celsius = np.multiply(raw, np.float32(scale), dtype=np.float32)
    result += np.float32(offset)
    if raw.dtype == np.float32:
        result[~np.isfinite(result)] = np.nan
    # Also cameras' value for no measurement, where that is 0 K.
    result[result <= _ABSOLUTE_ZERO] = np.nan
    if state.no_scene is not None:
        result[state.no_scene.mask] = np.nan
    result.reshape(-1)[state.dead] = np.nan
    return result


def measure(celsius: Celsius, settings: TemperatureSettings) -> Measured:
    """The readings of a frame."""
    height, width = celsius.shape
    return Measured(
        _in_box(celsius, Box("", 0, 0, width, height)),
        tuple((spot, Reading(spot.x, spot.y, _at(celsius, spot))) for spot in settings.spots_list),
        tuple(_in_box(celsius, box) for box in settings.boxes_list),
    )


def implausible(measured: Measured) -> str:
    """Why the unit cannot be right, in words; empty if it may be."""
    low, high = _PLAUSIBLE
    mean = measured.image.mean
    if low <= mean <= high or np.isnan(mean):
        return ""
    return f"temperatures are {mean:.0f} °C on average: thermal.unit is not the unit of the raw values"


def outside(shape: tuple[int, ...], settings: TemperatureSettings) -> str:
    """Which spots and boxes are not in a picture of a shape (H, W), in words; empty if all are."""
    height, width = shape
    names = [spot.name for spot in settings.spots_list if spot.x >= width or spot.y >= height]
    names += [box.name for box in settings.boxes_list if box.x + box.width > width or box.y + box.height > height]
    if not names:
        return ""
    return f"{', '.join(names)} of temperatures.spots and boxes: not in the thermal image of {width} x {height}"


def _at(celsius: Celsius, spot: Spot) -> float:
    """Mean of the measured pixels of the 3 x 3 around a spot; NaN outside of the picture."""
    height, width = celsius.shape
    if spot.x >= width or spot.y >= height:
        return float("nan")
    rows = slice(max(0, spot.y - _AROUND), spot.y + _AROUND + 1)
    columns = slice(max(0, spot.x - _AROUND), spot.x + _AROUND + 1)
    return _mean(celsius[rows, columns])


def _in_box(celsius: Celsius, box: Box) -> BoxReading:
    part = celsius[box.y : box.y + box.height, box.x : box.x + box.width]
    measured = ~np.isnan(part)
    pixels = int(np.count_nonzero(measured))
    if pixels == 0:
        nothing = Reading(box.x, box.y, float("nan"))
        return BoxReading(box, nothing, nothing, float("nan"), 0)

    def reading(place: np.intp) -> Reading:
        row, column = divmod(int(place), part.shape[1])
        return Reading(box.x + column, box.y + row, float(part[row, column]))

    return BoxReading(box, reading(np.nanargmin(part)), reading(np.nanargmax(part)), _mean(part), pixels)


def _mean(part: Celsius) -> float:
    found = part[~np.isnan(part)]
    return float(found.mean(dtype=np.float64)) if found.size else float("nan")


def coloured(grey: Picture, palette: str) -> Picture:
    """(H, W, 3) red, green, blue of grey levels (H, W), in a palette of the settings."""
    table = getattr(cv2, f"COLORMAP_{palette.upper()}")
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(grey, table), cv2.COLOR_BGR2RGB), np.uint8)


def isotherm(grey: Picture, celsius: Celsius, measured: Measured, settings: TemperatureSettings) -> Picture:
    """(H, W, 3): the grey picture with a range of temperatures in colour, and all that is measured marked."""
    low, high = settings.isotherm_minimum, settings.isotherm_maximum
    result = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)
    inside = (celsius >= low) & (celsius <= high)  # not where there is no temperature
    slope = (255 - _DARKEST) / (high - low)
    levels = np.clip(np.nan_to_num(celsius) * slope + (_DARKEST - low * slope), _DARKEST, 255).astype(np.uint8)
    cv2.copyTo(coloured(levels, settings.palette), inside.view(np.uint8), result)
    for reading in measured.boxes:
        _rectangle(result, reading)
    for spot, at in measured.spots:
        _cross(result, at, _MARKED, spot.name)
    if measured.image.pixels:
        _cross(result, measured.image.coldest, _COLD)
        _cross(result, measured.image.hottest, _HOT)
    return result


def _cross(picture: Picture, at: Reading, colour: tuple[int, int, int], name: str = "") -> None:
    size = max(7, picture.shape[1] // 60) | 1
    cv2.drawMarker(picture, (at.x, at.y), colour, cv2.MARKER_CROSS, size, 1)
    _write(picture, f"{name} {at.temperature:.1f}".strip(), at.x + size // 2 + 2, at.y - 2, colour)


def _rectangle(picture: Picture, reading: BoxReading) -> None:
    x, y, width, height = reading.box[1:]
    cv2.rectangle(picture, (x, y), (x + width - 1, y + height - 1), _MARKED, 1)
    _write(picture, f"{reading.box.name} max {reading.hottest.temperature:.1f}", x, y - 3, _MARKED)


def _write(picture: Picture, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    """Text at a place, moved into the picture; none in small pictures."""
    height, width = picture.shape[:2]
    if width < _LEAST_WIDTH:
        return
    scale = max(_LEAST_SCALE, width * _SCALE)
    (wide, high), _ = cv2.getTextSize(text, _FONT, scale, 1)
    left, bottom = max(0, min(x, width - wide)), min(max(y, high), height - 1)
    cv2.rectangle(picture, (left, bottom - high), (left + wide, bottom + high // 3), (0, 0, 0), cv2.FILLED)
    cv2.putText(picture, text, (left, bottom), _FONT, scale, colour, 1, cv2.LINE_AA)
