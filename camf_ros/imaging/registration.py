"""Registration: both frames into the geometry of the reference frame.

For now both cameras are taken to see the same field, so that a change of size is all there is to do. Whatever maps one
picture into the other implements :class:`Registration` and takes this one's place.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray


class Registration(Protocol):
    """Brings a picture into the geometry of the reference picture."""

    def align(self, image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
        """The picture as the reference camera would see it.

        Args:
            image: (h, w) or (h, w, 3).
            size: (H, W) of the reference picture.

        Returns:
            (H, W) or (H, W, 3).
        """
        ...


class ResizeRegistration:
    """For cameras with one field of view, or pictures that were registered before: only the size changes."""

    def align(self, image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
        """See :meth:`Registration.align`."""
        height, width = size
        if image.shape[:2] == (height, width):
            return image
        # Area averaging when shrinking (no aliasing), bilinear when enlarging.
        shrinking = image.shape[0] >= height and image.shape[1] >= width
        method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)
