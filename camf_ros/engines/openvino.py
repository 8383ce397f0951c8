"""The OpenVINO runtime: Intel's, which is the fastest on most CPUs, AMD's and ARM's included."""

from __future__ import annotations

from collections.abc import Sequence

import openvino

from camf_ros.engines.engine import Arrays, DeviceMemory, SizeCache
from camf_ros.errors import ParameterError
from camf_ros.network.architecture import PaperArchitecture
from camf_ros.network.model_info import INFRARED, VISIBLE, Graph

# Ours, OpenVINO's for the hint, and OpenVINO's for what a processor has.
_PRECISIONS = {"bfloat16": ("bf16", "BF16"), "float32": ("f32", "FP32"), "float16": ("f16", "FP16")}
_DEVICE = "CPU"


class OpenVinoRuntime:
    """See :class:`camf_ros.engines.engine.Runtime`; a picture size is compiled when its first pair comes.

    Sizes that come and go share one network of any size, whose pictures differ by the rounding of float32 at most.

    ``device`` is ``auto`` or ``cpu``. ``precision`` is ``float32``, ``bfloat16``, ``float16`` or ``auto``: bfloat16 if
    the processor computes it in hardware, else float32. The paper's decoder needs every bit of its features: float32.

    Raises ParameterError if the device or the precision is not there.
    """

    failures: tuple[type[Exception], ...] = (RuntimeError, MemoryError)

    def __init__(self, graph: Graph, *, device: str = "auto", precision: str = "auto", threads: int = 0) -> None:
        if device not in {"auto", "cpu"}:
            raise ParameterError(
                f"device is {device!r} with engine openvino",
                expected="auto or cpu",
                remedy="use engine torch or tensorrt",
            )
        self._core = openvino.Core()
        capabilities = self._core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")
        paper = isinstance(graph.info.architecture, PaperArchitecture)
        automatic = ("float32",) if paper else ("bfloat16", "float32")
        name, hint = _choose_precision(automatic if precision == "auto" else (precision,), capabilities)
        self._options: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self.description = f"openvino cpu {name}"
        self.warnings: list[str] = []
        self._data = graph.data
        self._requests: SizeCache[openvino.InferRequest] = SizeCache()

    def run(self, inputs: Arrays) -> Arrays:
        """See the protocol."""
        height, width = inputs[INFRARED].shape[2:]
        request = self._requests.get(self._compile, height, width, self._compile)
        # Inputs are only read while this call lasts.
        result = request.infer(inputs, share_inputs=True, share_outputs=True)
        return {name: value for output, value in result.items() for name in output.names}

    def forget(self, height: int, width: int) -> None:
        """See the protocol."""
        self._requests.forget(height, width)

    def memory(self) -> DeviceMemory | None:
        """None: there is no accelerator."""
        return None

    def _compile(self, height: int = -1, width: int = -1) -> openvino.InferRequest:
        """For one size, or for any."""
        model = self._core.read_model(self._data)
        shapes = {name: [1, 1, height, width] for name in (INFRARED, VISIBLE)}
        model.reshape(shapes)
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
