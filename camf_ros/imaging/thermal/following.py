"""How grey levels follow the scene: a first-order low-pass on the mapping from raw values to grey.

Following the mapping, and not the levels that it is made of, bounds what is seen: between two frames the grey of a
thing that does not change moves by at most ``1 - exp(-elapsed / time_constant)`` of 255, whatever enters the picture.
Time is that of the stamps, so the frame rate does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Levels = tuple[float, float]

# From one frame to the next the range of a real scene does not change by such a factor.
_MOST_SPAN_RATIO = 1000.0


class Following:
    """A mapping that moves towards those of the frames, from that of the first one on."""

    def __init__(self) -> None:
        self._value: NDArray[np.float64] | None = None
        self._stamp = 0.0

    def follow(self, target: NDArray[np.float64], stamp: float, time_constant: float) -> NDArray[np.float64]:
        """The mapping for a frame.

        Args:
            target: What the frame alone would have, of one shape for all frames; kept.
            stamp: Acquisition time, seconds, later than that of the last frame.
            time_constant: Seconds, at least 0.

        Returns:
            The mapping, of the shape of ``target``: read-only.
        """
        if self._value is None or time_constant == 0:
            self._value = target
        else:
            share = 1 - math.exp(-(stamp - self._stamp) / time_constant)
            # Written so that what is constant stays exactly so.
            self._value = self._value + share * (target - self._value)
        self._stamp = stamp
        return self._value

    def rewrite(self, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> None:
        """Express the mapping in other coordinates, if there is one."""
        if self._value is not None:
            self._value = change(self._value)


def unlike(levels: Levels, others: Levels) -> bool:
    """Whether two ranges have so little in common that they are not of one scene seen by one camera."""
    spans = sorted((levels[1] - levels[0], others[1] - others[0]))
    apart = levels[0] > others[1] or others[0] > levels[1]
    return apart or spans[1] > _MOST_SPAN_RATIO * spans[0]
