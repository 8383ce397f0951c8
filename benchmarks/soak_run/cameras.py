"""The camera processes of the soak: started, killed, started again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from node_benchmark.processes import Processes

from camf_ros.nodes import topics
from soak_run.shared_memory import remove, segments

CAMERAS = (topics.THERMAL, topics.RGB)
_SCRIPT = Path(__file__).with_name("camera.py")


class Cameras:
    """Both camera processes."""

    def __init__(self, environment: dict[str, str], file: Path, rate: float) -> None:
        """None runs yet.

        Args:
            environment: Of their processes.
            file: With their frames.
            rate: Frames a second.
        """
        self._environment, self._arguments = environment, (file, rate)
        self._running: dict[str, tuple[Processes, subprocess.Popen[str]]] = {}

    def start(self, camera: str) -> None:
        """Start one."""
        processes = Processes(self._environment)
        command = [sys.executable, str(_SCRIPT), camera, *map(str, self._arguments)]
        self._running[camera] = processes, processes.start(command, talks=False)

    def kill(self, camera: str) -> None:
        """End one by SIGKILL."""
        _, process = self._running.pop(camera)
        left = segments(process.pid)
        process.kill()
        process.wait()
        remove(left)

    def check(self) -> None:
        """Raise :class:`BenchmarkError` if one ended by itself."""
        for processes, _ in self._running.values():
            processes.check()

    def stop(self) -> None:
        """End both."""
        for processes, _ in self._running.values():
            processes.stop()
