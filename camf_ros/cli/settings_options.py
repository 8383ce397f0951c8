"""Options of the commands that do what the fusion node does: its parameters, from its files and one by one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import yaml

from camf_ros.errors import ParameterError
from camf_ros.settings.fusion import FusionSettings
from camf_ros.settings.parameter_file import read_parameters
from camf_ros.settings.table import build

_NODE = "fusion"


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """Declare ``--params-file`` and ``--set``."""
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


def settings_of(arguments: argparse.Namespace, others: Mapping[str, object]) -> FusionSettings:
    """The settings that the options name.

    Args:
        arguments: With the options of :func:`add_settings_options`.
        others: Parameters that have options of their own, by name; over all the rest where not None.

    Raises:
        CamfError: If the file or a value cannot be used.
    """
    values = read_parameters(arguments.params_file, _NODE) if arguments.params_file else {}
    for assignment in arguments.assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise ParameterError(f"--set {assignment}", expected="NAME=VALUE, as in --set registration.mode=homography")
        values[name.strip()] = _value(value)
    values.update({name: value for name, value in others.items() if value is not None})
    return build(FusionSettings, values)


def _value(text: str) -> object:
    # Read as ROS reads what follows -p name:=
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
