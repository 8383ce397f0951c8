"""The automatic gain of camf-paper follows the scene of a video slowly, so that the fused picture does not flicker."""

from __future__ import annotations

import math

#: What an engine is told for a frame that stands alone: see :meth:`camf_ros.engines.engine.Engine.fuse`.
_ALONE = (0.0, 0.0)


class SteadyGain:
    """First-order low-pass of the automatic gain over the time of the stamps: independent of the frame rate.

    The arithmetic is the engine's, because only there the gain of a frame is known before the frame is fused. This
    object keeps what goes from one frame to the next, so one object serves one video.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew with the next frame."""
        self._gain: float | None = None
        self._stamp = 0.0

    def wanted(self, stamp: float, time_constant: float) -> tuple[float, float]:
        """What :meth:`camf_ros.engines.engine.Engine.fuse` is told: the gain so far, and the share of it to keep.

        The stamp is in seconds; one that is not later than the last starts anew. The time constant is the time in which
        the gain follows a step by 63 %, seconds; 0: at once.
        """
        elapsed = stamp - self._stamp
        # Written so that a stamp that is no number starts anew as well.
        if self._gain is None or not elapsed > 0 or time_constant == 0:
            return _ALONE
        return self._gain, math.exp(-elapsed / time_constant)

    def used(self, gain: float, stamp: float) -> None:
        """Remember a frame that was fused; one that failed is as if it had not been there."""
        self._gain, self._stamp = gain, stamp
