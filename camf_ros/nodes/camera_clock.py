"""When a camera fires: a regular beat with a phase and jitter, as free-running cameras have it."""

from __future__ import annotations

import random


class CameraClock:
    """Firing times of one camera."""

    def __init__(self, rate: float, *, offset: float, jitter: float, seed: int) -> None:
        """Define the beat.

        Args:
            rate: Frames a second.
            offset: Time of the first frame, seconds.
            jitter: Standard deviation of each firing time, seconds; never more than a third of the period.
            seed: Of the jitter.
        """
        self._period = 1 / rate
        self._offset = offset
        self._jitter = min(jitter, self._period / 6)
        self._random = random.Random(seed)
        self._index = 0

    def next(self) -> float:
        """Time of the next frame, seconds; strictly later than the one before."""
        deviation = self._random.gauss(0, self._jitter) if self._jitter else 0.0
        # Two sigmas: later frames stay later.
        deviation = max(-2 * self._jitter, min(2 * self._jitter, deviation))
        time = self._offset + self._index * self._period + deviation
        self._index += 1
        return time

    def skip_to(self, time: float) -> int:
        """Leave out frames that would have been before ``time``, as a camera does whose driver is too slow.

        Returns:
            How many were left out.
        """
        wanted = max(self._index, int((time - self._offset) / self._period))
        skipped, self._index = wanted - self._index, wanted
        return skipped
