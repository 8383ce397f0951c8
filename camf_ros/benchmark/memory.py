"""Memory of this process: what it holds now, and the most it has held."""

from __future__ import annotations

import resource
from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident_mib() -> float:
    """Resident memory now, MiB; the peak where the system does not say."""
    return _status("VmRSS")


def peak_mib() -> float:
    """Most resident memory so far, MiB."""
    return _status("VmHWM")


def _status(entry: str) -> float:
    # Not ru_maxrss alone: that of a new process begins with the memory of the one that started it.
    if _STATUS.is_file():
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{entry}:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
