"""Colour of the fused picture: the luminance is fused, the colour of the RGB camera is kept."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

GreyImage = NDArray[np.uint8]
ColourImage = NDArray[np.uint8]


class Visible:
    """A visible frame split into the luminance that is fused and the colour that is put back.

    BT.601 YCbCr with full range, as in JPEG. A grey frame is its own luminance and has no colour.

    Attributes:
        luminance: (H, W), 0 to 255.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        """Split a frame.

        Args:
            image: (H, W, 3) in the order red, green, blue, or (H, W) grey.
        """
        self._ycrcb: NDArray[np.uint8] | None = None
        if image.ndim == 2:
            self.luminance: GreyImage = image
        else:
            self._ycrcb = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), np.uint8)
            self.luminance = np.asarray(cv2.extractChannel(self._ycrcb, 0), np.uint8)

    def with_luminance(self, luminance: GreyImage, colour: float = 1.0) -> NDArray[np.uint8]:
        """The frame with another luminance and its own colour.

        Args:
            luminance: (H, W) of the same size.
            colour: Strength of the colour, from 0 (grey) to 1 (its own).

        Returns:
            (H, W, 3) red, green, blue; (H, W) for a grey frame.
        """
        if self._ycrcb is None:
            return luminance
        ycrcb = self._ycrcb
        if colour < 1:
            levels = np.rint((np.arange(256) - 128) * colour + 128).astype(np.uint8)
            ycrcb = np.asarray(cv2.LUT(ycrcb, levels), np.uint8)
        # In place: the frame's own luminance is kept apart from it.
        cv2.insertChannel(luminance, ycrcb, 0)
        return np.asarray(cv2.cvtColor(ycrcb, cv2.COLOR_YCrCb2RGB), np.uint8)


def grey_as_colour(image: GreyImage) -> ColourImage:
    """The same picture with three equal channels: (H, W) to (H, W, 3)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
