"""The plot of a soak."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def plot(report: dict[str, Any], path: Path) -> None:
    """Memory, latency, threads and files, and what came of the pairs, over time."""
    import matplotlib as mpl  # noqa: PLC0415 (only for this)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

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
