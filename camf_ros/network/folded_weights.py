"""A model's weights, rearranged for inference: what can be multiplied into a layer is, once, in float64.

- The division of grey levels by 127.5 is in the first layer, so that its input (level - 127.5) is exact even in
  bfloat16, which has the 8 bits of whole numbers and a half up to 127.5.
- The class activation weights are in the encoder. ReLU commutes with positive factors, so a layer whose channels are
  multiplied has its weights and biases multiplied, and the next layer's are divided. Each source has its own copy of
  the encoder then, and the fusion rule is left with one sum and the gain. ("Weighted" features are multiplied with
  these weights, but not with the gain.)
- The weights of a decoder layer that takes in two kinds of features are apart: as two convolutions and a sum nothing
  has to be joined in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camf_ros.network.architecture import DECODER_JOINS, ENCODER_STRIDES, Architecture
from camf_ros.network.constants import GREY

_Weights = NDArray[np.float64]

# A weight below this share of the mean is 0 in any picture, and dividing by it must stay within the arithmetic.
_LEAST, _LEAST_OF_HALF = 2.0**-30, 2.0**-10


@dataclass(frozen=True)
class EncoderLayer:
    """One layer of one source's encoder.

    Attributes:
        weight: (O, C, 3, 3).
        bias: (O,).
        stride: 1 or 2.
        factors: (O,), what its features are multiplied with; None where they are not fused.
    """

    weight: _Weights
    bias: _Weights
    stride: int
    factors: _Weights | None


@dataclass(frozen=True)
class DecoderLayer:
    """One 3x3 layer of the decoder.

    Attributes:
        weight: (O, C, 3, 3), for what comes from the layer before.
        bias: (O,).
        fine: (O, C', 3, 3), for the fused features of a finer encoder layer; None where none are taken in.
        fine_layer: The encoder layer, counted from 1, whose size the features are enlarged to before this layer, and
            whose fused features ``fine`` is for; 0 where nothing is enlarged.
    """

    weight: _Weights
    bias: _Weights
    fine: _Weights | None
    fine_layer: int


@dataclass(frozen=True)
class FoldedWeights:
    """All weights of inference.

    Attributes:
        architecture: Of the network.
        encoders: Layers for infrared and for visible.
        decoder: The five 3x3 layers.
        head: (1, C, 1, 1), the last layer.
        head_bias: (1,).
    """

    architecture: Architecture
    encoders: tuple[tuple[EncoderLayer, ...], tuple[EncoderLayer, ...]]
    decoder: tuple[DecoderLayer, ...]
    head: _Weights
    head_bias: _Weights

    def factors(self, row: int) -> tuple[_Weights, ...]:
        """What the fused features of a source (0 infrared, 1 visible) are multiplied with, finest first."""
        return tuple(layer.factors for layer in self.encoders[row] if layer.factors is not None)


def fold(
    architecture: Architecture,
    tensors: Mapping[str, NDArray[np.float32]],
    channel_weights: NDArray[np.floating],
    *,
    half: bool = False,
) -> FoldedWeights:
    """Rearrange the weights of a checkpoint.

    Args:
        architecture: Of the network.
        tensors: Its weights by name.
        channel_weights: (2, K), class activation weights before the gain.
        half: For arithmetic with the range of float16.
    """
    wide = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    rule = np.maximum(channel_weights.astype(np.float64), _LEAST_OF_HALF if half else _LEAST)
    return FoldedWeights(
        architecture,
        (_encoder(architecture, wide, rule[0]), _encoder(architecture, wide, rule[1])),
        tuple(_decoder_layer(architecture, wide, number) for number in range(len(architecture.decoder))),
        wide["decoder.head.weight"],
        wide["decoder.head.bias"],
    )


def _encoder(architecture: Architecture, tensors: Mapping[str, _Weights], rule: _Weights) -> tuple[EncoderLayer, ...]:
    parts = np.split(rule, np.cumsum(architecture.fused_channels)[:-1])
    of_layer = dict(zip(architecture.fused, parts, strict=True))
    layers = []
    before: _Weights = np.full(1, GREY)
    for number, stride in enumerate(ENCODER_STRIDES, start=1):
        factors = of_layer.get(number)
        after = np.ones(architecture.encoder[number - 1]) if factors is None else factors
        weight, bias = (tensors[f"encoder.layers.{number - 1}.{part}"] for part in ("weight", "bias"))
        weight = weight / before[:, None, None] * after[:, None, None, None]
        layers.append(EncoderLayer(weight, bias * after, stride, factors))
        before = after
    return tuple(layers)


def _decoder_layer(architecture: Architecture, tensors: Mapping[str, _Weights], number: int) -> DecoderLayer:
    weight, bias = (tensors[f"decoder.layers.{number}.{part}"] for part in ("weight", "bias"))
    fine_layer = DECODER_JOINS.get(number, 0)
    if fine_layer not in architecture.fused:
        return DecoderLayer(weight, bias, None, fine_layer)
    own = weight.shape[1] - architecture.encoder[fine_layer - 1]
    return DecoderLayer(weight[:, :own], bias, weight[:, own:], fine_layer)
