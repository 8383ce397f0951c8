"""Writes config/*.yaml and docs/parameters.md from the definition of the settings.

source .camf/env.sh && python3 scripts/write_parameters.py
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from camf_ros.settings.detector import DetectorSettings
from camf_ros.settings.fusion import FusionSettings
from camf_ros.settings.monitor import MonitorSettings
from camf_ros.settings.source import SourceSettings
from camf_ros.settings.spec import Spec
from camf_ros.settings.table import specs

#: Nodes of this package and their settings.
NODES: Mapping[str, type[Any]] = {
    "fusion": FusionSettings,
    "source": SourceSettings,
    "demo_monitor": MonitorSettings,
    "detector": DetectorSettings,
}

_WIDTH = 110


def parameter_file(node: str) -> str:
    """A ROS parameter file with every parameter of a node at its default, described."""
    lines = [
        f"# Parameters of the {node} node, at their defaults. Written from the settings in camf_ros/settings.",
        "/**:",
        "  ros__parameters:",
    ]
    previous: list[str] = []
    for name, spec in specs(NODES[node]).items():
        *parts, leaf = name.split(".")
        if parts != previous:
            lines += [f"{'  ' * (2 + depth)}{part}:" for depth, part in enumerate(parts)]
            previous = parts
        indent = "  " * (2 + len(parts))
        remark = f"{spec.description} [{spec.accepted}{'; at run time too' if spec.dynamic else ''}]"
        lines += [f"{indent}# {line}" for line in textwrap.wrap(remark, _WIDTH - len(indent) - 2)]
        lines.append(f"{indent}{leaf}: {_yaml(spec)}")
    return "\n".join(lines) + "\n"


def parameter_page() -> str:
    """The parameter tables of the documentation, Markdown."""
    lines = [
        "# Parameters",
        "",
        "Written from the definition of the settings; `python3 scripts/write_parameters.py` writes it anew.",
        "",
        "What cannot be changed at run time can be in the fusion node while it is [inactive](lifecycle.md), and in the "
        "others at the start.",
    ]
    for node, kind in NODES.items():
        lines += ["", f"## {node} node", "", "| parameter | default | accepts | at run time | what it does |"]
        lines.append("|---|---|---|---|---|")
        for name, spec in specs(kind).items():
            accepted = spec.accepted.replace("|", "\\|")
            dynamic = "yes" if spec.dynamic else "no"
            lines.append(f"| `{name}` | `{_yaml(spec)}` | {accepted} | {dynamic} | {spec.description} |")
    return "\n".join(lines) + "\n"


def _yaml(spec: Spec) -> str:
    text: str = yaml.safe_dump(spec.default, default_flow_style=True)
    return text.splitlines()[0]


def main() -> None:
    """Write the parameter files and the page into the checkout that this script lies in."""
    root = Path(__file__).resolve().parents[1]
    for node in NODES:
        (root / "config" / f"{node}.yaml").write_text(parameter_file(node), encoding="utf-8")
    (root / "docs" / "parameters.md").write_text(parameter_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
