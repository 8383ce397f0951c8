"""Memory in use on a GPU, whichever runtime takes it."""

from __future__ import annotations

import torch

_MIB = 2**20


class GpuMemory:
    """Growth of what is in use on a GPU.

    The driver counts for the whole GPU: other processes must not change what they hold meanwhile.

    Attributes:
        name: What the driver calls the GPU.
    """

    def __init__(self, device: str) -> None:
        """Remember what is in use now, beside an empty context of this process.

        Args:
            device: ``cuda`` or ``cuda:N``.
        """
        self._device = torch.device(device)
        self.name = torch.cuda.get_device_name(self._device)
        self._before = self._used()

    def grown_mib(self) -> float:
        """Growth since then, MiB; at least what PyTorch had allocated at its peak."""
        return max(self._used() - self._before, torch.cuda.max_memory_allocated(self._device)) / _MIB

    def _used(self) -> int:
        free, total = torch.cuda.mem_get_info(self._device)
        return int(total - free)
