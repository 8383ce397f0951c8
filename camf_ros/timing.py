"""Timing: cases in processes of their own that take turns, so that a machine that drifts slows all of them alike.

A clock that sinks as the machine gets warm, or a neighbour that comes and goes, changes times by tens of percent within
a minute. So cases are not measured one after the other: each round gives every case two turns of a fraction of a
second, there and back (one, other, other, one). The ratio of two cases is the median over the rounds of the ratio
within a round.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

#: Rounds into which the time is divided, if a call is short enough; and the fewest, however long a call takes.
ROUNDS, LEAST_ROUNDS = 5, 3
_MOST_CALLS = 10_000  # of one turn: times that fill no memory


class Sample(NamedTuple):
    """Seconds of one call: on the clock, and of all processors together."""

    wall: float
    cpu: float


Rounds = list[list[Sample]]


class Station(Protocol):
    """Something that can be timed; ``call_seconds`` is what a call takes, as found while warming up."""

    call_seconds: float

    def turn(self, calls: int) -> list[Sample]:
        """So many calls."""
        ...


def take_turns(
    stations: Sequence[Station], seconds: float, clock: Callable[[], float] = time.monotonic
) -> list[Rounds]:
    """Measure stations that are warm, for so many seconds altogether; gives the calls of each round of each station."""
    turn_seconds = seconds / ROUNDS / 2 / len(stations)
    calls = [round(min(max(turn_seconds / max(each.call_seconds, 1e-9), 1), _MOST_CALLS)) for each in stations]
    times: list[Rounds] = [[] for _ in stations]
    order = list(range(len(stations)))
    end = clock() + seconds
    while len(times[0]) < LEAST_ROUNDS or clock() < end:
        for rounds in times:
            rounds.append([])
        for index in (*order, *reversed(order)):
            times[index][-1] += stations[index].turn(calls[index])
    return times


def ratio(times: Rounds, reference: Rounds) -> Sample:
    """Median over the rounds of the ratio of both medians within a round."""
    quotients = [
        np.median(one, axis=0) / np.maximum(np.median(other, axis=0), 1e-9)  # a clock of processors may stand still
        for one, other in zip(times, reference, strict=True)
    ]
    return Sample(*np.median(quotients, axis=0).tolist())


@dataclass(frozen=True)
class Case:
    """One engine with one model at one size; ``source`` is as :func:`camf_ros.models.find_model` takes it."""

    model: str
    source: str
    engine: str
    precision: str
    width: int
    height: int
    device: str
    threads: int

    def open(self) -> tuple[str, Callable[[], object]]:
        """Load it: what it calls itself, and what fuses a pair of noise. The time does not depend on the pictures."""
        import cv2  # noqa: PLC0415 (what takes time to import, only where it is timed)

        from camf_ros.engines.choose import open_engine  # noqa: PLC0415
        from camf_ros.models import find_model  # noqa: PLC0415

        infrared, visible = np.random.default_rng(0).integers(0, 256, (2, self.height, self.width), np.uint8)
        if self.threads:
            cv2.setNumThreads(self.threads)
        options = {"device": self.device, "precision": self.precision, "threads": self.threads}
        engine = open_engine(self.engine, find_model(self.source), **options)  # type: ignore[arg-type]
        return engine.description, lambda: engine.fuse(infrared, visible)


class Timed:
    """A case in a process of its own; its methods raise what the runtime raises there, or that the process ended."""

    def __init__(self, pool: ProcessPoolExecutor, case: Case, seconds: float) -> None:
        """Open it in what :func:`process` gave, and warm it up for a time."""
        self._pool = pool
        self.description, self.start_seconds, self.call_seconds = pool.submit(_open, case, seconds).result()

    def turn(self, calls: int) -> list[Sample]:
        """See :class:`Station`."""
        return self._pool.submit(_turn, calls).result()

    def memory(self) -> float:
        """Growth of the resident memory from before the case was opened to its peak, MiB."""
        return self._pool.submit(_memory).result()


def process(threads: int) -> ProcessPoolExecutor:
    """A process for a case; ``threads`` is for runtimes that read it from the environment (0: their own choice)."""
    # Spawned: a runtime must find a process without threads.
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin, (threads,))


# What the process of a case keeps: what fuses a pair, and the resident memory before it was loaded.
_state: dict[str, Any] = {}


def _begin(threads: int) -> None:
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    for stream in (1, 2):  # runtimes print
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def _open(case: Case, seconds: float) -> tuple[str, float, float]:
    """Its description, seconds to the first pair, and seconds of a call once it is warm."""
    _state["resident"], started = _status_mib("VmRSS"), time.perf_counter()
    description, _state["call"] = case.open()
    _state["call"]()
    first, warm = time.perf_counter() - started, _turn(1)
    while sum(each.wall for each in warm) < seconds:
        warm += _turn(1)
    return description, first, float(np.median([each.wall for each in warm]))


def _turn(calls: int) -> list[Sample]:
    call, samples = _state["call"], []
    if calls > 1:
        call()  # wakes up what went to sleep meanwhile
    for _ in range(calls):
        before, worked = time.perf_counter(), time.process_time()
        call()
        samples.append(Sample(time.perf_counter() - before, time.process_time() - worked))
    return samples


def _memory() -> float:
    return _status_mib("VmHWM") - float(_state["resident"])


def _status_mib(entry: str) -> float:
    # Not ru_maxrss: that of a new process begins with the memory of the one that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(status.partition(f"\n{entry}:")[2].split()[0]) / 1024
