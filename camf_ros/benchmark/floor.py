"""The least time a pair can take on this machine, from what it costs and what the machine can do (a roofline).

Williams, Waterman and Patterson, "Roofline: An Insightful Visual Performance Model for Multicore Architectures",
Communications of the ACM 52 (2009), doi 10.1145/1498765.1498785. Two floors, both in seconds:

- :func:`floor`: all operations at the peak of a matrix product, or the traffic that cannot be avoided at the bandwidth
  of a copy, whichever takes longer. Nothing that multiplies as often gets below it.
- :func:`layered_floor`: the same for each convolution, which reads its input and writes its output through memory,
  added up. What computes layer by layer gets below it only as far as its features stay in a cache.

An algorithm that multiplies less often (Winograd's, which some runtimes choose for float32) can get below either.
"""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.benchmark.cost import Cost


@dataclass(frozen=True)
class Peak:
    """What a machine reaches in one arithmetic.

    Attributes:
        flops: Floating point operations per second of a large matrix product.
        bandwidth: Bytes per second, read and written, of a large copy.
    """

    flops: float
    bandwidth: float


def floor(cost: Cost, number_bytes: int, peak: Peak) -> float:
    """Least time of one pair, seconds.

    Args:
        cost: Of the pair.
        number_bytes: Bytes of one weight.
        peak: Of the machine, in this arithmetic.
    """
    return max(cost.flops / peak.flops, cost.least_bytes(number_bytes) / peak.bandwidth)


def layered_floor(cost: Cost, number_bytes: int, peak: Peak) -> float:
    """Least time of one pair layer by layer, seconds.

    Args:
        cost: Of the pair.
        number_bytes: Bytes of one weight and of one feature.
        peak: Of the machine, in this arithmetic.
    """
    return sum(
        max(layer.flops / peak.flops, (layer.weights + layer.inputs + layer.outputs) * number_bytes / peak.bandwidth)
        for layer in cost.layers
    )
