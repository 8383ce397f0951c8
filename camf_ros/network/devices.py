"""Where and how precisely to compute: the device, and reduced precision where the device gains from it."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from camf_ros.errors import ParameterError


def choose_device(name: str) -> torch.device:
    """Device from ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ParameterError: If the device is unknown or not in this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ParameterError(f"device is {name!r}", expected="auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        seen = torch.cuda.device_count() or "no"
        raise ParameterError(f"device is {name!r}, but PyTorch sees {seen} GPU here", remedy="use auto or cpu")
    if device.type not in {"cpu", "cuda"}:
        raise ParameterError(f"device is {name!r}", expected="auto, cpu, cuda or cuda:N")
    return device


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 convolutions are computed by the hardware rather than emulated."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # PyTorch built without oneDNN
        return False


def autocast(device: torch.device) -> AbstractContextManager[None]:
    """Mixed precision with bfloat16, which needs no loss scaling, or a context that does nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device))
