"""The simulated street for tests: drawing it takes longer than most of them, so each process draws it once."""

from __future__ import annotations

from functools import cache

from camf_scene import NightStreet


@cache
def _drawn() -> NightStreet:
    return NightStreet(1)


def night_street(rgb_size: tuple[int, int] = (1280, 720), thermal_size: tuple[int, int] = (640, 512)) -> NightStreet:
    """The street of seed 1 in frames of these widths and heights."""
    return _drawn().resized(rgb_size, thermal_size)
