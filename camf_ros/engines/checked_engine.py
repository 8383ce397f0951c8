"""What all engines do alike around their runtime: checks before it, clear errors after it, constants of the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from camf_ros.engines.engine import EngineOutput, check_gain, check_pair
from camf_ros.errors import CamfError, EngineError

_Picture = NDArray[np.uint8]


class CheckedEngine(ABC):
    """See :class:`camf_ros.engines.engine.Engine`; a runtime is added by :meth:`_run`."""

    description: str
    # What the runtime raises when it fails, and what its user can do then.
    _failures: tuple[type[Exception], ...] = (RuntimeError, MemoryError)
    _remedy = "use a smaller image, or another engine"

    def __init__(self, name: str, digest: str, channel_weights: NDArray[np.float32]) -> None:
        """Keep the constants of a model.

        Args:
            name: Of the model.
            digest: SHA-256 (hex) of its weights.
            channel_weights: (2, K), before the gain.
        """
        self.model_name = name
        self.model_hash = digest
        self._channel_weights = channel_weights

    def channel_weights(self) -> NDArray[np.float32]:
        """See :meth:`camf_ros.engines.engine.Engine.channel_weights`."""
        return np.array(self._channel_weights, np.float32)

    def fuse(self, infrared: _Picture, visible: _Picture, *, gain: float = 0.0, hold: float = 1.0) -> EngineOutput:
        """See :meth:`camf_ros.engines.engine.Engine.fuse`."""
        check_pair(infrared, visible)
        return self._guarded(self._run, infrared, visible, gain, hold)

    @abstractmethod
    def _run(self, infrared: _Picture, visible: _Picture, gain: float, hold: float) -> EngineOutput:
        """Fuse pictures of one size; ``hold gain + (1 - hold) automatic`` is the gain, whatever ``gain`` is."""

    def _guarded(
        self,
        run: Callable[[_Picture, _Picture, float, float], EngineOutput],
        infrared: _Picture,
        visible: _Picture,
        gain: float,
        hold: float,
    ) -> EngineOutput:
        """One of the engine's ways to run, with its failures as errors of ours."""
        check_gain(gain, hold)
        try:
            # Without a gain there is nothing to hold.
            return run(infrared, visible, gain, hold if gain else 0.0)
        except CamfError:
            raise
        except self._failures as error:
            height, width = infrared.shape
            self._recover(height, width)
            raise EngineError(
                f"{self.description} failed on {width} x {height} pixels ({error})", remedy=self._remedy
            ) from error

    def _recover(self, height: int, width: int) -> None:  # noqa: B027 (some have nothing to do)
        """Make ready for the next pair after a failure on one of this size."""
