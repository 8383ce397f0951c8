"""Picture sizes on the command line: ``320x256,640x480``."""

from __future__ import annotations

from camf_ros.errors import ParameterError

_MOST_PIXELS_A_SIDE = 16384


def picture_sizes(option: str, text: str) -> list[tuple[int, int]]:
    """Width and height of each size, without repetitions.

    Args:
        option: Where the text came from, for the message of an error.
        text: Sizes with commas between them.

    Raises:
        ParameterError: If an entry is no size.
    """
    return list(dict.fromkeys(_size(option, entry.strip()) for entry in text.split(",")))


def _size(option: str, text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(
        side.isascii() and side.isdigit() and 1 <= int(side) <= _MOST_PIXELS_A_SIDE for side in sides
    ):
        raise ParameterError(
            f"{option} has {text!r}", expected=f"WIDTHxHEIGHT in pixels, each from 1 to {_MOST_PIXELS_A_SIDE}"
        )
    return int(sides[0]), int(sides[1])
