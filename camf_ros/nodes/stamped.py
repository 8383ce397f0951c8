"""A frame as message_filters wants it: with a header, whose stamp is the time that the frame is paired by."""

from __future__ import annotations

from builtin_interfaces.msg import Time

from camf_ros.pairing.matchers import Candidate
from camf_ros.pairing.stamps import nanoseconds

__all__ = ["Stamped", "nanoseconds"]

_NANO = 1_000_000_000


class Stamped(Candidate):
    """What the filters pair in place of the message, whose own stamp need not be the one that it is paired by."""

    @property
    def header(self) -> Stamped:
        """Itself: it has the ``stamp`` that a header has."""
        return self

    @property
    def stamp(self) -> Time:
        """The stamp to pair by, as message_filters reads it."""
        sec, nanosec = divmod(self.time, _NANO)
        return Time(sec=sec, nanosec=nanosec)
