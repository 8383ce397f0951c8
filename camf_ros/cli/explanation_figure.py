"""An explanation in print quality."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from camf_ros.errors import EngineError, to_install
from camf_ros.explain.canvas import DIVERGING
from camf_ros.explain.explanation import Explanation
from camf_ros.explain.panel import change_scale, change_view, level_names, pictures
from camf_ros.explain.summary import channel_lines, percent
from camf_ros.files import replacing

#: Endings of the files that can be written.
SUFFIXES = (".png", ".svg", ".pdf")

_WIDTH = 7.16  # inches, two columns of a journal page
_DOTS_PER_INCH = 200
_FONT = 7.5
_SHOWN = 6
_COLUMNS = 3
# Text as text in the files that can hold it.
_STYLE = {"font.size": _FONT, "axes.titlesize": _FONT, "pdf.fonttype": 42, "svg.fonttype": "none"}
_ORANGE, _BLUE = (tuple(float(part) / 255 for part in DIVERGING[at]) for at in (-1, 0))


def matplotlib_pyplot() -> Any:
    """Matplotlib, without a window.

    Raises:
        EngineError: If it is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise EngineError(
            f"a plot needs matplotlib, which cannot be imported ({error})",
            remedy=to_install(error, "pip install --force-reinstall matplotlib"),
        ) from error
    matplotlib.use("agg")
    from matplotlib import pyplot

    return pyplot


def write_figure(path: Path, explanation: Explanation) -> None:
    """Draw an explanation into a file that ends in .png, .pdf or .svg.

    Raises:
        EngineError: If matplotlib is not installed.
        DataError: If the file cannot be written.
    """
    pyplot = matplotlib_pyplot()
    height, width = explanation.fused.shape[:2]
    picture = _WIDTH / _COLUMNS * height / width
    rows = -(-len(explanation.channels[:_SHOWN]) // _COLUMNS)
    heights = (2 * (picture + 0.25), 1.6, rows * (picture + 0.55))
    with pyplot.rc_context(_STYLE):
        figure = pyplot.figure(figsize=(_WIDTH, sum(heights) + 0.3), layout="constrained")
        upper, bars, channels = figure.subfigures(3, 1, height_ratios=heights)
        for axes, (title, view, _) in zip(upper.subplots(2, _COLUMNS).flat, pictures(explanation), strict=True):
            _show(axes, view, title)
        _bars(bars, explanation)
        _channels(channels, explanation, rows)
        _save(pyplot, figure, path)


def _bars(figure: Any, explanation: Explanation) -> None:
    by_level, by_channel = figure.subplots(1, 2)
    names = level_names(explanation)
    shares = [level.share for level in explanation.levels]
    by_level.barh(names, shares, color=_ORANGE, label="thermal")
    by_level.barh(names, [1 - share for share in shares], left=shares, color=_BLUE, label="RGB")
    by_level.invert_yaxis()
    by_level.set(xlim=(0, 1), title=f"{explanation.model}: share by size of detail", xticks=(0, 0.5, 1))
    by_level.set_xticklabels([percent(share) for share in (0, 0.5, 1)])
    shown = explanation.channels[:_SHOWN]
    numbers = [f"channel {channel.number}" for channel in shown]
    towards = [channel.towards_thermal for channel in shown]
    by_channel.barh(numbers, towards, color=_ORANGE, label="towards thermal")
    by_channel.barh(numbers, [channel.towards_rgb for channel in shown], left=towards, color=_BLUE, label="towards RGB")
    by_channel.invert_yaxis()
    by_channel.set(title="effect of channels, grey levels")
    for axes in (by_level, by_channel):
        axes.legend(fontsize=_FONT - 1.5, loc="lower right")
        axes.tick_params(labelsize=_FONT - 1, length=2)


def _channels(figure: Any, explanation: Explanation, rows: int) -> None:
    scale = change_scale(explanation.channels)
    figure.suptitle(
        f"What each channel makes brighter (white, {scale:.0f} grey levels) and darker (black)", fontsize=_FONT
    )
    grid = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    for axes in grid:
        axes.set_axis_off()
    for axes, channel in zip(grid, explanation.channels[:_SHOWN], strict=False):
        _show(axes, change_view(channel, scale), "\n".join(channel_lines(channel)[:2]))


def _show(axes: Any, picture: Any, title: str) -> None:
    axes.imshow(np.asarray(picture), cmap="gray", vmin=0, vmax=255)
    axes.set_title(title, pad=3)
    axes.set_axis_off()


def _save(pyplot: Any, figure: Any, path: Path) -> None:
    try:
        # Without the time of writing: equal runs write equal files.
        date = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}[path.suffix.lower()]
        with replacing(path) as temporary, pyplot.rc_context({"svg.hashsalt": path.suffix}):
            figure.savefig(temporary, dpi=_DOTS_PER_INCH, metadata=date)
    finally:
        pyplot.close(figure)
