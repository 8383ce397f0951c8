"""Tells a clock that jumped (a recording starts anew, simulated time, a clock that is set) from a lone wrong stamp."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic

from camf_ros.pairing.frame import Frame, Item

# A stamp this much before the newest one of its stream is not late but of another time, nanoseconds.
_JUMP = 1_000_000_000
# Recordings may be played this much faster than they were made; a stamp that is further ahead has jumped.
_FASTEST = 100


@dataclass
class Admission(Generic[Item]):
    """What follows from a frame.

    Attributes:
        frames: Frames to take, with their streams, in this order; none while a stamp waits for confirmation.
        restarted: Streams whose clock went back: what they sent before is of no use.
        limit: Frames of either stream with later stamps than this are of the time before the jump; None without one.
        strays: Streams of which a frame turned out to have had a stamp of no use.
    """

    frames: list[tuple[int, Frame[Item]]] = field(default_factory=list)
    restarted: list[int] = field(default_factory=list)
    limit: int | None = None
    strays: list[int] = field(default_factory=list)


class ClockWatch(Generic[Item]):
    """Holds back the first frame with an odd stamp until a second one, of either stream, agrees with it."""

    def __init__(self) -> None:
        self._newest: list[Frame[Item] | None] = [None, None]
        self._suspects: list[Frame[Item] | None] = [None, None]

    def admit(self, stream: int, frame: Frame[Item]) -> Admission[Item]:
        """Look at a frame before anything else does."""
        result: Admission[Item] = Admission()
        suspect, newest = self._suspects[stream], self._newest[stream]
        if newest is None or _regular(newest, frame):
            if suspect is not None:
                self._suspects[stream] = None
                result.strays.append(stream)
            self._take(stream, frame, result)
            return result
        if suspect is not None and suspect.stamp == frame.stamp:
            result.strays.append(stream)  # the same frame again is no second opinion
            return result
        other = 1 - stream
        witness, companion = self._suspects[other], self._newest[other]
        if suspect is None and not any(seen is not None and _near(seen, frame) for seen in (witness, companion)):
            self._suspects[stream] = frame
            return result
        if witness is not None and _near(witness, frame):
            self._jump(other, [witness], result)
        agreeing = [frame]
        if suspect is not None:
            if suspect.stamp < frame.stamp and _regular(suspect, frame):
                agreeing.insert(0, suspect)
            else:
                result.strays.append(stream)
        self._jump(stream, agreeing, result)
        return result

    def _jump(self, stream: int, frames: list[Frame[Item]], result: Admission[Item]) -> None:
        newest = self._newest[stream]
        if newest is not None and frames[0].stamp < newest.stamp:
            result.restarted.append(stream)
            result.limit = max(result.limit or frames[-1].stamp, frames[-1].stamp + _JUMP)
        self._newest[stream] = self._suspects[stream] = None
        for frame in frames:
            self._take(stream, frame, result)

    def _take(self, stream: int, frame: Frame[Item], result: Admission[Item]) -> None:
        newest = self._newest[stream]
        if newest is None or frame.stamp > newest.stamp:
            self._newest[stream] = frame
        result.frames.append((stream, frame))


def _regular(newest: Frame[Item], frame: Frame[Item]) -> bool:
    passed = int(1e9 * max(0.0, frame.arrived - newest.arrived))
    return -_JUMP <= frame.stamp - newest.stamp <= _JUMP + _FASTEST * passed


def _near(one: Frame[Item], other: Frame[Item]) -> bool:
    return abs(one.stamp - other.stamp) <= _JUMP
