"""A model's weights, rearranged for inference: what can be multiplied into a layer is, once.

- The division of grey levels by 127.5 is in the first layer, so that its input (level - 127.5) is exact even in
  bfloat16.
- The class activation weights are in the encoder. ReLU commutes with positive factors, so a layer whose channels are
  multiplied has its weights and biases multiplied, and the next layer's are divided. Each source has its own copy of
  the encoder then, and the fusion rule is one sum. ("Weighted" features are multiplied with these weights, but not
  with the gain.)
- The gain is multiplied into the weights of the decoder layers that take fused features in: thousands of weights
  rather than millions of features.
- A decoder layer that takes in two kinds of features is two convolutions and a sum: nothing is joined in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from camf_ros.engines.torch_enlargement import combined_weight
from camf_ros.engines.torch_kernels import channels_last
from camf_ros.network import CamfNetwork
from camf_ros.network.architecture import DECODER_JOINS, ENCODER_STRIDES, Architecture
from camf_ros.network.constants import GREY

#: Decoder layers (counted from 0) that begin with an enlargement.
ENLARGED = (2, 3)


@dataclass(frozen=True)
class EncoderLayer:
    """One layer of one source's encoder.

    Attributes:
        weight: (O, C, 3, 3).
        bias: (O,).
        stride: 1 or 2.
        factors: (O,), float32, what its features are multiplied with; None where they are not fused.
    """

    weight: Tensor
    bias: Tensor
    stride: int
    factors: Tensor | None


@dataclass(frozen=True)
class DecoderLayer:
    """One 3x3 layer of the decoder.

    Attributes:
        weight: (O, C, 3, 3), for what comes from the layer before; float32 in the first layer, where that are fused
            features, which the gain is still to be multiplied into.
        bias: (O,).
        combined: (4 O, C, 3, 3), the same for features before their enlargement by two; as ``weight`` where there is
            none.
        combined_bias: (4 O,), likewise.
        fine: (O, C', 3, 3), float32, for the fused features of a finer encoder layer, to be multiplied with the gain;
            None where none are taken in.
        fine_layer: That encoder layer, counted from 1; 0 where there is none.
    """

    weight: Tensor
    bias: Tensor
    combined: Tensor
    combined_bias: Tensor
    fine: Tensor | None
    fine_layer: int


@dataclass(frozen=True)
class FrameWeights:
    """All weights of a frame, on one device.

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
    head: Tensor
    head_bias: Tensor


def rearrange(network: CamfNetwork, device: torch.device, dtype: torch.dtype) -> FrameWeights:
    """Weights of a network for a device and an arithmetic. The network is not changed."""
    return _Rearrangement(network, device, dtype).whole()


class _Rearrangement:
    def __init__(self, network: CamfNetwork, device: torch.device, dtype: torch.dtype) -> None:
        self._architecture = network.architecture
        self._tensors = {name: value.double() for name, value in network.state_dict().items()}
        # A weight below this share of the mean is 0 in any picture, and dividing by it must stay within the type.
        least = 2.0**-10 if dtype == torch.float16 else 2.0**-30
        self._rule = network.class_activation_weights().detach().double().clamp_min(least)
        self._device, self._dtype = device, dtype

    def whole(self) -> FrameWeights:
        tensors, widths = self._tensors, self._architecture.decoder
        return FrameWeights(
            self._architecture,
            (self._encoder(0), self._encoder(1)),
            tuple(self._decoder_layer(number) for number in range(len(widths))),
            self._ready(tensors["decoder.head.weight"]),
            self._ready(tensors["decoder.head.bias"]),
        )

    def _encoder(self, row: int) -> tuple[EncoderLayer, ...]:
        layers = []
        before = torch.full((1,), GREY, dtype=torch.float64)
        for number, stride in enumerate(ENCODER_STRIDES, start=1):
            name = f"encoder.layers.{number - 1}"
            factors = self._factors(number, row)
            after = torch.ones(self._architecture.encoder[number - 1], dtype=torch.float64)
            if factors is not None:
                after = factors
            weight = self._tensors[f"{name}.weight"] / before[:, None, None] * after[:, None, None, None]
            bias = self._tensors[f"{name}.bias"] * after
            known = None if factors is None else factors.to(self._device, torch.float32)
            layers.append(EncoderLayer(self._ready(weight), self._ready(bias), stride, known))
            before = after
        return tuple(layers)

    def _factors(self, layer: int, row: int) -> Tensor | None:
        fused = self._architecture.fused
        if layer not in fused:
            return None
        return torch.split(self._rule[row], list(self._architecture.fused_channels))[fused.index(layer)]

    def _decoder_layer(self, number: int) -> DecoderLayer:
        weight, bias = (self._tensors[f"decoder.layers.{number}.{part}"] for part in ("weight", "bias"))
        joined = DECODER_JOINS.get(number, 0)
        fine, fine_layer = None, 0
        if joined in self._architecture.fused:
            own = weight.shape[1] - self._architecture.encoder[joined - 1]
            weight, fine = weight[:, :own], self._ready(weight[:, own:], torch.float32)
            fine_layer = joined
        own_weight = self._ready(weight, torch.float32 if number == 0 else self._dtype)
        own_bias = self._ready(bias)
        enlarged = number in ENLARGED
        return DecoderLayer(
            own_weight,
            own_bias,
            self._ready(combined_weight(weight)) if enlarged else own_weight,
            own_bias.repeat(4) if enlarged else own_bias,
            fine,
            fine_layer,
        )

    def _ready(self, value: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        there = value.to(self._device, dtype or self._dtype)
        return channels_last(there) if there.ndim == 4 else there.contiguous()
