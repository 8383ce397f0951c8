"""The whole fusion as an ONNX graph: grey levels in, grey levels out, for any runtime that reads ONNX.

Built from the weights directly, operator by operator, so that neither PyTorch nor its tracer is needed and nothing is in
the graph that need not be. Inputs:

- ``infrared``, ``visible``: (1, 1, H, W), uint8, of any size.
- ``gain``: (1,), float32, gain of the fusion rule; looked at as far as ``hold`` says.
- ``hold``: (1,), float32, 0 (automatic gain of this pair) to 1 (``gain`` as it is).

Outputs:

- ``fused``: (1, 1, H, W), uint8.
- ``activation``: (2, K), float32, mean of each fused encoder channel, rows infrared and visible.
- ``used_gain``: (1,), float32.

It is the function of :class:`camf_ros.network.model.CamfNetwork`, with these steps folded into weights without changing
it: the division of grey levels by 127.5 into the first convolution, and that of the fused picture into the last step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from camf_ros.network.architecture import DECODER_JOINS, ENCODER_STRIDES
from camf_ros.network.checkpoint_file import CheckpointFile
from camf_ros.network.constants import BORDER, CONTRAST, FAINT, GAIN_RANGE, GREY, NOTHING

# The newest that the runtimes of all supported systems read (TensorRT 8.5 of JetPack 5 is the oldest).
_OPSET = 17
_IR_VERSION = 8
#: Names of the free dimensions.
HEIGHT, WIDTH = "height", "width"
# Encoder layer (counted from 1) that has the size to which the features are enlarged before a decoder layer (from 0).
_ENLARGED = {2: 2, 3: 1}
# Decoder layers without padding.
_VALID = (3, 4)


def build_onnx(checkpoint: CheckpointFile, *, half: bool = False) -> onnx.ModelProto:
    """Graph of a model.

    Args:
        checkpoint: The weights.
        half: Compute in float16 (but for means and the gain), for GPUs. Else in float32.

    Returns:
        A checked model with free height and width.
    """
    graph = _Builder(checkpoint, np.dtype(np.float16 if half else np.float32))
    graph.whole()
    image = [1, 1, HEIGHT, WIDTH]
    channels = checkpoint.architecture.channels
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            checkpoint.name,
            [
                helper.make_tensor_value_info("infrared", TensorProto.UINT8, image),
                helper.make_tensor_value_info("visible", TensorProto.UINT8, image),
                helper.make_tensor_value_info("gain", TensorProto.FLOAT, [1]),
                helper.make_tensor_value_info("hold", TensorProto.FLOAT, [1]),
            ],
            [
                helper.make_tensor_value_info("fused", TensorProto.UINT8, image),
                helper.make_tensor_value_info("activation", TensorProto.FLOAT, [2, channels]),
                helper.make_tensor_value_info("used_gain", TensorProto.FLOAT, [1]),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="camf_ros",
    )
    helper.set_model_props(model, {"model_name": checkpoint.name, "model_hash": checkpoint.hash})
    onnx.checker.check_model(model)
    return model


class _Builder:
    """Nodes and constants of one graph."""

    def __init__(self, checkpoint: CheckpointFile, kind: np.dtype[np.floating]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._architecture = checkpoint.architecture
        self._tensors = checkpoint.tensors
        self._weights = checkpoint.class_activation_weights()
        self._kind = kind

    def whole(self) -> None:
        """Everything from the inputs to the outputs."""
        features, sizes = self._encoder()
        gain = self._gain(features[-1])
        self._node("Identity", gain, to="used_gain")
        means = [self._node("ReduceMean", self._float(f), axes=[2, 3], keepdims=0) for f in features]
        self._node("Concat", *means, to="activation", axis=1)
        self._decoder(self._fuse(features, gain), sizes)

    def _encoder(self) -> tuple[list[str], dict[int, str]]:
        """Fused layers' features, finest first, of both sources as one batch; and every layer's shape by its number."""
        both = self._cast(self._node("Concat", "infrared", "visible", axis=0), self._kind)
        # Exact, even in bfloat16: whole numbers and a half need 8 bits up to 127.5.
        x = self._node("Sub", both, self._constant(GREY, self._kind))
        pads = self._constant([0, 0, BORDER, BORDER] * 2, np.int64)
        x = self._node("Pad", x, pads, mode="edge")
        features, sizes = [], {}
        for number, stride in enumerate(ENCODER_STRIDES, start=1):
            x = self._convolution(f"encoder.layers.{number - 1}", x, stride=stride, scale=1 / GREY if number == 1 else 1)
            if number in self._architecture.fused:
                features.append(x)
            if number in _ENLARGED.values():
                sizes[number] = self._node("Slice", self._node("Shape", x), *self._constants([2], [4], [0]))
        return features, sizes

    def _gain(self, deepest: str) -> str:
        """As :func:`camf_ros.network.gain.automatic_gain`, mixed with the gain that is given."""
        weights = self._weights[:, -self._architecture.encoder[-1] :].astype(np.float64)
        x = self._float(deepest)
        means = self._node("ReduceMean", x, axes=[2, 3], keepdims=1)
        # Of what is left without the mean: the energies are small beside it, and half precision has no bits to lose.
        parts = self._node("Split", self._node("Sub", x, means), axis=0, outputs=2)
        infrared, visible = parts.split()
        squares = [
            self._node("ReduceMean", self._node("Mul", a, b), axes=[0, 2, 3], keepdims=0)
            for a, b in ((infrared, infrared), (visible, visible), (infrared, visible))
        ]
        # (3, K) of energies against weights of each sum.
        energies = self._node("Concat", *squares, axis=0)
        apart = self._sum(energies, np.concatenate([np.ones_like(weights).ravel(), np.zeros_like(weights[0])]))
        summed = self._sum(energies, np.concatenate([*weights**2, 2 * weights[0] * weights[1]]))
        level = self._node("ReduceSumSquare", means, keepdims=0)
        faint = self._node("Add", self._node("Mul", level, self._constant(FAINT)), self._constant(NOTHING))
        zero = self._constant(0.0)
        above, below = (self._node("Add", self._node("Max", value, zero), faint) for value in (apart, summed))
        ratio = self._node("Sqrt", self._node("Div", above, below))
        own = self._node("Mul", ratio, self._constant(CONTRAST))
        own = self._node("Clip", own, *(self._constant(limit) for limit in GAIN_RANGE))
        own = self._node("Reshape", own, self._constant([1], np.int64))
        change = self._node("Mul", "hold", self._node("Sub", "gain", own))
        return self._node("Add", own, change)

    def _sum(self, energies: str, factors: NDArray[np.float64]) -> str:
        product = self._node("Mul", energies, self._constant(factors))
        return self._node("ReduceSum", product, keepdims=0)

    def _fuse(self, features: Sequence[str], gain: str) -> list[str]:
        fused, begin = [], 0
        for layer, width in zip(features, self._architecture.fused_channels, strict=True):
            part = self._weights[:, begin : begin + width]
            begin += width
            sources = self._node("Split", layer, axis=0, outputs=2).split()
            weighted = []
            for source, weight in zip(sources, part, strict=True):
                factor = self._node("Mul", self._constant(weight.reshape(1, -1, 1, 1)), gain)
                weighted.append(self._node("Mul", source, self._cast(factor, self._kind)))
            fused.append(self._node("Add", *weighted))
        return fused

    def _decoder(self, features: Sequence[str], sizes: dict[int, str]) -> None:
        fine = dict(zip(self._architecture.fused, features, strict=True))
        x = features[-1]
        for number in range(len(self._architecture.decoder)):
            if number in _ENLARGED:
                x = self._enlarge(x, sizes[_ENLARGED[number]])
                joined = fine.get(DECODER_JOINS[number])
                if joined:
                    x = self._node("Concat", x, joined, axis=1)
            x = self._convolution(f"decoder.layers.{number}", x, padding=0 if number in _VALID else 1)
        x = self._node("Conv", x, *self._weights_of("decoder.head"), kernel_shape=[1, 1])
        x = self._node("Mul", self._node("Tanh", x), self._constant(GREY, self._kind))
        x = self._node("Round", self._node("Add", x, self._constant(GREY, self._kind)))
        self._node("Cast", x, to="fused", kind=TensorProto.UINT8)

    def _enlarge(self, x: str, size: str) -> str:
        first = self._node("Slice", self._node("Shape", x), *self._constants([0], [2], [0]))
        shape = self._node("Concat", first, size, axis=0)
        options = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self._node("Resize", x, "", "", shape, **options)

    def _convolution(self, name: str, x: str, *, stride: int = 1, padding: int = 1, scale: float = 1.0) -> str:
        options = {"kernel_shape": [3, 3], "strides": [stride] * 2, "pads": [padding] * 4}
        return self._node("Relu", self._node("Conv", x, *self._weights_of(name, scale), **options))

    def _weights_of(self, name: str, scale: float = 1.0) -> tuple[str, str]:
        weight = self._tensors[f"{name}.weight"].astype(np.float64) * scale
        bias = self._tensors[f"{name}.bias"]
        return self._constant(weight, self._kind), self._constant(bias, self._kind)

    def _float(self, x: str) -> str:
        return x if self._kind == np.float32 else self._cast(x, np.dtype(np.float32))

    def _cast(self, x: str, kind: np.dtype[np.floating]) -> str:
        return self._node("Cast", x, kind=helper.np_dtype_to_tensor_dtype(kind))

    def _constants(self, *values: Sequence[int]) -> list[str]:
        return [self._constant(value, np.int64) for value in values]

    def _constant(self, value: object, kind: np.dtype[np.generic] | type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def _node(self, operator: str, *inputs: str, to: str = "", outputs: int = 1, kind: int = 0, **options: object) -> str:
        """Add an operator; returns the name of its output, or of all of them with spaces between."""
        number = len(self.nodes)
        names = [to] if to else [f"x{number}" if outputs == 1 else f"x{number}_{i}" for i in range(outputs)]
        if kind:
            options["to"] = kind
        self.nodes.append(helper.make_node(operator, inputs, names, name=f"{operator} {number}", **options))
        return " ".join(names)
