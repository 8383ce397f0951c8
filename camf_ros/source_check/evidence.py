"""What many looks say together, the newer ones counting more."""

from __future__ import annotations

import math


class DecayingMean:
    """Mean of values, of which each counts less by a factor of e after a time constant.

    Unlike a low-pass it is right from the first value on: the first few count alike.
    """

    def __init__(self, time_constant: float) -> None:
        self._time_constant = time_constant
        self._sum = 0.0
        self._weight = 0.0
        self._time = 0.0
        self._start = 0.0

    def add(self, value: float, now: float) -> None:
        """Take in one value at a time (seconds) that is not earlier than the one before."""
        if self._weight == 0:
            self._start = now
        kept = math.exp(-(now - self._time) / self._time_constant) if self._weight else 0.0
        self._sum = self._sum * kept + value
        self._weight = self._weight * kept + 1
        self._time = now

    @property
    def value(self) -> float | None:
        """The mean; None before the first value."""
        return self._sum / self._weight if self._weight else None

    @property
    def span(self) -> float:
        """Seconds that the mean speaks of: the time constant, or less when there were fewer."""
        return min(self._time - self._start, self._time_constant)
