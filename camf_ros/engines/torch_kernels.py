"""The few operations that a frame spends its time in, for each device in the way that is fast there.

All take and give features of shape (1, C, h, w), channels last.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

# Side of the squares that large features are averaged over first on a CPU.
_SQUARE = 4


def channels_last(x: Tensor) -> Tensor:
    """A tensor of four dimensions with its channels last in memory, and marked so.

    With one channel both orders are the same in memory, and PyTorch takes such a tensor for one with channels first,
    and the result of a convolution of it too.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    _, channels, height, width = x.shape
    return x.as_strided(x.shape, (channels * height * width, 1, channels * width, channels))


class PlainKernels:
    """What PyTorch offers everywhere."""

    def convolve(self, x: Tensor, weight: Tensor, *, padding: int) -> Tensor:
        """Convolution alone."""
        return F.conv2d(x, weight, padding=padding)

    def convolve_relu(
        self, x: Tensor, weight: Tensor, bias: Tensor, *, stride: int = 1, padding: int = 1, onto: Tensor | None = None
    ) -> Tensor:
        """Convolution, bias and ReLU.

        Args:
            x: Features.
            weight: (O, C, 3, 3) or of another odd size.
            bias: (O,).
            stride: Of both directions.
            padding: Zeros on each side.
            onto: Added before the ReLU, of the shape of the result; may be overwritten.
        """
        y = F.conv2d(x, weight, bias, stride=stride, padding=padding)
        return y.relu_() if onto is None else y.add_(onto).relu_()

    def mean(self, x: Tensor) -> Tensor:
        """Mean of each channel, (C,), float32."""
        return x.mean((0, 2, 3), dtype=torch.float32)

    def moments(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Mean and mean square of each channel of features of one size, each (number of features, C), float32."""
        values = torch.cat(tuple(features)).permute(0, 2, 3, 1).flatten(1, 2).float()
        return values.mean(1), (values * values).mean(1)


class OneDnnKernels(PlainKernels):
    """CPUs: bias, sum and ReLU within the convolution, so that features are not read and written again for them.

    These are the operations that PyTorch's own compiler emits for a CPU. They are not part of its published interface:
    see :func:`choose_kernels`.
    """

    def convolve_relu(
        self, x: Tensor, weight: Tensor, bias: Tensor, *, stride: int = 1, padding: int = 1, onto: Tensor | None = None
    ) -> Tensor:
        """See :meth:`PlainKernels.convolve_relu`."""
        shape: tuple[Sequence[int], Sequence[int], Sequence[int], int] = ([padding] * 2, [stride] * 2, [1, 1], 1)
        operations = torch.ops.mkldnn
        y: Tensor
        if onto is None:
            y = operations._convolution_pointwise(x, weight, bias, *shape, "relu", [], "")
        else:
            y = operations._convolution_pointwise_(onto, x, weight, bias, *shape, "add", 1.0, "relu", [], "")
        return y

    def mean(self, x: Tensor) -> Tensor:
        """See :meth:`PlainKernels.mean`.

        Sums over squares come first, in the features' own type by a convolution: summing all pixels at once would first
        write out every feature in float32. What hangs over the border is 0.
        """
        channels, height, width = x.shape[1:]
        if height * width < _SQUARE**4:  # too few for it to matter
            return super().mean(x)
        kernel = x.new_full((channels, 1, _SQUARE, _SQUARE), 1 / _SQUARE**2)
        squares = F.conv2d(x, kernel, stride=_SQUARE, padding=_SQUARE - 1, groups=channels)
        return squares.sum((0, 2, 3), dtype=torch.float32) * (_SQUARE**2 / (height * width))

    def moments(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """See :meth:`PlainKernels.moments`. One after the other, so that they stay in the caches."""
        means, squares = zip(*(super(OneDnnKernels, self).moments([x]) for x in features), strict=True)
        return torch.cat(means), torch.cat(squares)


class CudnnKernels(PlainKernels):
    """CUDA: bias, sum and ReLU within the convolution. Used only where it proves right and faster."""

    def convolve_relu(
        self, x: Tensor, weight: Tensor, bias: Tensor, *, stride: int = 1, padding: int = 1, onto: Tensor | None = None
    ) -> Tensor:
        """See :meth:`PlainKernels.convolve_relu`."""
        shape = ([stride] * 2, [padding] * 2, [1, 1], 1)
        if onto is None:
            return torch.cudnn_convolution_relu(x, weight, bias, *shape)
        return torch.cudnn_convolution_add_relu(x, weight, onto, 1.0, bias, *shape)


def choose_kernels(device: torch.device, dtype: torch.dtype) -> PlainKernels:
    """The fastest kernels for a device that give the right result there."""
    wanted: PlainKernels = OneDnnKernels() if device.type == "cpu" else CudnnKernels()
    return wanted if _right(wanted, device, dtype) else PlainKernels()


def _right(kernels: PlainKernels, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether kernels exist in this PyTorch and agree with the plain ones on small features of no particular kind."""
    random = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        values = torch.randn(shape, generator=random).to(device, dtype)
        return channels_last(values) if len(shape) == 4 else values

    x, weight, bias = draw(1, 16, 20, 24), draw(8, 16, 3, 3), draw(8)
    results = []
    with torch.inference_mode():
        try:
            for candidate in (kernels, PlainKernels()):
                y = candidate.convolve(x, weight, padding=0)
                joined = candidate.convolve_relu(x, weight, bias, padding=0, onto=y)
                strided = candidate.convolve_relu(x, weight, bias, stride=2)
                results.append([joined, strided, candidate.mean(x)])
        except (AttributeError, RuntimeError):  # a PyTorch without these operations, or without the library behind them
            return False
        return all(
            a.shape == b.shape and torch.allclose(a.float(), b.float(), rtol=0.05, atol=0.05 * float(b.abs().max()))
            for a, b in zip(*results, strict=True)
        )
