"""The demo as a user starts it, less the set-up: three processes, pictures, a summary."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time

import cv2
import numpy as np
import pytest
from harness import executable

from camf_ros.engines.choose import ENGINES

pytestmark = pytest.mark.ros


@pytest.fixture
def pairs(tmp_path):
    """Three small pairs, the second one grey."""
    rng = np.random.default_rng(3)
    for source, channels in (("infrared", 1), ("visible", 3)):
        (tmp_path / source).mkdir()
        for index in range(3):
            shape = (48, 64) if channels == 1 or index == 1 else (48, 64, 3)
            cv2.imwrite(str(tmp_path / source / f"{index}.png"), rng.integers(0, 256, shape, np.uint8))
    return tmp_path


@pytest.fixture
def demo():
    """Starts the demo; one that a failed test leaves is ended."""
    started = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [executable("demo"), *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


def children() -> set[str]:
    """Nodes of this package that run below this session, by their command lines."""
    listing = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return {line for line in listing.splitlines() if "lib/camf_ros/" in line}


@pytest.mark.parametrize("view", [(), ("--view",)], ids=["plain", "view"])
def test_pairs_of_a_folder_come_back_fused(demo, pairs, model, tmp_path, view):
    output = tmp_path / "out"
    output.mkdir()
    (output / "index.html").write_text("of an earlier run")
    process = demo("--pairs", pairs, "--seconds", 3, "--rate", 10, "--model", model, "--output", output, *view)
    log, _ = process.communicate(timeout=180)
    assert process.returncode == 0, log
    summary = json.loads((output / "summary.json").read_text())
    assert summary["fused_received"] > 0
    assert summary["fused_camera_info_received"] > 0
    assert (
        summary["pairs_fused"] + summary["pairs_dropped"] + summary["pairs_rejected"] <= summary["pairs_received"] + 1
    )
    assert summary["pairs_rejected"] == 0
    assert summary["fused_rate_hz"] > 0
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p95"]
    assert 0 <= summary["skew_ms"]["mean"] < 20
    assert (summary["model"], len(summary["model_hash"]), summary["channels"]) == ("small", 64, 16)
    assert summary["engine"].split()[0] in ENGINES
    strip = cv2.imread(str(output / "strip.png"))
    assert strip.shape[1] == 3 * 640 + 2 * 6
    assert "fused" in log
    assert "Hz" in log
    page = output / "index.html"
    assert page.exists() == bool(view)
    if view:
        assert page.as_uri() in log
        check_page(page.read_text(encoding="utf-8"), summary)


def check_page(page: str, summary: dict[str, object]) -> None:
    """Pictures of one moment, a rate for each second, a weight for each channel, and the summary."""
    for caption in ("Thermal", "RGB", "Fused image", "Detector image"):
        assert f"<figcaption>{caption}</figcaption>" in page
    lines = [len(points.split()) for points in re.findall(r'points="([^"]*)"', page)]
    assert lines[:3] == [lines[0]] * 3, "thermal, RGB and fused for the same seconds"
    assert 2 <= lines[0] <= summary["seconds"] + 1
    assert lines[3:] == [summary["channels"]] * 2
    assert f"<td>{summary['model_hash']}</td>" in page


def test_without_a_model_the_demo_fails_and_says_why(demo, pairs, tmp_path):
    process = demo("--pairs", pairs, "--model", "no-such-model", "--output", tmp_path / "out")
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "no-such-model" in log
    assert not (tmp_path / "out" / "summary.json").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, "twice", signal.SIGKILL])
def test_interrupted_it_leaves_no_process_behind(demo, pairs, model, tmp_path, how):
    marker = str(tmp_path / "out")
    process = demo("--pairs", pairs, "--seconds", 600, "--model", model, "--output", marker)
    for line in process.stdout:  # until all three processes are at work
        if "Hz |" in line:
            break
    assert [line for line in children() if marker in line]
    for number in (signal.SIGINT, signal.SIGINT) if how == "twice" else (how,):
        process.send_signal(number)
    log, _ = process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 130), log
    end = time.monotonic() + (20 if how == signal.SIGKILL else 0)
    while (left := [line for line in children() if marker in line or str(model) in line]) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == []


def test_wrong_usage_is_named(demo, tmp_path):
    process = demo("--pairs", tmp_path / "nothing")
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "nothing" in log
