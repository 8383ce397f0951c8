"""A whole run: models, peers, sizes, and what becomes of those that do not work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_onnx import write_average

from camf_ros.cli.main import main

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


@pytest.mark.slow
def test_a_run(tiny_model: Path, peers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    file, plot = tmp_path / "results" / "b.json", tmp_path / "results" / "b.png"
    options = ["--models", tiny_model, "--engines", "torch,openvino", "--sizes", "40x32,41X27", "--seconds", "0.02"]
    options += ["--precisions", "float32,float16", "--threads", "1", "--device", "cpu"]
    options += ["--reference", "tiny/openvino/float32"]
    options += ["--peers", peers, "--json", file, "--plot", plot, "--quiet"]
    assert main(["benchmark", *map(str, options)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    report = json.loads(file.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = [row for row in report["rows"] if row["precision"] == "float32"]
    # The reference is measured once, and one peer takes only the first size.
    assert [(row["model"], row["engine"], row["width"], row["height"]) for row in rows] == [
        ("tiny", "openvino", 40, 32),
        ("tiny", "torch", 40, 32),
        ("Any", "onnxruntime", 40, 32),
        ("Fixed", "onnxruntime", 40, 32),
        ("tiny", "openvino", 41, 27),
        ("tiny", "torch", 41, 27),
        ("Any", "onnxruntime", 41, 27),
    ]
    for row in rows:
        assert 0 < row["p5_ms"] <= row["median_ms"] <= row["p95_ms"]
        assert row["cpu_ms"] > 0
        assert row["calls"] >= 6
        assert row["memory_mib"] > 1
        assert row["ratio"] > 0
        assert row["cpu_ratio"] > 0
        if row["peer"]:
            assert row["floor_ms"] is None
        else:
            assert 0 < row["blending_floor_ms"] < row["floor_ms"]
            assert row["gflop"] > 0
    assert [rows[0]["ratio"], rows[0]["cpu_ratio"]] == [1, 1]
    assert report["peers"] == {"Any": {"parameters": 3}, "Fixed": {"parameters": None}}
    assert report["threads"] == 1
    skipped = [(entry["engine"], entry["precision"], entry["width"]) for entry in report["skipped"]]
    # Half precision is none of PyTorch's on a CPU.
    assert ("torch", "float16", None) in skipped
    assert ("onnxruntime", "float32", 41) in skipped
    assert "skipped torch (tiny float16): precision is float16 on a CPU" in out
    assert plot.read_bytes().startswith(b"\x89PNG")
