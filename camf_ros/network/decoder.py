"""The decoder: features (of one source, or the weighted sum of both) back to a grey image."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camf_ros.network.architecture import Architecture

#: The last two 3x3 layers are 'valid' and take this many pixels from each border.
BORDER = 2


def half_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width after one 'same' convolution of stride 2."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


class Decoder(nn.Module):
    """Five 3x3 convolutions with ReLU, two bilinear resizes, and a 1x1 convolution with tanh."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        widths = (architecture.channels, *architecture.decoder)
        paddings = (1, 1, 1, 0, 0)
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, padding=padding)
            for (inputs, outputs), padding in zip(pairwise(widths), paddings, strict=True)
        )
        self.head = nn.Conv2d(architecture.decoder[-1], 1, 1)

    def forward(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """Image of features.

        Args:
            features: (N, K, ceil(H / 4), ceil(W / 4)).
            size: (H, W) of the image that the encoder was given.

        Returns:
            (N, 1, H - 4, W - 4), range -1 to 1: the border of :data:`BORDER` pixels is gone.
        """
        first, second, third, fourth, fifth = self.layers
        x = F.relu(second(F.relu(first(features))))
        x = F.interpolate(x, size=half_size(size), mode="bilinear", align_corners=False)
        x = F.relu(third(x))
        x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        x = F.relu(fifth(F.relu(fourth(x))))
        return torch.tanh(self.head(x))
