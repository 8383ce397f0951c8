"""The decoder: features (of one source, or the weighted sum of both) back to a grey image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camf_ros.network.architecture import DECODER_JOINS, Architecture


def half_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width after one 'same' convolution of stride 2."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


class Decoder(nn.Module):
    """Five 3x3 convolutions with ReLU, two bilinear resizes, and a 1x1 convolution with tanh.

    Features of finer encoder layers, where the architecture fuses them, join after the resize to their size.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.fused = architecture.fused
        inputs = [architecture.encoder[-1], *architecture.decoder[:-1]]
        for where, layer in DECODER_JOINS.items():
            if layer in self.fused:
                inputs[where] += architecture.encoder[layer - 1]
        paddings = (1, 1, 1, 0, 0)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=padding)
            for before, after, padding in zip(inputs, architecture.decoder, paddings, strict=True)
        )
        self.head = nn.Conv2d(architecture.decoder[-1], 1, 1)

    def forward(self, features: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Image of features.

        Args:
            features: Of each fused encoder layer, finest first; the last are (N, K, ceil(H / 4), ceil(W / 4)).
            size: (H, W) of the image that the encoder was given.

        Returns:
            (N, 1, H - 4, W - 4), range -1 to 1: without the border of BORDER pixels that the 'valid' layers take.
        """
        first, second, third, fourth, fifth = self.layers
        fine = dict(zip(self.fused, features, strict=True))
        x = F.relu(second(F.relu(first(features[-1]))))
        x = F.interpolate(x, size=half_size(size), mode="bilinear", align_corners=False)
        x = F.relu(third(_join(x, fine.get(2))))
        x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        x = F.relu(fifth(F.relu(fourth(_join(x, fine.get(1))))))
        return torch.tanh(self._full_precision_head(x) if self.training else self.head(x))

    def _full_precision_head(self, x: Tensor) -> Tensor:
        """The last layer as training with mixed precision needs it: bfloat16 has 8 bits, which is all of a picture."""
        with torch.autocast(x.device.type, enabled=False):
            grey: Tensor = self.head(x.to(self.head.weight.dtype))
            return grey


def _join(x: Tensor, fine: Tensor | None) -> Tensor:
    return x if fine is None else torch.cat((x, fine), dim=1)
