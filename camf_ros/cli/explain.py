"""camf explain: show why a fused picture looks as it does, as a figure for print, a panel and numbers."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from camf_ros.cli.options import add_output, add_settings_options, engine_of, settings_of
from camf_ros.errors import DataError, ParameterError
from camf_ros.explain.explanation import DEFAULT_LIMIT
from camf_ros.files import Guard, make_folder, write_json
from camf_ros.settings.fusion_settings import FusionSettings

if TYPE_CHECKING:
    from camf_ros.explain.explanation import Explanation, Place
    from camf_ros.fused_frame import FusedFrame

_logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("thermal", type=Path, metavar="THERMAL", help="picture: grey, 16-bit counts, or float TIFF")
    parser.add_argument("rgb", type=Path, metavar="RGB", help="picture of the other camera")
    add_output(parser, "FIGURE", "figure for print: a .png, .pdf or .svg")
    parser.add_argument("--panel", type=Path, metavar="PNG", help="the panel that the node publishes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file")
    parser.add_argument(
        "--channel",
        type=int,
        metavar="K",
        nargs="+",
        help="show these channels, counted from 0, instead of the strongest",
    )
    parser.add_argument(
        "--at",
        type=int,
        nargs=2,
        metavar=("X", "Y"),
        help="a pixel of the fused picture: say in numbers why it is as bright as it is, and ring it in the panel",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=DEFAULT_LIMIT,
        metavar="PIXELS",
        help="longer side at which channels are left out (default: %(default)s)",
    )
    add_settings_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Fuse, explain and write."""
    settings = settings_of(arguments)
    pixel = arguments.at or settings.explained_pixel
    outputs = _checked_outputs(arguments, pixel)

    from camf_ros.explain.explanation import Explainer, Place
    from camf_ros.explain.summary import amounts_line, place_line
    from camf_ros.models import find_model

    explainer = Explainer(find_model(arguments.model), limit=arguments.limit)
    if arguments.output is not None:
        from camf_ros.cli.explanation_figure import matplotlib_pyplot

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
    from camf_ros.imaging.memory_budget import MemoryBudget, check_explanation
    from camf_ros.imaging.picture_files import read_picture, rgb_of, thermal_of
    from camf_ros.pipeline import FusionPipeline

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
    from camf_ros.cli.explanation_figure import SUFFIXES

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
    from camf_ros.explain.panel import render
    from camf_ros.imaging.picture_files import write_png

    if arguments.panel is not None:
        write_png(arguments.panel, render(explanation, place=place))
    if arguments.output is not None:
        from camf_ros.cli.explanation_figure import write_figure

        write_figure(arguments.output, explanation)
    if arguments.json is not None:
        from camf_ros.explain.summary import content

        write_json(arguments.json, content(explanation, place))
