"""The benchmark of the whole node: how it searches, that its counts agree, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

psutil = pytest.importorskip("psutil", reason="the benchmark needs psutil")

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from node_benchmark.measurement import TOLERATED, Run  # noqa: E402 (the folder is on no path of its own)
from node_benchmark.search import given_rates, overload, search, slope  # noqa: E402

PATIENCE = 240
MARK = "CAMF_BENCHMARK_TEST"


def pretend(capacity: float, driver: float = float("inf")):
    """A node that fuses `capacity` pairs a second, and a driver that sends no more than `driver`."""

    def measure(rate: float) -> Run:
        sent = min(rate, driver)
        dropped = max(0.0, 1 - capacity / sent)
        return Run({"rate": rate, "sent_rate": sent, "dropped_share": dropped}, np.empty(0))

    return measure


@pytest.mark.parametrize("start", [1.0, 5.0, 60.0])
@pytest.mark.parametrize("capacity", [7.3, 24.0, 31.5, 200.0])
def test_search_finds_what_a_node_can_take(capacity: float, start: float) -> None:
    found = search(pretend(capacity), start=start, most=1000)
    limit = capacity / (1 - TOLERATED)
    if start <= 10 * capacity:
        assert found.highest is not None
        assert limit / 1.06 < found.highest <= limit
        assert found.limit == "node"
    assert len(found.runs) < 25


def test_search_ends_where_nothing_is_taken() -> None:
    found = search(pretend(0.001), start=8.0, most=1000)
    assert found.highest is None
    assert found.limit == "node"
    assert min(run.rate for run in found.runs) >= 0.8


def test_what_limits_a_search() -> None:
    found = search(pretend(1000, driver=50), start=5, most=1000)
    assert found.highest == pytest.approx(50, rel=0.08)
    assert found.limit == "driver"
    found = search(pretend(1000), start=5, most=40)
    assert (found.highest, found.limit) == (40, "rates")
    found = given_rates(pretend(12), [20, 5, 10])
    assert [run.rate for run in found.runs] == [5, 10, 20]
    assert (found.highest, found.limit) == (10, "node")


def test_growth_of_latency() -> None:
    steady = overload(Run({}, np.full(30, 0.02)))
    assert (steady["first_third_latency_ms"], steady["growth"]) == (pytest.approx(20), 1)
    assert overload(Run({}, np.linspace(0.1, 0.9, 90)))["growth"] > 3
    assert overload(Run({}, np.empty(0)))["growth"] is None


def test_slope_of_memory() -> None:
    rising = [(0, 1.0), *((pairs, 200 + pairs * 3e-4) for pairs in range(1000, 10_001, 500))]
    assert slope(rising) == pytest.approx(3.0)
    assert slope(rising[:1]) is None
    step = [(pairs, 200.0 + 30 * (pairs > 9000)) for pairs in range(0, 10_001, 500)]
    assert slope(step) == 0


@pytest.fixture
def benchmark(model):
    """Starts the benchmark with a small model and small pictures; afterwards nothing of it may be left."""
    mark = uuid.uuid4().hex
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(BENCHMARKS / "node.py"), "--model", str(model), "-p", "threads:=1"]
        command += ["--width", "64", "--height", "48", "--seconds", "1", *map(str, arguments)]
        environment = {**os.environ, MARK: mark}
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
    left = [process.cmdline() for process in psutil.process_iter() if has(process, mark)]
    assert left == []


def has(process: Any, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def check_run(run: dict[str, Any]) -> None:
    assert run["pairs_sent"] > 0
    assert run["fused_received"] + run["dropped"] == run["pairs_sent"]
    assert run["dropped"] >= run["fused_lost"] >= 0
    assert run["dropped_share"] == run["dropped"] / run["pairs_sent"]
    assert 0 < run["sent_rate"] <= run["rate"] * 1.01
    assert run["node_rss_mib"] > 1
    assert run["fused_received"] > 0
    latency = run["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]
    for part in ("inference_ms", "own_share_ms", "transport_ms"):
        assert 0 < run[part]["p50"] <= run[part]["p95"]
        assert run[part]["p50"] < latency["p99"]
    assert run["node_cpu_percent"] > 0
    assert run["node_cpu_ms_per_pair"] > 0


@pytest.mark.ros
def test_report(benchmark, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    figures, picture = tmp_path / "node.json", tmp_path / "node.png"
    process = benchmark("--rates", 10, 5, "--flat", 30, "--flat-rate", 10, "--json", figures, "--plot", picture)
    table, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, log
    assert "highest rate" in table or "no rate" in table
    assert picture.read_bytes().startswith(b"\x89PNG")

    report = json.loads(figures.read_text())
    assert (report["width"], report["height"], report["seconds"]) == (64, 48, 1)
    assert report["node"]["model"] == "small"
    assert report["node"]["engine"]
    assert report["machine"]["cores"] >= 1
    assert [run["pairs_sent"] for run in report["rates"]] == [5, 10]
    for run in report["rates"]:
        check_run(run)
    assert report["own_share_ms"] == report["rates"][0]["own_share_ms"]
    passed = [run["sent_rate"] for run in report["rates"] if run["dropped_share"] < report["tolerated_share"]]
    if report["highest_rate"] is not None:
        assert report["highest_rate"] in passed
        heavy = report["overload"]
        check_run(heavy)
        assert heavy["rate"] == 2 * report["highest_rate"]
        assert heavy["growth"] == heavy["last_third_latency_ms"] / heavy["first_third_latency_ms"]
    check_run(report["flat"])
    assert report["flat"]["pairs_sent"] == 30
    assert report["flat"]["memory_mib"][-1][0] == 30
    assert all(rss >= private > 1 for _, rss, private in report["flat"]["memory_mib"])


@pytest.mark.ros
def test_interrupted(benchmark, tmp_path) -> None:
    figures = tmp_path / "node.json"
    process = benchmark("--rates", *[5] * 100, "--json", figures)
    for line in process.stderr:
        if "pairs/s" in line:
            break
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 130, log
    assert "Traceback" not in log
    assert not figures.exists()


@pytest.mark.ros
def test_node_that_cannot_start(benchmark) -> None:
    process = benchmark("-p", "reference:=nonsense")
    _, log = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "ended by itself" in log
