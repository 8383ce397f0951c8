"""What an inference engine is to the rest of the package, and the one class that is one: a graph in some runtime."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import CamfError, EngineError, ImageError, ParameterError
from camf_ros.imaging.blending import FAILURES, Amounts, Blender, padded, padding
from camf_ros.network.architecture import MIN_FEATURE_SIZE, BlendArchitecture
from camf_ros.network.model_info import (
    ACTIVATION,
    FUSED,
    GAIN,
    HOLD,
    INFRARED,
    LOGITS,
    USED_GAIN,
    VISIBLE,
    WEIGHTS,
    ModelInfo,
    amounts_name,
)

Picture = NDArray[np.uint8]
Arrays = dict[str, NDArray[Any]]
#: For each level, finest first, of infrared and visible; the last holds for the levels after it. Empty: 1.
Factors = Sequence[tuple[float, float]]
_T = TypeVar("_T")
# Two cameras' sizes while one is replaced by the other; each prepared size can hold much memory.
_KEPT_SIZES = 2
# A size beyond these has come to stay after so many pictures in a row.
_SETTLED = 8
# Pixels a side of the inference that shows whether a runtime works at all.
_TRIAL_SIDE = 64


class EngineOutput(NamedTuple):
    """Result of one inference."""

    fused: Picture  #: (H, W), 0 to 255
    #: (K,), mean activation of each encoder channel over the infrared picture, at least 0.
    infrared_activation: NDArray[np.float32]
    visible_activation: NDArray[np.float32]  #: (K,), likewise for the visible picture
    gain: float  #: Gain of the paper's fusion rule that was used; 1 for a blending network
    #: Amounts of both cameras that made the picture, for each level (2, h, w), where they were asked for and the
    #: network blends; else None.
    amounts: Amounts | None = None


class DeviceMemory(NamedTuple):
    """Memory of an accelerator, bytes."""

    held: int  #: By this process's runtime, used or kept for the next frame
    free: int  #: Of the whole device; others take from it too
    total: int  #: Of the whole device


class Engine(Protocol):
    """A model, ready to fuse. Keeps nothing from one frame to the next. Used from one thread at a time."""

    description: str  #: Runtime, device and arithmetic, for people: ``openvino cpu bfloat16``
    model_name: str  #: Name of the model
    model_hash: str  #: SHA-256 (hex) of its weights
    has_gain: bool  #: Whether its fusion rule has a gain, as the paper's has

    def fuse(
        self,
        infrared: Picture,
        visible: Picture,
        *,
        gain: float = 0.0,
        hold: float = 1.0,
        keep_amounts: bool = False,
        factors: Factors = (),
    ) -> EngineOutput:
        """Fuse two grey pictures (H, W), 0 to 255.

        The paper's fusion rule has a ``gain``; 0 is the automatic one, from this pair alone. ``hold``, 0 to 1, is the
        share of ``gain`` that is kept: the rest is the automatic gain of this pair. Without a ``gain`` nothing is held.

        A blending network multiplies its amounts with ``factors``, and gives them too with ``keep_amounts``. The
        paper's network ignores both.

        Raises ImageError if the sizes differ, ParameterError if ``gain`` or ``hold`` is out of range, and EngineError
        if the runtime fails, for example because memory runs out.
        """
        ...

    def channel_weights(self) -> NDArray[np.float32]:
        """Class activation weights before the gain, (2, K), rows infrared and visible, each with mean 1: a copy."""
        ...


class Runtime(Protocol):
    """One graph in one runtime. Used from one thread at a time."""

    description: str  #: As of an engine
    failures: tuple[type[Exception], ...]  #: What it raises when it fails. Anything else is a fault of this package.
    warnings: list[str]  #: What is not as it should be, for people; may grow with new picture sizes

    def run(self, inputs: Arrays) -> Arrays:
        """All outputs by name; the next run may write to their memory. Raises whatever the runtime raises."""
        ...

    def forget(self, height: int, width: int) -> None:
        """Drop what was prepared for a picture size: it failed, and may hold much memory."""
        ...

    def memory(self) -> DeviceMemory | None:
        """Memory of the accelerator; None where there is none, or it does not tell."""
        ...


class FusionEngine:
    """See :class:`Engine`: a model's fusion graph in a runtime, its class activation weights (2, K), and blending."""

    def __init__(self, info: ModelInfo, weights: NDArray[np.float32], runtime: Runtime) -> None:
        self.model_name, self.model_hash = info.name, info.hash
        self.description = runtime.description
        self._weights, self._runtime = weights, runtime
        self._levels = info.architecture.levels if isinstance(info.architecture, BlendArchitecture) else 0
        self._amounts = [amounts_name(level) for level in range(self._levels)]
        self.has_gain = not self._levels
        self._blenders: SizeCache[Blender] = SizeCache()

    def channel_weights(self) -> NDArray[np.float32]:
        """See :meth:`Engine.channel_weights`."""
        return np.array(self._weights, np.float32)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not as it should be, for people."""
        return tuple(self._runtime.warnings)

    def device_memory(self) -> DeviceMemory | None:
        """Memory of the engine's accelerator; None where it has none, or its runtime does not tell."""
        return self._runtime.memory()

    def forget(self, height: int, width: int) -> None:
        """Drop what was prepared for a picture size."""
        below, right = padding(height, width, self._levels) if self._levels else (0, 0)
        self._blenders.forget(height, width)
        self._runtime.forget(height + below, width + right)

    def fuse(
        self,
        infrared: Picture,
        visible: Picture,
        *,
        gain: float = 0.0,
        hold: float = 1.0,
        keep_amounts: bool = False,
        factors: Factors = (),
    ) -> EngineOutput:
        """See :meth:`Engine.fuse`."""
        _check_pair(infrared, visible)
        if not 0 <= gain < math.inf:
            raise ParameterError(f"gain is {gain}", expected="a number above 0, or 0 for the automatic gain")
        if not 0 <= hold <= 1:
            raise ParameterError(f"hold is {hold}", expected="a share from 0 to 1")
        if self._levels:
            return self._blend(infrared, visible, keep_amounts, factors)
        return self._reconstruct(infrared, visible, gain, hold)

    def _blend(self, infrared: Picture, visible: Picture, keep: bool, factors: Factors) -> EngineOutput:
        height, width = infrared.shape
        missing = padding(height, width, self._levels)
        inputs = {INFRARED: padded(infrared, missing), VISIBLE: padded(visible, missing)}
        outputs = guarded(self._runtime, inputs)
        amounts = [outputs[name][0] for name in self._amounts]
        if factors:
            used = [*factors, *[factors[-1]] * (self._levels - len(factors))]
            amounts = [
                each * np.array(factor, np.float32)[:, None, None] for each, factor in zip(amounts, used, strict=False)
            ]
        activation = np.array(outputs[ACTIVATION], np.float32)
        self._check_finite(activation, *(each.sum() for each in amounts))
        try:
            blender = self._blenders.get(lambda h, w: Blender(h, w, self._levels), height, width)
            fused = blender.blend(infrared, visible, amounts)
        except FAILURES as error:
            self.forget(height, width)
            raise EngineError(
                f"the pictures of {width} x {height} pixels could not be blended ({error})",
                remedy="use a smaller picture",
            ) from error
        kept = tuple(np.array(each) for each in amounts) if keep else None
        return EngineOutput(fused, activation[0], activation[1], 1.0, kept)

    def _reconstruct(self, infrared: Picture, visible: Picture, gain: float, hold: float) -> EngineOutput:
        outputs = guarded(
            self._runtime,
            {
                INFRARED: infrared,
                VISIBLE: visible,
                GAIN: np.array([gain], np.float32),
                HOLD: np.array([hold if gain else 0.0], np.float32),  # without a gain there is nothing to hold
            },
        )
        activation = np.array(outputs[ACTIVATION], np.float32)
        used = float(outputs[USED_GAIN][0])
        self._check_finite(activation, used)
        return EngineOutput(np.array(outputs[FUSED], np.uint8)[0, 0], activation[0], activation[1], used)

    def _check_finite(self, *figures: NDArray[np.float32] | float) -> None:
        if not all(np.isfinite(each).all() for each in figures):
            raise EngineError(f"{self.description} gave values that are not finite", remedy="use precision float32")


class Inspector:
    """A model's inspection graph in a runtime: what explanation and source check ask. For one thread."""

    def __init__(self, info: ModelInfo, weights: NDArray[np.float32], runtime: Runtime) -> None:
        self.info, self._weights, self._runtime = info, weights, runtime

    def channel_weights(self) -> NDArray[np.float32]:
        """See :meth:`Engine.channel_weights`."""
        return np.array(self._weights, np.float32)

    def amounts(self, infrared: Picture, visible: Picture, weights: NDArray[np.float32]) -> Amounts:
        """Amounts of a pair (H, W), 0 to 255, with any class activation weights (2, K), as of :class:`EngineOutput`.

        Small pictures are enlarged by repeating their border, which changes the amounts near that border a little.
        Raises EngineError if the network does not blend, or the runtime fails.
        """
        architecture = self.info.architecture
        if not isinstance(architecture, BlendArchitecture):
            raise EngineError(
                f"model {self.info.name} does not blend: it has no amounts", remedy="use camf or camf-lite"
            )
        _check_pair(infrared, visible)
        levels = architecture.levels
        height, width = infrared.shape
        wanted = [side + more for side, more in zip((height, width), padding(height, width, levels), strict=True)]
        # The classifier is part of the graph, and takes no smaller pictures.
        least = [max(side, architecture.reduction * MIN_FEATURE_SIZE) for side in wanted]
        below, right = padding(least[0], least[1], levels)
        missing = least[0] + below - height, least[1] + right - width
        inputs: Arrays = {INFRARED: padded(infrared, missing), VISIBLE: padded(visible, missing), WEIGHTS: weights}
        outputs = guarded(self._runtime, inputs)
        amounts = []
        for level in range(levels):
            h, w = (side >> max(level, 1) for side in wanted)
            amounts.append(np.array(outputs[amounts_name(level)][0, :, :h, :w]))
        return tuple(amounts)

    def logits(self, infrared: Picture, visible: Picture) -> NDArray[np.float32]:
        """Scores (infrared, visible) of both pictures, (2, 2); raises EngineError if the runtime fails.

        Pictures that do not halve evenly for all scales are enlarged by repeating their border.
        """
        _check_pair(infrared, visible)
        inputs: Arrays = {INFRARED: infrared, VISIBLE: visible}
        if isinstance(self.info.architecture, BlendArchitecture):
            height, width = infrared.shape
            missing = padding(height, width, len(self.info.architecture.encoder) + 1)
            inputs = {name: padded(picture, missing) for name, picture in inputs.items()}
            inputs[WEIGHTS] = self._weights
        return np.array(guarded(self._runtime, inputs)[LOGITS], np.float32)


class SizeCache(Generic[_T]):
    """What is prepared for a picture size and kept; forgets the size that has not been used for longest.

    Sizes that come and go must not be prepared each time. Where something can be made that takes any size, it serves
    all sizes beyond those that are kept, until one of them comes several times in a row.

    It does not keep the function that prepares: that belongs to the owner, and the two would hold each other. A model
    that is replaced would keep its memory and threads until the garbage collector finds the cycle.
    """

    def __init__(self, kept: int = _KEPT_SIZES) -> None:
        self._kept = kept
        self._entries: OrderedDict[tuple[int, int], _T] = OrderedDict()
        self._for_any: _T | None = None
        # The last size that was not kept, and how often in a row it came.
        self._passing: tuple[tuple[int, int], int] = (0, 0), 0

    def get(
        self, prepare: Callable[[int, int], _T], height: int, width: int, for_any: Callable[[], _T] | None = None
    ) -> _T:
        """What belongs to a size: ``prepare(height, width)`` makes it; ``for_any()`` makes what takes any size."""
        size = (height, width)
        if size in self._entries:
            self._passing = (0, 0), 0
        elif for_any is not None and len(self._entries) >= self._kept and not self._stays(size):
            if self._for_any is None:
                self._for_any = for_any()
            return self._for_any
        else:
            # First, so that the memory of the one can be used for the other.
            self._for_any = None
            while len(self._entries) >= self._kept:
                self._entries.popitem(last=False)
            self._entries[size] = prepare(height, width)
        self._entries.move_to_end(size)
        return self._entries[size]

    def forget(self, height: int, width: int) -> None:
        """Drop what belongs to a size, if there is anything."""
        if self._entries.pop((height, width), None) is None:
            self._for_any = None

    def _stays(self, size: tuple[int, int]) -> bool:
        last, times = self._passing
        self._passing = size, times + 1 if size == last else 1
        return self._passing[1] > _SETTLED


def guarded(runtime: Runtime, inputs: Arrays) -> Arrays:
    """Run pictures (H, W) and other inputs through a graph; a failure of the runtime becomes an EngineError."""
    height, width = inputs[INFRARED].shape
    batch = {
        name: np.ascontiguousarray(value)[None, None] if name in (INFRARED, VISIBLE) else value
        for name, value in inputs.items()
    }
    try:
        return runtime.run(batch)
    except CamfError:
        raise
    except runtime.failures as error:
        runtime.forget(height, width)
        raise EngineError(
            f"{runtime.description} failed on {width} x {height} pixels ({error})",
            remedy="use a smaller picture, or another engine",
        ) from error


def try_out(engine: Engine) -> None:
    """One small inference, which shows whether a runtime works at all; nothing that it prepares is kept.

    Raises EngineError if it does not.
    """
    engine.fuse(*np.zeros((2, _TRIAL_SIDE, _TRIAL_SIDE), np.uint8))
    if isinstance(engine, FusionEngine):
        engine.forget(_TRIAL_SIDE, _TRIAL_SIDE)


def engine_warnings(engine: Engine) -> tuple[str, ...]:
    """What is not as it should be with an engine, for people; may grow with new picture sizes."""
    return tuple(getattr(engine, "warnings", ()))


def device_memory(engine: Engine) -> DeviceMemory | None:
    """Memory of the engine's accelerator; None where it has none, or its runtime does not tell."""
    read = getattr(engine, "device_memory", None)
    return read() if read else None


def _check_pair(infrared: Picture, visible: Picture) -> None:
    if infrared.ndim != 2 or infrared.shape != visible.shape or infrared.size == 0:
        raise ImageError(
            f"infrared has shape {infrared.shape} and visible {visible.shape}", expected="one shape (H, W) for both"
        )
    if infrared.dtype != np.uint8 or visible.dtype != np.uint8:
        raise ImageError(
            f"infrared is {infrared.dtype} and visible {visible.dtype}", expected="grey values 0 to 255 as uint8"
        )
