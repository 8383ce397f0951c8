"""The time that a frame is paired by: its stamp, or its arrival where that is what the settings say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from camf_ros.settings.fusion_settings import PairingSettings

_NANO = 1_000_000_000


def nanoseconds(stamp: Any) -> int:
    """A builtin_interfaces/Time, or what looks like one, in whole nanoseconds."""
    return int(stamp.sec) * _NANO + int(stamp.nanosec)


def seconds(time: int) -> float:
    """Whole nanoseconds in seconds."""
    sec, nanosec = divmod(time, _NANO)
    return float(sec) + 1e-9 * float(nanosec)


class StampRule:
    """What ``pairing.thermal_stamps``, ``pairing.rgb_stamps`` and ``pairing.zero_stamps`` make of a stamp."""

    def __init__(self, settings: PairingSettings, warn: Callable[[str], None]) -> None:
        """Take the settings.

        Args:
            settings: Of the pairing.
            warn: Called with a sentence, once for each camera that does not stamp its frames.
        """
        self._rejects_zero = settings.zero_stamps == "reject"
        self._by_arrival = {"thermal": settings.thermal_stamps == "arrival", "rgb": settings.rgb_stamps == "arrival"}
        self._warn = warn
        self._warned: set[str] = set()

    def time(self, camera: str, stamp: Any, clock: Callable[[], int]) -> int | None:
        """Time of a frame, nanoseconds, without the sensor's offset.

        Args:
            camera: ``thermal`` or ``rgb``.
            stamp: That of its message's header.
            clock: What the clock said when it arrived, nanoseconds; asked only where it matters.

        Returns:
            None where the frame has no time that could be used.
        """
        if self._by_arrival[camera]:
            return clock()
        if stamp.sec < 0:
            return None
        if stamp.sec or stamp.nanosec:
            return nanoseconds(stamp)
        if self._rejects_zero:
            return None
        if camera not in self._warned:
            self._warned.add(camera)
            self._warn(
                f"{camera} frames have stamp 0: paired by their arrival, which is later than the exposure; set "
                f"pairing.{camera}_offset to minus the camera's latency, or have the driver stamp its images"
            )
        return clock()
