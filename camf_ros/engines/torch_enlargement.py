"""The enlargement and the convolution after it as one, in PyTorch: see :mod:`camf_ros.network.doubling`."""

from __future__ import annotations

from torch import Tensor


def is_doubling(small: Tensor, size: tuple[int, int]) -> bool:
    """Whether an enlargement of features (1, C, h, w) to a size (H, W) is one by exactly two."""
    height, width = small.shape[-2:]
    return size == (2 * height, 2 * width)


def interleave(places: Tensor) -> Tensor:
    """Put the four places of each small pixel side by side: (1, 4 O, h, w) to (1, O, 2 h, 2 w), channels last."""
    _, channels, height, width = places.shape
    parts = places.permute(0, 2, 3, 1).reshape(height, width, 2, 2, channels // 4)
    return parts.transpose(1, 2).reshape(1, 2 * height, 2 * width, channels // 4).permute(0, 3, 1, 2)
