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
if its frames have been seen to overtake each other (see :class:`Beat`). A pair that could be
formed is never held back for longer than ``max_delay`` after the arrival of its later frame; where frames overtake
each other, by that much longer at most.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterator

from camf_ros.pairing.arrivals import ClockWatch, Frame

# Another stream becomes the reference when it is slower by this much: two equal ones do not take turns.
_SLOWER = 1.02

# Frames that the beat is taken from: half a second at 30 Hz, so that a camera that changes its rate is soon believed.
_WINDOW = 17
# Fewest intervals from which the next one is foretold.
_FEWEST = 4
# The next interval is expected within the shortest and the longest recent one, and this part of it more: jitter.
_MARGIN = 16
# After so many frames in order, disorder is over.
_MEMORY = 300
# Below every stamp.
_NEVER = -(2**63)

#: Why a frame is in no pair.
UNMATCHED = "unmatched"  # of the slower stream, or of a stream whose other one is silent: nothing within the slop
SPARE = "spare"  # of the faster stream: others were nearer
LATE = "late"  # came when later ones were already paired
DUPLICATE = "duplicate"  # had the stamp of an earlier one
QUEUE_FULL = "queue full"  # had a counterpart, but too many came before it was certain
CLOCK_JUMP = "clock jump"  # of the time before a jump, or with a stamp that no other agreed with


#: A frame of the first stream and one of the second.
Match = tuple[Frame, Frame]


class Beat:
    """What the stamps of one stream have shown so far; nanoseconds throughout.

    Attributes:
        disorder: How much older than the newest frame a frame has been that came after it; 0 while all are in order.
    """

    def __init__(self) -> None:
        self.disorder = 0
        self._stamps: list[int] = []
        self._calm = 0
        self._period: float | None = None

    @property
    def period(self) -> float | None:
        """Mean interval without the longest one, in which the camera may have stood still; None before the third."""
        return self._period

    def knows(self, stamp: int) -> bool:
        """Whether one of the last frames had this stamp."""
        place = bisect_left(self._stamps, stamp)
        return self._stamps[place : place + 1] == [stamp]

    def add(self, stamp: int) -> None:
        """Take the next frame as it arrives."""
        late = self._stamps[-1] - stamp if self._stamps else 0
        self._calm = 0 if late > 0 else self._calm + 1
        if late > 0:
            self.disorder = max(self.disorder, late)
        elif self._calm >= _MEMORY:
            self.disorder = 0
        insort(self._stamps, stamp)
        del self._stamps[:-_WINDOW]
        if len(self._stamps) > 3:
            intervals = self._intervals()
            self._period = (sum(intervals) - max(intervals)) / (len(intervals) - 1)

    def restart(self) -> None:
        """The clock jumped: the stamps mean nothing any more, the period still does."""
        self._stamps.clear()

    @property
    def complete_until(self) -> int:
        """No frame with this stamp or an earlier one is expected any more."""
        if not self._stamps:
            return _NEVER
        newest = self._stamps[-1]
        if self.disorder:
            return newest - self.disorder - 1
        if len(self._stamps) <= _FEWEST:
            return newest
        shortest = min(self._intervals())
        return newest + max(0, shortest - shortest // _MARGIN - 1)

    @property
    def expected_by(self) -> int | None:
        """Latest stamp that the next frame is expected to have; None while too little is known."""
        if self.disorder or len(self._stamps) <= _FEWEST:
            return None
        longest = max(self._intervals())
        return self._stamps[-1] + longest + longest // _MARGIN

    def _intervals(self) -> list[int]:
        return [later - earlier for earlier, later in zip(self._stamps, self._stamps[1:], strict=False)]


class NearestStamps:
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
        self._queues: tuple[list[Frame], list[Frame]] = ([], [])
        self._beats = (Beat(), Beat())
        self._watch = ClockWatch()
        # Stamps of the last frames that are done with, paired or not.
        self._done: list[int | None] = [None, None]

    def __len__(self) -> int:
        """Frames that wait, of both streams."""
        return sum(map(len, self._queues))

    def add(self, stream: int, frame: Frame, now: float) -> list[Match]:
        """Take a frame of stream 0 or 1; zero and negative times are times like others.

        Returns:
            The pairs that are certain now, oldest first.
        """
        admission = self._watch.admit(stream, frame)
        for stray in admission.strays:
            self.dropped[stray][CLOCK_JUMP] += 1
        if admission.limit is not None:
            self._forget(admission.restarted, admission.limit)
        for place, admitted in admission.frames:
            # One that was held back because of its stamp has waited for no nearer frame yet.
            admitted.since = now
            self._take(place, admitted)
        pairs = self._settle(now)
        self._choose_reference()
        for place in (0, 1):
            self._trim(place)
        return pairs

    def expire(self, now: float) -> list[Match]:
        """The pairs that have waited long enough, oldest first."""
        return self._settle(now)

    def deadline(self) -> float | None:
        """When :meth:`expire` has something to do if no frame comes before; None while no pair could be formed."""
        return min((ready + self._max_delay for ready in self._ready() if ready is not None), default=None)

    # Frames in

    def _take(self, stream: int, frame: Frame) -> None:
        queue, beat, done = self._queues[stream], self._beats[stream], self._done[stream]
        place = bisect_left(queue, frame.time, key=_stamp)
        if beat.knows(frame.time) or (place < len(queue) and queue[place].time == frame.time):
            self.dropped[stream][DUPLICATE] += 1
            return
        beat.add(frame.time)
        if done is not None and frame.time <= done:
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
            stamp, others = queue[0].time, _around(self._queues[1 - stream], queue[0].time)
            lonely = all(abs(other.time - stamp) > self._slop for other in others)
            self._drop(stream, 1, UNMATCHED if lonely else QUEUE_FULL)

    def _drop(self, stream: int, count: int, reason: str = "") -> None:
        """Be done with the first frames of a queue."""
        queue = self._queues[stream]
        if count:
            self._done[stream] = queue[count - 1].time
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

    def _settle(self, now: float) -> list[Match]:
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

    def _pair(self, frame: Frame, partner: Frame) -> Match:
        other = 1 - self.reference
        self._drop(other, bisect_left(self._queues[other], partner.time, key=_stamp), SPARE)
        self._drop(other, 1)
        self._drop(self.reference, 1)
        return (frame, partner) if self.reference == 0 else (partner, frame)

    def _decide(self, frame: Frame, *, wait: bool) -> tuple[bool, Frame | None]:
        """Whether the oldest reference frame's partner is certain, and which one it is; None for none."""
        own, other = self._beats[self.reference], self._beats[1 - self.reference]
        before, after = self._neighbours(frame.time)
        nearest = min(_distance(frame, before, self._slop + 1), _distance(frame, after, self._slop + 1))
        if wait and (own.complete_until < frame.time - 1 or other.complete_until < frame.time + nearest - 1):
            return False, None
        if before is None and after is None:
            # The newest one may be the first after a jump of the clock that the other stream has yet to make.
            return len(self._queues[self.reference]) > 1, None
        if after is None or _distance(frame, before, self._slop + 1) == nearest:
            return True, before
        return self._share(frame, before, after, wait=wait)

    def _share(self, frame: Frame, before: Frame | None, after: Frame, *, wait: bool) -> tuple[bool, Frame | None]:
        """As :meth:`_decide`, for a frame whose nearest one is later and may be nearer to a later reference frame."""
        own, other = self._beats[self.reference], self._beats[1 - self.reference]
        claim = after.time - frame.time
        rivals = self._queues[self.reference][1:]
        rival = min(rivals, key=lambda each: abs(each.time - after.time), default=None)
        contest = _distance(after, rival, claim)
        if wait and before is None and self._kept_anyway(after, rival):
            return True, after
        if wait and own.complete_until < after.time + min(claim, contest) - 1:
            return False, None
        if rival is None or contest >= claim:
            return True, after
        later = [each for each in self._queues[1 - self.reference] if each.time > after.time]
        alone = rivals[0].time - frame.time
        near = min((abs(each.time - rival.time) for each in later), default=self._slop + 1)
        if wait and other.complete_until < rival.time + min(near, alone, self._slop + 1) - 1:
            return False, None
        kept = claim + min(alone, near if near <= self._slop else alone)
        yielded = min(alone, _distance(frame, before, alone)) + contest
        return True, after if kept <= yielded else before

    def _kept_anyway(self, after: Frame, rival: Frame | None) -> bool:
        """Whether the next beats of both streams already tell that the rival will have a frame of its own.

        Without this every other pair of two cameras half a period apart would wait for a whole period.
        """
        soonest = self._beats[self.reference].complete_until + 1 if rival is None else rival.time
        expected = self._beats[1 - self.reference].expected_by
        # As in _share, with nothing before: kept while the rival's other frame is less than twice as far as this one.
        return expected is not None and expected - soonest <= min(self._slop, 2 * (soonest - after.time))

    def _ready(self) -> Iterator[float | None]:
        """For each reference frame: since when it could be paired with one of its two neighbours."""
        for frame in self._queues[self.reference]:
            arrived = [other.since for other in self._neighbours(frame.time) if other is not None]
            yield max(frame.since, min(arrived)) if arrived else None

    def _neighbours(self, stamp: int) -> tuple[Frame | None, Frame | None]:
        """Of the other stream, within the slop: the last frame not after a stamp, and the first one after it."""
        near = _around(self._queues[1 - self.reference], stamp)
        before = next((f for f in near if 0 <= stamp - f.time <= self._slop), None)
        after = next((f for f in near if 0 < f.time - stamp <= self._slop), None)
        return before, after


def _stamp(frame: Frame) -> int:
    return frame.time


def _distance(frame: Frame, other: Frame | None, otherwise: int) -> int:
    return otherwise if other is None else abs(frame.time - other.time)


def _around(queue: list[Frame], stamp: int) -> list[Frame]:
    """The last frame not after a stamp and the first one after it, as far as they are there."""
    place = bisect_right(queue, stamp, key=_stamp)
    return queue[max(0, place - 1) : place + 1]
