"""The plain version that all ratios refer to: the network as PyTorch runs it when nothing is done for its speed.

float32, contiguous memory, no graph, no fusing of layers, new tensors for every pair. Like an engine it takes and gives
8-bit grey, so that both do the same work.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camf_ros.errors import EngineError
from camf_ros.network import load_checkpoint


class EagerNetwork:
    """A CAMF model without any engine."""

    def __init__(self, model: Path, *, device: str, threads: int) -> None:
        """Load a checkpoint.

        Args:
            model: Checkpoint file.
            device: ``cpu``, ``cuda`` or ``cuda:N``.
            threads: CPU threads, at least 1.

        Raises:
            CheckpointError: If the file cannot be used.
            EngineError: If the device cannot take it.
        """
        torch.set_num_threads(threads)
        network = load_checkpoint(model).network
        try:
            self._network = network.to(device)
        except RuntimeError as error:
            raise EngineError(f"the model does not get onto {device} ({error})", remedy="use another device") from error
        self._weights = self._network.class_activation_weights().detach()
        self._device = device
        self.description = f"torch {device} float32"

    def fuse(self, infrared: NDArray[np.uint8], visible: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Fuse two grey pictures with the automatic gain.

        Args:
            infrared: (H, W), 0 to 255.
            visible: (H, W), 0 to 255.

        Returns:
            (H, W), 0 to 255.

        Raises:
            EngineError: If it fails, for example for want of memory.
        """
        try:
            with torch.inference_mode():
                output = self._network(self._tensor(infrared), self._tensor(visible), self._weights)
                fused: Tensor = (output.fused[0, 0] * 127.5 + 127.5).round().clamp(0, 255).to(torch.uint8)
                return fused.cpu().numpy()
        except RuntimeError as error:
            raise EngineError(
                f"{self.description} failed on {infrared.shape[1]} x {infrared.shape[0]} pixels ({error})",
                remedy="use a smaller size",
            ) from error

    def _tensor(self, grey: NDArray[np.uint8]) -> Tensor:
        return ((torch.from_numpy(grey).to(self._device).float() - 127.5) / 127.5)[None, None]
