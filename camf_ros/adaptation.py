"""Which model at which size: the best picture that keeps up with the cameras. A policy without ROS, threads or clocks.

The node times the candidates and says what the one that runs measures; here is decided which one is to run. A time that
was taken beside the fusion is an estimate: only the proportions of these times are believed, and what the running
candidate really takes sets their scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

# Share of the period of the slower camera that a whole frame may take.
_SHARE = 0.7
# Seconds after a change or a gap in which nothing is counted: an engine's first frames, frames that had been waiting.
_SETTLING = 1.0
# Least seconds from any change to the next one, to a cheaper candidate and to a better one.
_DOWN, _UP = 2.0, 10.0
# One that is given up within so many seconds was a failed attempt: the wait for the next one doubles, up to this.
_SOON, _LONGEST = 10.0, 320.0
# Drops are counted over so many seconds and periods, and believed from so many, and this share of the pairs, on.
_SECONDS, _PERIODS = 2.0, 20
_DROPS, _DROPPED_SHARE = 2, 0.05
# A smaller size has this share of the area, and sides that are at most so long (about what thermal cameras resolve) and
# multiples of the last number, which suits all engines.
_AREA, _LONG_SIDE, _MULTIPLE = 0.5, 640, 8


class Candidate(NamedTuple):
    """A model at a size.

    Attributes:
        model: Its name.
        small: Whether it works at :func:`smaller_size`, and not at the size of the fused image.
    """

    model: str
    small: bool = False

    def __str__(self) -> str:
        return f"{self.model} at a smaller size" if self.small else self.model


#: Best picture first, and the last one is the cheapest.
CANDIDATES = (
    Candidate("camf"),
    Candidate("camf", small=True),
    Candidate("camf-lite"),
    Candidate("camf-lite", small=True),
)
#: Runs until all are timed: it starts fast, and few machines are too slow for it.
FIRST = Candidate("camf-lite")


def smaller_size(size: tuple[int, int]) -> tuple[int, int]:
    """The smaller processing size for fused images of (height, width)."""
    scale = min(math.sqrt(_AREA), _LONG_SIDE / max(size))
    height, width = (max(_MULTIPLE, _MULTIPLE * round(scale * side / _MULTIPLE)) for side in size)
    return height, width


class Load(NamedTuple):
    """What the candidate that runs has to do, and how it does.

    Attributes:
        period: Of the slower camera, seconds; None while it is not known.
        steady: Since when both cameras send without a gap, seconds of the clock; infinity while one does not.
        frame: Time of a whole frame, decoding to publishing, seconds; 0 before the first since the last change.
        fusion: The part of it that :attr:`Adaptation.times` are times of.
        pairs: Formed so far.
        dropped: Pairs dropped so far, because a newer one came before their turn.
    """

    period: float | None
    steady: float
    frame: float
    fusion: float
    pairs: int
    dropped: int


class _Mark(NamedTuple):
    """Where counting began."""

    time: float
    pairs: int
    dropped: int


class Adaptation:
    """Decides which candidate is to run. Candidates are numbers, best picture first; times are seconds.

    Attributes:
        times: Of a frame with each candidate, measured beside the fusion; infinity for one that does not work.
        running: The candidate that runs.
        wait: Least time from a change to the next attempt at a better candidate.
    """

    def __init__(self, times: Sequence[float], running: int, now: float) -> None:
        """Begin, when all candidates are timed; ``now`` is of a clock that never jumps."""
        self.times = list(times)
        self.running = running
        self.wait = _UP
        self._changed = now
        self._rose: float | None = None
        self._mark: _Mark | None = None
        self._chosen = False

    def estimates(self, load: Load) -> list[float]:
        """Time of a whole frame with each candidate."""
        own = self.times[self.running]
        scale = load.fusion / own if math.isfinite(own) else 1.0
        return [load.frame - load.fusion + scale * time for time in self.times]

    def look(self, now: float, load: Load) -> int | None:
        """The candidate that should run instead of the one that does; None if all is well.

        Nothing changes by that: :meth:`changed` is to be told when it runs, :meth:`failed` if it cannot.
        """
        if self._rose is not None and now - self._rose > _SOON:
            self._rose, self.wait = None, _UP  # the attempt did not fail
        since = max(self._changed, load.steady)
        if now - since < _SETTLING or load.period is None or not load.frame:
            self._mark = None
            return None
        limit = fitting_time(load.period)
        mark = self._mark = self._mark or _Mark(now, load.pairs, load.dropped)
        estimates = self.estimates(load)
        best = _best(estimates, limit)
        if not self._chosen:
            self._chosen = True
            return best if best != self.running else None
        pairs, dropped = load.pairs - mark.pairs, load.dropped - mark.dropped
        # A few drops of frames that came in a bunch are nobody's fault: it must also be slow.
        slow = load.frame > limit and dropped >= max(_DROPS, _DROPPED_SHARE * pairs)
        if slow:
            # Not by the estimates alone: down the table it gets cheaper, however wrong they are.
            below = _best([math.inf] * (self.running + 1) + estimates[self.running + 1 :], limit)
            return below if below > self.running and now - since >= _DOWN else None
        if now - mark.time >= max(_SECONDS, _PERIODS * load.period):
            self._mark = _Mark(now, load.pairs, load.dropped)
        rises = best < self.running and estimates[best] <= limit
        return best if rises and now - since >= self.wait else None

    def changed(self, running: int, now: float) -> None:
        """Another candidate has taken over."""
        if running < self.running:
            self._rose = now
        elif self._rose is not None:  # and not long ago, see look()
            self._rose, self.wait = None, min(2 * self.wait, _LONGEST)
        self.running, self._changed, self._mark = running, now, None

    def failed(self, candidate: int, now: float) -> None:
        """A candidate could not take over, and never will."""
        self.times[candidate] = math.inf
        self._changed, self._mark = now, None


def fitting_time(period: float) -> float:
    """Longest time of a whole frame that keeps up with a camera of this period, seconds."""
    return _SHARE * period


def _best(estimates: Sequence[float], limit: float) -> int:
    """The best picture that fits; where none does, the last in the table that works, which is the cheapest."""
    fitting = [number for number, time in enumerate(estimates) if time <= limit]
    working = [number for number, time in enumerate(estimates) if math.isfinite(time)]
    return fitting[0] if fitting else max(working, default=0)
