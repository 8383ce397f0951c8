"""Simulated streams of stamps, what pairs they can make at best, and a run of the pairing over them."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from camf_ros.pairing.arrivals import Frame
from camf_ros.pairing.nearest import NearestStamps

MS = 1_000_000
NANO = 1_000_000_000


class Arrival(NamedTuple):
    """A frame that comes at a time (s), of a stream, with a stamp (ns)."""

    time: float
    stream: int
    stamp: int


def beat(rate: float, count: int, *, phase: float = 0.0, jitter: float = 0.0, seed: int = 0) -> list[int]:
    """Stamps of a free-running camera; phase in seconds, jitter in periods to either side."""
    chance = random.Random(seed)
    return [round(NANO * (10 + phase + (k + jitter * chance.uniform(-1, 1)) / rate)) for k in range(count)]


def arriving(stream: int, stamps: Iterable[int], latency: float = 0.0) -> list[Arrival]:
    """Frames that come a constant time after their stamps."""
    return [Arrival(stamp / NANO + latency, stream, stamp) for stamp in stamps]


def nearest_of_each(slower: Sequence[int], faster: Sequence[int], slop: int) -> list[tuple[int, int]]:
    """With all frames known: each frame of the slower stream and the nearest of the other, if it is near enough."""
    pairs = []
    for stamp in slower:
        place = bisect(faster, stamp)
        best = min(faster[max(0, place - 1) : place + 1], key=lambda other, stamp=stamp: abs(other - stamp))
        if abs(best - stamp) <= slop:
            pairs.append((stamp, best))
    return pairs


@dataclass
class Run:
    """A run of the pairing: what came out and when.

    Attributes:
        pairs: Stamps of the first and of the second stream, as they came out.
        delays: For each, from the arrival of its later frame, seconds.
        most: Most frames that ever waited.
    """

    matcher: NearestStamps
    pairs: list[tuple[int, int]] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    most: int = 0

    def feed(self, arrivals: Iterable[Arrival]) -> list[tuple[int, int]]:
        """Take frames; waiting times end exactly when they are due. Gives the pairs that came out of these."""
        before = len(self.pairs)
        for arrival in arrivals:
            self.wait_until(arrival.time)
            frame = Frame(arrival.stamp, arrival.stamp, arrival.time)
            self._note(self.matcher.add(arrival.stream, frame, arrival.time), arrival.time)
            self.most = max(self.most, len(self.matcher))
        return self.pairs[before:]

    def wait_until(self, time: float) -> list[tuple[int, int]]:
        """Nothing comes until then."""
        before = len(self.pairs)
        while (due := self.matcher.deadline()) is not None and due <= time:
            self._note(self.matcher.expire(due), due)
        return self.pairs[before:]

    def _note(self, pairs, now: float) -> None:
        for first, second in pairs:
            assert (first.message, second.message) == (first.time, second.time)
            self.pairs.append((first.time, second.time))
            self.delays.append(now - max(first.since, second.since))


def run(*, slop: float = 0.04, max_delay: float = 0.1, queue_size: int = 10) -> Run:
    """A fresh pairing; slop in seconds."""
    return Run(NearestStamps(slop=round(slop * NANO), max_delay=max_delay, queue_size=queue_size))


def mean_skew(pairs: Sequence[tuple[int, int]]) -> float:
    """Milliseconds."""
    return sum(abs(a - b) for a, b in pairs) / len(pairs) / MS
