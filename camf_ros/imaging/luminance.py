"""The luminance is fused, the colour of the RGB camera is kept.

BT.601 YCbCr with full range, as in JPEG.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

GreyImage = NDArray[np.uint8]
ColourImage = NDArray[np.uint8]

# BT.601, red, green, blue.
_LUMINANCE = (0.299, 0.587, 0.114)
# Levels that a fade corrects at most, so that a light that is switched on is seen at once; and its step from one frame
# to the next.
_MOST, _STEP = 32.0, 1.0


class RgbPicture:
    """An RGB frame split into the luminance that is fused and the colour that is put back.

    A grey frame is its own luminance and has no colour.

    Attributes:
        luminance: (H, W), 0 to 255.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        """Split a frame, (H, W, 3) red, green, blue, or (H, W) grey."""
        self._ycrcb: NDArray[np.uint8] | None = None
        if image.ndim == 2:
            self.luminance: GreyImage = image
        else:
            self._ycrcb = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), np.uint8)
            self.luminance = np.asarray(cv2.extractChannel(self._ycrcb, 0), np.uint8)

    def with_luminance(self, luminance: GreyImage, colour: float = 1.0) -> NDArray[np.uint8]:
        """The frame with another luminance, (H, W), and its own colour: from 0 (grey) to 1 (all of it).

        (H, W, 3) red, green, blue; (H, W) for a grey frame.
        """
        if self._ycrcb is None:
            return luminance
        ycrcb = self._ycrcb
        if colour < 1:
            levels = np.rint((np.arange(256) - 128) * colour + 128).astype(np.uint8)
            ycrcb = np.asarray(cv2.LUT(ycrcb, levels), np.uint8)
        # In place: self.luminance is a copy.
        cv2.insertChannel(luminance, ycrcb, 0)
        return np.asarray(cv2.cvtColor(ycrcb, cv2.COLOR_YCrCb2RGB), np.uint8)


def grey_as_colour(image: GreyImage) -> ColourImage:
    """(H, W) to (H, W, 3) with equal channels."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)


def with_detail(fused: GreyImage, small: GreyImage, full: GreyImage) -> GreyImage:
    """The fused luminance at full size, (H, W), of one that was fused at a smaller size.

    The change, ``fused - small``, is enlarged and added to the full RGB luminance Y: ``Y + up(fused - down(Y))``. So
    what the RGB camera resolves beyond the processing size stays. ``small`` is the RGB luminance that was fused.
    """
    change = cv2.subtract(fused, small, dtype=cv2.CV_16S)
    enlarged = cv2.resize(change, (full.shape[1], full.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(full, enlarged, dtype=cv2.CV_8U), np.uint8)


class Fade:
    """Keeps the brightness when another model takes over, then lets go of the correction by a level a frame."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start again without a last picture: nobody saw it, or it is too old."""
        self._last: NDArray[np.uint8] | None = None
        self._changed = False
        # Correction of the mean luminance, levels; and the mean without it.
        self._offset, self._level = 0.0, 1.0

    def change(self) -> None:
        """The next picture is made in another way than the last one."""
        self._changed = True

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The next picture, (H, W, 3) or (H, W), corrected where a change was not long ago."""
        if self._changed:
            self._changed = False
            self._offset = 0.0
            if self._last is not None:
                self._level = max(mean_luminance(image), 1.0)
                self._offset = float(np.clip(mean_luminance(self._last) - self._level, -_MOST, _MOST))
        else:
            self._offset = float(np.sign(self._offset) * max(abs(self._offset) - _STEP, 0.0))
        if self._offset:
            # A factor, not a sum: black stays black, and colours stay what they are.
            image = np.asarray(cv2.convertScaleAbs(image, alpha=1 + self._offset / self._level), np.uint8)
        self._last = image
        return image


def mean_luminance(image: NDArray[np.uint8]) -> float:
    """Mean luminance of an (H, W, 3) red, green, blue or (H, W) grey picture, 0 to 255."""
    means = cv2.mean(image)
    return float(means[0] if image.ndim == 2 else np.dot(means[:3], _LUMINANCE))
