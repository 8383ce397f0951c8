"""What the package says of itself in package.xml, setup.py, CMakeLists.txt and on disk is one and the same."""

from __future__ import annotations

import ast
import itertools
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from by_path import load

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ET.parse(ROOT / "package.xml").getroot()

# Where the name to import is not the name in package.xml.
ROSDEP_KEYS = {
    "argcomplete": "python3-argcomplete",
    "PIL": "python3-pil",
    "cv2": "python3-opencv",
    "tf2_ros": "tf2_ros_py",
    "numpy": "python3-numpy",
    "onnxruntime": "python3-onnxruntime-pip",
    "torch": "python3-pytorch-pip",
    "tqdm": "python3-tqdm",
    "yaml": "python3-yaml",
}
# No rosdep key, or a tool's that the node does not need: each is imported where it is used, and the README says how to
# get it.
WITHOUT_KEY = {"safetensors", "onnx", "openvino", "matplotlib", "rosbags", "pycocotools"}


def test_wheels_of_every_distribution_bring_the_same_messages() -> None:
    kilted, jazzy = (
        set(re.findall(rf"^ros-{distro}-([a-z-]+(?:msgs|srvs|interfaces))$", file.read_text(), re.MULTILINE))
        for distro in ("kilted", "jazzy")
        for file in (ROOT / "scripts" / f"requirements-{distro}.txt",)
    )
    assert kilted == jazzy
    named = {name.replace("-", "_") for name in kilted}
    assert named <= dependencies(), "and each is in package.xml"
    assert "std_srvs" in named


def dependencies() -> set[str]:
    return {
        str(element.text)
        for element in MANIFEST
        if element.tag in {"depend", "exec_depend", "build_depend", "buildtool_depend"}
    }


def imports(path: Path) -> set[str]:
    """Returns the first part of every absolute import in a file, those inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def source_files() -> list[Path]:
    files = [path for folder in ("camf_ros", "camf_scene", "launch") for path in (ROOT / folder).rglob("*.py")]
    assert files
    return [*files, *executables()]


def test_setup_py_repeats_what_package_xml_says() -> None:
    pytest.importorskip("setuptools")
    said = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "--name", "--version", "--license", "--description"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    facts = [MANIFEST.findtext(tag) for tag in ("name", "version", "license", "description")]
    assert said == facts


def test_it_is_a_package_with_messages() -> None:
    assert MANIFEST.get("format") == "3"
    assert MANIFEST.findtext("member_of_group") == "rosidl_interface_packages"
    assert MANIFEST.findtext("export/build_type") == "ament_cmake"


def test_every_message_is_generated() -> None:
    listed = set(re.findall(r'"(msg/\w+\.msg)"', (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")))
    assert listed == {f"msg/{path.name}" for path in (ROOT / "msg").glob("*.msg")}


def test_every_package_that_a_message_uses_is_a_dependency() -> None:
    used: set[str] = set()
    for path in (ROOT / "msg").glob("*.msg"):
        used |= set(re.findall(r"^(\w+)/\w+", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert used
    assert used <= dependencies()


def test_every_import_is_a_dependency() -> None:
    known = dependencies() | WITHOUT_KEY | {"camf_ros", "camf_scene"} | set(sys.stdlib_module_names)
    unknown = {
        (name, str(path.relative_to(ROOT)))
        for path in source_files()
        for name in imports(path)
        if ROSDEP_KEYS.get(name, name) not in known
    }
    assert not unknown, "neither in package.xml nor known to have no rosdep key"


def test_every_dependency_is_known_to_rosdep() -> None:
    known = yaml.safe_load((ROOT / "test" / "package" / "rosdep_names.yaml").read_text(encoding="utf-8"))
    lists = [known[name] for name in ("packages", "system", "pip")]
    used = {str(element.text) for element in MANIFEST if element.tag.endswith("depend")}
    assert used == {name for names in lists for name in names}
    assert all(names == sorted(names) for names in lists)


def test_robots_without_a_screen_need_no_rviz() -> None:
    assert "rviz2" not in dependencies()


def test_every_python_folder_is_a_package() -> None:
    """Setuptools would leave out a folder without __init__.py, and colcon would install it: two different packages."""
    folders = {path.parent for name in ("camf_ros", "camf_scene") for path in (ROOT / name).rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def executables() -> list[Path]:
    found = [path for path in (ROOT / "bin").iterdir() if path.is_file()]
    assert found
    return found


@pytest.mark.parametrize("path", [*executables(), *(ROOT / "scripts" / name for name in ("setup", "test"))], ids=str)
def test_executables_can_be_run(path: Path) -> None:
    assert os.access(path, os.X_OK)
    assert path.stat().st_mode & 0o777 == 0o755
    assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env ")


@pytest.mark.parametrize("path", executables(), ids=lambda path: path.name)
def test_executables_start_a_module_that_is_there(path: Path) -> None:
    modules = re.findall(r"^from (camf_ros[\w.]*) import main$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(modules) == 1
    assert (ROOT / (modules[0].replace(".", "/") + ".py")).is_file()


def test_the_licence_is_the_one_named() -> None:
    assert MANIFEST.findtext("license") == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text


def test_the_changelog_has_this_version_or_a_coming_one() -> None:
    """The format that catkin_generate_changelog and bloom read."""
    lines = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8").splitlines()
    assert "Changelog for package camf_ros" in lines
    version = str(MANIFEST.findtext("version"))
    headings = [line for line, below in itertools.pairwise(lines) if re.fullmatch(r"-{3,}", below)]
    assert headings
    assert headings[0] == "Forthcoming" or headings[0].startswith(f"{version} (")


def test_wheel_cmake_files_are_pointed_at_this_python(tmp_path: Path) -> None:
    module = load("scripts/relocate_wheels.py")
    here = tmp_path / "include" / "python3.11"
    here.mkdir(parents=True)
    text = (
        'INTERFACE_INCLUDE_DIRECTORIES "/gone/include/python3.11;/gone/site-packages/numpy/_core/include"\n'
        f'INTERFACE_INCLUDE_DIRECTORIES "{here};${{_IMPORT_PREFIX}}/include/std_msgs"\n'
    )
    new = module.relocated(text)
    folders = re.findall(r"[\"; ](/[^\";]+)", new)
    assert len(folders) == 3
    assert all(Path(folder).is_dir() for folder in folders)
    assert f'"{here};${{_IMPORT_PREFIX}}/include/std_msgs"' in new
    assert module.relocated(new) == new
