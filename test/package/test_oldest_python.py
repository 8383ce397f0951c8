"""What Python 3.10, the one of ROS 2 Humble, refuses only when it runs: no linter tells."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_named_tuples_have_no_second_base() -> None:
    classes = [
        (path.name, node.name, [ast.unparse(base) for base in node.bases])
        for name in ("camf_ros", "camf_scene")
        for path in sorted((ROOT / name).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    named = [each for each in classes if "NamedTuple" in each[2]]
    assert named
    assert [each for each in named if len(each[2]) > 1] == []
