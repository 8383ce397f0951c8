"""Whole runs: models, sizes, networks of others, and what becomes of those that do not work."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import cv2
import engines
import pytest
import script
import yaml
from engine_benchmark.plot import write_plot
from small_onnx import write_average

from camf_ros.cli.main import main
from camf_ros.errors import DataError

pytestmark = pytest.mark.usefixtures("fresh_logging")


@pytest.fixture
def peers(tmp_path: Path) -> Path:
    """One that takes every size, and one that takes a single one."""
    pytest.importorskip("onnxruntime")
    inputs = {
        source: {"name": name, "channels": 1, "range": [0, 255]}
        for source, name in (("infrared", "ir"), ("visible", "vis"))
    }
    write_average(tmp_path / "any.onnx")
    write_average(tmp_path / "fixed.onnx", height=32)
    entries = [
        {"name": "Any", "file": "any.onnx", "parameters": 3, "inputs": inputs},
        {"name": "Fixed", "file": "fixed.onnx", "inputs": inputs},
    ]
    path = tmp_path / "peers.yaml"
    path.write_text(yaml.safe_dump(entries), encoding="utf-8")
    return path


def options(model: Path, *more: object) -> list[str]:
    base = ["--models", model, "--engines", "openvino", "--precisions", "float32,float16", "--threads", "1"]
    base += ["--reference", f"{model}/openvino/float32", "--device", "cpu", "--seconds", "0.02", "--quiet"]
    return [*map(str, base), *map(str, more)]


def test_the_command(tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino")
    file = tmp_path / "results" / "b.json"
    assert main(["benchmark", *options(tiny_model, "--sizes", "40x32,41X27", "--json", file)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    report = json.loads(file.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = [row for row in report["rows"] if row["precision"] == "float32"]
    assert [(row["model"], row["engine"], row["size"]) for row in rows] == [
        ("tiny", "openvino", "40x32"),
        ("tiny", "openvino", "41x27"),
    ]
    for row in report["rows"]:
        assert 0 < row["p5_ms"] <= row["median_ms"] <= row["p95_ms"]
        assert row["cpu_ms"] > 0
        assert row["calls"] >= 6
        assert row["memory_mib"] > 1
        assert row["ratio"] > 0
        assert row["cpu_ratio"] > 0
    assert [rows[0]["ratio"], rows[0]["cpu_ratio"]] == [1, 1]
    lines = out.splitlines()
    assert lines[0].split()[:4] == ["model", "engine", "precision", "size"]
    assert lines[1].split()[:4] == ["tiny", "openvino", "float32", "40x32"]


def test_engines_beside_networks_of_others(
    tiny_model: Path, peers: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("matplotlib")
    file, plot = tmp_path / "b.json", tmp_path / "b.png"
    more = ["--sizes", "41x27", "--precisions", "float32", "--peers", peers, "--json", file, "--plot", plot]
    monkeypatch.setattr(sys, "argv", ["engines.py", *options(tiny_model, *more)])
    assert engines.main() == 0
    out, err = capfd.readouterr()
    assert err == ""
    report = json.loads(file.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = report["rows"]
    assert [(row["model"], row["peer"]) for row in rows] == [("tiny", False), ("Any", True)]
    for row in rows:
        if row["peer"]:
            assert row["floor_ms"] is None
        else:
            assert 0 < row["blending_floor_ms"] < row["floor_ms"]
            assert row["gflop"] > 0
            assert row["x_floor"] == pytest.approx(row["median_ms"] / row["floor_ms"])
    assert report["peers"] == {"Any": {"parameters": 3}, "Fixed": {"parameters": None}}
    assert len(report["models"]["tiny"]) == 64
    assert report["threads"] == 1
    assert report["versions"]["camf_ros"]
    assert "the network failed" in report["skipped"]["Fixed onnxruntime float32 41x27"]
    assert "skipped Fixed onnxruntime float32 41x27: the network failed" in out
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_equal_names(
    tiny_model: Path, peers: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    peers.write_text(peers.read_text(encoding="utf-8").replace("Any", "tiny"), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["engines.py", *options(tiny_model, "--peers", peers)])
    assert engines.main() == 1
    assert "engines.py: the name 'tiny' is that of" in capsys.readouterr().err


ROW = {"model": "camf", "engine": "torch", "precision": "bfloat16", "size": "320x256", "peer": False, "floor_ms": 2.0}
ROW |= {"median_ms": 12.3, "p5_ms": 12.0, "p95_ms": 14.5, "ratio": 0.21}


def test_equal_arithmetic_is_one_row() -> None:
    rows = [ROW | {"description": text, "calls": number} for number, text in enumerate(("a", "b", "a"))]
    assert [row["calls"] for row in engines._unlike(rows)] == [0, 1]


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    other = ROW | {"model": "OtherNet", "engine": "onnxruntime", "size": "640x256", "peer": True, "floor_ms": None}
    write_plot(tmp_path / "one.png", [ROW], "one", "reference")
    write_plot(tmp_path / "two.png", [ROW, other | {"ratio": None}], "two", "reference")
    one, two = (cv2.imread(str(tmp_path / name)) for name in ("one.png", "two.png"))
    assert one is not None
    assert two is not None
    assert two.shape[1] == 2 * one.shape[1]  # a panel for each size
    assert two.std() > 10
    with pytest.raises(DataError, match="cannot be written"):
        write_plot(tmp_path / "no" / "x.png", [ROW], "x", "reference")


def test_threads_of_a_core_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, siblings in enumerate(("0,2", "1,3", "0,2")):
        (tmp_path / str(number)).write_text(siblings + "\n")
    monkeypatch.setattr(script, "_SIBLINGS", f"{tmp_path}/{{}}")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert script.usable_cores() == 2
    monkeypatch.setattr(script, "_SIBLINGS", f"{tmp_path}/no/{{}}")
    assert script.usable_cores() == 3


def test_cpu_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = tmp_path / "cpuinfo"
    monkeypatch.setattr(script, "_CPU_FACTS", facts)
    assert script.cpu_name()
    facts.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2: x\n")
    assert script.cpu_name() == "Some CPU @ 2: x"
