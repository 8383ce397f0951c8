"""The sizes that a pair is fused at, and the memory that it may need.

What needs too much is refused before anything is allocated for it, because a system that runs out of memory kills the
process. The figures are upper bounds of what ``benchmarks/memory.py`` measures (``docs/figures/memory.json``).
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from camf_ros.errors import ImageError
from camf_ros.imaging.encodings import Encoding
from camf_ros.imaging.warp import Size
from camf_ros.settings.registration_settings import RegistrationSettings

#: A picture beyond this is a corrupt header, and believing it would exhaust the memory.
MAX_PIXELS = 2**27
#: Bytes a pixel: of a frame of each camera, decoded and made ready, beside its message.
THERMAL_PIXEL, RGB_PIXEL = 45, 25
#: Of the fused picture: registration, coverage, colour, messages.
OUTPUT_PIXEL = 60
#: Of registration by depth, at the larger of RGB and fused picture (``docs/figures/depth-registration.json``).
DEPTH_PIXEL = 180
#: Of the network by its runtime, at the size that it works at: a blending network's, the paper's.
NETWORK_PIXEL = {"openvino": (180, 500), "torch": (220, 850), "onnxruntime": (360, 1500), "tensorrt": (360, 1500)}
# Of an explanation, likewise.
EXPLANATION_PIXEL = 320

# Of what is free: a runtime keeps two picture sizes and one for any other, and another model is loaded while the one
# at work goes on.
_SHARE = 0.5
_CGROUPS = Path("/sys/fs/cgroup")
# Limit and usage of a control group, of version 2 and 1.
_NAMES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
# Pixels of a fused image from which on the network works at a smaller size if thermal is smaller, and the pixels that
# it works at then, or more if thermal has more.
_LARGE, _ENOUGH = 2**22, 2**20


@dataclass(frozen=True)
class MemoryBudget:
    """A limit, in bytes, for the memory that one pair may need."""

    limit: float

    @classmethod
    def of(cls, megabytes: int) -> MemoryBudget:
        """A limit of so many MB (10^6 bytes); 0: half of what is free now."""
        return cls(1e6 * megabytes if megabytes else _SHARE * free_memory())

    def fits(self, need: float) -> bool:
        """Whether there may be so many bytes."""
        return need <= self.limit

    def check(self, need: float, what: str, remedy: str) -> None:
        """Raise ImageError if so many bytes do not fit; ``what`` names the picture with its size."""
        if not self.fits(need):
            raise ImageError(
                f"{what} would need about {need / 1e6:.0f} MB of memory",
                expected=f"at most {self.limit / 1e6:.0f} MB",
                remedy=f"{remedy}, or raise memory_limit",
            )


#: Refuses nothing.
UNLIMITED = MemoryBudget(float("inf"))


def check_size(height: int, width: int, encoding: Encoding, topic: str, budget: MemoryBudget = UNLIMITED) -> None:
    """Raise ImageError for a size that no picture of an encoding has, or that needs too much memory."""
    size = f"{topic}: size is {width} x {height}"
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise ImageError(size, expected=f"1 to {MAX_PIXELS} pixels")
    pixel = max(THERMAL_PIXEL, RGB_PIXEL) + encoding.channels * np.dtype(encoding.dtype).itemsize
    budget.check(height * width * pixel, size, "send smaller pictures")
    if min(height, width) < encoding.smallest:
        raise ImageError(size, expected=f"sides of {encoding.smallest} or more in {encoding.name}")
    if (encoding.even_height and height % 2) or (encoding.even_width and width % 2):
        sides = "even width and height" if encoding.even_height else "an even width"
        raise ImageError(size, expected=f"{sides} in {encoding.name}: two pixels share their chroma")


def check_explanation(size: Size, budget: MemoryBudget) -> None:
    """Raise ImageError if an explanation at the network's (height, width) needs too much memory."""
    need = EXPLANATION_PIXEL * area(size)
    budget.check(need, f"explaining {_text(size)}", "set a smaller registration.processing_width")


def network_pixel(engine: str, *, blends: bool) -> int:
    """Bytes a pixel of a network in this machine's memory; an engine's description begins with its runtime."""
    runtime, *rest = engine.split() or [""]
    if "cuda" in rest:
        return 0  # the memory of a GPU can run out without harm to the process
    return NETWORK_PIXEL.get(runtime, NETWORK_PIXEL["onnxruntime"])[not blends]


def free_memory() -> float:
    """Bytes that this process may still take, by the machine, its control groups and its own limits.

    Infinite if unknown.
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
            # The usage includes cached files, which the kernel frees on demand.
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


def within_budget(
    thermal: Size, rgb: Size, reference: str, settings: RegistrationSettings, *, budget: MemoryBudget, pixel: int
) -> tuple[RegistrationSettings, str]:
    """The settings with a processing size for a pair that needs one and has none, and a note for the user.

    A network that works at the size of a large RGB picture takes much memory and time, and finds nothing in a small
    thermal picture that it would not find at a smaller size. ``pixel`` is what the network needs, bytes a pixel. The
    note is empty if nothing was changed. Raises ImageError if the pair needs too much memory at any size in which
    thermal loses nothing.
    """
    output, wanted = sizes_of(thermal, rgb, reference, settings)
    rest = THERMAL_PIXEL * area(thermal) + RGB_PIXEL * area(rgb) + OUTPUT_PIXEL * area(output)
    if settings.mode == "depth":
        rest += DEPTH_PIXEL * max(area(rgb), area(output))
    if area(output) <= _LARGE and budget.fits(rest + pixel * area(wanted)):
        return settings, ""
    choices = [wanted]
    least = _covering(output, thermal)
    if not settings.names_processing_size and area(least) < area(output):
        if area(output) > _LARGE:
            choices = [max(least, _scaled(output, math.sqrt(_ENOUGH / area(output))), key=area)]
        choices.append(least)
    fitting = next((size for size in choices if budget.fits(rest + pixel * area(size))), None)
    if fitting is None:
        budget.check(
            rest + pixel * area(choices[-1]),
            f"fusing {_text(thermal)} thermal with {_text(rgb)} RGB to {_text(output)}, the network at "
            f"{_text(choices[-1])},",
            _remedy(settings, output, max(area(thermal), area(rgb))),
        )
        return settings, ""
    if fitting == wanted:
        return settings, ""
    note = (
        f"the network works at {_text(fitting)} for fused images of {_text(output)}: thermal has {_text(thermal)}, and "
        "more would cost memory and time only (registration.processing_width sets another size)"
    )
    return replace(settings, processing_height=fitting[0], processing_width=fitting[1]), note


def check_alone(
    camera: str, own: Size, other: Size | None, reference: str, settings: RegistrationSettings, *, budget: MemoryBudget
) -> None:
    """Raise ImageError if one camera's picture needs too much memory to be passed through.

    ``other`` is the size of the other camera's last picture, if there was one.
    """
    own_is_reference = other is None or camera == reference
    base = own if own_is_reference or other is None else other
    output, _ = sizes_of(base, base, reference, settings)
    budget.check(
        max(THERMAL_PIXEL, RGB_PIXEL) * area(own) + OUTPUT_PIXEL * area(output),
        f"passing a {camera} picture of {_text(own)} through at {_text(output)}",
        _remedy(settings, output, area(own)),
    )


def area(size: Size) -> int:
    """Pixels of a (height, width)."""
    return size[0] * size[1]


def _remedy(settings: RegistrationSettings, output: Size, largest: int) -> str:
    if area(output) > largest:
        return "set a smaller registration.output_width and output_height"
    if settings.names_processing_size:
        return "set a smaller registration.processing_width and processing_height"
    return "set registration.processing_width, or have the cameras send smaller pictures"


def _text(size: Size) -> str:
    return f"{size[1]}x{size[0]}"


def _scaled(size: Size, scale: float) -> Size:
    height, width = (max(1, min(side, round(scale * side))) for side in size)
    return height, width


def _covering(size: Size, other: Size) -> Size:
    """The smallest size of one shape with ``size``, and no larger, in which another picture loses no detail."""
    return _scaled(size, max(other[0] / size[0], other[1] / size[1]))


def sizes_of(thermal: Size, rgb: Size, reference: str, settings: RegistrationSettings) -> tuple[Size, Size]:
    """(height, width) of the fused picture, and that at which the network works, for pictures of two sizes."""
    output = side_by_side(rgb if reference == "rgb" else thermal, settings.output_height, settings.output_width)
    return output, side_by_side(output, settings.processing_height, settings.processing_width)


def side_by_side(own: Size, height: int, width: int) -> Size:
    """A size of which none, one or both sides are given (not 0); what is not keeps the shape of ``own``."""
    if not height and not width:
        return own
    return height or max(1, round(own[0] * width / own[1])), width or max(1, round(own[1] * height / own[0]))
