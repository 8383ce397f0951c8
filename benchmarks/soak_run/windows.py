"""The node's process and its latency, window by window, whether they stay what they are, and their plot."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from node_benchmark.search import slope

from camf_ros.cli.explain import matplotlib_pyplot
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
    """Closes a window of the node's process whenever one is over."""

    def __init__(self, process: psutil.Process) -> None:
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
    """Figures of the windows after the warm-up, and under ``problems`` a sentence for each that is out of bounds.

    The floor of memory may rise by ``slope_bound`` MiB an hour. The median latency of the last third may be
    ``latency_bound`` times that of the first, and it may have ``more_bound`` more threads and open files.
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


def plot(report: dict[str, Any], path: Path) -> None:
    """Memory, latency, threads and files, and what came of the pairs, over time."""
    plt = matplotlib_pyplot()

    rows = report["windows"]
    minutes = [row["end_s"] / 60 for row in rows]
    figure, (memory, latency, counts, pairs) = plt.subplots(
        4, 1, sharex=True, figsize=(10, 10), height_ratios=(2, 2, 1, 1.5)
    )
    memory.plot(minutes, [row["rss_mib"] for row in rows], label="resident")
    memory.plot(minutes, [row["private_mib"] for row in rows], label="of it not shared")
    memory.set(ylabel="memory, MiB", ylim=(0, None))
    for percent, style in ((50, "-"), (95, ":")):
        latency.plot(minutes, [row[f"latency_p{percent}_ms"] for row in rows], style, label=f"p{percent}")
    latency.set(ylabel="latency, ms", ylim=(0, None))
    for key, label in (("threads", "threads"), ("open_files", "open files")):
        counts.plot(minutes, [row[key] for row in rows], label=label)
    counts.set(ylabel="count", ylim=(0, None))
    for key, label in (
        ("fused", "fused"),
        ("dropped", "dropped"),
        ("rejected", "rejected"),
        ("rgb_alone", "RGB alone"),
        ("thermal_alone", "thermal alone"),
    ):
        pairs.plot(minutes, [row[key] for row in rows], label=label)
    pairs.set(ylabel="so far", xlabel="minutes", yscale="symlog", ylim=(0, None))
    moments = [fault["moment_s"] / 60 for fault in report["faults"]]
    for axes in (memory, latency, counts, pairs):
        axes.grid(alpha=0.3)
        # Each fault as a tick on the lower edge.
        axes.plot(moments, [0] * len(moments), "|", color="black", transform=axes.get_xaxis_transform())
        axes.axvline(report["warm_up"] * report["seconds"] / 60, color="grey", linestyle=":")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)
    memory.set_title(
        f"{report['model']}, {report['rate']:g} pairs a second, {report['width']} x {report['height']}, "
        f"{len(report['faults'])} faults (ticks)\n{report['machine']['processor']}, {report['machine']['cores']} cores"
    )
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
