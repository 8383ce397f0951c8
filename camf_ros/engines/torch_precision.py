"""Which arithmetic the PyTorch engines compute in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from camf_ros.errors import ParameterError
from camf_ros.network.devices import has_fast_bfloat16

_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Type from ``auto``, ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        ParameterError: If it is unknown, or the device does not compute in it.
    """
    if name == "auto":
        if device.type == "cuda":
            return torch.float16
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    if name not in _PRECISIONS:
        raise ParameterError(f"precision is {name!r}", expected=f"auto, {', '.join(_PRECISIONS)}")
    if name == "float16" and device.type == "cpu":
        raise ParameterError(
            "precision is float16 on a CPU", expected="float32 or bfloat16 there", remedy="use precision auto"
        )
    return _PRECISIONS[name]


def exact_float32(device: torch.device, *, benchmark: bool = False) -> AbstractContextManager[None]:
    """On a GPU: float32 convolutions in float32, not in TensorFloat-32 with its 10 binary digits.

    Args:
        device: Where the convolutions are.
        benchmark: Let cuDNN try its ways of computing a convolution when it meets one of a new size.
    """
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=benchmark, allow_tf32=False)
