"""Where a benchmark ran: processor, cores, versions."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from camf_ros.resources import version

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
