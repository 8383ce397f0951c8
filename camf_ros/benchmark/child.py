"""The measuring side of a child process; see :mod:`camf_ros.benchmark.worker` for the other side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from types import TracebackType
from typing import Any

from camf_ros.benchmark.task import Task
from camf_ros.benchmark.timing import Sample
from camf_ros.errors import EngineError

# With the search path of this process, whatever way it was started.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from camf_ros.benchmark.worker import main; main()"
_STOP_SECONDS = 5.0
_REASON_LETTERS = 300


class Child:
    """A process that can be asked. Ends with the ``with`` block, at the latest with this process."""

    def __init__(self, threads: int) -> None:
        """Start it.

        Args:
            threads: CPU threads of what it will run, at least 1.
        """
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # Read when a runtime is loaded, by those that take no such setting later.
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process is there no more."""
        return self._process.poll() is not None

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and wait for the answer.

        Args:
            do: Name of a method of :class:`camf_ros.benchmark.worker.Worker`.
            arguments: Of that method.

        Raises:
            EngineError: If it failed there, or the process has ended.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise EngineError("the process has no pipes")
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):
            raise EngineError(self._epitaph(), remedy="see that the memory suffices; leave this case out")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EngineError(answer["error"])
        return answer

    def open(self, task: Task) -> dict[str, Any]:
        """Have it load a case.

        Raises:
            EngineError: As :meth:`ask`.
        """
        return self.ask("open", **asdict(task))

    def close(self) -> None:
        """Let it end, and see that it does."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it has ended before it read all
                self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def _epitaph(self) -> str:
        """How it ended, and the last thing it said."""
        status = self._process.wait()
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        self._errors.seek(0)
        said = [line for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        return f"the process ended {how}" + (f" ({said[-1].strip()[:_REASON_LETTERS]})" if said else "")


class Timed:
    """A child with an open case that takes turns: see :class:`camf_ros.benchmark.timing.Station`."""

    def __init__(self, child: Child, task: Task) -> None:
        """Open a case.

        Raises:
            EngineError: If it cannot be opened.
        """
        self._child = child
        opened = child.open(task)
        self.task = task
        self.description: str = opened["description"]
        self.precision: str = opened["precision"]
        self.gpu: str | None = opened["gpu"]
        self.call_seconds = 0.0
        self.start_seconds = 0.0

    @property
    def ended(self) -> bool:
        """Whether its process is there no more."""
        return self._child.ended

    def warm_up(self, seconds: float) -> None:
        """Run it for a time, and at least twice.

        Raises:
            EngineError: If it fails.
        """
        warm = self._child.ask("warm_up", seconds=seconds)
        self.call_seconds, self.start_seconds = warm["call_seconds"], warm["start_seconds"]

    def turn(self, calls: int) -> list[Sample]:
        """See :class:`camf_ros.benchmark.timing.Station`.

        Raises:
            EngineError: If it fails.
        """
        return [Sample(*times) for times in self._child.ask("turn", calls=calls)["times"]]

    def memory(self) -> dict[str, float | None]:
        """Memory so far: ``memory_mib`` and ``gpu_memory_mib``."""
        return self._child.ask("memory")
