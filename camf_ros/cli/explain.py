"""camf explain: show what each camera contributes to a fused image, as a figure, a panel and numbers."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from camf_ros.cli.options import add_output, add_settings_options, engine_of, settings_of
from camf_ros.errors import DataError, EngineError, ParameterError, to_install
from camf_ros.explain.canvas import DIVERGING
from camf_ros.explain.explanation import DEFAULT_LIMIT, Explainer, Explanation, Place
from camf_ros.explain.panel import change_scale, change_view, level_names, pictures, render
from camf_ros.explain.summary import amounts_line, channel_lines, content, percent, place_line
from camf_ros.files import Guard, make_folder, replacing, write_json
from camf_ros.fused_frame import FusedFrame
from camf_ros.imaging.memory_budget import MemoryBudget, check_explanation
from camf_ros.imaging.picture_files import read_picture, rgb_of, thermal_of, write_png
from camf_ros.models import find_model
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings

_logger = logging.getLogger(__name__)

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("thermal", type=Path, metavar="THERMAL", help="thermal image: 8-bit grey, 16-bit counts, or float TIFF")
    add("rgb", type=Path, metavar="RGB", help="RGB image")
    add_output(parser, "FIGURE", "figure to write: .png, .pdf or .svg")
    add("--panel", type=Path, metavar="PNG", help="panel to write, as published by the node")
    add("--json", type=Path, metavar="FILE", help="write the numbers to this file")
    text = "channels to show, from 0 (default: those with the largest effect)"
    add("--channel", type=int, metavar="K", nargs="+", help=text)
    text = "pixel of the fused image to explain in numbers and to mark in the panel"
    add("--at", type=int, nargs=2, metavar=("X", "Y"), help=text)
    text = "longer side of the images for the channel effects (default: %(default)s)"
    add("--limit", type=int, default=DEFAULT_LIMIT, metavar="PIXELS", help=text)
    add_settings_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Fuse, explain and write."""
    settings = settings_of(arguments)
    pixel = arguments.at or settings.explained_pixel
    outputs = _checked_outputs(arguments, pixel)

    explainer = Explainer(find_model(arguments.model), limit=arguments.limit)
    if arguments.output is not None:
        matplotlib_pyplot()  # now rather than after the work
    frame = _fused(arguments, settings)
    explanation = explainer.explain(frame, arguments.channel)
    place = Place(*pixel) if pixel else None
    if place is not None:
        print("\n".join(filter(None, (place_line(explanation, place), amounts_line(explanation, place)))))
    _write(arguments, explanation, place)
    for path in outputs:
        _logger.info("%s written", path)
    return 0


def _fused(arguments: argparse.Namespace, settings: FusionSettings) -> FusedFrame:
    """The two picture files as the node would fuse them."""
    budget = MemoryBudget.of(settings.memory_limit)
    thermal = thermal_of(read_picture(arguments.thermal, budget), str(arguments.thermal))
    rgb = rgb_of(read_picture(arguments.rgb, budget), str(arguments.rgb))
    pipeline = FusionPipeline(engine_of(arguments), settings, budget=budget, tell=_logger.info)
    pipeline.keep_amounts = True
    frame = pipeline.fuse(thermal, rgb, stamp=0.0)
    check_explanation(frame.worked_at, budget)
    return frame


def _checked_outputs(arguments: argparse.Namespace, pixel: Sequence[int] | None) -> list[Path]:
    """The files that are asked for, of which none is an input and each has a name that fits."""
    endings = (("output", SUFFIXES), ("panel", (".png",)), ("json", None))
    guard = Guard([arguments.thermal, arguments.rgb])
    outputs: list[Path] = []
    for option, suffixes in endings:
        path: Path | None = getattr(arguments, option)
        if path is None:
            continue
        if path.is_dir() or (suffixes is not None and path.suffix.lower() not in suffixes):
            ending = f" ending in {', '.join(suffixes)}" if suffixes else ""
            raise DataError(f"--{option} is {path}", expected=f"the name of a file{ending}")
        outputs.append(guard.check(path))
    if not outputs and not pixel:
        raise ParameterError("there is nothing to write", expected="--output, --panel, --json or --at")
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise DataError(f"two outputs are {outputs[0]}", expected="a file for each")
    for path in outputs:
        make_folder(path.parent)
    return outputs


def _write(arguments: argparse.Namespace, explanation: Explanation, place: Place | None) -> None:
    if arguments.panel is not None:
        write_png(arguments.panel, render(explanation, place=place))
    if arguments.output is not None:
        write_figure(arguments.output, explanation)
    if arguments.json is not None:
        write_json(arguments.json, content(explanation, place))


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
