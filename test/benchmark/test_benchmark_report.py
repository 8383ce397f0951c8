"""Table, JSON and plot of figures that the test has made up."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from camf_ros.benchmark import machine
from camf_ros.benchmark.measure import Results, Row, Skipped
from camf_ros.benchmark.peers import Peer
from camf_ros.benchmark.plan import Model, Plan, Reference
from camf_ros.benchmark.plot import write_plot
from camf_ros.benchmark.report import content, short, table, write_json
from camf_ros.benchmark.task import PeerInput
from camf_ros.errors import DataError


def row(model: str = "camf", engine: str = "torch", ratio: float | None = 0.21234567, **more: object) -> Row:
    figures = {
        "precision": "bfloat16",
        "width": 320,
        "height": 256,
        "device": "cpu",
        "description": "torch cpu bfloat16",
        "peer": False,
        "calls": 20,
        "median_ms": 12.3456789,
        "p5_ms": 12.0,
        "p95_ms": 14.5,
        "cpu_ms": 24.0,
        "cpu_ratio": ratio,
        "floor_ms": 2.0,
        "blending_floor_ms": 0.5,
        "gflop": 1.5,
        "memory_mib": 123.456,
        "gpu_memory_mib": None,
        "start_s": 1.25,
    }
    return Row(model, engine, ratio=ratio, **(figures | more))  # type: ignore[arg-type]


ROWS = [
    row("camf-paper", "openvino", 1.0, median_ms=60.0, p5_ms=58.0, p95_ms=70.0),
    row(),
    row("OtherNet", "onnxruntime", 2.0, precision="float32", peer=True, floor_ms=None, gflop=None, width=640),
]
SKIPPED = [
    Skipped("camf", "tensorrt", "auto", None, None, "not installed"),
    Skipped("camf", "tensorrt", "float32", None, None, "not installed"),
    Skipped("camf", "torch", "float32", 640, 256, "the process ended by SIGKILL"),
]
PEER = Peer("OtherNet", Path("o.onnx"), 5, (PeerInput("a", 1, 0, 1), PeerInput("b", 1, 0, 1)))
PLAN = Plan(
    models=[Model("camf", "camf.safetensors", "abc")],
    peers=[PEER],
    engines=["torch", "tensorrt"],
    precisions=["auto", "float32"],
    reference=Reference(Model("camf-paper", "camf-paper", "def"), "openvino", "bfloat16"),
    sizes=[(320, 256)],
    device="cpu",
    threads=2,
    seconds=3.0,
)


def test_table() -> None:
    lines = table(Results(ROWS, SKIPPED), str(PLAN.reference)).splitlines()
    # There is no GPU, and no column for it.
    headings = "model engine precision size median ms p5 p95 pairs/s CPU ms of ref. CPU of ref. x floor MiB start s"
    assert " ".join(lines[0].split()) == headings
    assert " ".join(lines[2].split()) == "camf torch bfloat16 320x256 12.3 12.0 14.5 81.0 24.0 0.212 0.212 6.17 123 1.2"
    assert "of ref.: time as a share of that of camf-paper/openvino/bfloat16 in the same rounds" in lines
    assert lines[3].split()[-4:] == ["2.00", "-", "123", "1.2"]
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[-2:] == [
        "skipped tensorrt (camf auto, camf float32): not installed",
        "skipped torch (camf float32 640x256): the process ended by SIGKILL",
    ]


def test_table_of_nothing() -> None:
    assert "skipped tensorrt" in table(Results([], SKIPPED), "camf")


def test_json(tmp_path: Path) -> None:
    write_json(tmp_path / "b.json", content(PLAN, Results(ROWS, SKIPPED), "camf benchmark"))
    report = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert report["models"] == {"camf": "abc", "camf-paper": "def"}
    assert report["peers"] == {"OtherNet": {"parameters": 5}}
    assert report["reference"] == "camf-paper/openvino/bfloat16"
    assert report["machine"]["gpu"] is None
    assert report["versions"]["camf_ros"]
    assert (report["threads"], report["seconds"], report["command"]) == (2, 3.0, "camf benchmark")
    assert report["rows"][1]["median_ms"] == 12.35
    assert report["rows"][1]["ratio"] == 0.2123
    assert report["rows"][2]["floor_ms"] is None
    assert report["skipped"][2]["reason"] == "the process ended by SIGKILL"
    assert [entry["engine"] for entry in report["skipped"]] == ["tensorrt", "tensorrt", "torch"]
    with pytest.raises(DataError, match="cannot be written"):
        write_json(tmp_path, report)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.05, "0.0500"),
        (0.00025, "0.00025"),
        (0.0, "0.00"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (2345.6, "2346"),
    ],
)
def test_short(value: float | None, text: str) -> None:
    assert short(value) == text


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_plot(tmp_path / "one.png", ROWS[:1], "one", "reference")
    write_plot(tmp_path / "two.png", ROWS, "two", "reference")
    one, two = (cv2.imread(str(tmp_path / name)) for name in ("one.png", "two.png"))
    assert one is not None
    assert two is not None
    assert two.shape[1] == 2 * one.shape[1]  # a panel for each size
    assert two.std() > 10
    with pytest.raises(DataError, match="cannot be written"):
        write_plot(tmp_path / "no" / "x.png", ROWS, "x", "reference")


def test_threads_of_a_core_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, siblings in enumerate(("0,2", "1,3", "0,2")):
        (tmp_path / str(number)).write_text(siblings + "\n")
    monkeypatch.setattr(machine, "_SIBLINGS", f"{tmp_path}/{{}}")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert machine.usable_cores() == 2
    monkeypatch.setattr(machine, "_SIBLINGS", f"{tmp_path}/no/{{}}")
    assert machine.usable_cores() == 3


def test_cpu_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "_CPU_FACTS", facts)
    assert machine.cpu_name()
    facts.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2: x\n")
    assert machine.cpu_name() == "Some CPU @ 2: x"


def test_peers_run_on_the_cpu() -> None:
    plan = replace(PLAN, device="cuda", engines=["torch"], precisions=["auto"])
    cases = [plan.reference_case((8, 8)), *plan.cases((8, 8))]
    assert [(case.name, case.task.device, case.peer) for case in cases] == [
        ("camf-paper", "cuda", False),
        ("camf", "cuda", False),
        ("OtherNet", "cpu", True),
    ]
