"""Where fused frames go: an .mp4 file, or a folder of numbered PNGs."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.cli.outputs import make_folder
from camf_ros.errors import DataError, ImageError
from camf_ros.imaging.picture_files import write_png

# MPEG-4 Part 2: the codec for .mp4 that every build of OpenCV has.
_CODEC = "mp4v"


class FrameSink(Protocol):
    """Takes frames in order."""

    def write(self, index: int, image: NDArray[np.uint8]) -> None:
        """Take a frame, (H, W, 3) red, green, blue, or (H, W) grey; frames before it may be missing.

        Raises:
            ImageError: If the frame does not fit to those before it.
            DataError: If it cannot be written.
        """
        ...

    def finish(self) -> str:
        """All frames are there. Returns what the user should know, or an empty text."""
        ...

    def discard(self) -> None:
        """Leave nothing half done behind; without effect after :meth:`finish`."""
        ...


class PngFolder:
    """Numbered pictures: nothing is lost."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, index: int, image: NDArray[np.uint8]) -> None:
        """See :class:`FrameSink`."""
        make_folder(self._folder)
        write_png(self._folder / f"{index:06d}.png", image)

    def finish(self) -> str:
        """See :class:`FrameSink`."""
        return ""

    def discard(self) -> None:
        """See :class:`FrameSink`; whole pictures stay."""


class Mp4File:
    """A video that takes its name only when it is complete."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path = path
        self._rate = rate
        self._partial = path.with_name(f".{path.stem}.partial.mp4")
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._written = 0

    def write(self, index: int, image: NDArray[np.uint8]) -> None:  # noqa: ARG002 (a video has no gaps)
        """See :class:`FrameSink`."""
        size = (image.shape[1], image.shape[0])
        if self._writer is None:
            make_folder(self._path.parent)
            writer = cv2.VideoWriter(str(self._partial), cv2.VideoWriter.fourcc(*_CODEC), self._rate, size)
            if not writer.isOpened():
                raise DataError(
                    f"{self._path} cannot be written as a video of {size[0]} x {size[1]}",
                    remedy="name a folder as the output, for PNGs",
                )
            self._writer, self._size = writer, size
        if size != self._size:
            raise ImageError(
                f"the frame is {size[0]} x {size[1]}", expected=f"{self._size[0]} x {self._size[1]} as the first one"
            )
        code = cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_RGB2BGR
        self._writer.write(cv2.cvtColor(image, code))
        self._written += 1

    def finish(self) -> str:
        """See :class:`FrameSink`."""
        if self._writer is None:
            return ""
        self._writer.release()
        self._writer = None
        # OpenCV's writer tells of no failure, and a video without its end cannot be opened.
        if (readable := _frames(self._partial)) != self._written:
            self._partial.unlink(missing_ok=True)
            raise DataError(
                f"{self._path} cannot be written: {readable} of {self._written} frames can be read back",
                remedy="is the disk full?",
            )
        try:
            self._partial.replace(self._path)
        except OSError as error:
            raise DataError(f"{self._path} cannot be written ({error.strerror})", remedy="name another one") from error
        if self._size[0] % 2 or self._size[1] % 2:
            return "the last row or column is missing in the .mp4, whose sides are even: a folder of PNGs keeps all"
        return ""

    def discard(self) -> None:
        """See :class:`FrameSink`."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            self._partial.unlink(missing_ok=True)


def _frames(path: Path) -> int:
    """How many frames a video says that it has; 0 if it cannot be opened."""
    reader = cv2.VideoCapture(str(path))
    try:
        return int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
    finally:
        reader.release()
