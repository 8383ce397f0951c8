"""What the benchmarks share: where one ran, its JSON file, and a call that is timed in turns with others."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from camf_ros import files
from camf_ros.resources import version
from camf_ros.timing import Sample

_DISTRIBUTIONS = ("torch", "openvino", "onnxruntime", "onnxruntime-gpu", "tensorrt")
_CPU_FACTS = Path("/proc/cpuinfo")
_SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


def cpu_name() -> str:
    """What the processor calls itself; its architecture where it does not say."""
    if _CPU_FACTS.is_file():
        for line in _CPU_FACTS.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Physical cores that this process may run on; two threads of one core count once."""
    cores = set()
    for number in os.sched_getaffinity(0):
        siblings = Path(_SIBLINGS.format(number))
        cores.add(siblings.read_text(encoding="ascii").strip() if siblings.is_file() else str(number))
    return len(cores)


def versions() -> dict[str, str]:
    """Of this package and of the runtimes that are installed."""
    found = {"camf_ros": version(), "python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, object]:
    """Processor, and physical cores that this process may use."""
    return {"cpu": cpu_name(), "cores": usable_cores()}


def write_json(path: Path | None, report: Any) -> None:
    """Write a report; without a path nothing."""
    if path is not None:
        files.make_folder(path.parent)
        files.write_json(path, report)


class Station:
    """A call that is timed; see :func:`camf_ros.timing.take_turns`. ``waking`` calls before each turn do not count."""

    def __init__(self, call: Callable[[], object], *, warm_up: int = 3, waking: int = 0) -> None:
        self._call, self._waking = call, waking
        self.call_seconds = min(sample.wall for sample in self.turn(warm_up))

    def turn(self, calls: int) -> list[Sample]:
        """Wall and processor time of each call."""
        for _ in range(self._waking):
            self._call()
        samples = []
        for _ in range(calls):
            began, worked = time.perf_counter(), time.process_time()
            self._call()
            samples.append(Sample(time.perf_counter() - began, time.process_time() - worked))
        return samples
