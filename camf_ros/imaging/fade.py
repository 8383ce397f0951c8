"""Models differ in brightness: where one takes over from another, the picture must not jump."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# Levels that are corrected at most: a light that is switched on at the same moment is seen at once.
_MOST = 32.0
# Levels by which the correction shrinks from one frame to the next.
_STEP = 1.0
# BT.601, red, green, blue.
_LUMINANCE = (0.299, 0.587, 0.114)


class Fade:
    """Scales the pictures after a change so that their mean luminance goes on, then lets go a level a frame."""

    def __init__(self) -> None:
        """Begin before the first picture."""
        self.forget()

    def forget(self) -> None:
        """Begin anew: nobody saw the last picture, or it is long ago."""
        self._last: NDArray[np.uint8] | None = None
        self._changed = False
        # Of the mean luminance, levels; and what it was without the correction.
        self._offset, self._level = 0.0, 1.0

    def change(self) -> None:
        """The next picture is made in another way than the last one."""
        self._changed = True

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The next picture, corrected where a change was not long ago.

        Args:
            image: (H, W, 3) red, green, blue, or (H, W) grey; 0 to 255.

        Returns:
            The picture itself where there is nothing to correct.
        """
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
    """Mean luminance of a picture, 0 to 255.

    Args:
        image: (H, W, 3) red, green, blue, or (H, W) grey.
    """
    means = cv2.mean(image)
    return float(means[0] if image.ndim == 2 else np.dot(means[:3], _LUMINANCE))
