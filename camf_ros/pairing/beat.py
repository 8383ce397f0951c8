"""The beat of a stream of stamps: its period, how far frames overtake each other, what can still be expected."""

from __future__ import annotations

from bisect import bisect_left, insort

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
