"""What an inference engine is to the rest of the package."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class EngineOutput(NamedTuple):
    """Result of one inference.

    Attributes:
        fused: (H, W), 0 to 255.
        infrared_activation: (K,), mean of each encoder channel over the infrared picture, at least 0.
        visible_activation: (K,), likewise for the visible picture.
    """

    fused: NDArray[np.uint8]
    infrared_activation: NDArray[np.float32]
    visible_activation: NDArray[np.float32]


class Engine(Protocol):
    """A CAMF model, ready to fuse. Used from one thread at a time.

    Attributes:
        description: Runtime, device and arithmetic, for people: ``torch cpu bfloat16``.
        model_name: Name of the model.
        model_hash: SHA-256 (hex) of its weights.
        model_gain: Gain that the model was validated with; :attr:`gain` starts there.
    """

    description: str
    model_name: str
    model_hash: str
    model_gain: float

    def fuse(self, infrared: NDArray[np.uint8], visible: NDArray[np.uint8]) -> EngineOutput:
        """Fuse two grey pictures of one size, each (H, W), 0 to 255.

        Raises:
            ImageError: If the sizes differ.
            EngineError: If the runtime fails, for example for want of memory.
        """
        ...

    @property
    def gain(self) -> float:
        """Gain of the fusion rule in use."""
        ...

    @gain.setter
    def gain(self, value: float) -> None: ...

    def channel_weights(self) -> NDArray[np.float32]:
        """Class activation weights in use, (2, K), rows infrared and visible, each with mean :attr:`gain`."""
        ...
