"""What the node counts and times. Every number is measured where it happens, once, and read by the diagnostics."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

# Distributions are taken over this many last values.
_WINDOW = 300


class Summary(NamedTuple):
    """Distribution of a quantity over its last values; all 0 where there was none."""

    mean: float
    median: float
    p95: float


def summarise(values: Iterable[float]) -> Summary:
    """Mean, median and 95th percentile: the values nearest to those places in the sorted list."""
    ordered = sorted(values)
    if not ordered:
        return Summary(0.0, 0.0, 0.0)
    last = len(ordered) - 1
    return Summary(sum(ordered) / len(ordered), ordered[round(0.5 * last)], ordered[round(0.95 * last)])


@dataclass
class _Stream:
    """One camera: how many frames, and when the last one came (monotonic)."""

    frames: int = 0
    last: float | None = None


@dataclass(frozen=True)
class Snapshot:
    """All numbers at one moment.

    Attributes:
        frames: Frames that arrived, by camera.
        ages: Seconds since the last frame of each camera; None before the first, also after a pause.
        pairs: Pairs that were formed.
        pair_age: Seconds since the last pair; None before the first.
        unfused: Seconds since the first pair after the last fused image; 0 if none came since, None before any pair.
        fused: Pairs that were fused and published.
        passed: Frames that were published alone, by camera.
        rejected: Pairs that were not fused and frames that were not published, by reason.
        extras_failed: Failures of what runs beside the fusion (explanation, source check, diagnostics), by name.
        skew: Difference of the stamps in a pair, absolute, seconds.
        latency: Arrival of the later frame to publishing, seconds; frames that were published alone among them.
        inference: Time in the engine, seconds.
    """

    frames: Mapping[str, int]
    ages: Mapping[str, float | None]
    pairs: int
    pair_age: float | None
    unfused: float | None
    fused: int
    passed: Mapping[str, int]
    rejected: Mapping[str, int]
    extras_failed: Mapping[str, int]
    skew: Summary
    latency: Summary
    inference: Summary


@dataclass
class Statistics:
    """Counters and distributions; may be written and read from any thread."""

    cameras: tuple[str, ...]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._streams = {camera: _Stream() for camera in self.cameras}
        self._pairs = 0
        self._last_pair: float | None = None
        # Since when a fused image is due; None where none is.
        self._due: float | None = None
        self._fused = 0
        self._passed: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._extras_failed: Counter[str] = Counter()
        self._skew: deque[float] = deque(maxlen=_WINDOW)
        self._latency: deque[float] = deque(maxlen=_WINDOW)
        self._inference: deque[float] = deque(maxlen=_WINDOW)

    def frame(self, camera: str, now: float) -> None:
        """A frame of a camera arrived."""
        with self._lock:
            stream = self._streams[camera]
            stream.frames += 1
            stream.last = now

    def pair(self, skew: float, now: float) -> None:
        """A pair was formed."""
        with self._lock:
            self._pairs += 1
            self._last_pair = now
            if self._due is None:
                self._due = now
            self._skew.append(abs(skew))

    def resume(self) -> None:
        """Go on after a pause: nothing is due from the time before it."""
        with self._lock:
            self._due = None
            self._last_pair = None
            for stream in self._streams.values():
                stream.last = None

    def fused(self, latency: float, inference: float) -> None:
        """A fused image was published."""
        with self._lock:
            self._fused += 1
            self._due = None
            self._latency.append(latency)
            self._inference.append(inference)

    def passed(self, camera: str, latency: float) -> None:
        """A frame of one camera was published alone."""
        with self._lock:
            self._passed[camera] += 1
            self._latency.append(latency)

    def rejected(self, reason: str) -> None:
        """A pair could not be fused, or a frame not be published."""
        with self._lock:
            self._rejected[reason] += 1

    def extra_failed(self, name: str) -> None:
        """Something beside the fusion failed."""
        with self._lock:
            self._extras_failed[name] += 1

    def snapshot(self, now: float) -> Snapshot:
        """All numbers at this moment."""
        with self._lock:
            return Snapshot(
                {camera: stream.frames for camera, stream in self._streams.items()},
                {
                    camera: None if stream.last is None else now - stream.last
                    for camera, stream in self._streams.items()
                },
                self._pairs,
                None if self._last_pair is None else now - self._last_pair,
                None if self._last_pair is None else 0.0 if self._due is None else now - self._due,
                self._fused,
                {camera: self._passed[camera] for camera in self.cameras},
                dict(self._rejected),
                dict(self._extras_failed),
                summarise(self._skew),
                summarise(self._latency),
                summarise(self._inference),
            )
