"""Why frames of both cameras come and no two of them pair, and which parameter mends it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

from camf_ros.settings.fusion_settings import LARGEST_OFFSET, PairingSettings

_NANO = 1_000_000_000
_YEAR = 31_557_600.0
# So many last frames of each camera are looked at, and so many equal stamps are no accident.
_LAST, _EQUAL = 10, 4
# Seconds by which two clocks must differ at least to be told from frames that take different times on their way.
_CLOCKS = 0.25


class _Frame(NamedTuple):
    """Stamp without offset, and arrival by a clock that never goes back; nanoseconds."""

    stamp: int
    arrived: int


class StampLog:
    """Keeps the last stamps of both cameras."""

    def __init__(self, settings: PairingSettings) -> None:
        self._settings = settings
        self._offsets = {"thermal": settings.thermal_offset, "rgb": settings.rgb_offset}
        self._frames: Mapping[str, deque[_Frame]] = {camera: deque(maxlen=_LAST) for camera in self._offsets}

    def note(self, camera: str, stamp: int, arrived: float) -> None:
        """Take note of a frame: its stamp without offset, nanoseconds, and when it arrived, seconds."""
        self._frames[camera].append(_Frame(stamp, round(arrived * _NANO)))

    def advice(self, clock: int, now: float) -> str:
        """Why there is no pair, in a sentence; empty where frames of one camera only have come.

        Args:
            clock: The node's time, nanoseconds.
            now: The same moment by the clock that arrivals are of, seconds.
        """
        if not all(self._frames.values()):
            return ""
        for camera, frames in self._frames.items():
            if len(frames) >= _EQUAL and len({frame.stamp for frame in frames}) == 1:
                return (
                    f"the stamps of the {camera} camera stand still at {frames[0].stamp / _NANO:.3f} s: check its "
                    f"driver, or set pairing.{camera}_stamps to arrival{self._policy()}"
                )
        # How far each camera's clock is ahead of that of the arrivals, and which one is of another time than the node.
        ahead = {
            camera: round(median(frame.stamp - frame.arrived for frame in frames))
            + round(_NANO * self._offsets[camera])
            for camera, frames in self._frames.items()
        }
        own = clock - round(now * _NANO)
        off = {camera: abs(lead - own) / _NANO for camera, lead in ahead.items()}
        difference = (ahead["thermal"] - ahead["rgb"]) / _NANO
        gap = self._gap()
        if gap > self._settings.slop and abs(difference) > max(_CLOCKS, self._settings.slop):
            return self._clocks(difference, off)
        if self._settings.policy == "exact":
            return f"no two stamps are equal, the nearest differ by {gap:.6f} s: set pairing.policy to nearest"
        return (
            f"the nearest stamps differ by {gap:.3f} s, pairing.slop is {self._settings.slop:g} s: trigger both "
            "cameras together, or raise pairing.slop above the difference"
        )

    def _clocks(self, difference: float, off: Mapping[str, float]) -> str:
        wrong = max(off, key=lambda camera: off[camera])
        offset = self._offsets[wrong] + (-difference if wrong == "thermal" else difference)
        if abs(offset) <= LARGEST_OFFSET:
            remedy = f"set pairing.{wrong}_offset to {offset:.3f}"
        elif min(off.values()) > LARGEST_OFFSET:
            remedy = "set pairing.thermal_stamps and pairing.rgb_stamps to arrival"
        else:
            remedy = f"set pairing.{wrong}_stamps to arrival"
        where = "ahead of" if difference > 0 else "behind"
        return (
            f"the stamps of the thermal camera are {_amount(abs(difference))} {where} "
            f"those of the RGB camera: synchronise their clocks, or {remedy}{self._policy()}"
        )

    def _policy(self) -> str:
        """What else has to change before the stamps do not matter any more."""
        return " and pairing.policy to nearest" if self._settings.policy == "exact" else ""

    def _gap(self) -> float:
        """Least difference of two stamps, with the offsets, seconds."""
        shift = round(_NANO * (self._offsets["thermal"] - self._offsets["rgb"]))
        return min(
            abs(thermal.stamp - rgb.stamp + shift) / _NANO
            for thermal in self._frames["thermal"]
            for rgb in self._frames["rgb"]
        )


def _amount(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds < _YEAR / 12 else f"{seconds:.0f} s ({seconds / _YEAR:.1f} years)"
