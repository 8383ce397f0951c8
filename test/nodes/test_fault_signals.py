"""The node is told to end, or killed, in the middle of an inference: how it ends, and what it leaves behind."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time

import psutil
import pytest
from harness import PATIENCE, scene, start_fusion
from trouble import Trouble, segments, settled

pytestmark = [pytest.mark.ros, pytest.mark.fault]

# A signal ends the context first, in a thread of rclpy's; the node goes after it. Here with time between the two.
CONTEXT_FIRST = """
import os, signal, sys, time, rclpy
from camf_ros.nodes.fusion_node import FusionNode

rclpy.init(args=sys.argv)
node = FusionNode()
node._loaded.fusion.last = object()  # something to explain
os.kill(os.getpid(), signal.SIGTERM)
while node.context.ok():
    time.sleep(0.01)
time.sleep(0.5)
node.destroy_node()
"""

# An engine is opened and run over and over in the loader's thread; three do so, since one in native code is enough.
LOADING = """
from camf_ros.engines.choose import choose_engine
from camf_ros.nodes.fusion_node import FusionNode
from camf_ros.nodes.model_choice import EngineLoader, first_choice
from camf_ros.nodes.running import run_node
from camf_ros.settings.fusion_settings import FusionSettings

class Loading(FusionNode):
    def __init__(self):
        super().__init__()
        for loader in (EngineLoader(), EngineLoader(), EngineLoader()):
            loader.run("again", self.load, print)
        print("loading", flush=True)

    def load(self, wanted):
        while True:
            choose_engine(first_choice(self.settings))

run_node("fusion_node", Loading, FusionSettings)
"""

# Ctrl-C in what comes after the node.
AFTERWARDS = """
import os, signal
from camf_ros.nodes.running import run_node
from camf_ros.nodes.source_node import SourceNode
from camf_ros.settings.demo_settings import SourceSettings

run_node("after", SourceNode, SourceSettings, lambda node: 0, lambda: os.kill(os.getpid(), signal.SIGINT))
"""


@pytest.fixture
def troubled(processes, model, tmp_path, monkeypatch):
    """Starts a node whose home and folder for temporary files can be looked at, and whose engine does as it is told."""
    seam = tmp_path / "seam"
    seam.mkdir()
    trouble = Trouble(seam, monkeypatch)
    for name in ("TMPDIR", "HOME"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))

    def start(probe):
        # The threads beside the worker look often, so that the signal finds them at it.
        often = {"diagnostics_period": 0.1, "explanation_period": 0.05, "source_check__period": 0.2}
        return start_fusion(processes, probe, model, **often)

    return start, trouble, tmp_path


def files_below(folder):
    """All but ROS's own log."""
    return [path for path in folder.rglob("*") if path.is_file() and ".ros/log" not in str(path)]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_signal_during_work(troubled, probe, number, status):
    start, trouble, folder = troubled
    node = start(probe)
    settled(probe, node.pid)
    family = psutil.Process(node.pid).children(recursive=True)
    own = segments(node.pid)
    assert own, "it talks through shared memory"
    trouble.order(1.0)
    for seed in range(5):
        probe.send(*scene(seed))
        probe.spin_for(0.05)
    node.send_signal(number)
    log = ended(node)
    assert node.returncode == status, log
    assert "Traceback" not in log
    assert not [child for child in family if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert files_below(folder / "TMPDIR") == []
    assert files_below(folder / "HOME") == []
    if number != signal.SIGKILL:
        assert [path for path in own if path.exists()] == []
    for path in own:  # what Fast DDS cannot clear away itself
        path.unlink(missing_ok=True)

    # Another one takes its place, in spite of whatever is left.
    trouble.order("")
    again = start(probe)
    fused = len(probe.fused)
    for seed in range(200):  # a dead one counts as a listener for a while
        probe.send(*scene(seed))
        probe.spin_for(0.1)
        if len(probe.fused) > fused:
            break
    assert len(probe.fused) > fused
    assert again.poll() is None


def test_an_engine_that_never_comes_back_does_not_keep_the_node(troubled, probe):
    start, trouble, _ = troubled
    node = start(probe)
    settled(probe, node.pid)
    trouble.order(10 * PATIENCE)
    probe.send(*scene())
    probe.spin_for(0.5)
    assert probe.spin_until(lambda: int(probe.diagnostics["pairs"]) > int(probe.diagnostics["fused"]))
    own = segments(node.pid)
    node.send_signal(signal.SIGTERM)
    log = ended(node)
    assert "the inference did not come back" in log
    assert "Traceback" not in log
    assert node.returncode == 0
    assert [path for path in own if path.exists()] == []


def test_a_callback_that_never_returns_does_not_keep_the_process(troubled, processes, model, monkeypatch):
    monkeypatch.setenv("CAMF_TEST_HANG", "executor")
    node = processes.start("fusion_node", model=str(model), device="cpu", diagnostics_period=0.1)
    line = node.stdout.readline()
    assert "model small" in line
    time.sleep(1.0)  # the first report hangs
    own = segments(node.pid)
    node.send_signal(signal.SIGTERM)
    log = ended(node)
    for path in own:  # as after SIGKILL
        path.unlink(missing_ok=True)
    assert node.returncode == -signal.SIGALRM
    assert "most recent call first" in log, "it says where it was"


def test_what_a_library_does_at_exit_does_not_keep_the_process(troubled, processes, model, monkeypatch, tmp_path):
    """It may wait for threads that never end; and the log file is complete all the same."""
    monkeypatch.setenv("CAMF_TEST_HANG", "exit")
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))
    node = processes.start("fusion_node", model=str(model), device="cpu")
    line = node.stdout.readline()
    own = segments(node.pid)
    node.send_signal(signal.SIGTERM)
    log = ended(node)
    assert node.returncode == 0, log
    assert [path for path in own if path.exists()] == []
    (file,) = (tmp_path / "log").glob("*.log")
    assert line in file.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_thread_in_native_code_does_not_abort_the_process(model, tmp_path, number):
    """The engine loader loads and warms up, over and over, when the signal comes; any moment may be the wrong one."""
    script = tmp_path / "loading.py"
    script.write_text(LOADING)
    for delay in (0.0, 0.13, 0.26, 0.39, 0.52):
        command = [sys.executable, str(script), "--ros-args", "-p", f"model:={model}", "-p", "device:=cpu"]
        node = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert node.stdout.readline() == "loading\n", node.stderr.read()
        time.sleep(delay)
        node.send_signal(number)
        output, errors = node.communicate(timeout=PATIENCE)
        assert (node.returncode, output) == (0, ""), errors
        assert [line for line in errors.splitlines() if "[INFO]" not in line] == []


def test_what_goes_on_for_a_moment_after_the_signal_is_no_error(model, tmp_path):
    # By a file: with -c the current folder would come first, and a checkout has no messages.
    script = tmp_path / "context_first.py"
    script.write_text(CONTEXT_FIRST)
    arguments = ["--ros-args"]
    for name, value in (("model", model), ("explanation_period", 0.05), ("source_check.period", 0.2)):
        arguments += ["-p", f"{name}:={value}"]
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "model small" in done.stderr
    assert "Traceback" not in done.stderr


def ended(node) -> str:
    """The log of a node that was told to end; one that does not is asked where it is."""
    try:
        return node.communicate(timeout=PATIENCE)[0]
    except subprocess.TimeoutExpired:
        node.send_signal(signal.SIGUSR1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            node.communicate(timeout=2)
        node.kill()
        pytest.fail(f"it does not end:\n{node.communicate()[0]}")


def test_interrupted_after_the_node(tmp_path):
    script = tmp_path / "afterwards.py"
    script.write_text(AFTERWARDS)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
