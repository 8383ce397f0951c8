"""How much memory pictures may need: what needs more is refused before anything is allocated for it.

A system that has no memory left ends the process without a word.

The figures are upper bounds of what ``benchmarks/memory.py`` measures (``docs/figures/memory.json``).
"""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass
from pathlib import Path

from camf_ros.errors import ImageError

#: Bytes a pixel: of a frame of each camera, decoded and made ready, beside its message.
THERMAL_PIXEL, RGB_PIXEL = 45, 25
#: Of the fused picture: registration, coverage, colour, messages.
OUTPUT_PIXEL = 60
#: Of the network by its runtime, at the size that it works at: a blending network's, the paper's.
NETWORK_PIXEL = {"openvino": (180, 500), "torch": (220, 850), "onnxruntime": (360, 1500), "tensorrt": (360, 1500)}
# Of an explanation, likewise.
EXPLANATION_PIXEL = 320

# Of what is free: a runtime keeps two picture sizes, and another model is loaded while the one at work goes on.
_SHARE = 0.5
_CGROUPS = Path("/sys/fs/cgroup")
# Limit and usage of a control group, of version 2 and 1.
_NAMES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))


@dataclass(frozen=True)
class MemoryBudget:
    """A limit for the memory that one pair may need.

    Attributes:
        limit: Bytes.
    """

    limit: float

    @classmethod
    def of(cls, megabytes: int) -> MemoryBudget:
        """A limit of so many MB (10^6 bytes); 0: half of what is free now."""
        return cls(1e6 * megabytes if megabytes else _SHARE * free_memory())

    def fits(self, need: float) -> bool:
        """Whether there may be so many bytes."""
        return need <= self.limit

    def check(self, need: float, what: str, remedy: str) -> None:
        """Refuse what needs too much.

        Args:
            need: Bytes.
            what: Names it with its size.
            remedy: What the user can do, besides raising the limit.

        Raises:
            ImageError: If there may not be so many bytes.
        """
        if not self.fits(need):
            raise ImageError(
                f"{what} would need about {need / 1e6:.0f} MB of memory",
                expected=f"at most {self.limit / 1e6:.0f} MB",
                remedy=f"{remedy}, or raise memory_limit",
            )


#: Refuses nothing.
UNLIMITED = MemoryBudget(float("inf"))


def check_explanation(size: tuple[int, int], budget: MemoryBudget) -> None:
    """Refuse to explain a picture whose explanation needs more memory than it may.

    Args:
        size: (height, width) at which the network worked.
        budget: Memory that may be needed.

    Raises:
        ImageError: See above.
    """
    height, width = size
    need = EXPLANATION_PIXEL * height * width
    budget.check(need, f"explaining {width}x{height}", "set a smaller registration.processing_width")


def network_pixel(engine: str, *, blends: bool) -> int:
    """Bytes a pixel of a network in this machine's memory.

    Args:
        engine: Description of an engine, which begins with its runtime.
        blends: Whether it is a blending network.
    """
    runtime, *rest = engine.split() or [""]
    if "cuda" in rest:
        return 0  # the memory of a GPU can run out without harm to the process
    return NETWORK_PIXEL.get(runtime, NETWORK_PIXEL["onnxruntime"])[not blends]


def free_memory() -> float:
    """Bytes that this process may still take: of the machine, its control groups and its own limits.

    Infinity where the system does not tell.
    """
    return min(_available(), _left_in_groups(), _left_of_address_space())


def _available() -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    return float("inf")


def _left_in_groups(root: Path = _CGROUPS, own: Path = Path("/proc/self/cgroup")) -> float:
    """What the tightest control group leaves, of version 1 or 2; a container sees its own as the root."""
    left = float("inf")
    with contextlib.suppress(OSError):
        for line in own.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            top = root / "memory" if controllers else root
            names = _NAMES[bool(controllers)]
            folder = top / path.lstrip("/")
            for group in (folder, *folder.parents):
                left = min(left, _left_in(group, *names))
                if group == top:
                    break
    return left


def _left_in(group: Path, limit: str, usage: str) -> float:
    with contextlib.suppress(OSError, ValueError):
        used = int((group / usage).read_text(encoding="ascii"))
        with contextlib.suppress(OSError, ValueError, KeyError):
            # Files that are kept in memory while nobody needs it count as used.
            stat = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
            used -= int(stat.get("total_inactive_file", stat["inactive_file"]))
        return max(0.0, float(int((group / limit).read_text(encoding="ascii")) - used))
    return float("inf")


def _left_of_address_space() -> float:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return float("inf")
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return max(0.0, float(limit - pages * os.sysconf("SC_PAGE_SIZE")))
    return float(limit)
