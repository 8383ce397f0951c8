"""What colcon has built and installed: this environment's own build, and one without links in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.ros

pytest.importorskip("rclpy")
pytest.importorskip("camf_ros.msg")
ament = pytest.importorskip("ament_index_python")

ROOT = Path(__file__).resolve().parents[2]
SHARED = ("launch", "config", "models")
IGNORED = shutil.ignore_patterns(
    "__pycache__", ".git", ".camf", "build", "install", "log", "runs", "demo_output", ".*_cache"
)
CHECK = """
import camf_ros, camf_ros.errors, camf_ros.msg, camf_scene, rclpy.serialization as serialization
from camf_ros.msg import ChannelWeights
from camf_ros.resources import share_folder, version
sent = ChannelWeights(model_name="m", infrared_weight=[0.5, 2.0])
got = serialization.deserialize_message(serialization.serialize_message(sent), ChannelWeights)
assert got == sent and got.SOURCE_THERMAL == 1
assert camf_ros.__doc__, "the generated __init__.py has replaced the package's own"
print(camf_ros.__file__, share_folder(), version())
"""


def files_below(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(folder))


def assert_complete(prefix: Path) -> None:
    """Every file that belongs into an installation is there, and equal to the one here."""
    for name in SHARED:
        installed = prefix / "share" / "camf_ros" / name
        assert list(files_below(installed)) == list(files_below(ROOT / name))
        for file in files_below(ROOT / name):
            assert (installed / file).read_bytes() == (ROOT / name / file).read_bytes()
    assert (prefix / "share" / "camf_ros" / "package.xml").is_file()
    (scene,) = prefix.glob("**/*-packages/camf_scene")
    assert [name for name in files_below(scene) if name.endswith(".py")] == list(files_below(ROOT / "camf_scene"))
    executables = {path.name for path in (ROOT / "bin").iterdir() if path.is_file()}
    assert {path.name for path in (prefix / "lib" / "camf_ros").iterdir()} == executables
    assert all(os.access(prefix / "lib" / "camf_ros" / name, os.X_OK) for name in executables)
    assert os.access(prefix / "bin" / "camf", os.X_OK)


def run_check(environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", CHECK], cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_messages_and_modules_come_from_one_install() -> None:
    module, share, _ = run_check(dict(os.environ))
    prefix = Path(ament.get_package_prefix("camf_ros"))
    assert prefix in Path(module).parents
    assert Path(share) == Path(ament.get_package_share_directory("camf_ros"))


def test_this_install_is_complete() -> None:
    assert_complete(Path(ament.get_package_prefix("camf_ros")))


@pytest.mark.skipif(not shutil.which("bash") or not shutil.which("register-python-argcomplete"), reason="no completion")
def test_a_sourced_workspace_has_camf_and_completes_it() -> None:
    """bash asks the command itself; argcomplete answers on file descriptor 8, after a file separator."""
    setup = Path(ament.get_package_prefix("camf_ros")) / "local_setup.bash"
    asked = "_ARGCOMPLETE=1 _ARGCOMPLETE_IFS=, COMP_TYPE=9"
    script = f"""
        . '{setup}' && complete -p camf && type -P camf
        export {asked} COMP_LINE='camf ex' COMP_POINT=7; camf 8>&1 9>/dev/null </dev/null
        echo
        export {asked} COMP_LINE='camf fuse --ref' COMP_POINT=15; camf 8>&1 9>/dev/null </dev/null
    """
    done = subprocess.run(["bash", "--norc", "-c", script], cwd="/", capture_output=True, text=True, check=True)
    registered, path, *answers = done.stdout.split("\n")
    assert registered.endswith("_python_argcomplete camf")
    assert Path(path) == setup.parent / "bin" / "camf"
    assert [answer.strip(" ,") for answer in answers] == ["explain,export", "--reference"]


def without(environment: dict[str, str], prefix: str) -> dict[str, str]:
    """Returns the environment with everything below a prefix taken out of its search paths."""
    cleaned = dict(environment)
    for name in ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH"):
        parts = [part for part in cleaned.get(name, "").split(os.pathsep) if part and not part.startswith(prefix)]
        cleaned[name] = os.pathsep.join(parts)
    return cleaned


@pytest.mark.slow
def test_colcon_build_without_links(tmp_path: Path) -> None:
    """As on a robot: a workspace with this package in src/, `colcon build`, and the source gone afterwards."""
    pytest.importorskip("colcon_core")
    workspace = tmp_path / "workspace"
    shutil.copytree(ROOT, workspace / "src" / "camf_ros", ignore=IGNORED)
    environment = without(dict(os.environ), ament.get_package_prefix("camf_ros"))
    command = [sys.executable, "-m", "colcon", "build", "--merge-install"]
    command += ["--cmake-args", f"-DPython3_EXECUTABLE={sys.executable}"]
    done = subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    tests = subprocess.run(
        ["ctest", "-N"],
        cwd=workspace / "build" / "camf_ros",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pytest" in tests.stdout

    bare = tmp_path / "bare"
    for arguments in (["-DCAMF_SCENE=OFF", "."], ["--install", ".", "--prefix", str(bare)]):
        subprocess.run(
            ["cmake", *arguments],
            cwd=workspace / "build" / "camf_ros",
            env=environment,
            capture_output=True,
            check=True,
        )
    assert list(bare.glob("**/*-packages/camf_ros"))
    assert not list(bare.glob("**/camf_scene"))

    shutil.rmtree(workspace / "src")
    shutil.rmtree(workspace / "build")
    install = workspace / "install"
    assert_complete(install)
    assert not [path for path in install.rglob("*") if path.is_symlink()]
    shell = f'. "{install}/local_setup.sh" && exec "$0" "$@"'
    checked = subprocess.run(
        ["sh", "-c", shell, sys.executable, "-c", CHECK],
        cwd="/",
        env={**environment, "COLCON_CURRENT_PREFIX": str(install)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    module, share, _ = checked.stdout.split()
    assert install in Path(module).parents
    assert Path(share) == install / "share" / "camf_ros"
