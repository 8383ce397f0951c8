"""How rates are chosen: rising until the node drops pairs, then halving the interval; twice as much; and for long."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from node_benchmark.measurement import Bench, Run

# From one rate to the next on the way up, and how exactly the highest one is wanted.
_RISE, _EXACT = 1.5, 1.05
_THIRDS = 3
# Samples of memory from one note about the progress to the next.
_NOTE = 15
# The start of a long run, in which caches and pools still fill, says nothing about what comes after.
_SETTLING = 0.1


@dataclass
class Search:
    """Result of a search."""

    runs: list[Run]  #: In the order in which they were made
    #: Highest rate that was sent and of which the node dropped less than the tolerated share, pairs a second; None if
    #: it was none.
    highest: float | None
    limit: str  #: What ended it: ``node`` dropped pairs, ``driver`` could not send faster, or ``rates``: none was left


def search(measure: Callable[[float], Run], *, start: float, most: float) -> Search:
    """Find the highest rate: up by half each time, then between the last that passed and the first that did not.

    If the first rate, ``start``, is too much already, lower ones follow, down to a tenth. None is above ``most``.
    """
    runs: list[Run] = []
    passed, failed, limit = 0.0, float("inf"), "rates"
    rate = min(start, most)
    while True:
        run = measure(rate)
        runs.append(run)
        if run.passed:
            passed = max(passed, run.rate)
        else:
            failed, limit = rate, "node" if run.on_time else "driver"
        if passed and passed * _EXACT >= min(failed, most):
            break
        if not passed:
            rate = failed / 2
            if rate < start / 10:
                break
        else:
            rate = min(passed * _RISE, most) if failed == float("inf") else (passed * failed) ** 0.5
    return Search(runs, passed or None, limit)


def given_rates(measure: Callable[[float], Run], rates: Sequence[float]) -> Search:
    """Measure at these rates and no other."""
    runs = [measure(rate) for rate in sorted(rates)]
    passed = [run.rate for run in runs if run.passed]
    failed = next((run for run in runs if not run.passed), None)
    limit = "rates" if failed is None else "node" if failed.on_time else "driver"
    return Search(runs, max(passed, default=None), limit)


def overload(run: Run) -> dict[str, Any]:
    """A run at more than the node can take: whether pairs wait longer and longer.

    Adds to its figures the median latency, ms, of the first and of the last third of the images that came back, and
    their ratio; None where too few came back.
    """
    size = run.latencies.size // _THIRDS
    first, last = (
        (float(1e3 * np.median(run.latencies[:size])), float(1e3 * np.median(run.latencies[-size:])))
        if size
        else (None, None)
    )
    return {
        **run.figures,
        "first_third_latency_ms": first,
        "last_third_latency_ms": last,
        "growth": last / first if first and last else None,
    }


def flat(bench: Bench, *, rate: float, pairs: int, note: Callable[[str], None]) -> dict[str, Any]:
    """Many pairs at a steady rate: whether the node's memory grows; ``note`` is told about the progress.

    Adds to the figures of the run memory once a second as (pairs due by then, resident MiB, not shared MiB), and of
    both the :func:`slope`.
    """
    started = time.monotonic()
    samples: list[tuple[float, float, float]] = []

    def sample() -> None:
        elapsed = time.monotonic() - started
        if elapsed >= len(samples):
            samples.append((elapsed * rate, *bench.memory()))
            if len(samples) % _NOTE == 0:
                note(
                    f"{elapsed * rate:.0f} of {pairs} pairs, {samples[-1][1]:.1f} MiB, {samples[-1][2]:.1f} not shared"
                )

    run = bench.run(rate, pairs, sample)
    samples.append((pairs, *bench.memory()))
    return {
        **run.figures,
        "memory_mib": [list(sample) for sample in samples],
        "rss_slope_mib_per_10000_pairs": slope([(count, rss) for count, rss, _ in samples]),
        "private_slope_mib_per_10000_pairs": slope([(count, private) for count, _, private in samples]),
    }


def slope(samples: Sequence[tuple[float, float]]) -> float | None:
    """Median of the slopes between any two of (pairs, MiB) less the first tenth, MiB per 10 000 pairs (Theil and Sen).

    Unlike least squares it is not moved by one step, such as a queue that once filled up; first and last sample show
    that. None with fewer than two samples.
    """
    settled = [sample for sample in samples if sample[0] >= _SETTLING * samples[-1][0]]
    if len(settled) < 2:
        return None
    count, memory = np.array(settled, np.float64).T
    earlier, later = np.triu_indices(count.size, 1)
    return float(1e4 * np.median((memory[later] - memory[earlier]) / (count[later] - count[earlier])))
