"""The camera processes of the soak: started, killed, started again."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from node_benchmark.processes import Processes

from camf_ros.nodes import topics

_FOLDER = Path("/dev/shm")
_LOCK = "_el"


def segments(pid: int) -> list[Path]:
    """Segments that a running process has made: it holds the lock file of each open."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            target = descriptor.readlink()
            # Ports are shared by all, and cleaned by whoever opens them next.
            if target.parent == _FOLDER and target.name.endswith(_LOCK) and "port" not in target.name:
                found += [target, target.with_name(target.name.removesuffix(_LOCK))]
    return found


def remove(paths: list[Path]) -> None:
    """Take away what a killed process has left."""
    for path in paths:
        path.unlink(missing_ok=True)


CAMERAS = (topics.THERMAL, topics.RGB)
_SCRIPT = Path(__file__).with_name("camera.py")


class Cameras:
    """Both camera processes, ``rate`` frames a second from a ``file``. None runs at first."""

    def __init__(self, environment: dict[str, str], file: Path, rate: float) -> None:
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
