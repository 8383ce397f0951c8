"""The PyTorch runtime: the exported module itself, on a CPU or, as one CUDA graph for each picture size, on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from camf_ros.engines.engine import Arrays, DeviceMemory, SizeCache
from camf_ros.errors import ParameterError
from camf_ros.network.blend import BlendNetwork
from camf_ros.network.checkpoint import Checkpoint
from camf_ros.network.inference import choose_device, has_fast_bfloat16, inference, inspection
from camf_ros.network.model_info import INFRARED

_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_Run = Callable[[list[Tensor]], tuple[Tensor, ...]]
# Runs before a CUDA graph is captured, in which libraries take their memory and choose their ways.
_WARM_UP = 3


class TorchRuntime:
    """See :class:`camf_ros.engines.engine.Runtime`; ``inspect`` runs the inspection module, in float32.

    ``device`` is ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. ``precision`` is ``float32``, ``bfloat16``, ``float16``
    (GPUs alone) or ``auto``: what the hardware computes fast. The paper's network runs in float32.

    Raises ParameterError if the device is not there or does not compute in this precision.
    """

    failures: tuple[type[Exception], ...] = (RuntimeError, MemoryError)

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        inspect: bool = False,
        device: str = "auto",
        precision: str = "auto",
        threads: int = 0,
    ) -> None:
        if threads:
            torch.set_num_threads(threads)
        self._device = choose_device(device)
        blends = isinstance(checkpoint.network, BlendNetwork)
        dtype = _choose_precision(precision, self._device, blends=blends and not inspect)
        module: nn.Module = inspection(checkpoint.network) if inspect else inference(checkpoint.network, dtype)
        # Convolutions of a CPU are faster so.
        self._module = module.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.description = f"torch {self._device} {str(dtype).removeprefix('torch.')}"
        self.warnings: list[str] = []
        self._graphs: SizeCache[_Run] = SizeCache()

    def run(self, inputs: Arrays) -> Arrays:
        """See the protocol."""
        # Copies, because PyTorch cannot wrap a read-only buffer, which is what a message gives.
        tensors = [torch.tensor(value) for value in inputs.values()]
        with torch.inference_mode(), _exact(self._device):
            if self._device.type == "cuda":
                height, width = inputs[INFRARED].shape[2:]
                run = self._graphs.get(lambda _h, _w: self._capture(tensors), height, width, self._uncaptured)
                outputs = run(tensors)
            else:
                outputs = self._module(*tensors)
            names: tuple[str, ...] = self._module.output_names
            return {name: value.cpu().numpy() for name, value in zip(names, outputs, strict=True)}

    def forget(self, height: int, width: int) -> None:  # noqa: ARG002 (the protocol's)
        """Drop all sizes: their memory may be what is wanted, and none of them is to be trusted."""
        self._graphs = SizeCache()

    def memory(self) -> DeviceMemory | None:
        """See the protocol."""
        if self._device.type != "cuda":
            return None
        try:
            free, total = torch.cuda.mem_get_info(self._device)
            return DeviceMemory(torch.cuda.memory_reserved(self._device), free, total)
        except RuntimeError:  # a GPU that does not answer any more
            return None

    def _capture(self, tensors: list[Tensor]) -> _Run:
        return _CudaGraph(self._module, [tensor.to(self._device) for tensor in tensors], self._device).run

    def _uncaptured(self) -> _Run:
        """For sizes that come and go."""
        module, device = self._module, self._device
        return lambda tensors: tuple(module(*(tensor.to(device) for tensor in tensors)))


class _CudaGraph:
    """A module on inputs of one size, captured. Written from PyTorch's documentation; it has not been run on a GPU."""

    def __init__(self, module: nn.Module, inputs: list[Tensor], device: torch.device) -> None:
        self._inputs = inputs
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                module(*inputs)
        torch.cuda.current_stream(device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outputs: tuple[Tensor, ...] = module(*inputs)

    def run(self, inputs: list[Tensor]) -> tuple[Tensor, ...]:
        for there, here in zip(self._inputs, inputs, strict=True):
            there.copy_(here)
        self._graph.replay()
        return self._outputs


def _choose_precision(name: str, device: torch.device, *, blends: bool) -> torch.dtype:
    if name == "auto":
        if not blends:
            return torch.float32
        if device.type == "cuda":
            return torch.float16
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    if name not in _PRECISIONS:
        raise ParameterError(f"precision is {name!r}", expected=f"auto, {', '.join(_PRECISIONS)}")
    if name != "float32" and not blends:
        raise ParameterError(f"precision is {name} with engine torch and this model", expected="auto or float32")
    if name == "float16" and device.type == "cpu":
        raise ParameterError(
            "precision is float16 on a CPU", expected="float32 or bfloat16 there", remedy="use precision auto"
        )
    return _PRECISIONS[name]


def _exact(device: torch.device) -> AbstractContextManager[Any]:
    """On a GPU: float32 convolutions in float32, not in TensorFloat-32 with its 10 binary digits."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
