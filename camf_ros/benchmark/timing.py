"""Interleaved timing: cases take turns in short rounds, so that a machine that drifts slows all of them alike.

A clock that sinks as the machine gets warm, or a neighbour that comes and goes, changes times by tens of percent within
a minute. Two cases that are measured one after the other would each see another machine. So each round gives every case
two turns of a fraction of a second, there and back: one, other, other, one. A machine that gets slower steadily has
then been as slow for the one as for the other. The ratio of two cases is taken within each round, and the median over
all rounds is what counts.

How often is not fixed: rounds go on until the time is used up, and there are at least :data:`LEAST_ROUNDS`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np

#: Rounds into which the time is divided, if a call is short enough.
ROUNDS = 5
#: Fewest rounds, however long a call takes.
LEAST_ROUNDS = 3
#: Share of the time of a case that is spent on warming up.
WARM_UP_SHARE = 0.2
#: Most calls of one turn: times that fill no memory.
_MOST_CALLS = 10_000


class Sample(NamedTuple):
    """One call.

    Attributes:
        wall: Seconds from its begin to its end.
        cpu: Seconds that processors worked for it, all threads together.
    """

    wall: float
    cpu: float


#: For each round, its calls.
Rounds = list[list[Sample]]


class Station(Protocol):
    """Something that can be timed."""

    #: Seconds that a call takes, as found while warming up.
    call_seconds: float

    def turn(self, calls: int) -> list[Sample]:
        """So many calls; calls that wake it up come before and do not count."""
        ...


@dataclass(frozen=True)
class Spread:
    """Distribution of times, seconds.

    Attributes:
        calls: How many there are.
        median: Of all.
        p5: Five percent are below.
        p95: Five percent are above.
    """

    calls: int
    median: float
    p5: float
    p95: float


def spread(times: Sequence[float]) -> Spread:
    """Summary of at least one time."""
    p5, median, p95 = np.percentile(times, (5, 50, 95))
    return Spread(len(times), float(median), float(p5), float(p95))


def take_turns(
    stations: Sequence[Station], seconds: float, clock: Callable[[], float] = time.monotonic
) -> list[Rounds]:
    """Measure.

    Args:
        stations: One or more, warmed up.
        seconds: Time for all of them together, above 0.
        clock: Says how late it is, seconds.

    Returns:
        What each station took.
    """
    turn_seconds = seconds / ROUNDS / 2 / len(stations)
    calls = [calls_in_turn(station.call_seconds, turn_seconds) for station in stations]
    times: list[Rounds] = [[] for _ in stations]
    order = list(range(len(stations)))
    end = clock() + seconds
    while len(times[0]) < LEAST_ROUNDS or clock() < end:
        for rounds in times:
            rounds.append([])
        for index in (*order, *reversed(order)):
            times[index][-1] += stations[index].turn(calls[index])
    return times


def calls_in_turn(call_seconds: float, turn_seconds: float) -> int:
    """How many calls fill a turn; at least one.

    Args:
        call_seconds: Of one call, at least 0.
        turn_seconds: Of the turn.
    """
    if call_seconds * _MOST_CALLS <= turn_seconds:
        return _MOST_CALLS
    return max(1, round(turn_seconds / call_seconds))


def ratio(times: Rounds, reference: Rounds) -> Sample:
    """Median over the rounds of the ratio of both medians within a round, of wall and of processor time.

    Args:
        times: Of one station.
        reference: Of another one, in the same rounds.
    """
    quotients = [
        np.median(one, axis=0) / np.maximum(np.median(other, axis=0), 1e-9)  # a clock of processors may stand still
        for one, other in zip(times, reference, strict=True)
    ]
    return Sample(*np.median(quotients, axis=0).tolist())


def all_of(rounds: Rounds) -> list[Sample]:
    """All calls."""
    return list(chain.from_iterable(rounds))
