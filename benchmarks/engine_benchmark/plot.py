"""The result of a run as a picture: one panel for each size, one line for each case, times on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from camf_ros.cli.benchmark import Row
from camf_ros.cli.explain import matplotlib_pyplot
from camf_ros.errors import DataError

_PANEL_WIDTH, _LINE_HEIGHT, _MARGIN_HEIGHT = 7.5, 0.27, 1.3  # inches
_DOTS_PER_INCH = 130
# Part of the width for the dots; the rest is room for the figures beside the last one.
_SHARE_OF_DOTS = 0.66
# Least ratio of both ends of the dots' part, so that there is something on the scale.
_LEAST_SPAN = 10.0


def write_plot(path: Path, rows: Sequence[Row], title: str, reference: str) -> None:
    """Draw at least one row and write it as .png, .svg or .pdf; shares are of ``reference``. Raises DataError."""
    pyplot = matplotlib_pyplot()
    # The order of the run, but networks of others after the models.
    rows = sorted(rows, key=lambda row: row["peer"])
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    panels = [[row for row in rows if row["size"] == size] for size in sizes]
    colours = _colours(rows)
    columns = min(2, len(panels))
    lines = math.ceil(len(panels) / columns)
    height = max(map(len, panels)) * _LINE_HEIGHT + _MARGIN_HEIGHT
    figure, grid = pyplot.subplots(
        lines, columns, figsize=(_PANEL_WIDTH * columns, height * lines), squeeze=False, layout="constrained"
    )
    for axes, size, panel in zip(grid.flat, sizes, panels, strict=False):
        _draw(axes, panel, colours)
        axes.set_title(size, fontsize=10, loc="left", fontweight="bold")
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle(title, fontsize=11)
    figure.supxlabel(_caption(rows, reference), fontsize=8)
    try:
        figure.savefig(path, dpi=_DOTS_PER_INCH)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error})", remedy="name another file") from error
    finally:
        pyplot.close(figure)


def _draw(axes: Any, rows: Sequence[Row], colours: dict[str, str]) -> None:
    for line, row in enumerate(rows):
        colour = colours[row["engine"]]
        axes.plot(
            [row["p5_ms"], row["p95_ms"]], [line, line], color=colour, linewidth=2.5, alpha=0.5, solid_capstyle="butt"
        )
        axes.plot(row["median_ms"], line, "D" if row["peer"] else "o", color=colour, markersize=6)
        if row["floor_ms"] is not None:
            axes.plot(row["floor_ms"], line, "|", color="black", markersize=9)
        ratio = "" if row["ratio"] is None else f"  ({row['ratio']:.3g})"
        axes.annotate(
            f"{row['median_ms']:.3g} ms{ratio}",
            (max(row["p95_ms"], row["median_ms"]), line),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
        )
    axes.set_xscale("log")
    least = min(min(row["p5_ms"], row["floor_ms"] or row["p5_ms"]) for row in rows)
    most = max(row["p95_ms"] for row in rows)
    least = min(least / 1.3, most / _LEAST_SPAN)
    axes.set_xlim(least, least * (most / least) ** (1 / _SHARE_OF_DOTS))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(
        range(len(rows)), [" ".join((row["model"], row["engine"], row["precision"])) for row in rows], fontsize=8
    )
    for before, row, place in zip(rows, rows[1:], range(1, len(rows)), strict=False):
        if before["model"] != row["model"] and not before["peer"]:
            axes.axhline(place - 0.5, color="0.8", linewidth=0.8)
    axes.grid(axis="x", which="major", color="0.9")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("ms for one pair", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)


def _caption(rows: Sequence[Row], reference: str) -> str:
    caption = f"dot: median; line: p5 to p95; |: computed floor; in brackets: share of {reference}"
    return f"{caption}; diamond: networks of others" if any(row["peer"] for row in rows) else caption


def _colours(rows: Sequence[Row]) -> dict[str, str]:
    engines = dict.fromkeys(row["engine"] for row in rows)
    return {engine: f"C{number}" for number, engine in enumerate(engines)}
