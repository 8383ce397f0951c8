"""Frames of a video file, stream or numbered pictures (``frame_%04d.png``), one after another, with their times.

Grey 16-bit video, as thermal cameras record it, keeps its 16 bits.
"""

from __future__ import annotations

import math
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import DataError
from camf_ros.imaging.picture_files import read_picture

# FFmpeg's tag of 16-bit grey; OpenCV hands it out as 8-bit colour unless it is told not to convert.
_GREY16 = int.from_bytes(b"Y1\x00\x10", "little")
# Share by which an interval may differ from the mean one, beside the milliseconds that some containers round to.
_STEADY, _ROUNDED = 0.05, 0.001
# The first of numbered pictures has one of the numbers below this.
_FIRST = 100


class VideoReader:
    """Goes through a video once, forwards.

    Attributes:
        source: What was opened.
        rate: Mean of frames a second; 0 if the video does not say, and to be set before the second frame then.
        announced: How many frames the container says there are; 0 if it does not say.
        frames_read: How many frames have been passed so far.
        varies: Whether the frames so far came at varying intervals.
    """

    def __init__(self, source: str) -> None:
        """Open a file, an address, or a pattern of numbered pictures; DataError if that is not possible."""
        self.source = source
        self.rate, self.announced, self.frames_read, self.varies = 0.0, 0, 0, False
        self._start = self._last = 0.0
        self._files: list[Path] = []
        self._capture: cv2.VideoCapture | None = None
        if "%" in source and "://" not in source and not Path(source).exists():
            # By the reader of all pictures: OpenCV's own for numbered ones knows fewer of them.
            self._files = _numbered(source)
            self.announced = len(self._files)
            return
        self._capture = capture = cv2.VideoCapture(source)
        if not capture.isOpened():
            raise DataError(
                f"{source} cannot be opened", expected="a picture, a folder of pictures, or a video that OpenCV reads"
            )
        if int(capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)) == _GREY16:
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        self.rate = _positive(capture.get(cv2.CAP_PROP_FPS))
        self.announced = int(_positive(capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def skip(self) -> float | None:
        """Pass over a frame: its time in seconds from the first one; None at the end.

        Times grow. Where the container names none, frames are a period apart.
        """
        if not (self._capture.grab() if self._capture else self.frames_read < len(self._files)):
            return None
        stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 if self._capture else 0.0
        if self.frames_read == 0:
            self._start, time = stamp, 0.0
        else:
            time, even, period = stamp - self._start, self.frames_read / self.rate, 1 / self.rate
            if abs(time - even) <= _ROUNDED:
                time = even
            elif not time > self._last:  # none named, or a container whose times are damaged
                time = self._last + period
            elif abs(time - self._last - period) > _STEADY * period + _ROUNDED:
                self.varies = True
        self.frames_read += 1
        self._last = time
        return time

    def image(self) -> NDArray[Any]:
        """The frame that was passed last: (H, W) or (H, W, 3) blue, green, red; CamfError if it cannot be decoded."""
        if self._capture is None:
            return read_picture(self._files[self.frames_read - 1])
        found, image = self._capture.retrieve()
        if not found:
            raise DataError(f"{self.source}: frame {self.frames_read - 1} cannot be decoded", remedy="is it damaged?")
        return np.asarray(image)

    def close(self) -> None:
        """Give the file back."""
        if self._capture:
            self._capture.release()


def _numbered(pattern: str) -> list[Path]:
    """The pictures of a pattern, from the first number that is there to the last before one that is not."""
    try:
        first = next((number for number in range(_FIRST) if Path(pattern % number).is_file()), None)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{pattern} is no pattern of a number ({error})", expected="one such as frame_%04d.png"
        ) from error
    if first is None:
        raise DataError(f"there is no picture {pattern} with a number from 0 to {_FIRST - 1}", remedy="check the path")
    return list(takewhile(Path.is_file, (Path(pattern % number) for number in count(first))))


def _positive(value: float) -> float:
    """What a container says, or 0 where it says nothing; OpenCV passes on -1, NaN and absurd numbers."""
    return value if math.isfinite(value) and 0 < value < 2**31 else 0.0
