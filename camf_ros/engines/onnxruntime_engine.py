"""The ONNX Runtime engine: one graph on any hardware that it has an execution provider for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from camf_ros.engines.checked_engine import CheckedEngine
from camf_ros.engines.engine import EngineOutput
from camf_ros.engines.graph_frame import engine_output, graph_for, graph_inputs
from camf_ros.engines.size_cache import SizeCache
from camf_ros.errors import EngineError, ParameterError
from camf_ros.network.checkpoint_file import read_checkpoint_file
from camf_ros.network.onnx_graph import HEIGHT, OUTPUTS, WIDTH

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
# Of ONNX Runtime: errors only. Its warnings speak of its own decisions, and what matters of them is checked here.
_LOG_ERRORS = 3


class OnnxRuntimeEngine(CheckedEngine):
    """See :class:`camf_ros.engines.engine.Engine`."""

    # ONNX Runtime's own errors share no other ancestor.
    _failures = (Exception,)

    def __init__(
        self,
        model: Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int = 0,
        provider: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Load a checkpoint; each picture size gets a session of its own when its first pair comes.

        Args:
            model: Checkpoint file.
            device: ``auto`` (a GPU if ONNX Runtime has a provider for it), ``cpu``, ``cuda`` or ``cuda:N``.
            precision: ``auto`` (float16 on a GPU), ``float32`` or ``float16``.
            threads: CPU threads; 0 leaves ONNX Runtime's choice.
            provider: ``cpu``, ``cuda`` or ``tensorrt``; by the device when left out.
            options: Further options of the provider.

        Raises:
            CheckpointError: If the file cannot be used.
            EngineError: If ONNX Runtime has no such provider here.
            ParameterError: If the precision is not to be had.
        """
        self._provider = provider or _provider_for(device)
        self._provider_options = {**_device_options(self._provider, device), **(options or {})}
        if _PROVIDERS[self._provider] not in onnxruntime.get_available_providers():
            raise EngineError(
                f"ONNX Runtime has no {_PROVIDERS[self._provider]} here",
                expected=f"one of {', '.join(onnxruntime.get_available_providers())}",
                remedy="pip install onnxruntime-gpu (on a Jetson NVIDIA's wheel), or use another engine",
            )
        if precision == "auto":
            precision = "float32" if self._provider == "cpu" else "float16"
        if precision not in {"float32", "float16"} or (precision == "float16" and self._provider == "cpu"):
            raise ParameterError(
                f"precision is {precision!r} with engine onnxruntime on {self._provider}",
                expected="auto or float32" + ("" if self._provider == "cpu" else " or float16"),
            )
        checkpoint = read_checkpoint_file(model)
        super().__init__(checkpoint.name, checkpoint.hash, checkpoint.class_activation_weights())
        self._threads = threads
        self.description = f"onnxruntime {self._provider} {precision}"
        self._checkpoint = checkpoint
        self._half = precision == "float16"
        self._sessions: SizeCache[onnxruntime.InferenceSession] = SizeCache()

    def _run(self, infrared: NDArray[np.uint8], visible: NDArray[np.uint8], gain: float, hold: float) -> EngineOutput:
        session = self._sessions.get(self._session, *infrared.shape)
        outputs = session.run(OUTPUTS, graph_inputs(infrared, visible, gain, hold))
        return engine_output(dict(zip(OUTPUTS, outputs, strict=True)), self.description)

    def _recover(self, height: int, width: int) -> None:
        self._sessions.forget(height, width)

    def _session(self, height: int, width: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_ERRORS
        options.intra_op_num_threads = self._threads
        # A network of one known size needs no arithmetic of shapes, and TensorRT builds one engine that fits.
        options.add_free_dimension_override_by_name(HEIGHT, height)
        options.add_free_dimension_override_by_name(WIDTH, width)
        wanted = _PROVIDERS[self._provider]
        providers = [(wanted, self._provider_options)]
        # What TensorRT cannot do, CUDA does; everything else that a provider leaves out falls to the CPU.
        if self._provider == "tensorrt":
            providers.append((_PROVIDERS["cuda"], _device_options("cuda", "cuda")))
        graph = graph_for(self._checkpoint, height, width, half=self._half)
        session = onnxruntime.InferenceSession(graph, options, providers=providers)
        if session.get_providers()[0] != wanted:  # a library of the GPU is missing: it would run on, on the CPU
            raise EngineError(
                f"{wanted} could not be started",
                expected="the CUDA, cuDNN and TensorRT libraries that this ONNX Runtime was built for",
                remedy="install them, or use another engine",
            )
        return session


def _provider_for(device: str) -> str:
    if device == "auto":
        return "cuda" if _PROVIDERS["cuda"] in onnxruntime.get_available_providers() else "cpu"
    kind, _, number = device.partition(":")
    if kind not in {"cpu", "cuda"} or (number and not (kind == "cuda" and number.isdecimal())):
        raise ParameterError(f"device is {device!r} with engine onnxruntime", expected="auto, cpu, cuda or cuda:N")
    return kind


def _device_options(provider: str, device: str) -> dict[str, str]:
    number = device.partition(":")[2]
    # TensorFloat-32 would round the inputs of float32 convolutions to 10 bits.
    options = {"use_tf32": "0"} if provider == "cuda" else {}
    return {**options, "device_id": number} if provider != "cpu" and number else options
