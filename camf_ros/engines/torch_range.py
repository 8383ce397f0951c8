"""Whether a model's features stay within float16, which ends at 65504.

Fused kernels make 0 of what is no number, so an overflow deep in the network could not be told from its result. Grey
levels are bounded, so how large features become is a matter of the model, and is found out once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from camf_ros.engines.torch_frame import TorchFrame
from camf_ros.engines.torch_kernels import PlainKernels
from camf_ros.engines.torch_weights import rearrange
from camf_ros.network import CamfNetwork

# How much larger features of other pictures may be than those of the trial.
_HEADROOM = 8
# Side of the trial pictures, pixels, and of the squares in them.
_SIDE = 64
_SQUARES = (1, 2, 4, 8, 32)


class _MeasuringKernels(PlainKernels):
    """Plain kernels that remember the largest magnitude they gave."""

    def __init__(self) -> None:
        self.largest = 0.0

    def convolve(self, x: Tensor, weight: Tensor, *, padding: int) -> Tensor:
        return self._seen(super().convolve(x, weight, padding=padding))

    def convolve_relu(
        self, x: Tensor, weight: Tensor, bias: Tensor, *, stride: int = 1, padding: int = 1, onto: Tensor | None = None
    ) -> Tensor:
        return self._seen(super().convolve_relu(x, weight, bias, stride=stride, padding=padding, onto=onto))

    def _seen(self, y: Tensor) -> Tensor:
        self.largest = max(self.largest, float(y.abs().max()))
        return y


def fits_float16(network: CamfNetwork) -> bool:
    """Whether features of a network on the CPU stay well below the end of float16, for pictures as harsh as can be."""
    kernels = _MeasuringKernels()
    frame = TorchFrame(rearrange(network, torch.device("cpu"), torch.float32), kernels)
    random = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        for picture in (*map(_chequered, _SQUARES), torch.randint(0, 256, (_SIDE, _SIDE), generator=random)):
            for other in (picture, 255 - picture, torch.zeros_like(picture), torch.full_like(picture, 255)):
                frame(picture.to(torch.uint8), other.to(torch.uint8), torch.zeros(2))
    return kernels.largest * _HEADROOM < torch.finfo(torch.float16).max


def _chequered(side: int) -> Tensor:
    steps = torch.arange(_SIDE) // side % 2
    return (steps[:, None] ^ steps) * 255
