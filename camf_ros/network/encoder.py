"""The encoder that both sources share: grey image to feature channels at a quarter of its size."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from camf_ros.network.architecture import ENCODER_STRIDES, Architecture


class Encoder(nn.Module):
    """Six 3x3 convolutions with ReLU; the second and third halve the size (rounding up)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.fused = architecture.fused
        widths = (1, *architecture.encoder)
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
            for (inputs, outputs), stride in zip(pairwise(widths), ENCODER_STRIDES, strict=True)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Features of grey images.

        Args:
            image: (N, 1, H, W), range -1 to 1.

        Returns:
            Features of each fused layer, finest first, at least 0; the last ones are (N, K, ceil(H / 4), ceil(W / 4)).
        """
        features = []
        x = image
        for number, layer in enumerate(self.layers, start=1):
            x = F.relu(cast(Tensor, layer(x)))
            if number in self.fused:
                features.append(x)
        return tuple(features)
