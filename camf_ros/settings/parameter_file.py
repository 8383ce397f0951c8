"""ROS parameter files, read outside ROS: the values that the fusion node would get from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camf_ros.errors import DataError
from camf_ros.resources import share_file
from camf_ros.settings.yaml_file import read_yaml

# What ROS itself puts beside a node's own parameters.
_ROS = ("use_sim_time", "start_type_description_service", "qos_overrides.")
_KEY = "ros__parameters"
_PRESETS = "config/cameras"


def preset_file(preset: str) -> Path:
    """The file of a preset in ``config/cameras``, or a path that ends in .yaml; DataError if it is unknown."""
    if preset.endswith(".yaml"):
        return Path(preset)
    presets = {path.stem: path for path in share_file(_PRESETS).glob("*.yaml")}
    if preset not in presets:
        raise DataError(
            f"camera preset '{preset}' is unknown",
            expected=f"one of {', '.join(sorted(presets))}, or a path that ends in .yaml",
        )
    return presets[preset]


def read_parameters(path: Path, node: str) -> dict[str, object]:
    """Values by full name, of all sections for a node in whichever namespace: ``/**`` first, its own over them.

    Raises:
        DataError: If the file cannot be read, is no parameter file, has no section for the node, or has sections for
            several nodes of that name.
    """
    tree = read_yaml(path, "parameter file")
    sections = tree if isinstance(tree, dict) else {}
    suitable = sorted(
        (name for name in sections if isinstance(name, str) and name.rpartition("/")[2] in ("*", "**", node)),
        key=lambda name: name.rpartition("/")[2] == node,
    )
    own = {name.lstrip("/") for name in suitable if name.rpartition("/")[2] == node and "*" not in name}
    if len(own) > 1:
        raise DataError(
            f"parameter file {path} is for several nodes: {', '.join(f'/{name}' for name in sorted(own))}",
            expected=f"one {node}",
            remedy="make a file of the sections of one of them",
        )
    found = [sections[name][_KEY] for name in suitable if isinstance(sections[name], dict) and _KEY in sections[name]]
    if not found or not all(isinstance(section, dict) for section in found):
        raise DataError(
            f"parameter file {path} has no parameters for {node}",
            expected=f"a section /** or {node} with {_KEY}, as in config/fusion.yaml",
        )
    result: dict[str, object] = {}
    for section in found:
        result.update(_flat(section, ""))
    return {name: value for name, value in result.items() if not name.startswith(_ROS)}


def _flat(tree: Mapping[Any, Any], prefix: str) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in tree.items():
        values.update(_flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value})
    return values
