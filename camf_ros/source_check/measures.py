"""What the source check measures without a classifier: numbers about a picture, and whether the frames change."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.luminance import RgbPicture
from camf_ros.source_check.source_model import reduction

# Pixels of a side of the grid on which single pixels are looked at.
_GRID = 96
_BLACK, _WHITE = 2, 253
# Averages over so many pixels: noise is gone in the first, and what has structure only in the last is out of focus.
_FINE, _COARSE = 4, 16
#: Smallest side of a picture that is measured, pixels: a coarse block with one on each side.
SMALLEST_SIDE = 3 * _COARSE
# Mean spread of the channels, grey levels, up to which a picture is grey: cameras and compression tint a little.
_TINT = 4.0


@dataclass(frozen=True)
class Measures:
    """About one picture."""

    mean: float  #: Grey level, 0 to 255
    deviation: float  #: Standard deviation of the pixels, grey levels
    black: float  #: Share of pixels that are black in all channels, 0 to 1
    white: float  #: Share of pixels that are white in all channels, 0 to 1
    colour: float  #: Mean difference between the strongest and the weakest channel, grey levels
    detail: float  #: Standard deviation of what is finer than 16 pixels after an average over 4 x 4, grey levels
    structure: float  #: Which share of the deviation is left after an average over 8 x 8, 0 to about 1; noise has 1/8

    @property
    def grey(self) -> bool:
        """Whether the picture has no colours to speak of."""
        return self.colour <= _TINT


def unsuitable(image: NDArray[np.uint8] | None) -> str:
    """Why a picture cannot be measured; empty where it can."""
    if image is None:
        return "no picture"
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        return f"a picture of shape {image.shape} and type {image.dtype} is neither grey nor RGB of 8 bit"
    return too_few(image.shape, SMALLEST_SIDE) if min(image.shape[:2]) < SMALLEST_SIDE else ""


def too_few(shape: tuple[int, ...], needed: int) -> str:
    """What is said of a picture (H, W, ...) that is too small."""
    return f"{shape[1]} x {shape[0]} pixels are too few, {needed} a side are needed"


def measure(image: NDArray[np.uint8]) -> Measures:
    """Measure a picture that :func:`unsuitable` accepts."""
    down, right = (max(1, side // _GRID) for side in image.shape[:2])
    pixels = np.array(image[::down, ::right], np.uint8)
    strongest, weakest = (pixels, pixels) if image.ndim == 2 else (pixels.max(axis=2), pixels.min(axis=2))
    grey = RgbPicture(pixels).luminance.astype(np.float32)
    deviation = float(grey.std())
    small = _reduced(image)
    fine = RgbPicture(small).luminance.astype(np.float32)
    coarse = _averaged(fine, _COARSE // _FINE)
    band = fine - cv2.resize(coarse, fine.shape[::-1], interpolation=cv2.INTER_LINEAR)
    middle = float(_averaged(fine, 2).std())
    return Measures(
        mean=float(grey.mean()),
        deviation=deviation,
        black=float((strongest <= _BLACK).mean()),
        white=float((weakest >= _WHITE).mean()),
        colour=0.0 if small.ndim == 2 else float((small.max(axis=2) - small.min(axis=2)).mean()),
        detail=float(band.std()),
        structure=middle / deviation if deviation > 0 else 0.0,
    )


def _reduced(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Averages over the finer blocks of the picture at the classifier's scale; sides are multiples of the ratio."""
    block = _FINE * reduction(image.shape)
    height, width = (side // (block * _COARSE // _FINE) * (_COARSE // _FINE) for side in image.shape[:2])
    part = image[: height * block, : width * block]
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _averaged(image: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    size = (image.shape[1] // factor, image.shape[0] // factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


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
    """Does a camera send the same picture again and again? Judged by time, for every frame, at next to no cost.

    A checksum over a few hundred values of each frame sees a live picture change: sensor noise alone does that. Only
    where they stand still between two looks is the whole frame summed up, so that a scene without noise in which
    something small moves is not called frozen. :meth:`note` and :meth:`frozen` may be called from different threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run: _Run | None = None
        # Of the whole frames of this run: checksum, and from when to when the looks found it.
        self._whole: tuple[int, float, float] | None = None

    def note(self, frame: NDArray[Any], stamp: float, now: float) -> None:
        """A frame has arrived, of any shape and type; kept until the next one, so nobody may write into it.

        ``stamp`` in seconds: a frame with the stamp of the one before is the same message again, and ignored. ``now``
        is monotonic time, seconds.
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
