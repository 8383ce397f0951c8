"""The PyTorch engine: channels-last, bfloat16 or half precision where the hardware has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camf_ros.engines.checked_engine import CheckedEngine
from camf_ros.engines.engine import Engine, EngineOutput
from camf_ros.engines.torch_frame import TorchFrame, engine_output
from camf_ros.engines.torch_kernels import choose_kernels
from camf_ros.engines.torch_precision import choose_precision, exact_float32
from camf_ros.engines.torch_weights import rearrange
from camf_ros.network import load_checkpoint
from camf_ros.network.devices import choose_device


def open_torch(model: Path, *, device: str = "auto", precision: str = "auto", threads: int = 0) -> Engine:
    """Load a checkpoint into the engine that suits the device; arguments and errors as of :class:`TorchEngine`."""
    if choose_device(device).type == "cuda":
        from camf_ros.engines.cuda_engine import CudaEngine  # noqa: PLC0415 (nothing of it is needed elsewhere)

        return CudaEngine(model, device=device, precision=precision, threads=threads)
    return TorchEngine(model, device=device, precision=precision, threads=threads)


class TorchEngine(CheckedEngine):
    """See :class:`camf_ros.engines.engine.Engine`. One operation after the other, which is right for a CPU."""

    _remedy = "use a smaller image, another device or float32"

    def __init__(self, model: Path, *, device: str = "auto", precision: str = "auto", threads: int = 0) -> None:
        """Load a checkpoint.

        Args:
            model: Checkpoint file.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            precision: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
            threads: CPU threads; 0 leaves PyTorch's choice.

        Raises:
            CheckpointError: If the file cannot be used.
            ParameterError: If the device is not there or does not compute in this precision.
        """
        if threads:
            torch.set_num_threads(threads)
        self._device = choose_device(device)
        dtype = choose_precision(precision, self._device)
        checkpoint = load_checkpoint(model)
        super().__init__(checkpoint.name, checkpoint.hash, checkpoint.network.class_activation_weights().numpy())
        self.description = f"torch {self._device} {str(dtype).removeprefix('torch.')}"
        self._frame = TorchFrame(
            rearrange(checkpoint.network, self._device, dtype), choose_kernels(self._device, dtype)
        )

    def _run(self, infrared: NDArray[np.uint8], visible: NDArray[np.uint8], gain: float, hold: float) -> EngineOutput:
        with torch.inference_mode(), exact_float32(self._device):
            wanted = torch.tensor([gain, hold], dtype=torch.float32).to(self._device)
            result = self._frame(self._upload(infrared), self._upload(visible), wanted)
            picture, figures = result.picture.cpu().numpy(), result.figures.cpu().numpy()
        return engine_output(picture, figures, self.description)

    def _upload(self, grey: NDArray[np.uint8]) -> Tensor:
        # A copy, because PyTorch cannot wrap a read-only buffer, which is what a message gives.
        return torch.from_numpy(np.array(grey, order="C")).to(self._device)
