"""How much memory this process holds."""

from __future__ import annotations

import os
from pathlib import Path


def resident_megabytes() -> float:
    """Resident memory, MB (10^6 bytes); 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
