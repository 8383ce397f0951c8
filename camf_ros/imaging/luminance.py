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

    def with_luminance(self, luminance: GreyImage) -> NDArray[np.uint8]:
        """The frame with another luminance and its own colour.

        Args:
            luminance: (H, W) of the same size.

        Returns:
            (H, W, 3) red, green, blue; (H, W) for a grey frame.
        """
        if self._ycrcb is None:
            return luminance
        # In place: the frame's own luminance is kept apart from it.
        cv2.insertChannel(luminance, self._ycrcb, 0)
        return np.asarray(cv2.cvtColor(self._ycrcb, cv2.COLOR_YCrCb2RGB), np.uint8)


def grey_as_colour(image: GreyImage) -> ColourImage:
    """The same picture with three equal channels: (H, W) to (H, W, 3)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
