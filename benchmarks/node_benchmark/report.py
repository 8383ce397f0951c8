"""What people see of the results: a table and a plot. And on which machine it was."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import psutil
from script import cpu_name

from camf_ros.cli.explain import matplotlib_pyplot

_COLUMNS = (
    "pairs/s",
    "dropped",
    "latency p50 ms",
    "p95",
    "p99",
    "engine p50 ms",
    "own share p50 ms",
    "p95",
    "CPU %",
    "CPU ms/pair",
    "RSS MiB",
)


def machine() -> dict[str, object]:
    """What the figures depend on besides this package."""
    return {
        "processor": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average_before": os.getloadavg()[0],
        "memory_gib": psutil.virtual_memory().total / 2**30,
        "system": platform.platform(),
        "python": platform.python_version(),
        "ros_distro": os.environ.get("ROS_DISTRO", ""),
    }


def table(report: dict[str, Any]) -> str:
    """The rates as a Markdown table, lowest first, and what follows from them."""
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    for row in sorted(report["rates"], key=lambda row: float(row["sent_rate"])):
        latency, own = row["latency_ms"], row["own_share_ms"]
        cells = [
            f"{row['sent_rate']:.1f}",
            f"{row['dropped_share']:.1%}",
            *(_number(latency[name]) for name in ("p50", "p95", "p99")),
            _number(row["inference_ms"]["p50"]),
            *(_number(own[name]) for name in ("p50", "p95")),
            f"{row['node_cpu_percent']:.0f}",
            _number(row["node_cpu_ms_per_pair"]),
            f"{row['node_rss_mib']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    highest = report["highest_rate"]
    lines += [
        "",
        f"own share at the lowest rate: {_number(report['own_share_ms']['p50'])} ms, "
        f"p95 {_number(report['own_share_ms']['p95'])} ms",
        "no rate was taken"
        if highest is None
        else f"highest rate with less than {report['tolerated_share']:.0%} dropped: {highest:.1f} pairs/s",
        f"limit: {report['limit']}",
    ]
    if (heavy := report["overload"]) is not None:
        lines.append(
            f"at {heavy['sent_rate']:.1f} pairs/s: latency {_number(heavy['first_third_latency_ms'])} ms in the first "
            f"third, {_number(heavy['last_third_latency_ms'])} ms in the last, ratio {_number(heavy['growth'], 2)}"
        )
    if (long := report["flat"]) is not None:
        first, last = long["memory_mib"][0], long["memory_mib"][-1]
        for name, place, key in (("resident", 1, "rss"), ("not shared", 2, "private")):
            lines.append(
                f"over {long['pairs_sent']} pairs, {name} memory: {first[place]:.1f} to {last[place]:.1f} MiB, "
                f"slope {_number(long[f'{key}_slope_mib_per_10000_pairs'], 2)} MiB per 10 000 pairs"
            )
    return "\n".join(lines)


def _number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def plot(report: dict[str, Any], path: Path) -> None:
    """Latency and share of dropped pairs against the rate."""
    plt = matplotlib_pyplot()

    rows = sorted(report["rates"], key=lambda row: float(row["sent_rate"]))
    rows += [report["overload"]] if report["overload"] else []
    rates = [row["sent_rate"] for row in rows]
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 6), height_ratios=(2, 1))
    for name, style in (("p50", "o-"), ("p95", "s--"), ("p99", "^:")):
        above.plot(rates, [row["latency_ms"][name] for row in rows], style, label=f"latency {name}")
    for key, label in (("inference_ms", "engine p50"), ("own_share_ms", "own share p50")):
        above.plot(rates, [row[key]["p50"] for row in rows], ".-", alpha=0.6, label=label)
    above.set(ylabel="ms", ylim=(0, None))
    above.legend()
    about = report["node"]
    above.set_title(
        f"{about.get('model', '?')}, {about.get('engine', '?')}, {report['width']} x {report['height']}\n"
        f"{report['machine']['processor']}, {report['machine']['cores']} cores"
    )
    below.plot(rates, [100 * row["dropped_share"] for row in rows], "o-", color="tab:red")
    below.axhline(100 * report["tolerated_share"], color="grey", linestyle=":")
    below.set(xlabel="pairs sent per second", ylabel="dropped, %", ylim=(-2, 102))
    for axes in (above, below):
        axes.grid(alpha=0.3)
        if report["highest_rate"] is not None:
            axes.axvline(report["highest_rate"], color="grey", linestyle=":")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
