"""Pairs two streams of stamps: each frame of the slower one with the nearest of the other, as soon as that is certain.

The rule, for the frames of the slower stream (the reference) in the order of their stamps:

1. Each takes the frame of the other stream whose stamp is nearest, no farther than the slop, the earlier one of two.
   No frame is used twice, and pairs follow each other in both streams.
2. Where a later reference frame is nearer to that one, the two share out the frames so that the sum of their
   distances is smallest; a frame left alone counts as far as the next reference frame is away, and none counts more.
   So one lost frame never shifts all that follow by one, and two cameras of one rate, half a period apart, lose no
   pairs to jitter.

A pair is certain once every frame that could be nearer, or could claim the other one, has come or is not expected any
more. A stream is complete up to its newest stamp; beyond that up to shortly before the next beat; and less than that
if its frames have been seen to overtake each other (see :class:`camf_ros.pairing.beat.Beat`). A pair that could be
formed is never held back for longer than ``max_delay`` after the arrival of its later frame; where frames overtake
each other, by that much longer at most.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Generic

from camf_ros.pairing.beat import Beat
from camf_ros.pairing.clock_watch import ClockWatch
from camf_ros.pairing.frame import Frame, Item

# Another stream becomes the reference when it is slower by this much: two equal ones do not take turns.
_SLOWER = 1.02

#: Why a frame is in no pair.
UNMATCHED = "unmatched"  # of the slower stream, or of a stream whose other one is silent: nothing within the slop
SPARE = "spare"  # of the faster stream: others were nearer
LATE = "late"  # came when later ones were already paired
DUPLICATE = "duplicate"  # had the stamp of an earlier one
QUEUE_FULL = "queue full"  # had a counterpart, but too many came before it was certain
CLOCK_JUMP = "clock jump"  # of the time before a jump, or with a stamp that no other agreed with


@dataclass(frozen=True, slots=True)
class NearestPair(Generic[Item]):
    """Two frames that belong together, of the first stream and of the second."""

    first: Frame[Item]
    second: Frame[Item]

    def __iter__(self) -> Iterator[Frame[Item]]:
        yield self.first
        yield self.second


class NearestStamps(Generic[Item]):
    """Two streams in, pairs out. Not thread-safe.

    Attributes:
        reference: Which stream (0 or 1) is the slower one, as far as is known.
        dropped: For each stream, how many frames came into no pair, by reason.
    """

    def __init__(self, *, slop: int, max_delay: float, queue_size: int) -> None:
        """Start with empty queues.

        Args:
            slop: Largest difference of stamps in a pair, nanoseconds.
            max_delay: Longest time for which a pair that could be formed waits for a nearer frame, seconds.
            queue_size: Frames of each stream that wait; the oldest ones go first.
        """
        self._slop, self._max_delay, self._queue_size = slop, max_delay, queue_size
        self.reference = 0
        self.dropped: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._queues: tuple[list[Frame[Item]], list[Frame[Item]]] = ([], [])
        self._beats = (Beat(), Beat())
        self._watch: ClockWatch[Item] = ClockWatch()
        # Stamps of the last frames that are done with, paired or not.
        self._done: list[int | None] = [None, None]

    def __len__(self) -> int:
        """Frames that wait, of both streams."""
        return sum(map(len, self._queues))

    def add(self, stream: int, stamp: int, item: Item, now: float) -> list[NearestPair[Item]]:
        """Take a frame.

        Args:
            stream: 0 or 1.
            stamp: Nanoseconds; zero and negative ones are stamps like others.
            item: Comes back in the pair.
            now: Seconds, by a clock that never goes back.

        Returns:
            The pairs that are certain now, oldest first.
        """
        admission = self._watch.admit(stream, Frame(stamp, now, item))
        for stray in admission.strays:
            self.dropped[stray][CLOCK_JUMP] += 1
        if admission.limit is not None:
            self._forget(admission.restarted, admission.limit)
        for place, frame in admission.frames:
            # One that was held back because of its stamp has waited for no nearer frame yet.
            self._take(place, replace(frame, arrived=now))
        pairs = self._settle(now)
        self._choose_reference()
        for place in (0, 1):
            self._trim(place)
        return pairs

    def expire(self, now: float) -> list[NearestPair[Item]]:
        """The pairs that have waited long enough, oldest first."""
        return self._settle(now)

    def deadline(self) -> float | None:
        """When :meth:`expire` has something to do if no frame comes before; None while no pair could be formed."""
        return min((ready + self._max_delay for ready in self._ready() if ready is not None), default=None)

    # Frames in

    def _take(self, stream: int, frame: Frame[Item]) -> None:
        queue, beat, done = self._queues[stream], self._beats[stream], self._done[stream]
        place = bisect_left(queue, frame.stamp, key=_stamp)
        if beat.knows(frame.stamp) or (place < len(queue) and queue[place].stamp == frame.stamp):
            self.dropped[stream][DUPLICATE] += 1
            return
        beat.add(frame.stamp)
        if done is not None and frame.stamp <= done:
            self.dropped[stream][LATE] += 1
            return
        queue.insert(place, frame)

    def _forget(self, restarted: list[int], limit: int) -> None:
        for stream in restarted:
            self._beats[stream].restart()
            self._done[stream] = None
        for queue, dropped in zip(self._queues, self.dropped, strict=True):
            place = bisect_right(queue, limit, key=_stamp)
            if len(queue) > place:
                dropped[CLOCK_JUMP] += len(queue) - place
                del queue[place:]

    def _trim(self, stream: int) -> None:
        queue = self._queues[stream]
        while len(queue) > self._queue_size:
            stamp, others = queue[0].stamp, _around(self._queues[1 - stream], queue[0].stamp)
            lonely = all(abs(other.stamp - stamp) > self._slop for other in others)
            self._drop(stream, 1, UNMATCHED if lonely else QUEUE_FULL)

    def _drop(self, stream: int, count: int, reason: str = "") -> None:
        """Be done with the first frames of a queue."""
        queue = self._queues[stream]
        if count:
            self._done[stream] = queue[count - 1].stamp
            del queue[:count]
        if count and reason:
            self.dropped[stream][reason] += count

    def _choose_reference(self) -> None:
        ours, theirs = self._beats[self.reference].period, self._beats[1 - self.reference].period
        slower = ours is not None and theirs is not None and theirs > ours * _SLOWER
        # Not while a pair waits: what it has waited for may be of no use to the other rule.
        if slower and self.deadline() is None:
            self.reference = 1 - self.reference

    # Pairs out

    def _settle(self, now: float) -> list[NearestPair[Item]]:
        pairs = []
        queue = self._queues[self.reference]
        # Up to the last reference frame that has waited long enough, nothing is waited for.
        ready = enumerate(self._ready(), start=1)
        overdue = max((n for n, since in ready if since is not None and now >= since + self._max_delay), default=0)
        while queue:
            decided, partner = self._decide(queue[0], wait=overdue <= 0)
            if not decided:
                break
            overdue -= 1
            if partner is None:
                self._drop(self.reference, 1, UNMATCHED)
            else:
                pairs.append(self._pair(queue[0], partner))
        return pairs

    def _pair(self, frame: Frame[Item], partner: Frame[Item]) -> NearestPair[Item]:
        other = 1 - self.reference
        self._drop(other, bisect_left(self._queues[other], partner.stamp, key=_stamp), SPARE)
        self._drop(other, 1)
        self._drop(self.reference, 1)
        return NearestPair(frame, partner) if self.reference == 0 else NearestPair(partner, frame)

    def _decide(self, frame: Frame[Item], *, wait: bool) -> tuple[bool, Frame[Item] | None]:
        """Whether the oldest reference frame's partner is certain, and which one it is; None for none."""
        own, other = self._beats[self.reference], self._beats[1 - self.reference]
        before, after = self._neighbours(frame.stamp)
        nearest = min(_distance(frame, before, self._slop + 1), _distance(frame, after, self._slop + 1))
        if wait and (own.complete_until < frame.stamp - 1 or other.complete_until < frame.stamp + nearest - 1):
            return False, None
        if before is None and after is None:
            # The newest one may be the first after a jump of the clock that the other stream has yet to make.
            return len(self._queues[self.reference]) > 1, None
        if after is None or _distance(frame, before, self._slop + 1) == nearest:
            return True, before
        return self._share(frame, before, after, wait=wait)

    def _share(
        self, frame: Frame[Item], before: Frame[Item] | None, after: Frame[Item], *, wait: bool
    ) -> tuple[bool, Frame[Item] | None]:
        """As :meth:`_decide`, for a frame whose nearest one is later and may be nearer to a later reference frame."""
        own, other = self._beats[self.reference], self._beats[1 - self.reference]
        claim = after.stamp - frame.stamp
        rivals = self._queues[self.reference][1:]
        rival = min(rivals, key=lambda each: abs(each.stamp - after.stamp), default=None)
        contest = _distance(after, rival, claim)
        if wait and before is None and self._kept_anyway(after, rival):
            return True, after
        if wait and own.complete_until < after.stamp + min(claim, contest) - 1:
            return False, None
        if rival is None or contest >= claim:
            return True, after
        later = [each for each in self._queues[1 - self.reference] if each.stamp > after.stamp]
        alone = rivals[0].stamp - frame.stamp
        near = min((abs(each.stamp - rival.stamp) for each in later), default=self._slop + 1)
        if wait and other.complete_until < rival.stamp + min(near, alone, self._slop + 1) - 1:
            return False, None
        kept = claim + min(alone, near if near <= self._slop else alone)
        yielded = min(alone, _distance(frame, before, alone)) + contest
        return True, after if kept <= yielded else before

    def _kept_anyway(self, after: Frame[Item], rival: Frame[Item] | None) -> bool:
        """Whether the next beats of both streams already tell that the rival will have a frame of its own.

        Without this every other pair of two cameras half a period apart would wait for a whole period.
        """
        soonest = self._beats[self.reference].complete_until + 1 if rival is None else rival.stamp
        expected = self._beats[1 - self.reference].expected_by
        # As in _share, with nothing before: kept while the rival's other frame is less than twice as far as this one.
        return expected is not None and expected - soonest <= min(self._slop, 2 * (soonest - after.stamp))

    def _ready(self) -> Iterator[float | None]:
        """For each reference frame: since when it could be paired with one of its two neighbours."""
        for frame in self._queues[self.reference]:
            arrived = [other.arrived for other in self._neighbours(frame.stamp) if other is not None]
            yield max(frame.arrived, min(arrived)) if arrived else None

    def _neighbours(self, stamp: int) -> tuple[Frame[Item] | None, Frame[Item] | None]:
        """Of the other stream, within the slop: the last frame not after a stamp, and the first one after it."""
        near = _around(self._queues[1 - self.reference], stamp)
        before = next((f for f in near if 0 <= stamp - f.stamp <= self._slop), None)
        after = next((f for f in near if 0 < f.stamp - stamp <= self._slop), None)
        return before, after


def _stamp(frame: Frame[Item]) -> int:
    return frame.stamp


def _distance(frame: Frame[Item], other: Frame[Item] | None, otherwise: int) -> int:
    return otherwise if other is None else abs(frame.stamp - other.stamp)


def _around(queue: list[Frame[Item]], stamp: int) -> list[Frame[Item]]:
    """The last frame not after a stamp and the first one after it, as far as they are there."""
    place = bisect_right(queue, stamp, key=_stamp)
    return queue[max(0, place - 1) : place + 1]
