"""Options that several commands share: the engine, the fusion node's parameters, outputs, sizes."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from camf_ros.detector_picture import Wanted
from camf_ros.engines.choose import ENGINES, choose_engine, open_engine
from camf_ros.engines.engine import Engine
from camf_ros.errors import DataError, ParameterError
from camf_ros.models import find_model
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.parameter_file import read_parameters
from camf_ros.settings.table import build
from camf_ros.settings.yaml_file import parsed

_logger = logging.getLogger(__name__)

_NODE = "fusion"
_MOST_PIXELS_A_SIDE = 16384


def add_output(parser: argparse.ArgumentParser, metavar: str, text: str, *, required: bool = False) -> None:
    """Declare ``--output`` and its short form."""
    parser.add_argument("-o", "--output", type=Path, required=required, metavar=metavar, help=text)


def add_data(parser: argparse._ActionsContainer, more: str = "", *, required: bool = True) -> None:
    """Declare ``--data``, a folder of pairs."""
    text = f"folder of pairs: images of equal names in infrared/ and visible/{more}"
    parser.add_argument("--data", type=Path, required=required, metavar="DIR", help=text)


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Declare ``--quiet``."""
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")


def add_engine_options(parser: argparse.ArgumentParser, *, precision: str = "auto", why: str = "") -> None:
    """Declare ``--engine``, ``--device``, ``--precision`` (with its default and why that is so) and ``--threads``."""
    add = parser.add_argument
    add("--engine", choices=("auto", *ENGINES), default="auto", help="runtime of the network (default: %(default)s)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    text = f"auto, float32, bfloat16 or float16 (default: %(default)s{why and ', '}{why})"
    add("--precision", default=precision, help=text)
    add("--threads", type=int, default=0, help="CPU threads (default: the engine chooses)")


def engine_of(arguments: argparse.Namespace) -> Engine:
    """The engine that the options name; one that is named and fails is a CamfError here, not a reason for another."""
    options: dict[str, Any] = {name: getattr(arguments, name) for name in ("device", "precision", "threads")}
    if arguments.engine != "auto":
        return open_engine(arguments.engine, find_model(arguments.model), **options)
    chosen = choose_engine(FusionSettings(model=arguments.model, **options))
    for warning in chosen.warnings:
        _logger.warning(warning)
    return chosen.engine


def add_settings_options(parser: argparse.ArgumentParser, *, steady: str = "") -> None:
    """Declare the node's parameters: the usual ones by options of their own, and ``--params-file`` and ``--set``.

    ``steady`` is added to the help of ``--gain``.
    """
    add, default = parser.add_argument, FusionSettings()
    text = f"name of a shipped model, or .safetensors or .onnx file (default: {default.model}, which is camf)"
    add("-m", "--model", help=text)
    text = f"constant gain of the fusion rule of camf-paper (default: automatic{steady})"
    add("--gain", type=float, metavar="G", help=text)
    text = f"camera whose geometry the fused image has (default: {default.reference})"
    add("--reference", choices=("rgb", "thermal"), help=text)
    add_engine_options(parser)
    add_parameter_options(parser)


def add_parameter_options(parser: argparse.ArgumentParser) -> None:
    """Declare ``--params-file`` and ``--set``."""
    add = parser.add_argument
    text = "parameter file of the fusion node"
    add("--params-file", type=Path, metavar="YAML", help=text)
    text = "set one parameter of the fusion node; overrides the file; can be repeated"
    add("--set", action="append", default=[], metavar="NAME=VALUE", dest="assignments", help=text)


def settings_of(arguments: argparse.Namespace) -> FusionSettings:
    """The settings that the options of :func:`add_settings_options` name; CamfError if a value cannot be used.

    Options of their own come before ``--set``, and that before the file. The engine's options that nobody gave become
    what the settings say, so that :func:`engine_of` opens what the settings name.
    """
    values = _values(arguments)
    own = {name: getattr(arguments, name) for name in ("model", "gain", "reference")}
    values.update({name: value for name, value in own.items() if value is not None})
    settings = build(FusionSettings, values)
    for name in ("model", "engine", "device", "precision", "threads"):
        if getattr(arguments, name) in (None, "auto", 0):
            setattr(arguments, name, getattr(settings, name))
    return settings


def parameters_of(arguments: argparse.Namespace) -> FusionSettings:
    """The settings that the options of :func:`add_parameter_options` name; CamfError if a value cannot be used."""
    return build(FusionSettings, _values(arguments))


def _values(arguments: argparse.Namespace) -> dict[str, object]:
    values = read_parameters(arguments.params_file, _NODE) if arguments.params_file else {}
    for assignment in arguments.assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise ParameterError(f"--set {assignment}", expected="NAME=VALUE, as in --set registration.mode=homography")
        values[name.strip()] = _value(value)
    return values


def _value(text: str) -> object:
    # Read as ROS reads what follows -p name:=
    try:
        return parsed(text.encode(), "--set") if text else text
    except (DataError, UnicodeEncodeError):
        return text


def add_picture_option(parser: argparse.ArgumentParser, *, both: bool) -> None:
    """Declare ``--for``: which picture of a pair; ``both`` pictures can be asked for where there is room for two."""
    parser.add_argument(
        "--for",
        choices=("eyes", "detector", *(["both"] if both else [])),
        default="eyes",
        dest="pictures",
        help="eyes: fused/image, hot is bright; detector: fused/detector_image, hot is dark (default: %(default)s)",
    )


def wanted_of(arguments: argparse.Namespace) -> Wanted:
    """The pictures that ``--for`` names."""
    return Wanted(arguments.pictures != "detector", arguments.pictures != "eyes")


def picture_sizes(option: str, text: str) -> list[tuple[int, int]]:
    """Width and height of each size in ``320x256,640x480``, without repetitions; ParameterError if one is no size."""
    return list(dict.fromkeys(_size(option, entry.strip()) for entry in text.split(",")))


def _size(option: str, text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(
        side.isascii() and side.isdigit() and 1 <= int(side[:9]) <= _MOST_PIXELS_A_SIDE for side in sides
    ):
        raise ParameterError(
            f"{option} has {text!r}", expected=f"WIDTHxHEIGHT in pixels, each from 1 to {_MOST_PIXELS_A_SIDE}"
        )
    return int(sides[0]), int(sides[1])
