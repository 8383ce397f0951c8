"""The processes of the benchmark: the fusion node as users start it, and our own two that talk in lines of JSON."""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from camf_ros.nodes.topics import private_environment
from camf_ros.resources import share_file

# A node answers SIGINT at once, but may have an inference to finish.
_GRACE = 15.0
_HERE = Path(__file__).resolve().parent
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class BenchmarkError(RuntimeError):
    """The benchmark cannot go on; the text says why."""


def environment(domain: int | None) -> dict[str, str]:
    """A domain of our own on this machine alone, with the package's Fast DDS profile, whatever the shell says."""
    result = private_environment(domain)
    # Where driver and receiver find their own parts.
    result["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_HERE.parent), os.environ.get("PYTHONPATH"))))
    return result


def node_command(parameters: dict[str, object]) -> list[str]:
    """The fusion node's executable with its parameter file and some parameters on top."""
    executable = share_file("package.xml").parents[2] / "lib" / "camf_ros" / "fusion_node"
    command = [str(executable), "--ros-args", "--params-file", str(share_file("config/fusion.yaml"))]
    for name, value in parameters.items():
        # ROS reads the value as YAML, and JSON is YAML in which a path stays the text it is.
        command += ["-p", f"{name}:={json.dumps(value)}"]
    return command


def end_command(name: str, *arguments: object) -> list[str]:
    """One of our own two ends, ``driver`` or ``receiver``."""
    # By its file: with -m a checkout in the current folder would come before the installed package.
    return [sys.executable, str(_HERE / f"{name}.py"), *map(str, arguments)]


class Processes:
    """Starts processes and ends all of them, also after Ctrl-C."""

    def __init__(self, environment: dict[str, str]) -> None:
        """Nothing runs yet."""
        self._environment = environment
        self._running: list[subprocess.Popen[str]] = []
        self._ends: dict[int, signal.Signals] = {}

    def start(self, command: Sequence[str], *, talks: bool) -> subprocess.Popen[str]:
        """Start a process; one that does not ``talk`` writes to our standard error."""
        # A node ends itself on SIGINT; on our own it would fall into an import and show as a traceback.
        end = signal.SIGTERM if talks else signal.SIGINT
        process = subprocess.Popen(
            command,
            env=self._environment,
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else sys.stderr.fileno(),
            text=True,
            # A session of its own, so that Ctrl-C in the terminal reaches the benchmark alone and it ends the others.
            start_new_session=True,
            preexec_fn=partial(_end_with_parent, end),  # noqa: PLW1509 (no threads here that hold locks)
        )
        self._running.append(process)
        self._ends[process.pid] = end
        return process

    def check(self) -> None:
        """Raise :class:`BenchmarkError` if a process ended by itself, which none should."""
        for process in self._running:
            if process.poll() is not None:
                raise BenchmarkError(f"a process ended by itself with status {process.returncode}: {process.args!r}")

    def stop(self) -> None:
        """Ask each to end, then SIGKILL for what does not listen."""
        for process in self._running:
            if process.stdin is not None:
                with suppress(BrokenPipeError):
                    process.stdin.close()
            if process.poll() is None:
                process.send_signal(self._ends[process.pid])
        end = time.monotonic() + _GRACE
        for process in self._running:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Talk:
    """Questions to one of our own processes and its answers, each a line of JSON."""

    def __init__(self, processes: Processes, name: str, *arguments: object) -> None:
        """Start the process."""
        self._processes, self._name = processes, name
        self._process = processes.start(end_command(name, *arguments), talks=True)
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, question: dict[str, object]) -> None:
        """Send a question."""
        if self._process.stdin is None:
            raise BenchmarkError(f"the {self._name} was started without a way to talk to it")
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise BenchmarkError(f"the {self._name} has ended") from error

    def answer(self, patience: float, meanwhile: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Wait ``patience`` seconds for the next answer, and call ``meanwhile`` a few times a second.

        Raises BenchmarkError if none comes, or a process of the benchmark ends meanwhile.
        """
        end = time.monotonic() + patience
        while True:
            try:
                result: dict[str, Any] = json.loads(self._lines.get(timeout=0.2))
            except queue.Empty:
                self._processes.check()
                meanwhile()
                if time.monotonic() > end:
                    raise BenchmarkError(f"the {self._name} did not answer within {patience:.0f} s") from None
            else:
                return result

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._lines.put(line)


def _end_with_parent(number: int) -> None:
    """In the child: ask Linux for a signal when the benchmark itself is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
