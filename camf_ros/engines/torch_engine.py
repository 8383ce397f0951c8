"""The PyTorch engine: CPU or CUDA, channels-last, bfloat16 or half precision where the hardware has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camf_ros.engines.engine import EngineOutput, check_gain
from camf_ros.errors import EngineError, ImageError, ParameterError
from camf_ros.network import load_checkpoint
from camf_ros.network.devices import choose_device, has_fast_bfloat16

_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchEngine:
    """See :class:`camf_ros.engines.engine.Engine`."""

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
        self._dtype = _choose_precision(precision, self._device)
        checkpoint = load_checkpoint(model)
        self.model_name = checkpoint.name
        self.model_hash = checkpoint.hash
        # The rule is computed in float32 on the CPU, whatever the network runs in: the weights are published.
        weights = checkpoint.network.class_activation_weights().detach()
        self._channel_weights: NDArray[np.float32] = np.array(weights.numpy(), np.float32)
        self._weights = weights.to(self._device)
        self._network = checkpoint.network.to(self._device, self._dtype)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.description = f"torch {self._device} {str(self._dtype).removeprefix('torch.')}"

    def channel_weights(self) -> NDArray[np.float32]:
        """See :meth:`camf_ros.engines.engine.Engine.channel_weights`."""
        return np.array(self._channel_weights, np.float32)

    def fuse(
        self, infrared: NDArray[np.uint8], visible: NDArray[np.uint8], *, gain: float = 0.0, hold: float = 1.0
    ) -> EngineOutput:
        """See :meth:`camf_ros.engines.engine.Engine.fuse`."""
        check_gain(gain, hold)
        if infrared.ndim != 2 or infrared.shape != visible.shape or infrared.size == 0:
            raise ImageError(
                f"infrared has shape {infrared.shape} and visible {visible.shape}",
                expected="one shape (H, W) for both",
            )
        if infrared.dtype != np.uint8 or visible.dtype != np.uint8:
            raise ImageError(
                f"infrared is {infrared.dtype} and visible {visible.dtype}", expected="grey values 0 to 255 as uint8"
            )
        try:
            with torch.inference_mode():
                output = self._network(
                    self._upload(infrared),
                    self._upload(visible),
                    self._weights,
                    gain=self._scalar(gain) if gain else None,
                    hold=self._scalar(hold) if gain and hold < 1 else None,
                )
                # One way back from the device for all small results.
                small = torch.cat((output.infrared_activation[0], output.visible_activation[0], output.gain))
                figures = small.cpu().numpy()
                infrared_activation, visible_activation = np.split(figures[:-1], 2)
                if not np.isfinite(figures).all():
                    raise EngineError(
                        f"{self.description} gave values that are not finite", remedy="use precision float32"
                    )
                fused = output.fused.float().mul_(127.5).add_(127.5).round_().clamp_(0, 255)
                return EngineOutput(
                    fused[0, 0].to(torch.uint8).cpu().numpy(),
                    infrared_activation,
                    visible_activation,
                    float(figures[-1]),
                )
        except RuntimeError as error:  # out of memory and every failure inside a kernel
            raise EngineError(
                f"{self.description} failed on {infrared.shape[1]} x {infrared.shape[0]} pixels ({error})",
                remedy="use a smaller image, another device or float32",
            ) from error

    def _scalar(self, value: float) -> Tensor:
        return torch.tensor([value], dtype=torch.float32, device=self._device)

    def _upload(self, grey: NDArray[np.uint8]) -> Tensor:
        # A copy, because PyTorch cannot wrap a read-only buffer, which is what a message gives.
        pixels = torch.from_numpy(np.array(grey, order="C")).to(self._device)
        return ((pixels.float() - 127.5) / 127.5).to(self._dtype)[None, None]


def _choose_precision(name: str, device: torch.device) -> torch.dtype:
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
