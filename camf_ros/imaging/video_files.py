"""Frames of a video file, stream or numbered pictures (``frame_%04d.png``), one after another, with their times.

Grey 16-bit video, as thermal cameras record it, keeps its 16 bits.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import DataError

# FFmpeg's tag of 16-bit grey; OpenCV hands it out as 8-bit colour unless it is told not to convert.
_GREY16 = int.from_bytes(b"Y1\x00\x10", "little")


class VideoReader:
    """Goes through a video once, forwards.

    Attributes:
        source: What was opened.
        rate: Frames a second; 0 if the video does not say.
        announced: How many frames the container says there are; 0 if it does not say.
        frames_read: How many frames have been passed so far.
    """

    def __init__(self, source: str) -> None:
        """Open a video.

        Args:
            source: A file, an address, or a file name pattern: whatever cv2.VideoCapture opens.

        Raises:
            DataError: If it cannot be opened.
        """
        self.source = source
        # FFmpeg would open numbered pictures as well, but reads 16-bit ones as if they had 8.
        numbered = "%" in source and "://" not in source
        self._capture = cv2.VideoCapture(source, cv2.CAP_IMAGES if numbered else cv2.CAP_ANY)
        if not self._capture.isOpened():
            raise DataError(
                f"{source} cannot be opened", expected="a picture, a folder of pictures, or a video that OpenCV reads"
            )
        if int(self._capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)) == _GREY16:
            self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        self.rate = _positive(self._capture.get(cv2.CAP_PROP_FPS))
        self.announced = int(_positive(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.frames_read = 0

    def skip(self) -> bool:
        """Pass over a frame. False at the end."""
        grabbed = self._capture.grab()
        self.frames_read += grabbed
        return grabbed

    def read(self) -> NDArray[Any] | None:
        """The next frame, (H, W) or (H, W, 3) blue, green, red; None at the end."""
        found, frame = self._capture.read()
        if not found:
            return None
        self.frames_read += 1
        return np.asarray(frame)

    def close(self) -> None:
        """Give the file back."""
        self._capture.release()


def _positive(value: float) -> float:
    """What a container says, or 0 where it says nothing; OpenCV passes on -1, NaN and absurd numbers."""
    return value if math.isfinite(value) and 0 < value < 2**31 else 0.0
