"""The shell scripts: they parse, answer for wrong use, and a second setup has nothing to do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [*(ROOT / "scripts" / name for name in ("setup", "demo", "test")), ROOT / ".ci" / "run"]


def setup(*arguments: str, cwd: str = "/") -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "setup"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_bash_can_read_it(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], capture_output=True, check=True).stderr == b""


def test_help() -> None:
    answer = setup("--help")
    assert answer.returncode == 0
    assert answer.stdout.startswith("Usage: scripts/setup")


def test_help_of_the_demo_sets_nothing_up(tmp_path: Path) -> None:
    """A checkout that was never set up, and no more of an environment than a path."""
    for part in ("scripts", "camf_ros"):
        (tmp_path / part).symlink_to(ROOT / part)
    command = [str(tmp_path / "scripts" / "demo"), "--pairs", "x", "--help"]
    around = {"PATH": os.environ["PATH"]}
    answer = subprocess.run(command, cwd="/", env=around, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "--seconds" in answer.stdout
    assert "[setup]" not in answer.stdout
    assert not (tmp_path / ".camf").exists()


def test_an_unknown_argument_is_named() -> None:
    answer = setup("--tset")
    assert answer.returncode == 1
    assert "unknown argument '--tset'" in answer.stderr


def test_a_second_setup_does_nothing() -> None:
    if str(ROOT / ".camf" / "install") not in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        pytest.skip("this environment was not made by scripts/setup")
    answer = setup()
    assert answer.returncode == 0, answer.stderr
    (line,) = answer.stdout.splitlines()
    assert line.startswith("[setup] ready")
