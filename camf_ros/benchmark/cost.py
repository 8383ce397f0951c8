"""What one fused pair costs by the numbers: multiplications and memory traffic, from the architecture and the size.

Only convolutions are counted. The fusion rule, resizes and activation functions are a few operations for each value
that a convolution spends hundreds on. The classifier is not part of inference: its weights are a constant by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from camf_ros.network.architecture import DECODER_JOINS, ENCODER_STRIDES, Architecture
from camf_ros.network.constants import BORDER

_SOURCES = 2


@dataclass(frozen=True)
class Layer:
    """One convolution.

    Attributes:
        flops: Floating point operations: two for each multiplication, which comes with an addition.
        weights: Numbers in its kernel and bias.
        inputs: Numbers it reads besides.
        outputs: Numbers it writes.
    """

    flops: int
    weights: int
    inputs: int
    outputs: int


@dataclass(frozen=True)
class Cost:
    """Cost of one pair of pictures.

    Attributes:
        layers: In the order of computation.
        pixels: Of one picture.
    """

    layers: tuple[Layer, ...]
    pixels: int

    @property
    def flops(self) -> int:
        """Floating point operations of all layers."""
        return sum(layer.flops for layer in self.layers)

    @property
    def weights(self) -> int:
        """Numbers that the network consists of in inference, without the class activation weights."""
        return sum(layer.weights for layer in self.layers)

    def least_bytes(self, number_bytes: int) -> int:
        """Memory traffic that nothing can avoid: two pictures in and one out, a byte a pixel, and the weights once.

        Args:
            number_bytes: Bytes of one weight.
        """
        return (_SOURCES + 1) * self.pixels + self.weights * number_bytes


def cost_of(architecture: Architecture, width: int, height: int) -> Cost:
    """Count.

    Args:
        architecture: Of the network.
        width: Of the pictures, pixels.
        height: Of the pictures, pixels.
    """
    return Cost(tuple(_layers(architecture, (height, width))), width * height)


def _layers(architecture: Architecture, size: tuple[int, int]) -> Iterator[Layer]:
    full = (size[0] + 2 * BORDER, size[1] + 2 * BORDER)
    read, half = full, full
    for (inputs, outputs), stride in zip(pairwise((1, *architecture.encoder)), ENCODER_STRIDES, strict=True):
        written = ((read[0] + stride - 1) // stride, (read[1] + stride - 1) // stride)
        if read == full and stride > 1:
            half = written
        yield _convolution((inputs, outputs, 3), read, written, pictures=_SOURCES)
        read = written
    # Sizes that the decoder's layers read and write; the last two take a pixel from each border.
    inner = (full[0] - BORDER, full[1] - BORDER)
    ways = ((read, read), (read, read), (half, half), (full, inner), (inner, size))
    inputs = architecture.encoder[-1]
    for number, ((before, after), outputs) in enumerate(zip(ways, architecture.decoder, strict=True)):
        finer = DECODER_JOINS.get(number)
        joined = architecture.encoder[finer - 1] if finer is not None and finer in architecture.fused else 0
        yield _convolution((inputs + joined, outputs, 3), before, after)
        inputs = outputs
    yield _convolution((inputs, 1, 1), size, size)


def _convolution(
    shape: tuple[int, int, int], read: tuple[int, int], written: tuple[int, int], pictures: int = 1
) -> Layer:
    """Count a layer of a shape (inputs, outputs, side of the kernel) that reads and writes such sizes."""
    inputs, outputs, side = shape
    positions = pictures * written[0] * written[1]
    kernel = inputs * outputs * side**2
    return Layer(
        flops=2 * kernel * positions,
        weights=kernel + outputs,
        inputs=inputs * pictures * read[0] * read[1],
        outputs=outputs * positions,
    )
