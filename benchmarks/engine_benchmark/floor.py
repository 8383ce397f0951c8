"""The computed floor: the time that a pair takes at least, from what a model computes and what this processor reaches.

The floor is the sum of two times. The first is that of the convolutions: the floating point operations of each one, at
the rate that a bare chain of convolutions with the same kernel, widths and picture size reaches in OpenVINO, in the
same arithmetic and with as many threads. The second is that of the blending: the bytes that it moves at least, at the
rate at which ``cv2.add`` moves those of float32 pictures of this size.

"Times the floor" is the measured time of an engine over this sum. Strides, activation functions, resizes and everything
else are not in the floor. Wall and processor time are taken; on a machine with other work the latter is the
one to believe. The best of several measurements counts, since whatever else runs can only make them slower.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from camf_ros.errors import EngineError
from camf_ros.imaging.blending import padding
from camf_ros.models import find_model
from camf_ros.network.architecture import Architecture, BlendArchitecture
from camf_ros.network.model_info import INFRARED, VISIBLE
from camf_ros.timing import Sample

if TYPE_CHECKING:
    import openvino

_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
# A chain has so many operations, so that what is before and after it weighs little, and so many layers at most.
_CHAIN_FLOPS, _MOST_LAYERS = 4e9, 16
_SECONDS, _LEAST_TIMES = 0.2, 3
_FLOAT = 4


@dataclass(frozen=True)
class Convolution:
    """One convolution of a graph."""

    pictures: int  #: How many it is applied to at once: those of the batch times the groups
    inputs: int  #: Channels of one picture
    outputs: int
    kernel: tuple[int, int]  #: Its height and width
    size: tuple[int, int]  #: (height, width) of what it gives

    @property
    def flops(self) -> int:
        """Floating point operations: two for each multiplication, which comes with an addition."""
        return 2 * self.pictures * self.inputs * self.outputs * int(np.prod(self.kernel)) * int(np.prod(self.size))


class Floor(NamedTuple):
    """Least time of one pair."""

    convolutions: Sample  #: Seconds, wall and processor
    blending: Sample  #: Likewise; 0 for a network that does not blend
    flops: int  #: Floating point operations of the convolutions


def floor_of(model: str, width: int, height: int, precision: str, threads: int) -> Floor:
    """Measure what a floor needs, and compute it, for ``float32``, ``bfloat16`` or ``float16``.

    Raises CamfError if the model has no graph, or OpenVINO is not there or does not compute so.
    """
    graph = find_model(model).read_graph()
    try:
        import openvino  # noqa: PLC0415 (who has other engines need not have it)
    except ImportError as error:
        raise EngineError(f"a floor needs OpenVINO ({error})", remedy="pip install openvino") from error
    if precision not in _HINTS:
        raise EngineError(f"there is no floor in {precision}", expected=f"one of {', '.join(_HINTS)}")
    architecture = graph.info.architecture
    levels = architecture.levels if isinstance(architecture, BlendArchitecture) else 1
    missing = padding(height, width, levels)
    layers = convolutions(openvino.Core().read_model(graph.data), height + missing[0], width + missing[1])
    times = [chain_seconds(layer, precision, threads) for layer in layers]
    seconds = Sample(sum(each.wall for each in times), sum(each.cpu for each in times))
    moved, each = blending_bytes(architecture, width, height), seconds_of_a_byte(width, height)
    blending = Sample(moved * each.wall, moved * each.cpu)
    return Floor(seconds, blending, sum(layer.flops for layer in layers))


def convolutions(model: openvino.Model, height: int, width: int) -> list[Convolution]:
    """Those of a fusion graph for pictures of one size, which it takes."""
    model.reshape({name: [1, 1, height, width] for name in (INFRARED, VISIBLE)})
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() in {"Convolution", "GroupConvolution"}:
            # (groups,) outputs, inputs, height, width
            *groups, outputs, inputs, rows, columns = node.input(1).get_shape()
            batch, _, *size = node.output(0).get_shape()
            pictures = int(np.prod([batch, *groups]))
            found.append(Convolution(pictures, inputs, outputs, (rows, columns), (size[0], size[1])))
    return found


def blending_bytes(architecture: Architecture, width: int, height: int) -> int:
    """Memory traffic of the blending: each array is read where it is used and written where it is made, once.

    Pictures have a byte a pixel, everything else is float32. A level of a pyramid of means is made from the finer one;
    a level of the result from both cameras' two levels, both cameras' amounts and the coarser level of the result.
    """
    if not isinstance(architecture, BlendArchitecture):
        return 0
    missing = padding(height, width, architecture.levels)
    rows, columns = height + missing[0], width + missing[1]
    pixels = [(rows >> level) * (columns >> level) for level in range(architecture.levels)]
    stored = [pixels[0], *(_FLOAT * count for count in pixels[1:])]  # a level of one picture, or of the result
    amounts = [_FLOAT * count for count in (pixels[1], *pixels[1:])]  # of one camera
    means = sum(2 * (finer + coarser) for finer, coarser in pairwise(stored))
    result = sum(
        2 * (level + coarser + amount) + coarser + level
        for level, coarser, amount in zip(stored, stored[1:], amounts, strict=False)
    )
    return means + result + 2 * (stored[-1] + amounts[-1]) + stored[-1]


def seconds_of_a_byte(width: int, height: int) -> Sample:
    """Time that ``cv2.add`` on float32 pictures takes for each byte that it reads or writes."""
    first, second, total = (np.ones((height, width), np.float32) for _ in range(3))
    best = _best(lambda: cv2.add(first, second, total))
    return Sample(*(seconds / (3 * total.nbytes) for seconds in best))


@functools.cache
def chain_seconds(layer: Convolution, precision: str, threads: int) -> Sample:
    """Time of one convolution in a chain of its like, in OpenVINO on the CPU: back and forth between both widths.

    Raises EngineError if OpenVINO fails.
    """
    import openvino  # noqa: PLC0415

    pairs = int(np.clip(_CHAIN_FLOPS / layer.flops / 2, 1, _MOST_LAYERS // 2))
    try:
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
        }
        request = openvino.Core().compile_model(_chain(layer, pairs), "CPU", options).create_infer_request()
        request.set_input_tensor(openvino.Tensor(np.ones(request.get_input_tensor().shape, np.float32)))
        return Sample(*(seconds / (2 * pairs) for seconds in _best(request.infer)))
    except RuntimeError as error:
        raise EngineError(f"a chain of convolutions in {precision} failed ({error})") from error


def _chain(layer: Convolution, pairs: int) -> openvino.Model:
    import openvino  # noqa: PLC0415
    from openvino import opset13 as ops  # noqa: PLC0415

    random = np.random.default_rng(0)
    before = [(side - 1) // 2 for side in layer.kernel]
    after = [side // 2 for side in layer.kernel]
    shape = [layer.pictures, layer.inputs, *layer.size]
    x = picture = ops.parameter(shape, np.float32)
    for inputs, outputs in ((layer.inputs, layer.outputs), (layer.outputs, layer.inputs)) * pairs:
        spread = (inputs * np.prod(layer.kernel)) ** -0.5  # values stay of one size
        weights = random.normal(0, spread, (outputs, inputs, *layer.kernel)).astype(np.float32)
        x = ops.convolution(x, ops.constant(weights), [1, 1], before, after, [1, 1])
    return openvino.Model([x], [picture], "chain")


def _best(work: Callable[[], object]) -> Sample:
    """Least seconds that some work takes when it is repeated for a time."""
    work()
    samples: list[Sample] = []
    started = time.perf_counter()
    while len(samples) < _LEAST_TIMES or time.perf_counter() - started < _SECONDS:
        before, worked = time.perf_counter(), time.process_time()
        work()
        samples.append(Sample(time.perf_counter() - before, time.process_time() - worked))
    return Sample(min(each.wall for each in samples), min(each.cpu for each in samples))
