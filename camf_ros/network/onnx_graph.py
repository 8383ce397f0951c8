"""The whole fusion as an ONNX graph: grey levels in, grey levels out, for any runtime that reads ONNX.

Built from the weights directly, operator by operator, so that neither PyTorch nor its tracer is needed and nothing is
in the graph that need not be. Inputs:

- ``infrared``, ``visible``: (1, 1, H, W), uint8, of any size.
- ``gain``: (1,), float32, gain of the fusion rule; looked at as far as ``hold`` says.
- ``hold``: (1,), float32, 0 (automatic gain of this pair) to 1 (``gain`` as it is).

Outputs:

- ``fused``: (1, 1, H, W), uint8.
- ``activation``: (2, K), float32, mean of each fused encoder channel, rows infrared and visible.
- ``used_gain``: (1,), float32.

It is the function of :class:`camf_ros.network.model.CamfNetwork`, rearranged where that costs nothing in exactness:

- The division of grey levels by 127.5 is in the weights of the first layer.
- The class activation weights are in the weights of the encoder. ReLU commutes with positive factors, so a layer whose
  channels are multiplied has its weights and biases multiplied, and the next layer's are divided. Each source has its
  own copy of the encoder then, and the fusion rule is left with one sum and the gain.
- What two layers add up to a decoder layer are two convolutions and a sum, not one of joined features: no copy of both.
- The means of large features begin with averages of 4 x 4 by a depthwise convolution, which runtimes do in the
  network's reduced precision, where a mean of everything would have all features written out in float32 first.
- Where both sides of the picture are even, its last enlargement and the layer after it are one convolution of the small
  features (:mod:`camf_ros.network.doubling`).
- The energy of the fused features, for the automatic gain, is taken from the sum that is needed anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from camf_ros.network.architecture import DECODER_JOINS, ENCODER_STRIDES
from camf_ros.network.checkpoint_file import CheckpointFile
from camf_ros.network.constants import BORDER, CONTRAST, FAINT, GAIN_RANGE, GREY, NOTHING
from camf_ros.network.doubling import combined_weight
from camf_ros.network.onnx_builder import OnnxBuilder

if TYPE_CHECKING:
    import onnx

#: Names of the free dimensions.
HEIGHT, WIDTH = "height", "width"
# Decoder layers (counted from 0) that begin with an enlargement, and the encoder layer (from 1) that has the size.
_ENLARGED = {2: 2, 3: 1}
# Decoder layers without padding, and the one that brings full size.
_VALID = (3, 4)
_LARGEST = 3
# Side of the squares that large features are averaged over first.
_SQUARE = 4
# A weight below this share of the mean is 0 in any picture; dividing by it would leave the range of half precision.
_LEAST = 2.0**-10


def build_onnx(checkpoint: CheckpointFile, *, half: bool = False, even: bool = False) -> onnx.ModelProto:
    """Graph of a model.

    Args:
        checkpoint: The weights.
        half: Compute in float16 (but for means and the gain), for GPUs. Else in float32.
        even: For pictures of even height and width alone, which is faster.

    Returns:
        A checked model with free height and width.
    """
    return finish(CamfGraph(checkpoint, np.dtype(np.float16 if half else np.float32), even=even), checkpoint)


def finish(graph: CamfGraph, checkpoint: CheckpointFile) -> onnx.ModelProto:
    """The model of a graph, with its inputs and outputs."""
    graph.whole()
    image = (1, 1, HEIGHT, WIDTH)
    return graph.build.model(
        checkpoint.name,
        [
            ("infrared", np.uint8, image),
            ("visible", np.uint8, image),
            ("gain", np.float32, (1,)),
            ("hold", np.float32, (1,)),
        ],
        [
            ("fused", np.uint8, image),
            ("activation", np.float32, (2, checkpoint.architecture.channels)),
            ("used_gain", np.float32, (1,)),
        ],
        {"model_name": checkpoint.name, "model_hash": checkpoint.hash},
    )


class CamfGraph:
    """The parts of the graph; each step of its arithmetic is a method, so that a benchmark can try it another way.

    Features are NCHW. "Weighted" ones are multiplied with their class activation weights, but not with the gain.
    """

    def __init__(self, checkpoint: CheckpointFile, kind: np.dtype[np.floating], *, even: bool = False) -> None:
        self.build = OnnxBuilder()
        self._architecture = checkpoint.architecture
        self._tensors = checkpoint.tensors
        self._weights = np.maximum(checkpoint.class_activation_weights().astype(np.float64), _LEAST)
        self._kind = kind
        self._even = even

    def whole(self) -> None:
        """Everything from the inputs to the outputs."""
        add = self.build.node
        infrared, sizes = self._encoder("infrared", 0)
        visible, _ = self._encoder("visible", 1)
        add("Concat", self._means(infrared, 0), self._means(visible, 1), output="activation", axis=0)
        sums = [add("Add", a, b) for a, b in zip(infrared, visible, strict=True)]
        gain = self._gain(infrared[-1], visible[-1], sums[-1])
        add("Identity", gain, output="used_gain")
        factor = self.gain_factor(gain)
        self._decoder([add("Mul", x, factor) for x in sums], sizes)

    def gain_factor(self, gain: str) -> str:
        """The gain as a factor of features."""
        # Of four dimensions, as the features: with one, OpenVINO changes the layout of all features and back.
        return self.build.cast(self.build.node("Reshape", gain, *self.build.integers([1, 1, 1, 1])), self._kind)

    def _encoder(self, source: str, row: int) -> tuple[list[str], dict[int, str]]:
        """Weighted features of each fused layer, finest first; and the sizes of the layers that the decoder needs."""
        grey = self.build.cast(source, self._kind)
        # Exact, even in bfloat16: whole numbers and a half need 8 bits up to 127.5.
        x = self.build.node("Sub", grey, self.build.constant(GREY, self._kind))
        x = self.build.node("Pad", x, *self.build.integers([0, 0, BORDER, BORDER] * 2), mode="edge")
        features, sizes = [], {}
        before: NDArray[np.float64] = np.full(1, GREY)
        for number, stride in enumerate(ENCODER_STRIDES, start=1):
            after = self._factors(number, row)
            name = f"encoder.layers.{number - 1}"
            weight = self._tensors[f"{name}.weight"] / before[:, None, None] * after[:, None, None, None]
            bias = self._tensors[f"{name}.bias"] * after
            x = self.build.node("Relu", self.convolution(x, weight, bias, stride=stride))
            before = after
            if number in self._architecture.fused:
                features.append(x)
            if number in _ENLARGED.values():
                sizes[number] = self.build.size_of(x)
        return features, sizes

    def _factors(self, layer: int, row: int) -> NDArray[np.float64]:
        """What the channels of an encoder layer are multiplied with: their class activation weights, if it is fused."""
        architecture = self._architecture
        width = architecture.encoder[layer - 1]
        if layer not in architecture.fused:
            return np.ones(width)
        begin = sum(architecture.fused_channels[: architecture.fused.index(layer)])
        return self._weights[row, begin : begin + width]

    def _means(self, features: Sequence[str], row: int) -> str:
        """Mean of each channel before weighting, (1, K)."""
        means = []
        for layer, x in zip(self._architecture.fused, features, strict=True):
            factors = self._factors(layer, row)
            large = layer in _ENLARGED.values()
            mean = self.mean_of_large(x, len(factors)) if large else self.mean(x)
            means.append(self.build.node("Mul", mean, self.build.constant(1 / factors[None])))
        return self.build.node("Concat", *means, axis=1)

    def mean(self, x: str) -> str:
        """Mean of each channel, (1, C), float32."""
        return self.build.node("ReduceMean", self._float(x), axes=[2, 3], keepdims=0)

    def mean_of_large(self, x: str, channels: int) -> str:
        """Likewise, of features of full or half size."""
        # Sums of squares that hang over the lower and right border are right too: what is outside is 0.
        kernel = np.full((channels, 1, _SQUARE, _SQUARE), 1 / _SQUARE**2)
        pads = [0, 0, _SQUARE - 1, _SQUARE - 1]
        averages = self.convolution(x, kernel, stride=_SQUARE, pads=pads, group=channels)
        total = self.build.node("ReduceSum", self._float(averages), *self.build.integers([2, 3]), keepdims=0)
        total = self.build.node("Mul", total, self.build.constant(_SQUARE**2))
        return self.build.node("Div", total, self._pixels(x))

    def _gain(self, infrared: str, visible: str, summed: str) -> str:
        """As :func:`camf_ros.network.gain.automatic_gain`, mixed with the gain that is given; (1,)."""
        add, constant = self.build.node, self.build.constant
        energies, levels = [], []
        for row, x in enumerate((infrared, visible)):
            energy, level = self._moments(x)
            factors = constant(1 / self._factors(self._architecture.fused[-1], row) ** 2)
            energies.append(add("Mul", energy, factors))
            levels.append(add("Mul", level, factors))
        apart, together, level = (
            add("ReduceSum", x, keepdims=1)
            for x in (add("Add", *energies), self._moments(summed)[0], add("Add", *levels))
        )
        faint = add("Add", add("Mul", level, constant(FAINT)), constant(NOTHING))
        apart, together = (add("Add", add("Max", x, constant(0.0)), faint) for x in (apart, together))
        own = add("Mul", add("Sqrt", add("Div", apart, together)), constant(CONTRAST))
        own = add("Clip", own, *(constant(limit) for limit in GAIN_RANGE))
        return add("Add", own, add("Mul", "hold", add("Sub", "gain", own)))

    def _moments(self, x: str) -> tuple[str, str]:
        """Variance of each channel and the square of its mean, (K,)."""
        add = self.build.node
        x = self._float(x)
        mean = add("ReduceMean", x, axes=[0, 2, 3], keepdims=0)
        # The root of the sum of squares is one operator, a sum of squares is two in most runtimes.
        norm = add("ReduceL2", x, axes=[0, 2, 3], keepdims=0)
        level = add("Mul", mean, mean)
        square = add("Div", add("Mul", norm, norm), self._pixels(x))
        return add("Sub", square, level), level

    def _pixels(self, x: str) -> str:
        return self.build.node("ReduceProd", self.build.cast(self.build.size_of(x), np.float32), keepdims=1)

    def _decoder(self, features: Sequence[str], sizes: dict[int, str]) -> None:
        fine = dict(zip(self._architecture.fused, features, strict=True))
        x = features[-1]
        for number in range(len(self._architecture.decoder)):
            weight, bias = (self._tensors[f"decoder.layers.{number}.{part}"] for part in ("weight", "bias"))
            joined = fine.get(DECODER_JOINS.get(number, 0))
            own = weight.shape[1] - (self._architecture.encoder[DECODER_JOINS[number] - 1] if joined else 0)
            pads = [0 if number in _VALID else 1] * 4
            if number == _LARGEST and self._even:
                x = self.doubled(x, joined, (weight[:, :own], weight[:, own:]), bias)
                continue
            if number in _ENLARGED:
                x = self._enlarge(x, sizes[_ENLARGED[number]])
            if joined:
                x = self.two_inputs(x, joined, (weight[:, :own], weight[:, own:]), bias, pads)
            else:
                x = self.convolution(x, weight, bias, pads=pads)
            x = self.build.node("Relu", x)
        head = (self._tensors[f"decoder.head.{part}"] for part in ("weight", "bias"))
        x = self.build.node("Tanh", self.convolution(x, *head, pads=[0] * 4))
        if self._even:  # what the layer without padding has left on: cut off here, where there is one channel
            x = self.build.node("Slice", x, *self.build.integers([1, 1], [-1, -1], [2, 3]))
        scale = self.build.constant(GREY, self._kind)
        x = self.build.node("Add", self.build.node("Mul", x, scale), scale)
        self.build.cast(self.build.node("Round", x), np.uint8, output="fused")

    def doubled(
        self,
        x: str,
        joined: str | None,
        weights: tuple[NDArray[np.floating], NDArray[np.floating]],
        bias: NDArray[np.floating],
    ) -> str:
        """Enlargement by two, the layer after it and its ReLU; with a border pixel more than without padding."""
        places = self.build.node("Pad", x, *self.build.integers([0, 0, 1, 1] * 2), mode="edge")
        own = None if joined else np.tile(bias, 4)
        places = self.convolution(places, combined_weight(weights[0]), own, pads=[0] * 4)
        if joined:
            large = self.build.node("DepthToSpace", places, blocksize=2, mode="DCR")
            more = self.convolution(joined, weights[1], bias, pads=[1] * 4)
            return self.build.node("Relu", self.build.node("Add", large, more))
        return self.build.node("DepthToSpace", self.build.node("Relu", places), blocksize=2, mode="DCR")

    def two_inputs(
        self,
        x: str,
        joined: str,
        weights: tuple[NDArray[np.floating], NDArray[np.floating]],
        bias: NDArray[np.floating],
        pads: Sequence[int],
    ) -> str:
        """A convolution of two kinds of features, with the weights of each."""
        more = self.convolution(joined, weights[1], pads=pads)
        return self.build.node("Add", self.convolution(x, weights[0], bias, pads=pads), more)

    def _enlarge(self, x: str, size: str) -> str:
        first = self.build.node("Slice", self.build.node("Shape", x), *self.build.integers([0], [2], [0]))
        shape = self.build.node("Concat", first, size, axis=0)
        half_pixel = "half_pixel"  # align_corners=False of PyTorch
        return self.build.node("Resize", x, "", "", shape, mode="linear", coordinate_transformation_mode=half_pixel)

    def convolution(
        self,
        x: str,
        weight: NDArray[np.floating],
        bias: NDArray[np.floating] | None = None,
        *,
        stride: int = 1,
        pads: Sequence[int] = (1, 1, 1, 1),
        group: int = 1,
    ) -> str:
        """A convolution in the precision of the graph."""
        constants = [self.build.constant(value, self._kind) for value in (weight, bias) if value is not None]
        strides = [stride] * 2
        return self.build.node(
            "Conv", x, *constants, kernel_shape=weight.shape[2:], strides=strides, pads=pads, group=group
        )

    def _float(self, x: str) -> str:
        return x if self._kind == np.float32 else self.build.cast(x, np.float32)
