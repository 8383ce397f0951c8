"""The pairing policies behind one face: frames of two streams in, matches out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from camf_ros.pairing.nearest import NearestPair, NearestStamps
from camf_ros.settings.fusion_settings import PairingSettings

# A stamp this much before the newest one is not late: the clock went back, as when a recording starts anew.
_JUMP = 1_000_000_000

#: A frame of the first stream and one of the second.
Match = tuple["Candidate", "Candidate"]


@dataclass(eq=False)
class Candidate:
    """A frame that waits for its counterpart.

    Attributes:
        message: The caller's.
        time: Stamp to pair by, nanoseconds.
        arrived: When it came, seconds of a clock that never goes back.
        passed: Whether it was let through alone, because the other camera is missing: it must not come again in a pair.
    """

    message: Any
    time: int
    arrived: float
    passed: bool = False


class Matcher(Protocol):
    """A pairing policy. One under which nothing waits for a time needs :meth:`add` alone."""

    def add(self, stream: int, frame: Candidate, now: float) -> list[Match]:
        """Take a frame of a stream (0 or 1); what is certain now, in the order in which it became so."""
        ...

    def expire(self, now: float) -> list[Match]:
        """What has waited long enough at ``now``."""
        del now
        return []

    def deadline(self) -> float | None:
        """When :meth:`expire` has something to do if no frame comes before; None where nothing waits for a time."""
        return None

    @property
    def dropped(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """For each stream, how many frames came into no pair, by reason; empty where the policy does not count."""
        return {}, {}


class NearestMatcher:
    """By :mod:`camf_ros.pairing.nearest`."""

    def __init__(self, settings: PairingSettings) -> None:
        """Start with empty queues.

        Args:
            settings: Slop, longest wait and length of the queues.
        """
        self._stamps: NearestStamps[Candidate] = NearestStamps(
            slop=round(1e9 * settings.slop), max_delay=settings.max_delay, queue_size=settings.queue_size
        )

    def add(self, stream: int, frame: Candidate, now: float) -> list[Match]:
        """See :class:`Matcher`."""
        return [_match(pair) for pair in self._stamps.add(stream, frame.time, frame, now)]

    def expire(self, now: float) -> list[Match]:
        """See :class:`Matcher`."""
        return [_match(pair) for pair in self._stamps.expire(now)]

    def deadline(self) -> float | None:
        """See :class:`Matcher`."""
        return self._stamps.deadline()

    @property
    def dropped(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """See :class:`Matcher`."""
        return self._stamps.dropped


class ExactMatcher(Matcher):
    """Equal stamps, as message_filters' TimeSynchronizer has them, where there is no message_filters."""

    def __init__(self, settings: PairingSettings) -> None:
        """Start with empty queues.

        Args:
            settings: Length of the queues; the oldest stamps go first.
        """
        self._queue_size = settings.queue_size
        self._queues: tuple[dict[int, Candidate], dict[int, Candidate]] = ({}, {})
        self._watch = JumpWatch()

    def add(self, stream: int, frame: Candidate, now: float) -> list[Match]:  # noqa: ARG002 - see Matcher
        """See :class:`Matcher`."""
        limit = self._watch.limit(stream, frame.time)
        if limit is not None:
            for queue in self._queues:
                for stamp in [stamp for stamp in queue if stamp > limit]:
                    del queue[stamp]
        own, other = self._queues[stream], self._queues[1 - stream]
        own[frame.time] = frame
        while len(own) > self._queue_size:
            del own[min(own)]
        if frame.time not in own or frame.time not in other:
            return []
        first, second = (queue.pop(frame.time) for queue in self._queues)
        return [(first, second)]


class JumpWatch:
    """Notices a clock that went back, for policies that know nothing of jumps.

    Their queues would be full of stamps that never find a counterpart.
    """

    def __init__(self) -> None:
        self._newest: dict[int, int] = {}

    def limit(self, stream: int, time: int) -> int | None:
        """Take note of a stamp, nanoseconds; after a jump, the stamp above which all are of the time before."""
        jumped = time < self._newest.get(stream, time) - _JUMP
        if jumped:
            self._newest.clear()
        self._newest[stream] = max(time, self._newest.get(stream, time))
        return time + _JUMP if jumped else None


def _match(pair: NearestPair[Candidate]) -> Match:
    return pair.first.item, pair.second.item
