"""Children: what they answer, what becomes of their failures, and that none is left behind."""

from __future__ import annotations

import io
import json
import os
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from camf_ros.benchmark import worker
from camf_ros.benchmark.child import Child, Timed
from camf_ros.benchmark.task import Task
from camf_ros.errors import EngineError


def serve(*requests: dict[str, Any]) -> list[dict[str, Any]]:
    answers = io.StringIO()
    worker.serve(io.StringIO("".join(json.dumps(request) + "\n" for request in requests)), answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def task(model: Path, engine: str = "torch") -> Task:
    return Task(engine, str(model), 40, 32, "cpu", "float32", threads=1)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Opens to something that counts how often it is called."""
    made: list[int] = []
    monkeypatch.setattr(worker, "open_task", lambda _: ("fake cpu bfloat16", lambda: made.append(len(made))))
    return made


OPEN = {"do": "open", **asdict(task(Path("model")))}


def test_turns(calls: list[int]) -> None:
    opened, warm, many, one = serve(
        OPEN, {"do": "warm_up", "seconds": 0}, {"do": "turn", "calls": 3}, {"do": "turn", "calls": 1}
    )
    assert opened == {"description": "fake cpu bfloat16", "precision": "bfloat16", "gpu": None}
    assert warm["call_seconds"] > 0
    assert warm["start_seconds"] > 0
    assert [len(answer["times"]) for answer in (many, one)] == [3, 1]
    assert all(wall > 0 and cpu >= 0 for wall, cpu in many["times"])
    # Two to warm up, one that only wakes it up, three and one that are timed.
    assert len(calls) == 2 + 1 + 3 + 1


def test_warm_up_lasts(calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr(worker.time, "perf_counter", lambda: float(next(ticks)))
    _, warm = serve(OPEN, {"do": "warm_up", "seconds": 20})
    assert len(calls) == 20
    assert warm["call_seconds"] == 1.0


@pytest.mark.parametrize(
    ("description", "precision"),
    [("torch cpu bfloat16", "bfloat16"), ("new int8 mode", "int8"), ("no word of it", "auto")],
)
def test_precision_of(description: str, precision: str) -> None:
    assert worker.precision_of(description, "auto") == precision


def test_failures_are_answers(tiny_model: Path) -> None:
    wrong = asdict(task(tiny_model)) | {"model": "no.safetensors"}
    not_open, no_file = serve({"do": "turn", "calls": 1}, {"do": "open", **wrong})
    assert not_open == {"error": "nothing is open"}
    assert "no.safetensors" in no_file["error"]


def test_a_child(tiny_model: Path) -> None:
    with Child(1) as child:
        station = Timed(child, task(tiny_model))
        station.warm_up(0.0)
        assert station.description == "torch cpu float32"
        assert station.call_seconds > 0
        assert len(station.turn(2)) == 2
        memory = station.memory()
        assert memory["memory_mib"] is not None
        assert memory["memory_mib"] > 1  # PyTorch alone is far more
        assert memory["gpu_memory_mib"] is None
        assert not station.ended
        pid = child.pid
    assert child.ended
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_that_is_killed() -> None:
    """As the system does with the one that takes too much memory."""
    with Child(1) as child:
        assert child.ask("memory")["gpu_memory_mib"] is None
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(EngineError, match="the process ended by SIGKILL"):
            child.ask("memory")
        assert child.ended


def test_a_child_that_breaks() -> None:
    """What is not expected ends the process, and its last words are the reason."""
    with Child(1) as child, pytest.raises(EngineError, match=r"with status 1 \(AttributeError.*no_such"):
        child.ask("no_such")
