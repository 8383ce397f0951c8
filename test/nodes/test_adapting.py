"""``model: auto`` over real topics: an engine that becomes slow is replaced by a cheaper one, and comes back."""

from __future__ import annotations

import json
import re
import time
from itertools import groupby
from pathlib import Path

import pytest
from harness import qos, scene
from sensor_msgs.msg import Image
from trouble import start_watched

from camf_ros.models import find_model
from camf_ros.nodes import topics

pytestmark = pytest.mark.ros

# Long beside what a loaded machine adds to a frame.
PERIOD = 0.5
# Read by every Python that starts with this folder on PYTHONPATH: each engine takes as long for a full picture of the
# tests as the file says for its model at the moment.
SITECUSTOMIZE = """
import json, os, pathlib, time
import camf_ros.adaptation
from camf_ros.engines.engine import FusionEngine

camf_ros.adaptation._UP = 3.0
seconds = pathlib.Path(os.environ["CAMF_TEST_SECONDS"])
fuse = FusionEngine.fuse

def slow(self, infrared, visible, **options):
    time.sleep(json.loads(seconds.read_text())[self.model_name] * infrared.size / (48 * 64))
    return fuse(self, infrared, visible, **options)

FusionEngine.fuse = slow
"""


class Speed:
    """Tells the engines of processes that are started from now on how long to take."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = folder / "seconds"
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        monkeypatch.setenv("CAMF_TEST_SECONDS", str(self._path))
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
        self.set(0.15, 0.05)

    def set(self, camf: float, lite: float) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({"camf": camf, "camf-lite": lite}))
        new.replace(self._path)


@pytest.fixture
def speed(tmp_path, monkeypatch):
    return Speed(tmp_path, monkeypatch)


def send_until(probe, condition, seconds: float = 120.0) -> None:
    """Pairs at the cameras' rate until a condition holds."""
    began = time.monotonic()
    for number in range(round(seconds / PERIOD)):
        probe.send(*scene(number))
        if probe.spin_until(condition, began + (number + 1) * PERIOD - time.monotonic()):
            return
    pytest.fail(f"it never came: {probe.diagnostics}")


def runs(probe, model: str, size: str = "full"):
    def condition() -> bool:
        said = probe.diagnostics
        return (said.get("model"), said.get("processing size")) == (model, size) and bool(
            probe.weights and probe.weights[-1].model_name == model
        )

    return condition


def log_of(process) -> str:
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert "Traceback" not in log
    return log


def test_down_when_the_engine_becomes_slow_and_up_when_it_is_fast_again(processes, probe, speed):
    process = start_watched(processes, probe, "auto")
    send_until(probe, lambda: bool(probe.weights))
    assert probe.weights[0].model_name == "camf-lite", "it fuses before anything is timed"
    send_until(probe, runs(probe, "camf"))
    assert float(probe.diagnostics["frame must fit (ms)"]) == pytest.approx(700 * PERIOD, rel=0.3)
    times = {key: value for key, value in probe.diagnostics.items() if key.startswith("frame with ")}
    assert list(times) == [
        f"frame with {name} (ms)" for name in ("camf", "camf at 48x32", "camf-lite", "camf-lite at 48x32")
    ]
    assert 120 <= float(times["frame with camf (ms)"]) < 350
    hashes = {name: find_model(name).info().hash for name in ("camf", "camf-lite")}
    assert probe.weights[-1].model_hash == hashes["camf"]

    speed.set(1.5, 0.05)
    send_until(probe, lambda: runs(probe, "camf-lite")() or runs(probe, "camf-lite", "48x32")())
    assert "expected to fit" in probe.diagnostics["model chosen"]
    assert probe.weights[-1].model_hash == hashes["camf-lite"]

    speed.set(0.15, 0.05)
    send_until(probe, runs(probe, "camf"))
    log = log_of(process)
    assert log.count("candidates for model auto, each timed beside the fusion: camf ") == 1
    models = re.findall(r"model auto: (\S+).* takes over: ", log)
    # On a busy machine by way of a smaller size.
    assert [model for model, _ in groupby(models)] == ["camf", "camf-lite", "camf"]


def test_the_detector_image_is_part_of_the_frame(processes, probe, speed):
    """A model that is fast enough for one picture is not for two, and is again when nobody asks for the second."""
    speed.set(0.28, 0.05)
    process = start_watched(processes, probe, "auto")
    send_until(probe, runs(probe, "camf"))
    images = []
    subscription = probe.node.create_subscription(Image, topics.DETECTOR_IMAGE, images.append, qos("reliable"))
    send_until(probe, lambda: runs(probe, "camf", "48x32")() or probe.diagnostics.get("model") == "camf-lite")
    assert images
    took = re.search(r"a frame took (\d+) ms", probe.diagnostics["model chosen"])
    assert took is not None
    assert int(took[1]) >= 2 * 280
    probe.node.destroy_subscription(subscription)
    send_until(probe, runs(probe, "camf"))
    log_of(process)


def test_an_explicit_size_and_an_explicit_model_stay(processes, probe, speed):
    speed.set(4.0, 0.05)  # for a full picture: a quarter of it is fused
    process = start_watched(processes, probe, "auto", registration__processing_width=32)
    send_until(probe, lambda: "frame with camf-lite (ms)" in probe.diagnostics)
    assert [key for key in probe.diagnostics if key.startswith("frame with ")] == [
        "frame with camf (ms)",
        "frame with camf-lite (ms)",
    ]
    assert probe.set_parameter("fusion", "model", "camf") == (True, "")
    send_until(probe, lambda: probe.weights[-1].model_name == "camf")
    probe.diagnostics.clear()
    began = time.monotonic()
    send_until(probe, lambda: time.monotonic() - began > 5)
    assert int(probe.diagnostics["dropped for a newer pair"]) > 3
    assert probe.weights[-1].model_name == "camf"
    assert "model chosen" not in probe.diagnostics
    assert "takes over" not in log_of(process)
