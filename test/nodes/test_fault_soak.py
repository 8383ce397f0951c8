"""A soak of less than a minute: every fault once, each overcome. What is flat, only a long one can say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ros, pytest.mark.fault]

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from soak_run.windows import verdict  # noqa: E402 (the folder is on no path of its own)

PATIENCE = 400
BOUNDS = {"slope_bound": 10.0, "latency_bound": 2.0, "more_bound": 3}


def rows(**changes):
    """Half an hour of windows; changes are functions of the minute."""
    made = []
    for number in range(1, 181):
        row = {"end_s": 10.0 * number, "private_mib": 200.0, "threads": 20, "open_files": 20, "latency_p50_ms": 50.0}
        made.append({**row, **{key: change(number / 6) for key, change in changes.items()}})
    return made


def test_verdict():
    assert verdict(rows(), **BOUNDS)["problems"] == []
    early = rows(private_mib=lambda minute: 100 + 20 * min(minute, 6), threads=lambda minute: 10 + min(minute, 7))
    assert verdict(early, **BOUNDS)["problems"] == [], "what grows at the beginning is warm-up"
    passing = rows(private_mib=lambda minute: 200 + 30 * (minute > 28 and minute % 1 < 0.7))
    assert verdict(passing, **BOUNDS)["problems"] == [], "what is held for some seconds in a minute is no leak"
    leak = verdict(rows(private_mib=lambda minute: 200 + 0.5 * minute), **BOUNDS)
    assert leak["private_slope_mib_per_hour"] == pytest.approx(30)
    assert leak["problems"] == ["memory grows by 30.0 MiB an hour"]
    assert "threads" in verdict(rows(threads=int), **BOUNDS)["problems"][0]
    assert "open_files" in verdict(rows(open_files=int), **BOUNDS)["problems"][0]
    assert "latency" in verdict(rows(latency_p50_ms=lambda minute: 10 * minute), **BOUNDS)["problems"][0]
    assert "nothing was fused" in verdict(rows(latency_p50_ms=lambda minute: None), **BOUNDS)["problems"][0]


@pytest.mark.slow
def test_short_soak(model, tmp_path):
    pytest.importorskip("matplotlib")
    figures, picture = tmp_path / "soak.json", tmp_path / "soak.png"
    command = [sys.executable, str(BENCHMARKS / "soak.py"), "--model", str(model), "--minutes", "0.6", "--every", "0.3"]
    command += ["--rate", "10", "--width", "64", "--height", "48", "--output", str(figures), "--plot", str(picture)]
    with subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.PIPE, text=True) as process:
        try:
            _, log = process.communicate(timeout=PATIENCE)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0, log
    assert picture.read_bytes().startswith(b"\x89PNG")
    report = json.loads(figures.read_text())
    assert report["problems"] == []
    assert len({fault["name"] for fault in report["faults"]}) >= 10
    assert all(fault["overcome"] for fault in report["faults"])
    assert len(report["windows"]) >= 3
    assert report["windows"][-1]["fused"] > 0
    assert sum(row["received"] for row in report["windows"]) > 0
    assert report["rejected"].get("rejected: internal", "0") == "0", "an error of ours"
    assert "Traceback" not in log
