"""The rearranged weights of a model on a device: :mod:`camf_ros.network.folded_weights` for PyTorch.

The gain is multiplied into the weights of the decoder layers that take fused features in, thousands of weights rather
than millions of features: these stay in float32 for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camf_ros.engines.torch_kernels import channels_last
from camf_ros.network import CamfNetwork, folded_weights
from camf_ros.network.architecture import Architecture
from camf_ros.network.doubling import combined_weight
from camf_ros.network.folded_weights import fold


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
    tensors = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    rule = network.class_activation_weights().detach().cpu().numpy()
    folded = fold(network.architecture, tensors, rule, half=dtype == torch.float16)
    return _Placement(device, dtype).whole(folded)


class _Placement:
    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self._device, self._dtype = device, dtype

    def whole(self, folded: folded_weights.FoldedWeights) -> FrameWeights:
        infrared, visible = (tuple(map(self._encoder_layer, layers)) for layers in folded.encoders)
        return FrameWeights(
            folded.architecture,
            (infrared, visible),
            tuple(self._decoder_layer(layer, first=number == 0) for number, layer in enumerate(folded.decoder)),
            self._ready(folded.head),
            self._ready(folded.head_bias),
        )

    def _encoder_layer(self, layer: folded_weights.EncoderLayer) -> EncoderLayer:
        factors = None if layer.factors is None else self._ready(layer.factors, torch.float32)
        return EncoderLayer(self._ready(layer.weight), self._ready(layer.bias), layer.stride, factors)

    def _decoder_layer(self, layer: folded_weights.DecoderLayer, *, first: bool) -> DecoderLayer:
        weight = self._ready(layer.weight, torch.float32 if first else self._dtype)
        bias = self._ready(layer.bias)
        enlarged = layer.fine_layer > 0
        return DecoderLayer(
            weight,
            bias,
            self._ready(combined_weight(layer.weight)) if enlarged else weight,
            bias.repeat(4) if enlarged else bias,
            None if layer.fine is None else self._ready(layer.fine, torch.float32),
            layer.fine_layer if layer.fine is not None else 0,
        )

    def _ready(self, value: NDArray[np.float64], dtype: torch.dtype | None = None) -> Tensor:
        there = torch.from_numpy(np.ascontiguousarray(value)).to(self._device, dtype or self._dtype)
        return channels_last(there) if there.ndim == 4 else there.contiguous()
