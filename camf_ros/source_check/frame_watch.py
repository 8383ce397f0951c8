"""Does a camera send the same picture again and again? Judged by time, for every frame, at next to no cost.

A checksum over a few hundred values of each frame sees a live picture change: sensor noise alone does that. Only
where they stand still between two looks is the whole frame summed up, so that a scene without noise in which something
small moves is not called frozen.
"""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_VALUES = 512


@dataclass(frozen=True)
class _Run:
    """Frames in a row whose samples are equal."""

    digest: int
    since: float
    last: float
    stamp: float
    frames: int
    frame: NDArray[Any]


class FrameWatch:
    """Watches one camera. :meth:`note` and :meth:`frozen` may be called from different threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run: _Run | None = None
        # Of the whole frames of this run: checksum, and from when to when the looks found it.
        self._whole: tuple[int, float, float] | None = None

    def note(self, frame: NDArray[Any], stamp: float, now: float) -> None:
        """A frame has arrived.

        Args:
            frame: As it came, any shape and type; kept until the next one, so nobody may write into it.
            stamp: Its stamp, seconds. A frame with the stamp of the one before is the same message again: ignored.
            now: Monotonic time, seconds.
        """
        digest = zlib.crc32(_sampled(frame))
        with self._lock:
            run = self._run
            if run is not None and stamp == run.stamp:
                return
            if run is not None and digest == run.digest and frame.shape == run.frame.shape and now >= run.last:
                self._run = _Run(digest, run.since, now, stamp, run.frames + 1, frame)
            else:
                self._run = _Run(digest, now, now, stamp, 1, frame)

    def frozen(self) -> tuple[float, int]:
        """How long the whole frames have been bit-identical (seconds, as far as looks have seen it), and their number.

        The time ends with the last frame: a camera that sends nothing is silent, not frozen. Only the thread that
        looks may call this.
        """
        with self._lock:
            run = self._run
        if run is None or run.frames < 2 or (self._whole is not None and run.last == self._whole[2]):
            # No news: nothing is claimed, and nothing forgotten.
            return 0.0, 0
        digest = zlib.crc32(np.ascontiguousarray(run.frame).data)
        if self._whole is None or digest != self._whole[0] or run.since > self._whole[1]:
            self._whole = (digest, run.last, run.last)
        else:
            self._whole = (digest, self._whole[1], run.last)
        return run.last - self._whole[1], run.frames


def _sampled(frame: NDArray[Any]) -> bytes:
    if frame.flags.c_contiguous:
        flat = frame.reshape(-1)
        # Odd, so that the places do not fall into the same few columns or into one channel.
        return flat[:: (flat.size // _VALUES) | 1].tobytes()
    strides = (slice(None, None, max(1, side // 32)) for side in frame.shape[:2])
    return frame[tuple(strides)].tobytes()
