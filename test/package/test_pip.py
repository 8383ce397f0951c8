"""`pip install .` gives the part without ROS, with its files and the `camf` command."""

from __future__ import annotations

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = ET.parse(ROOT / "package.xml").getroot().findtext("version")
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1"}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed into it, without its dependencies and without a network."""
    pytest.importorskip("setuptools", minversion="70.1")  # the first that needs no package `wheel`
    folder = tmp_path_factory.mktemp("pip")
    source = folder / "source"  # a build leaves files in its source folder
    source.mkdir()
    for name in ("package.xml", "setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    for name in ("camf_ros", "camf_scene", "config", "models", "msg"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--target", str(folder / "target"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "target"


def test_resources_and_version(target: Path) -> None:
    code = "from camf_ros.resources import *; print(version(), share_file('config/fastdds.xml'))"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd="/",
        env={**ENVIRONMENT, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split() == [VERSION, str(target / "share/camf_ros/config/fastdds.xml")]


def test_nothing_is_left_out(target: Path) -> None:
    """Every module, and every model and configuration file, folders in folders too."""

    def below(folder: Path, pattern: str) -> list[str]:
        return sorted(str(path.relative_to(folder)) for path in folder.rglob(pattern) if path.is_file())

    for name in ("camf_ros", "camf_scene"):
        assert below(target / name, "*.py") == below(ROOT / name, "*.py")
    for name in ("config", "models", "msg"):
        assert below(target / "share/camf_ros" / name, "*") == below(ROOT / name, "*")


def test_the_camf_command(target: Path) -> None:
    assert (target / "bin" / "camf").is_file()
    (metadata,) = target.glob("camf_ros-*.dist-info")
    assert "camf = camf_ros.cli.main:main" in (metadata / "entry_points.txt").read_text(encoding="utf-8")


def test_torch_is_asked_for_only_by_name(target: Path) -> None:
    """A plain requirement would replace the build that a Jetson needs."""
    (metadata,) = target.glob("camf_ros-*.dist-info")
    lines = (metadata / "METADATA").read_text(encoding="utf-8").splitlines()
    torch = [line for line in lines if line.startswith("Requires-Dist: torch")]
    assert torch
    assert all("extra ==" in line for line in torch)
