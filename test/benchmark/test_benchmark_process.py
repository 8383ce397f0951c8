"""Processes of cases: what they answer, what becomes of their failures, and that none is left behind."""

from __future__ import annotations

import os
import signal
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from camf_ros import timing
from camf_ros.errors import CheckpointError, EngineError
from camf_ros.timing import Case, Timed, process


def case(model: Path, engine: str = "openvino") -> Case:
    return Case("tiny", str(model), engine, "float32", 40, 32, "cpu", 1)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A case in this process that counts how often it is called."""
    made: list[int] = []
    monkeypatch.setattr(Case, "open", lambda _: ("fake cpu bfloat16", lambda: made.append(len(made))))
    return made


def test_warm_up_lasts(calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(ticks)))
    assert timing._open(case(Path("model")), 20.0) == ("fake cpu bfloat16", 1.0, 1.0)
    assert len(calls) == 1 + 20, "the first is the start's"


def test_a_call_that_wakes_up_does_not_count(calls: list[int]) -> None:
    timing._open(case(Path("model")), 0.0)
    assert len(calls) == 2
    times = timing._turn(3)
    assert len(times) == 3
    assert len(calls) == 2 + 1 + 3
    assert all(each.wall > 0 and each.cpu >= 0 for each in times)
    assert len(timing._turn(1)) == 1
    assert len(calls) == 6 + 1


def test_a_process(tiny_model: Path) -> None:
    pytest.importorskip("openvino")
    with process(3) as pool:
        station = Timed(pool, case(tiny_model), 0.0)
        assert station.description == "openvino cpu float32"
        assert station.start_seconds > station.call_seconds > 0
        assert len(station.turn(2)) == 2
        assert station.memory() > 1  # the runtime alone is far more
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "3"
        pid = pool.submit(os.getpid).result()
        assert pid != os.getpid()
        with pytest.raises(CheckpointError, match=r"no\.safetensors"):
            Timed(pool, replace(case(tiny_model), source="no.safetensors"), 0.0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_is_killed() -> None:
    """As the system does with the one that takes too much memory."""
    with process(1) as pool:
        os.kill(pool.submit(os.getpid).result(), signal.SIGKILL)
        with pytest.raises(BrokenProcessPool):
            pool.submit(os.getpid).result()


def broken(what: str) -> Any:
    raise EngineError(what, expected="another one")


def test_errors_come_back_as_they_are() -> None:
    with process(1) as pool, pytest.raises(EngineError, match=r"^it broke; expected another one$"):
        pool.submit(broken, "it broke").result()
