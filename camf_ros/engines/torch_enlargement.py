"""An enlargement by two, and the 3x3 convolution after it, as one convolution of the small features.

A bilinear enlargement to exactly twice the size makes each new pixel from its nearest ones with weights 3/4 and 1/4,
the border repeated. What a 3x3 convolution of the large features gives at one of the four places within a small pixel
is therefore a 3x3 convolution of the small features, with weights of its own for each of the four. All four are
computed as one convolution with four times as many channels, and the large features are never written. These are as
many multiplications, but in wider layers, which processors like better; and nothing is rounded between enlargement and
convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Share of the small pixels -1, 0 and 1 from a place (rows) in each large pixel of the convolution's reach (columns):
# for the first and for the second place of a small pixel.
_FIRST = ((0.75, 0.25, 0.0), (0.25, 0.75, 0.75), (0.0, 0.0, 0.25))
_SECOND = ((0.25, 0.0, 0.0), (0.75, 0.75, 0.25), (0.0, 0.25, 0.75))


def is_doubling(small: Tensor, size: tuple[int, int]) -> bool:
    """Whether an enlargement of features (1, C, h, w) to a size (H, W) is one by exactly two."""
    height, width = small.shape[-2:]
    return size == (2 * height, 2 * width)


def combined_weight(weight: Tensor) -> Tensor:
    """Weight (O, C, 3, 3) of the convolution of large features to (4 O, C, 3, 3) for small ones, place by place."""
    shares = torch.tensor([_FIRST, _SECOND], dtype=weight.dtype, device=weight.device)
    combined = torch.einsum("pay,qbx,ocyx->pqocab", shares, shares, weight)
    return combined.reshape(-1, *weight.shape[1:])


def interleave(places: Tensor) -> Tensor:
    """Put the four places of each small pixel side by side: (1, 4 O, h, w) to (1, O, 2 h, 2 w), channels last."""
    _, channels, height, width = places.shape
    parts = places.permute(0, 2, 3, 1).reshape(height, width, 2, 2, channels // 4)
    return parts.transpose(1, 2).reshape(1, 2 * height, 2 * width, channels // 4).permute(0, 3, 1, 2)
