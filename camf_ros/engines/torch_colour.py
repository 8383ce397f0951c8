"""Luminance and colour on the device: the integer arithmetic of :mod:`camf_ros.imaging.luminance`, bit by bit.

BT.601 YCbCr with full range, as in JPEG, in fixed point with 14 binary digits, which is what OpenCV computes on 8-bit
pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor

_DIGITS = 14
_HALF = 1 << (_DIGITS - 1)
# Weights of red, green and blue in the luminance: 0.299, 0.587 and 0.114.
_LUMA = (4899, 9617, 1868)
# Red less luminance to Cr, blue less luminance to Cb: 0.713 and 0.564.
_TO_CHROMA = (11682, 9241)
# What Cr and Cb add to red, green and blue: 1.403; -0.714 and -0.344; 1.773.
_FROM_CR = (22987, -11698, 0)
_FROM_CB = (0, -5636, 29049)


class Colour:
    """Takes the luminance out of RGB pictures and puts another one in. Holds its constants on one device."""

    def __init__(self, device: torch.device) -> None:
        def constant(values: tuple[int, ...]) -> Tensor:
            return torch.tensor(values, dtype=torch.int32, device=device)

        self._luma, self._to_chroma = constant(_LUMA), constant(_TO_CHROMA)
        self._from_cr, self._from_cb = constant(_FROM_CR), constant(_FROM_CB)

    def split(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Luminance and colour of a picture.

        Args:
            rgb: (H, W, 3), uint8, red, green, blue.

        Returns:
            Luminance, (H, W), int32, 0 to 255; and Cr and Cb, (H, W, 2), int32, -128 to 127.
        """
        levels = rgb.to(torch.int32)
        luminance = _rounded((levels * self._luma).sum(-1, dtype=torch.int32))
        difference = levels[..., ::2] - luminance[..., None]
        return luminance, _rounded(difference * self._to_chroma).clamp_(-128, 127)

    def merge(self, luminance: Tensor, chroma: Tensor) -> Tensor:
        """Picture of a luminance and a colour.

        Args:
            luminance: (H, W), any type, whole numbers from 0 to 255.
            chroma: (H, W, 2), from :meth:`split`.

        Returns:
            (H, W, 3), uint8.
        """
        colour = _rounded(chroma[..., :1] * self._from_cr + chroma[..., 1:] * self._from_cb)
        return (colour + luminance.to(torch.int32)[..., None]).clamp_(0, 255).to(torch.uint8)


def _rounded(scaled: Tensor) -> Tensor:
    """From fixed point to whole numbers, in place."""
    return scaled.add_(_HALF).bitwise_right_shift_(_DIGITS)
