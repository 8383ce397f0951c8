"""What the machine can do at best: a large matrix product in each arithmetic, and a large copy.

The best of several is taken, since whatever else runs can only make them slower.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from camf_ros.errors import EngineError

# A product is made larger until it takes this long, so that starting it does not count.
_LONG_ENOUGH = 0.05
_FIRST_SIDE, _LAST_SIDE = 256, 8192
# Well beyond the last-level cache of almost any processor, and small enough for a robot's memory.
_COPIED_BYTES = 256 * 2**20
_SECONDS = 0.5
_LEAST_TIMES = 3


def measure_flops(device: str, precision: str, threads: int) -> float:
    """Floating point operations per second of a square matrix product.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``float32``, ``bfloat16`` or ``float16``; float32 on a GPU is TF32 where it has that, which is what
            convolutions in PyTorch take there.
        threads: CPU threads, at least 1.

    Raises:
        EngineError: If this cannot be measured here.
    """
    torch.set_num_threads(threads)
    dtype = getattr(torch, precision)
    if not dtype.is_floating_point:
        raise EngineError(f"no peak is measured in {precision}", expected="a floating point type")
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        side = _FIRST_SIDE
        while True:
            product = _product(side, device, dtype)
            best = _best(product, device, 0.0)
            if best >= _LONG_ENOUGH or side >= _LAST_SIDE:
                return 2 * side**3 / min(best, _best(product, device, _SECONDS))
            side *= 2
    except RuntimeError as error:
        raise EngineError(f"a matrix product in {precision} on {device} failed ({error})") from error


def _product(side: int, device: str, dtype: torch.dtype) -> Callable[[], object]:
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=out)


def gpu_name(device: str) -> str | None:
    """What the driver calls a GPU; ``None`` for a CPU."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else None


def measure_bandwidth(device: str, threads: int) -> float:
    """Bytes per second of a copy within the memory of a device, read and written ones counted.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        threads: CPU threads, at least 1.

    Raises:
        EngineError: If the memory does not suffice.
    """
    torch.set_num_threads(threads)
    try:
        source = torch.ones(_COPIED_BYTES, dtype=torch.uint8, device=device)
        target = torch.zeros_like(source)
        return 2 * _COPIED_BYTES / _best(lambda: target.copy_(source), device, _SECONDS)
    except RuntimeError as error:
        raise EngineError(f"a copy of {_COPIED_BYTES} bytes on {device} failed ({error})") from error


def _best(work: Callable[[], object], device: str, seconds: float) -> float:
    """Least seconds that some work takes when it is repeated for a time."""
    wait = torch.cuda.synchronize if device.startswith("cuda") else _nothing
    work()
    wait()
    best, done, started = float("inf"), 0, time.perf_counter()
    while done < _LEAST_TIMES or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        work()
        wait()
        best, done = min(best, time.perf_counter() - before), done + 1
    return best


def _nothing() -> None:
    """A CPU is done when the call returns."""
