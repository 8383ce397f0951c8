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

- The weights are those of :mod:`camf_ros.network.folded_weights`: an encoder for each source, whose features come out
  weighted, and decoder layers with two inputs as two convolutions and a sum.
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

from camf_ros.network.architecture import DECODER_JOINS
from camf_ros.network.checkpoint_file import CheckpointFile
from camf_ros.network.constants import BORDER, CONTRAST, FAINT, GAIN_RANGE, GREY, NOTHING
from camf_ros.network.doubling import combined_weight
from camf_ros.network.folded_weights import DecoderLayer, EncoderLayer, fold
from camf_ros.network.onnx_builder import OnnxBuilder

if TYPE_CHECKING:
    import onnx

#: Names of the outputs.
OUTPUTS = ("fused", "activation", "used_gain")
#: Names of the free dimensions.
HEIGHT, WIDTH = "height", "width"
# Decoder layers (counted from 0) without padding, and the one that brings full size.
_VALID = (3, 4)
_LARGEST = 3
# Side of the squares that large features are averaged over first.
_SQUARE = 4


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
        weights = checkpoint.class_activation_weights()
        self._folded = fold(checkpoint.architecture, checkpoint.tensors, weights, half=kind == np.float16)
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
        x = self.build.node("Sub", grey, self.build.constant(GREY, self._kind))
        x = self.build.node("Pad", x, *self.build.integers([0, 0, BORDER, BORDER] * 2), mode="edge")
        features, sizes = [], {}
        for number, layer in enumerate(self.encoder_layers(row), start=1):
            x = self.build.node("Relu", self.convolution(x, layer.weight, layer.bias, stride=layer.stride))
            if layer.factors is not None:
                features.append(x)
            if number in DECODER_JOINS.values():
                sizes[number] = self.build.size_of(x)
        return features, sizes

    def encoder_layers(self, row: int) -> Sequence[EncoderLayer]:
        """Layers of a source's encoder."""
        return self._folded.encoders[row]

    def _means(self, features: Sequence[str], row: int) -> str:
        """Mean of each channel before weighting, (1, K)."""
        means = []
        layers = self._folded.architecture.fused
        for layer, factors, x in zip(layers, self._folded.factors(row), features, strict=True):
            large = layer in DECODER_JOINS.values()
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
            factors = constant(1 / self._folded.factors(row)[-1] ** 2)
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
        fused = dict(zip(self._folded.architecture.fused, features, strict=True))
        x = features[-1]
        for number, layer in enumerate(self._folded.decoder):
            joined = fused[layer.fine_layer] if layer.fine is not None else None
            pads = [0 if number in _VALID else 1] * 4
            if number == _LARGEST and self._even:
                x = self.doubled(x, joined, layer)
                continue
            if layer.fine_layer:
                x = self._enlarge(x, sizes[layer.fine_layer])
            x = self.build.node("Relu", self.layer(x, joined, layer, pads))
        x = self.build.node("Tanh", self.convolution(x, self._folded.head, self._folded.head_bias, pads=[0] * 4))
        if self._even:  # what the layer without padding has left on: cut off here, where there is one channel
            x = self.build.node("Slice", x, *self.build.integers([1, 1], [-1, -1], [2, 3]))
        scale = self.build.constant(GREY, self._kind)
        x = self.build.node("Add", self.build.node("Mul", x, scale), scale)
        self.build.cast(self.build.node("Round", x), np.uint8, output="fused")

    def doubled(self, x: str, joined: str | None, layer: DecoderLayer) -> str:
        """Enlargement by two, the layer after it and its ReLU; with a border pixel more than without padding."""
        places = self.build.node("Pad", x, *self.build.integers([0, 0, 1, 1] * 2), mode="edge")
        own = None if joined else np.tile(layer.bias, 4)
        places = self.convolution(places, combined_weight(layer.weight), own, pads=[0] * 4)
        if joined is None or layer.fine is None:
            return self.build.node("DepthToSpace", self.build.node("Relu", places), blocksize=2, mode="DCR")
        large = self.build.node("DepthToSpace", places, blocksize=2, mode="DCR")
        more = self.convolution(joined, layer.fine, layer.bias, pads=[1] * 4)
        return self.build.node("Relu", self.build.node("Add", large, more))

    def layer(self, x: str, joined: str | None, layer: DecoderLayer, pads: Sequence[int]) -> str:
        """A decoder layer without its ReLU, of one or two kinds of features."""
        own = self.convolution(x, layer.weight, layer.bias, pads=pads)
        if joined is None or layer.fine is None:
            return own
        return self.build.node("Add", own, self.convolution(joined, layer.fine, pads=pads))

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
