"""The package's files are found wherever it was installed to."""

from __future__ import annotations

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from camf_ros.errors import CamfError
from camf_ros.resources import ResourceError, share_file, version

ROOT = Path(__file__).resolve().parents[2]
VERSION = ET.parse(ROOT / "package.xml").getroot().findtext("version")
MODULES = ("__init__.py", "errors.py", "resources.py")


def install(prefix: Path, python: str = "lib/python3/site-packages", share: bool = True) -> Path:
    """Lays the few files out as an installation would. Returns the folder for PYTHONPATH."""
    package = prefix / python / "camf_ros"
    package.mkdir(parents=True)
    for name in MODULES:
        shutil.copy(ROOT / "camf_ros" / name, package)
    if share:
        folder = prefix / "share" / "camf_ros"
        (folder / "models").mkdir(parents=True)
        (folder / "models" / "one.txt").write_text("a model")
        (folder / "package.xml").write_text("<package><version> 9.8.7 </version></package>")
    return package.parent


def ask(python_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"from camf_ros.resources import *; {code}"],
        cwd="/",
        env={"PYTHONPATH": str(python_path), "PATH": "/usr/bin:/bin", "_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_here() -> None:
    assert share_file("package.xml").is_file()
    assert share_file("config/fastdds.xml").read_bytes() == (ROOT / "config" / "fastdds.xml").read_bytes()
    assert version() == VERSION


def test_checkout() -> None:
    answer = ask(ROOT, "print(share_file('models'), version())")
    assert answer.stdout.split() == [str(ROOT / "models"), VERSION]


@pytest.mark.parametrize(
    "python", ["lib/python3/site-packages", "local/lib/python3.12/dist-packages", "."], ids=["lib", "local", "target"]
)
def test_installed_below_a_prefix(tmp_path: Path, python: str) -> None:
    answer = ask(install(tmp_path, python), "print(share_file('models/one.txt').read_text(), version())")
    assert answer.stdout.split() == ["a", "model", "9.8.7"]


def test_linked_into_a_prefix(tmp_path: Path) -> None:
    """As after colcon build --symlink-install: the files of the prefix count, not those beside the link's target."""
    python_path = install(tmp_path)
    for name in MODULES:
        (python_path / "camf_ros" / name).unlink()
        (python_path / "camf_ros" / name).symlink_to(ROOT / "camf_ros" / name)
    assert ask(python_path, "print(version())").stdout.split() == ["9.8.7"]


def test_copied_without_its_files(tmp_path: Path) -> None:
    answer = ask(install(tmp_path, share=False), "version()")
    assert answer.returncode == 1
    assert "ResourceError: no share folder of camf_ros found" in answer.stderr


def test_a_missing_file_is_named_with_what_there_is() -> None:
    with pytest.raises(ResourceError, match=r"config/none\.yaml does not exist.*in config there is: .*fastdds\.xml"):
        share_file("config/none.yaml")


@pytest.mark.parametrize("name", ["/etc/passwd", "../setup.py", "config/../../x"])
def test_paths_that_lead_out_of_the_package_are_refused(name: str) -> None:
    with pytest.raises(CamfError, match="is no file of the package"):
        share_file(name)


def test_the_error_is_a_file_not_found_error_too() -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        share_file("models/none")


def test_a_damaged_manifest_is_an_error(tmp_path: Path) -> None:
    python_path = install(tmp_path)
    manifest = tmp_path / "share" / "camf_ros" / "package.xml"
    manifest.write_text("<package><version>")
    assert "is not XML" in ask(python_path, "version()").stderr
    manifest.write_text("<package/>")
    assert "names no version" in ask(python_path, "version()").stderr
