"""The child process: opens one case, and runs it as often as it is told.

Requests and answers are lines of JSON on standard input and output. Each request has an entry ``do``; an answer has an
entry ``error`` if something failed that can be expected to. Everything else ends the process, and its error output says
why.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

import cv2
import numpy as np

from camf_ros.benchmark import memory
from camf_ros.benchmark.task import PRECISIONS, PeerInput, Task
from camf_ros.benchmark.timing import Sample
from camf_ros.errors import CamfError, EngineError

if TYPE_CHECKING:
    from camf_ros.benchmark.gpu_memory import GpuMemory

# The second call finds what the first has set up; before that nothing is known about the time of one.
_LEAST_WARM_UP_CALLS = 2


class Worker:
    """What one child does. Each method is a request by its name, and what it returns is the answer."""

    def __init__(self) -> None:
        self._resident = memory.resident_mib()
        self._gpu: GpuMemory | None = None
        self._call: Callable[[], object] = _not_open
        self._started = time.perf_counter()
        self._first_call = 0.0

    def open(self, **task: Any) -> dict[str, Any]:
        """Load what is to be timed."""
        inputs = tuple(PeerInput(**entry) for entry in task.pop("inputs"))
        wanted = Task(**task, inputs=inputs)
        if wanted.device.startswith("cuda"):
            from camf_ros.benchmark.gpu_memory import GpuMemory  # noqa: PLC0415 (imports PyTorch)

            self._gpu = GpuMemory(wanted.device)
        self._started = time.perf_counter()
        description, self._call = open_task(wanted)
        return {
            "description": description,
            "precision": precision_of(description, wanted.precision),
            "gpu": None if self._gpu is None else self._gpu.name,
        }

    def warm_up(self, seconds: float) -> dict[str, Any]:
        """Run for a time.

        Returns:
            ``call_seconds`` of a call once it is warm, and ``start_seconds`` from nothing to the first fused pair.
        """
        times: list[float] = []
        while len(times) < _LEAST_WARM_UP_CALLS or sum(times) < seconds:
            times.append(self._timed().wall)
            if len(times) == 1:
                self._first_call = time.perf_counter() - self._started
        return {"call_seconds": float(np.median(times[1:])), "start_seconds": self._first_call}

    def turn(self, calls: int) -> dict[str, Any]:
        """Time so many calls: wall and processor seconds of each."""
        if calls > 1:
            # While others had their turn, threads went to sleep and caches were filled with something else.
            self._call()
        return {"times": [self._timed() for _ in range(calls)]}

    def memory(self) -> dict[str, Any]:
        """Growth of the resident memory since the start of the process to its peak, and of that in use on the GPU."""
        return {
            "memory_mib": memory.peak_mib() - self._resident,
            "gpu_memory_mib": None if self._gpu is None else self._gpu.grown_mib(),
        }

    def floor(self, **what: Any) -> dict[str, Any]:
        """See :func:`camf_ros.benchmark.floor.floor_of`."""
        from camf_ros.benchmark.floor import floor_of  # noqa: PLC0415

        return asdict(floor_of(**what))

    def _timed(self) -> Sample:
        before, worked = time.perf_counter(), time.process_time()
        self._call()
        return Sample(time.perf_counter() - before, time.process_time() - worked)


def open_task(task: Task) -> tuple[str, Callable[[], object]]:
    """Load what a task names, and make its pictures.

    Returns:
        Its description, and what fuses a pair.

    Raises:
        CamfError: If it cannot be used here.
    """
    if task.inputs:
        from camf_ros.benchmark.peer_network import PeerNetwork  # noqa: PLC0415 (each its own runtime)

        peer = PeerNetwork(task.model, task.inputs, width=task.width, height=task.height, threads=task.threads)
        return peer.description, peer.run
    # The time does not depend on what the pictures show: no layer skips anything.
    random = np.random.default_rng(0)
    infrared, visible = random.integers(0, 256, (2, task.height, task.width), np.uint8)
    from camf_ros.engines.choose import open_engine  # noqa: PLC0415
    from camf_ros.models import find_model  # noqa: PLC0415

    cv2.setNumThreads(task.threads)
    engine = open_engine(
        task.engine, find_model(task.model), device=task.device, precision=task.precision, threads=task.threads
    )
    return engine.description, lambda: engine.fuse(infrared, visible)


def precision_of(description: str, wanted: str) -> str:
    """Arithmetic that an engine says it computes in; the wanted one if it does not say."""
    return next((word for word in description.split() if word in PRECISIONS), wanted)


def serve(requests: TextIO, answers: TextIO) -> None:
    """Do what is asked until nothing more is."""
    worker = Worker()
    for line in requests:
        request: Mapping[str, Any] = json.loads(line)
        arguments = {key: value for key, value in request.items() if key != "do"}
        try:
            answer = getattr(worker, request["do"])(**arguments)
        except CamfError as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": "the memory does not suffice"}
        print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    """Serve on standard input and output; whatever a runtime prints goes to the error output."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        serve(sys.stdin, answers)
    except KeyboardInterrupt:
        sys.exit(130)  # Ctrl-C reaches every process of the terminal; the one that measures tells about it


def _not_open() -> None:
    raise EngineError("nothing is open")
