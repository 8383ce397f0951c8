"""Shared memory that Fast DDS leaves behind when a process is killed, which nobody else takes away."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

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
