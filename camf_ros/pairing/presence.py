"""Which of two cameras is missing while the other goes on.

It has stopped, sends one picture over and over, or sends nothing that can be used.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

# So many frames of the other camera must have come in the meantime: where both are slow, or triggered together, the one
# that arrives first is not alone.
_FRAMES = 3
# A camera that is slower than the timeout is missing after so many of its own periods.
_PERIODS = 3.0
# The period is the median of so many last ones.
_INTERVALS = 5


class Missing(NamedTuple):
    """A camera that is missing.

    Attributes:
        reason: ``silent`` (no frame), ``frozen`` (frames, always the same one) or ``refused`` (frames that cannot
            be used).
        seconds: For how long.
        cause: Why its last frame was refused.
    """

    reason: str
    seconds: float
    cause: str = ""


class _Verdict(NamedTuple):
    """What became of a camera's last frames."""

    usable: float  # arrival of the last one that could be used
    refused: int = 0  # those after it that could not
    cause: str = ""


@dataclass
class _Camera:
    last: float  # frame of any kind
    changed: float  # frame unlike the one before
    verdict: _Verdict  # replaced as a whole: another thread writes it
    content: bytes | None = None
    # Frames of the other camera since this one's last.
    waited: int = 0
    # Frames, all of them equal, since the other camera's picture was seen to change after this one had stood still too
    # long; below 0 where it was not. A live sensor's noise makes no two frames equal, but drivers repeat some.
    repeats: int = -1
    intervals: deque[float] = field(default_factory=lambda: deque(maxlen=_INTERVALS))


class Presence:
    """Watches two cameras by the arrival of their frames. Times are seconds of a clock that never jumps.

    A camera is missing only in comparison with the other: where both stop, neither is, and where both stand still (a
    simulator, pictures that are published over and over) neither is frozen.

    Attributes:
        timeout: Seconds without a new picture after which a camera is missing; one that is slower, after a few of its
            own periods.
    """

    def __init__(self, cameras: tuple[str, str], timeout: float, now: float) -> None:
        """Start to watch.

        Args:
            cameras: Their names.
            timeout: See the attribute.
            now: A camera that never sends is silent since then.
        """
        self.timeout = timeout
        self._cameras = {name: _Camera(now, now, _Verdict(now)) for name in cameras}
        self._other = {cameras[0]: cameras[1], cameras[1]: cameras[0]}

    def arrived(self, camera: str, content: bytes, now: float) -> None:
        """Take note of a frame.

        Args:
            camera: Its camera.
            content: Something that is equal for equal pictures and as good as never for others.
            now: When it came.
        """
        own, other = self._cameras[camera], self._cameras[self._other[camera]]
        if own.content is not None:
            own.intervals.append(now - own.last)
        own.last, own.waited = now, 0
        other.waited += 1
        if content == own.content:
            if own.repeats >= 0:
                own.repeats += 1
            return
        own.content, own.changed, own.repeats = content, now, -1
        if other.repeats < 0 and other.content is not None and now - other.changed > self._patience(other):
            other.repeats = 0

    def judged(self, camera: str, arrived: float, cause: str = "") -> None:
        """Take note of what became of a frame; from any thread.

        Args:
            camera: Its camera.
            arrived: When it came.
            cause: Why it could not be used; empty if it could.
        """
        own = self._cameras[camera]
        own.verdict = _Verdict(own.verdict.usable, own.verdict.refused + 1, cause) if cause else _Verdict(arrived)

    def missing(self, camera: str, now: float) -> Missing | None:
        """Whether a camera is missing, why, and for how long."""
        own = self._cameras[camera]
        if own.waited >= _FRAMES and now - own.last > self._patience(own):
            return Missing("silent", now - own.last)
        verdict = own.verdict
        if verdict.refused >= _FRAMES and now - verdict.usable > self._patience(own):
            return Missing("refused", now - verdict.usable, verdict.cause)
        if own.repeats >= _FRAMES:
            return Missing("frozen", now - own.changed)
        return None

    def alone(self, camera: str, now: float) -> bool:
        """Whether a camera is all that is left.

        One whose frames were refused is, where the other is silent: no pair shows whether they can be used again.
        """
        own, other = self.missing(camera, now), self.missing(self._other[camera], now)
        if other is None:
            return False
        return own is None or (own.reason == "refused" and other.reason == "silent")

    def _patience(self, camera: _Camera) -> float:
        return max(self.timeout, _PERIODS * median(camera.intervals)) if camera.intervals else self.timeout
