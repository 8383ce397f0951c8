"""What the node counts and times. Every number is measured where it happens, once, and read by the diagnostics."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from camf_ros.pairing.nearest import Beat

# Distributions are taken over this many last values.
_WINDOW = 300
# The work is averaged over so many last frames; the first ones of an engine, which are slower, are not among them.
_WORK, _FIRST = 30, 3
# A camera pauses when no frame has come for so many of its periods, and for so many seconds.
_GAP_PERIODS, _GAP = 3.0, 0.5


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
    # Of arrivals.
    beat: Beat = field(default_factory=Beat)
    # When it began to send, or went on after a gap.
    began: float = math.inf
    # Whether the last frame came after a gap. One after another is no gap: the camera has become slower.
    paused: bool = False

    def arrived(self, now: float) -> None:
        self.frames += 1
        paused = self.pauses(now)
        if paused:
            self.began = now
            if not self.paused:
                self.beat.restart()
        self.paused, self.last = paused, now
        self.beat.add(round(1e9 * now))

    def period(self) -> float | None:
        """Seconds; None while it is not known."""
        return None if self.beat.period is None else 1e-9 * self.beat.period

    def pauses(self, now: float) -> bool:
        """Whether a frame is long overdue."""
        if self.last is None:
            return True
        period = self.period()
        return period is not None and now - self.last > max(_GAP, _GAP_PERIODS * period)


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
        latency: Arrival of the later frame to publishing the last picture, seconds; frames that were published alone
            among them.
        inference: Time in the engine, for all pictures of a pair, seconds.
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


class Work(NamedTuple):
    """How the cameras send, and what their frames cost.

    Attributes:
        period: Of the slower camera, by arrival, seconds; None while it is not known.
        steady: Since when both send without a gap (monotonic); infinity while one does not.
        frame: Mean time of a whole frame in the worker, decoding to publishing, seconds; 0 where there was none.
        pipeline: The part of it in the pipeline.
    """

    period: float | None
    steady: float
    frame: float
    pipeline: float


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
        self._work: deque[tuple[float, float]] = deque(maxlen=_WORK)
        self._first = _FIRST

    def frame(self, camera: str, now: float) -> None:
        """A frame of a camera arrived."""
        with self._lock:
            self._streams[camera].arrived(now)

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

    def worked(self, frame: float, pipeline: float) -> None:
        """The worker is done with a fused frame; both times in seconds, see :class:`Work`."""
        with self._lock:
            if self._first:
                self._first -= 1
            else:
                self._work.append((frame, pipeline))

    def forget_work(self) -> None:
        """From now on the work is another one."""
        with self._lock:
            self._work.clear()
            self._first = _FIRST

    def work(self, now: float) -> Work:
        """The work of the last frames."""
        with self._lock:
            streams, count = self._streams.values(), len(self._work)
            periods = [stream.period() for stream in streams]
            known = [period for period in periods if period is not None]
            return Work(
                max(known) if len(known) == len(periods) else None,
                max(math.inf if stream.pauses(now) else stream.began for stream in streams),
                sum(frame for frame, _ in self._work) / count if count else 0.0,
                sum(pipeline for _, pipeline in self._work) / count if count else 0.0,
            )

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
