"""The node's process and its latency, window by window, and whether they stay what they are."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil
from node_benchmark.search import slope

from soak_run.observer import Observer

#: Length of a window, seconds.
WINDOW = 10.0
# So many windows have one floor of memory: while a model is loaded there are two for a moment, and a second size of
# picture is prepared for and forgotten again. What leaks stays, and lifts the floor.
_FLOOR = 6
# Share of the run in which everything may still be growing to its size: every fault for the first times.
WARM_UP = 1 / 4
_MIB = 2**20
_HOUR = 3600.0
_COUNTS = {
    "fused": "fused",
    "dropped": "dropped for a newer pair",
    "rejected": "rejected",
    "rgb_alone": "rgb passed through alone",
    "thermal_alone": "thermal passed through alone",
}


class Windows:
    """Closes a window whenever one is over."""

    def __init__(self, process: psutil.Process) -> None:
        """Begin with the first.

        Args:
            process: Of the node.
        """
        self._process = process
        self._began = self._opened = time.monotonic()
        self.rows: list[dict[str, Any]] = []
        self.faults: list[str] = []

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def look(self, observer: Observer) -> None:
        """Close the window if it is over."""
        moment = time.monotonic()
        if moment - self._opened < WINDOW:
            return
        self._opened = moment
        memory = self._process.memory_info()
        latencies, observer.latencies = np.array(observer.latencies), []
        self.rows.append(
            {
                "end_s": moment - self._began,
                "rss_mib": memory.rss / _MIB,
                # Fast DDS's shared memory counts as resident once it was used, and is used in turns.
                "private_mib": (memory.rss - memory.shared) / _MIB,
                "threads": self._process.num_threads(),
                "open_files": self._process.num_fds(),
                "received": len(latencies),
                **{
                    f"latency_p{percent}_ms": float(1e3 * np.percentile(latencies, percent)) if latencies.size else None
                    for percent in (50, 95)
                },
                **{name: int(observer.values.get(key, 0)) for name, key in _COUNTS.items()},
                "load_average": os.getloadavg()[0],
                "faults": self.faults,
            }
        )
        self.faults = []


def verdict(
    rows: Sequence[dict[str, Any]], *, slope_bound: float, latency_bound: float, more_bound: int
) -> dict[str, Any]:
    """What is flat and what is not.

    Args:
        rows: All windows.
        slope_bound: Most that the floor of memory may rise, MiB an hour.
        latency_bound: Most that the median latency of the last third may be of that of the first.
        more_bound: So many more threads and open files are allowed in the last third than in the first.

    Returns:
        Figures of the windows after the warm-up, and under ``problems`` a sentence for each that is out of bounds.
    """
    settled = [row for row in rows if row["end_s"] > WARM_UP * rows[-1]["end_s"]]
    third = max(1, len(settled) // 3)
    first, last = settled[:third], settled[-third:]
    floors = [
        min((row["private_mib"], row["end_s"]) for row in settled[start : start + _FLOOR])
        for start in range(0, len(settled) - _FLOOR + 1, _FLOOR)
    ]
    # slope() leaves out the warm-up of what it was made for, a tenth of its first column; that is within ours.
    growth = slope([(moment, floor) for floor, moment in floors]) if floors else None
    result: dict[str, Any] = {
        "windows": len(settled),
        "private_slope_mib_per_hour": None if growth is None else growth * _HOUR / 1e4,
        "latency_first_third_ms": _median(first, "latency_p50_ms"),
        "latency_last_third_ms": _median(last, "latency_p50_ms"),
        # Medians: while a model is loaded there are two for a moment.
        **{f"{name}_first_third": _median(first, name) for name in ("threads", "open_files")},
        **{f"{name}_last_third": _median(last, name) for name in ("threads", "open_files")},
    }
    problems = []
    if growth is not None and result["private_slope_mib_per_hour"] > slope_bound:
        problems.append(f"memory grows by {result['private_slope_mib_per_hour']:.1f} MiB an hour")
    before, after = result["latency_first_third_ms"], result["latency_last_third_ms"]
    if before is None or after is None:
        problems.append("nothing was fused in the first or the last third")
    elif after > latency_bound * before:
        problems.append(f"latency went from {before:.1f} to {after:.1f} ms")
    problems += [
        f"{name}: {result[f'{name}_first_third']:.0f} in the first third, "
        f"{result[f'{name}_last_third']:.0f} in the last"
        for name in ("threads", "open_files")
        if result[f"{name}_last_third"] > result[f"{name}_first_third"] + more_bound
    ]
    return {**result, "problems": problems}


def _median(rows: Sequence[dict[str, Any]], key: str) -> float | None:
    values = [row[key] for row in rows if row[key] is not None]
    return float(np.median(values)) if values else None
