"""What the machine has, asked without any inference runtime: importing one takes seconds."""

from __future__ import annotations

import re
from pathlib import Path

# A desktop's driver, and that of a Jetson's integrated GPU.
_GPU_FILES = ("/proc/driver/nvidia/gpus", "/dev/nvhost-gpu", "/dev/nvgpu")
_CPU_FILE = Path("/proc/cpuinfo")
# x86: AVX-512 or AMX; ARM: the extension of that name.
_BFLOAT16 = re.compile(r"\b(avx512_bf16|amx_bf16|bf16)\b")


def has_nvidia_gpu() -> bool:
    """Whether a driver for an NVIDIA GPU runs."""
    return any(Path(name).exists() for name in _GPU_FILES)


def has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware."""
    try:
        return bool(_BFLOAT16.search(_CPU_FILE.read_text(encoding="utf-8", errors="replace")))
    except OSError:  # no Linux
        return False
