"""The OpenVINO engine: Intel's runtime, which is the fastest on most CPUs, AMD's and ARM's included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from camf_ros.engines.checked_engine import CheckedEngine
from camf_ros.engines.engine import EngineOutput
from camf_ros.engines.graph_frame import engine_output, graph_for, graph_inputs
from camf_ros.engines.size_cache import SizeCache
from camf_ros.errors import ParameterError
from camf_ros.network.checkpoint_file import read_checkpoint_file
from camf_ros.network.onnx_graph import OUTPUTS

# Ours, OpenVINO's for the hint, and OpenVINO's for what a processor has.
_PRECISIONS = {"bfloat16": ("bf16", "BF16"), "float32": ("f32", "FP32"), "float16": ("f16", "FP16")}
# Best first. Half precision overflows more easily than bfloat16: for those who ask for it. A decoder that has no finer
# features to rely on hangs on every bit of the deepest ones: bfloat16 would show (docs/performance.md).
_AUTOMATIC = ("bfloat16", "float32")
_AUTOMATIC_DEEPEST_ONLY = ("float32",)
_DEVICE = "CPU"


class OpenVinoEngine(CheckedEngine):
    """See :class:`camf_ros.engines.engine.Engine`."""

    def __init__(self, model: Path, *, device: str = "auto", precision: str = "auto", threads: int = 0) -> None:
        """Load a checkpoint; each picture size is compiled when its first pair comes.

        Args:
            model: Checkpoint file.
            device: ``auto`` or ``cpu``.
            precision: ``auto`` (bfloat16 if the processor computes it in hardware and the network can do with it, else
                float32), ``float32``, ``bfloat16`` or ``float16``.
            threads: CPU threads; 0 leaves OpenVINO's choice.

        Raises:
            CheckpointError: If the file cannot be used.
            EngineError: If OpenVINO fails on the model.
            ParameterError: If the device or the precision is not to be had.
        """
        if device not in {"auto", "cpu"}:
            raise ParameterError(
                f"device is {device!r} with engine openvino",
                expected="auto or cpu",
                remedy="use engine torch or tensorrt",
            )
        checkpoint = read_checkpoint_file(model)
        super().__init__(checkpoint.name, checkpoint.hash, checkpoint.class_activation_weights())
        self._core = openvino.Core()
        capabilities = self._core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")
        automatic = _AUTOMATIC if len(checkpoint.architecture.fused) > 1 else _AUTOMATIC_DEEPEST_ONLY
        name, hint = _choose_precision(automatic if precision == "auto" else (precision,), capabilities)
        self._options: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self.description = f"openvino cpu {name}"
        self._checkpoint = checkpoint
        self._requests: SizeCache[openvino.InferRequest] = SizeCache()

    def _run(self, infrared: NDArray[np.uint8], visible: NDArray[np.uint8], gain: float, hold: float) -> EngineOutput:
        request = self._requests.get(self._compile, *infrared.shape)
        # Inputs are only read while this call lasts; outputs are the request's own memory, so they are copied.
        request.infer(graph_inputs(infrared, visible, gain, hold), share_inputs=True)
        return engine_output({name: np.array(request.get_tensor(name).data) for name in OUTPUTS}, self.description)

    def _recover(self, height: int, width: int) -> None:
        self._requests.forget(height, width)

    def _compile(self, height: int, width: int) -> openvino.InferRequest:
        # A network of one known size is a good deal faster than one of any size.
        model = self._core.read_model(graph_for(self._checkpoint, height, width))
        model.reshape({name: [1, 1, height, width] for name in ("infrared", "visible")})
        return self._core.compile_model(model, _DEVICE, self._options).create_infer_request()


def _choose_precision(wanted: Sequence[str], capabilities: Sequence[str]) -> tuple[str, str]:
    """Our name and OpenVINO's of the first precision that the processor has."""
    known = [ours for ours, (_, capability) in _PRECISIONS.items() if capability in capabilities]
    for ours in wanted:
        if ours in known:
            return ours, _PRECISIONS[ours][0]
    raise ParameterError(
        f"precision is {wanted[0]!r} with engine openvino",
        expected=f"auto or one that this processor computes: {', '.join(known)}",
    )
