"""A folder imports only what is below it, each runtime is imported in its place, and the scene by its node alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "camf_ros"

# Parts from the ground up; a part may import itself and those in lower rows.
FLOORS = (
    {"errors", "msg"},
    {"resources", "files"},
    {"settings"},
    {"imaging", "network", "pairing"},
    {"models", "adaptation"},
    {"engines"},
    {"source_check", "detector_picture", "fused_frame"},
    {"pipeline", "outputs"},
    {"thermal_results"},
    {"fusion"},
    {"evaluation", "timing", "calibration", "explain"},
    {"training", "snapshots"},
    {"nodes"},
    {"bag", "examples", "demo"},
    {"cli"},
)
# Where what may be imported, by the first part of its name.
HOMES = {
    "torch": ("network", "training", "engines/torch.py", "cli/train.py", "cli/adapt.py"),
    "safetensors": ("network/checkpoint.py",),
    "onnx": ("network/onnx_export.py",),
    "openvino": ("engines/openvino.py", "evaluation/onnx_detector.py", "cli/export.py"),
    "onnxruntime": ("engines/onnxruntime.py", "evaluation/onnx_detector.py"),
    "pycocotools": ("evaluation/detection_score.py",),
    "PIL": ("imaging/picture_files.py",),
    "matplotlib": ("cli/explain.py",),
    "rosbags": ("bag",),
    "tqdm": ("training", "cli"),
    "cv2": (
        "imaging",
        "training",
        "cli",
        "evaluation",
        "calibration",
        "source_check",
        "explain",
        "examples",
        "timing.py",
    ),
    "vision_msgs": ("examples/detector_node.py",),
    "camf_scene": ("nodes/source_node.py", "cli/adapt.py"),
    "launch": ("nodes/launching.py",),
    "launch_ros": ("nodes/launching.py",),
    **dict.fromkeys(
        (
            "rclpy",
            "sensor_msgs",
            "std_msgs",
            "diagnostic_msgs",
            "rcl_interfaces",
            "std_srvs",
            "geometry_msgs",
            "message_filters",
            "cv_bridge",
            "tf2_ros",
        ),
        ("nodes", "examples", "demo"),
    ),
}


@cache
def imports() -> list[tuple[str, str]]:
    """Of all modules of the package, each with what it imports."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found += [(name, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found += [(name, f"{node.module}.{alias.name}") for alias in node.names]
    assert len(found) > 300
    return found


def floor(part: str) -> int:
    return next((level for level, parts in enumerate(FLOORS) if part in parts), -1)


def test_every_part_has_a_floor():
    parts = {
        path.name.removesuffix(".py")
        for path in ROOT.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert {part for part in parts - {"__init__"} if floor(part) < 0} == set()


def test_the_page_on_architecture_has_the_same_rows():
    page = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \| (.*) \|$", page, re.MULTILINE)
    assert [set(re.findall("`(\\w+)`", row)) for row in rows] == [set(row) for row in FLOORS]


def test_imports_go_down():
    wrong = []
    for name, imported in imports():
        if not imported.startswith("camf_ros."):
            continue
        importer, target = name.split("/")[0].removesuffix(".py"), imported.split(".")[1]
        if importer not in {"__init__", target} and floor(target) >= floor(importer):
            wrong.append(f"{name} imports {imported}")
    assert wrong == []


@pytest.mark.parametrize("package", sorted(HOMES))
def test_runtimes_stay_in_their_place(package):
    places = {name for name, imported in imports() if imported.split(".")[0] == package}
    assert places, f"nothing imports {package}: take it out of this list"
    assert [name for name in sorted(places) if not name.startswith(HOMES[package])] == []


def test_the_scene_needs_nothing_of_this_package():
    folder = ROOT.parent / "camf_scene"
    names = {
        name
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    assert "numpy" in names
    assert not [name for name in names if name.startswith("camf_ros")]


@pytest.mark.ros
def test_the_fusion_node_loads_no_scene():
    """Nor the source node, before it is asked for the scene: a build may leave it out."""
    pytest.importorskip("rclpy")
    pytest.importorskip("camf_ros.msg")
    code = (
        "import sys; import camf_ros.nodes.fusion_node, camf_ros.nodes.source_node, camf_ros.cli.main;"
        "print([name for name in sys.modules if name.startswith('camf_scene')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]"]
