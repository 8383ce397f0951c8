"""Settings of the temperatures: where they are measured, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from camf_ros.errors import ParameterError
from camf_ros.settings.table import setting

_LARGEST = 65535


class Spot(NamedTuple):
    """A place of interest in the thermal image: its column and row, from 0."""

    name: str
    x: int
    y: int


class Box(NamedTuple):
    """A part of interest of the thermal image: its upper left pixel, and its size, from 1."""

    name: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class TemperatureSettings:
    """What is measured in the thermal image, and how it is shown."""

    spots: str = setting(
        "",
        "Spots to measure, in thermal pixels: NAME X Y; ...",
        dynamic=True,
    )
    boxes: str = setting(
        "",
        "Boxes to measure, in thermal pixels: NAME X Y WIDTH HEIGHT; ...",
        dynamic=True,
    )
    isotherm_minimum: float = setting(
        30.0,
        "Lowest temperature in colour in thermal/isotherm.",
        minimum=-300.0,
        maximum=70000.0,
        unit="°C",
        dynamic=True,
    )
    isotherm_maximum: float = setting(
        40.0,
        "Highest temperature in colour in thermal/isotherm.",
        minimum=-300.0,
        maximum=70000.0,
        unit="°C",
        dynamic=True,
    )
    palette: str = setting(
        "inferno",
        "Colours of thermal/colour and thermal/isotherm.",
        choices=("inferno", "magma", "plasma", "viridis", "cividis", "turbo", "jet", "hot", "bone"),
        dynamic=True,
    )

    def __post_init__(self) -> None:
        if self.isotherm_minimum >= self.isotherm_maximum:
            raise ParameterError(
                f"temperatures.isotherm_minimum is {self.isotherm_minimum:g}",
                expected=f"less than temperatures.isotherm_maximum, which is {self.isotherm_maximum:g}",
            )
        for name in ("spots", "boxes"):
            getattr(self, f"{name}_list")  # raises what is wrong with it

    @property
    def spots_list(self) -> tuple[Spot, ...]:
        """The spots, in their order."""
        return tuple(Spot(name, *numbers) for name, numbers in _entries("spots", self.spots, "NAME X Y"))

    @property
    def boxes_list(self) -> tuple[Box, ...]:
        """The boxes, in their order."""
        form = "NAME X Y WIDTH HEIGHT"
        return tuple(Box(name, *numbers) for name, numbers in _entries("boxes", self.boxes, form))


def _entries(parameter: str, text: str, form: str) -> list[tuple[str, list[int]]]:
    """Name and numbers of each entry; raises ParameterError for one that is wrong."""
    result: dict[str, list[int]] = {}
    words = form.split()
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        name, *numbers = entry.split()
        smallest = (0, 0, 1, 1)
        if (
            name in result
            or len(numbers) != len(words) - 1
            or not all(number.isascii() and number.isdigit() and len(number) <= 5 for number in numbers)
            or not all(low <= int(number) <= _LARGEST for low, number in zip(smallest, numbers, strict=False))
        ):
            raise ParameterError(
                f"temperatures.{parameter} has {entry!r}" + (" a second time" if name in result else ""),
                expected=f"{form} with a name of its own, in whole pixels up to {_LARGEST}",
                remedy=f"write entries like 'motor {' '.join(['10'] * (len(words) - 1))}', separated by semicolons",
            )
        result[name] = [int(number) for number in numbers]
    return list(result.items())
