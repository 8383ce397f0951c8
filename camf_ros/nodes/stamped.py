"""A message under the stamp that it is paired by, which need not be the one that its driver gave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from builtin_interfaces.msg import Time

_NANO = 1_000_000_000


def nanoseconds(stamp: Any) -> int:
    """A builtin_interfaces/Time in whole nanoseconds."""
    return int(stamp.sec) * _NANO + int(stamp.nanosec)


@dataclass(eq=False)
class Stamped:
    """What the filters pair in place of the message; to them it looks like one with a header.

    Attributes:
        message: The message, untouched.
        time: Stamp to pair by, nanoseconds.
        arrived: When it came, seconds, monotonic.
        passed: Whether it was published alone, because the other camera is missing: it must not come again in a pair.
    """

    message: Any
    time: int
    arrived: float
    passed: bool = False

    @property
    def header(self) -> Stamped:
        """Itself: it has the ``stamp`` that a header has."""
        return self

    @property
    def stamp(self) -> Time:
        """The stamp to pair by, as message_filters reads it."""
        sec, nanosec = divmod(self.time, _NANO)
        return Time(sec=sec, nanosec=nanosec)
