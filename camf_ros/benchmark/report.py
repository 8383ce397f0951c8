"""The result of a run as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from camf_ros.benchmark.machine import cpu_name, usable_cores, versions
from camf_ros.benchmark.measure import Results, Row
from camf_ros.benchmark.plan import Plan
from camf_ros.errors import DataError

# Four significant digits are more than any timing repeats.
_DIGITS = 4
_HEADINGS = (
    ("model", "<"),
    ("engine", "<"),
    ("precision", "<"),
    ("size", "<"),
    ("median ms", ">"),
    ("p5", ">"),
    ("p95", ">"),
    ("pairs/s", ">"),
    ("CPU ms", ">"),
    ("of ref.", ">"),
    ("CPU of ref.", ">"),
    ("x floor", ">"),
    ("MiB", ">"),
    ("GPU MiB", ">"),
    ("start s", ">"),
)
_NOTES = {
    "CPU ms": "processor time of a pair, all threads together",
    "of ref.": "time as a share of that of {} in the same rounds",
    "CPU of ref.": "processor time likewise",
    "x floor": "time as a multiple of the computed floor: bare convolutions and the bytes of the blending",
    "MiB": "peak growth of the process",
    "start s": "from nothing to the first fused pair",
}


def content(plan: Plan, results: Results, command: str) -> dict[str, Any]:
    """Everything about a run, ready for JSON.

    Args:
        plan: What was to be measured.
        results: What was.
        command: As it was given.
    """
    return {
        "command": command,
        "machine": {"cpu": cpu_name(), "cores": usable_cores(), "gpu": results.gpu},
        "versions": versions(),
        "device": plan.device,
        "threads": plan.threads,
        "seconds": plan.seconds,
        "reference": str(plan.reference),
        "models": {model.name: model.hash for model in (*plan.models, plan.reference.model)},
        "peers": {peer.name: {"parameters": peer.parameters} for peer in plan.peers},
        "rows": [{key: _rounded(value) for key, value in asdict(row).items()} for row in results.rows],
        "skipped": [asdict(entry) for entry in results.skipped],
    }


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Write it.

    Raises:
        DataError: If the file cannot be written.
    """
    try:
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error})", remedy="name another file") from error


def table(results: Results, reference: str) -> str:
    """Rows of cases, what the columns mean, and what was skipped and why.

    Args:
        results: Of a run.
        reference: What the shares are of.
    """
    cells = [[name for name, _ in _HEADINGS], *(_cells(row) for row in results.rows)]
    # A column that is empty for all says nothing.
    kept = [i for i in range(len(_HEADINGS)) if not results.rows or any(line[i] != "-" for line in cells[1:])]
    widths = {i: max(len(line[i]) for line in cells) for i in kept}
    lines = ["  ".join(f"{line[i]:{_HEADINGS[i][1]}{widths[i]}}" for i in kept).rstrip() for line in cells]
    notes = [
        f"{name}: {text.format(reference)}"
        for i, (name, _) in enumerate(_HEADINGS)
        if i in kept
        for text in [_NOTES.get(name)]
        if text
    ]
    return "\n".join([*lines, "", *notes, *_skipped(results)])


def _cells(row: Row) -> list[str]:
    return [
        row.model,
        row.engine,
        row.precision,
        f"{row.width}x{row.height}",
        *(short(value) for value in (row.median_ms, row.p5_ms, row.p95_ms, 1e3 / row.median_ms, row.cpu_ms)),
        short(row.ratio),
        short(row.cpu_ratio),
        short(None if row.floor_ms is None else row.median_ms / row.floor_ms),
        f"{row.memory_mib:.0f}",
        "-" if row.gpu_memory_mib is None else f"{row.gpu_memory_mib:.0f}",
        f"{row.start_s:.1f}",
    ]


def _skipped(results: Results) -> Sequence[str]:
    """A line for each reason, since one missing runtime is missing for all models."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for entry in results.skipped:
        size = "" if entry.width is None else f" {entry.width}x{entry.height}"
        reasons.setdefault((entry.engine, entry.reason), []).append(f"{entry.model} {entry.precision}{size}")
    if not reasons:
        return []
    return ["", *(f"skipped {engine} ({', '.join(which)}): {why}" for (engine, why), which in reasons.items())]


def short(value: float | None) -> str:
    """Three significant digits as far as five decimals hold them, and never an exponent; ``-``: not known."""
    if value is None:
        return "-"
    size = math.floor(math.log10(value)) if value > 0 else 0
    return f"{value:.{min(max(2 - size, 0), 5)}f}"


def _rounded(value: Any) -> Any:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
