"""Options of the commands that do what the fusion node does: its parameters, from its files and one by one."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from camf_ros.cli.engine_options import add_engine_options
from camf_ros.detector_picture import Wanted
from camf_ros.errors import ParameterError
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.parameter_file import read_parameters
from camf_ros.settings.table import build

_NODE = "fusion"


def add_settings_options(parser: argparse.ArgumentParser, *, steady: str = "") -> None:
    """Declare the node's parameters: the usual ones by options of their own, and ``--params-file`` and ``--set``.

    Args:
        parser: Of the command.
        steady: What to add to the help of ``--gain``.
    """
    default = FusionSettings()
    parser.add_argument("--model", help=f"model name, or .safetensors or .onnx file (default: {default.model})")
    parser.add_argument(
        "--gain",
        type=float,
        metavar="G",
        help=f"constant gain of camf-paper's fusion rule (default: automatic{steady})",
    )
    parser.add_argument(
        "--reference", choices=("rgb", "thermal"), help=f"whose geometry (default: {default.reference})"
    )
    add_engine_options(parser, engine="auto", precision="auto")
    parser.add_argument(
        "--params-file", type=Path, metavar="YAML", help="parameter file of the fusion node, for all that it does"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="assignments",
        help="one parameter of the fusion node, over the file's; may be repeated",
    )


def add_picture_option(parser: argparse.ArgumentParser, *, both: bool) -> None:
    """Declare ``--for``: which picture of a pair; ``both`` pictures can be asked for where there is room for two."""
    parser.add_argument(
        "--for",
        choices=("eyes", "detector", *(["both"] if both else [])),
        default="eyes",
        dest="pictures",
        help="eyes: what is hot is bright; detector: what is hot is dark, always in colour (default: %(default)s)",
    )


def wanted_of(arguments: argparse.Namespace) -> Wanted:
    """The pictures that ``--for`` names."""
    return Wanted(arguments.pictures != "detector", arguments.pictures != "eyes")


def settings_of(arguments: argparse.Namespace) -> FusionSettings:
    """The settings that the options name.

    Options of their own come before ``--set``, and that before the file. The engine's options that nobody gave become
    what the settings say, so that :func:`camf_ros.cli.engine_options.engine_of` opens what the settings name.

    Args:
        arguments: With the options of :func:`add_settings_options`.

    Raises:
        CamfError: If the file or a value cannot be used.
    """
    values = read_parameters(arguments.params_file, _NODE) if arguments.params_file else {}
    for assignment in arguments.assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise ParameterError(f"--set {assignment}", expected="NAME=VALUE, as in --set registration.mode=homography")
        values[name.strip()] = _value(value)
    own = {name: getattr(arguments, name) for name in ("model", "gain", "reference")}
    values.update({name: value for name, value in own.items() if value is not None})
    settings = build(FusionSettings, values)
    for name in ("model", "engine", "device", "precision", "threads"):
        if getattr(arguments, name) in (None, "auto", 0):
            setattr(arguments, name, getattr(settings, name))
    return settings


def _value(text: str) -> object:
    # Read as ROS reads what follows -p name:=
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):  # the latter for what looks like a date and is none
        return text
