"""What an inference engine is to the rest of the package."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ImageError, ParameterError


class EngineOutput(NamedTuple):
    """Result of one inference.

    Attributes:
        fused: (H, W), 0 to 255; or (H, W, 3) from :meth:`ColourEngine.fuse_rgb`.
        infrared_activation: (K,), mean of each encoder channel over the infrared picture, at least 0.
        visible_activation: (K,), likewise for the visible picture.
        gain: Gain of the fusion rule that was used, above 0.
    """

    fused: NDArray[np.uint8]
    infrared_activation: NDArray[np.float32]
    visible_activation: NDArray[np.float32]
    gain: float


class DeviceMemory(NamedTuple):
    """Memory of an accelerator, bytes.

    Attributes:
        held: By this process's runtime, used or kept for the next frame.
        free: Of the whole device; others take from it too.
        total: Of the whole device.
    """

    held: int
    free: int
    total: int


class Engine(Protocol):
    """A CAMF model, ready to fuse. Keeps nothing from one frame to the next. Used from one thread at a time.

    Attributes:
        description: Runtime, device and arithmetic, for people: ``torch cpu bfloat16``.
        model_name: Name of the model.
        model_hash: SHA-256 (hex) of its weights.
    """

    description: str
    model_name: str
    model_hash: str

    def fuse(
        self, infrared: NDArray[np.uint8], visible: NDArray[np.uint8], *, gain: float = 0.0, hold: float = 1.0
    ) -> EngineOutput:
        """Fuse two grey pictures of one size.

        Args:
            infrared: (H, W), 0 to 255.
            visible: (H, W), 0 to 255.
            gain: Gain of the fusion rule. 0: automatic, from this pair alone. Any other is used as it is, unless
                ``hold`` says less.
            hold: For a gain that follows the automatic one slowly: the share of ``gain`` that is kept, 0 to 1. The
                rest is the automatic gain of this pair: ``hold gain + (1 - hold) automatic``. Without a ``gain`` there
                is nothing to keep, and it is not looked at.

        Raises:
            ImageError: If the sizes differ.
            ParameterError: If ``gain`` or ``hold`` is out of range.
            EngineError: If the runtime fails, for example for want of memory.
        """
        ...

    def channel_weights(self) -> NDArray[np.float32]:
        """Class activation weights before the gain, (2, K), rows infrared and visible, each with mean 1.

        A constant of the model; the array is the caller's own.
        """
        ...


@runtime_checkable
class ColourEngine(Engine, Protocol):
    """An engine that takes the luminance out of colours and puts the colours back on its own device."""

    def fuse_rgb(
        self, infrared: NDArray[np.uint8], rgb: NDArray[np.uint8], *, gain: float = 0.0, hold: float = 1.0
    ) -> EngineOutput:
        """Fuse a grey picture into the luminance of a colour picture.

        Args:
            infrared: (H, W), 0 to 255.
            rgb: (H, W, 3) red, green, blue, 0 to 255.
            gain: As for :meth:`Engine.fuse`.
            hold: Likewise.

        Returns:
            As :meth:`Engine.fuse`, but for ``fused``, which is (H, W, 3), bit by bit what
            :class:`camf_ros.imaging.luminance.Visible` makes of the fused luminance.

        Raises:
            ImageError: If the sizes differ.
            ParameterError: If ``gain`` or ``hold`` is out of range.
            EngineError: If the runtime fails.
        """
        ...


def engine_warnings(engine: Engine) -> tuple[str, ...]:
    """What an engine has to say about itself that is not as it should be; may grow with new picture sizes."""
    return tuple(getattr(engine, "warnings", ()))


def device_memory(engine: Engine) -> DeviceMemory | None:
    """Memory of the engine's accelerator; None where it has none, or its runtime does not tell."""
    read = getattr(engine, "device_memory", None)
    return read() if read else None


def check_gain(gain: float, hold: float) -> None:
    """Check what :meth:`Engine.fuse` is told.

    Raises:
        ParameterError: If ``gain`` is no finite number of at least 0, or ``hold`` none from 0 to 1.
    """
    if not 0 <= gain < math.inf:
        raise ParameterError(f"gain is {gain}", expected="a number above 0, or 0 for the automatic gain")
    if not 0 <= hold <= 1:
        raise ParameterError(f"hold is {hold}", expected="a share from 0 to 1")


def check_pair(infrared: NDArray[np.uint8], visible: NDArray[np.uint8]) -> None:
    """Check what :meth:`Engine.fuse` is given.

    Raises:
        ImageError: If shapes or types are not those of two grey pictures of one size.
    """
    if infrared.ndim != 2 or infrared.shape != visible.shape or infrared.size == 0:
        raise ImageError(
            f"infrared has shape {infrared.shape} and visible {visible.shape}",
            expected="one shape (H, W) for both",
        )
    if infrared.dtype != np.uint8 or visible.dtype != np.uint8:
        raise ImageError(
            f"infrared is {infrared.dtype} and visible {visible.dtype}", expected="grey values 0 to 255 as uint8"
        )
