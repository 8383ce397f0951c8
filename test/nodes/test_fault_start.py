"""Programs are told to stop while they start, at any moment.

Nodes say nothing and end with status 0. The demo ends as after Ctrl-C later on.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from harness import PATIENCE, executable
from trouble import SHARED_MEMORY

pytestmark = [pytest.mark.ros, pytest.mark.fault]

# Seconds after the executable's first line; a node needs about 2 until it fuses.
MOMENTS = [0.12 * number for number in range(20)]


def started(name: str, *arguments: str) -> subprocess.Popen[str]:
    """A process that has come to the first line of the executable: before it Python does not handle SIGTERM."""
    process = subprocess.Popen(
        [executable(name), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + PATIENCE
    while not handles(process.pid, signal.SIGTERM):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.002)
    return process


def handles(pid: int, number: signal.Signals) -> bool:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def left_behind() -> set[str]:
    """Shared memory of Fast DDS whose owner is gone: a living one, of another test perhaps, holds a lock."""
    return {path.name for path in SHARED_MEMORY.glob("fastdds_*_el") if "port" not in path.name and unlocked(path)}


def unlocked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, BlockingIOError):  # removed meanwhile, or held
        return False
    return True


def end(process: subprocess.Popen[str], number: signal.Signals, *, everybody: bool) -> list[str]:
    """What it says that is no news of its start."""
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if everybody else os.kill)(process.pid, number)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    return [line for line in output.splitlines() if "[INFO]" not in line]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_fusion_node_at_many_moments(model, number):
    """SIGINT as a terminal sends it, to the whole group."""
    before = left_behind()
    for moment in MOMENTS:
        process = started("fusion_node", "--ros-args", "-p", f"model:={model}", "-p", "threads:=1")
        time.sleep(moment)
        assert end(process, number, everybody=number == signal.SIGINT) == [], f"after {moment:.2f} s"
    assert left_behind() <= before


@pytest.mark.parametrize("name", ["source_node", "demo_monitor", "detector_example"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_other_nodes(tmp_path, name, number):
    parameters = ["-p", f"output:={tmp_path}"] if name == "demo_monitor" else []
    for moment in (0.0, 0.1, 0.2, 0.4, 0.8):
        process = started(name, "--ros-args", *parameters)
        time.sleep(moment)
        lines = end(process, number, everybody=False)
        assert lines == [], f"after {moment:.2f} s"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_demo(tmp_path, model, number):
    for moment in (0.0, 0.1, 0.2, 0.4, 0.8):
        process = started("demo", "--output", str(tmp_path), "--model", str(model))
        time.sleep(moment)
        process.send_signal(number)
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130, output
        assert "Traceback" not in output, f"after {moment:.2f} s"


def test_an_impatient_launcher(model):
    """A second and a third signal cut nothing short."""
    for moment in (0.5, 1.0, 1.5, 2.0, 2.5):
        process = started("fusion_node", "--ros-args", "-p", f"model:={model}", "-p", "threads:=1")
        time.sleep(moment)
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            time.sleep(0.05)
        assert end(process, signal.SIGTERM, everybody=False) == [], f"after {moment:.2f} s"


def test_what_is_wrong_is_still_said(tmp_path):
    command = [executable("fusion_node"), "--ros-args", "-p", f"model:={tmp_path / 'none.onnx'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 1
    assert "cannot start: " in done.stderr
