"""A picture into another geometry by a precomputed map: one look-up and one interpolation a pixel.

The map is kept in OpenCV's fixed-point form (whole pixels, and the rest in steps of 1/32), which is several times
faster to apply than the float form.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# Source pixels to an output pixel, from which on a picture is smoothed before it is looked up: else it aliases.
_COARSE = 1.3


class Warp:
    """One map, for one size of source and one of output.

    Attributes:
        seen: (H, W) uint8, 255 where the source shows something and 0 elsewhere.
    """

    def __init__(self, x: NDArray[np.float64], y: NDArray[np.float64], source: tuple[int, int]) -> None:
        """Compute everything that does not depend on the picture.

        Args:
            x: (H, W), the column of the source that each output pixel shows; NaN where there is none.
            y: (H, W), the row, likewise.
            source: (height, width) of the source.
        """
        height, width = source
        # A pixel is a square: the picture reaches half a pixel beyond the centres of the outermost ones.
        inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
        self.seen = inside.astype(np.uint8) * np.uint8(255)
        self._blur = _smoothing(x, y, inside)
        # Beyond the border its pixels are repeated, so that the network sees no edge where the picture only ends.
        x = np.clip(np.nan_to_num(x, nan=0.0), 0, width - 1)
        y = np.clip(np.nan_to_num(y, nan=0.0), 0, height - 1)
        self._maps = cv2.convertMaps(x.astype(np.float32), y.astype(np.float32), cv2.CV_16SC2)

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture in the output's geometry.

        Args:
            image: (h, w) or (h, w, 3), of the source's size.

        Returns:
            (H, W) or (H, W, 3).
        """
        if self._blur > 0:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self._blur), np.uint8)
        first, second = self._maps
        return np.asarray(cv2.remap(image, first, second, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def from_homography(matrix: NDArray[np.float64], source: tuple[int, int], output: tuple[int, int]) -> Warp:
    """The map of a homography.

    Args:
        matrix: (3, 3), output pixels to source pixels.
        source: (height, width).
        output: (height, width).
    """
    y, x = np.mgrid[0 : output[0], 0 : output[1]].astype(np.float64)
    moved = [row[0] * x + row[1] * y + row[2] for row in matrix]
    # What has a depth of 0 or less lies on the horizon or behind the camera. The sign of a homography is arbitrary; in
    # the middle of the picture it is taken to be in front.
    sign = np.sign(matrix[2] @ [(output[1] - 1) / 2, (output[0] - 1) / 2, 1.0])
    depth = np.where(sign * moved[2] > 1e-12, moved[2], np.nan)
    return Warp(moved[0] / depth, moved[1] / depth, source)


def _smoothing(x: NDArray[np.float64], y: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    """Standard deviation, in source pixels, of the smoothing that a map needs; 0 for none."""
    if min(x.shape) < 2:
        return 0.0
    area = np.diff(x, axis=1)[:-1] * np.diff(y, axis=0)[:, :-1] - np.diff(x, axis=0)[:, :-1] * np.diff(y, axis=1)[:-1]
    area = np.abs(area[inside[:-1, :-1]])
    area = area[np.isfinite(area)]
    density = float(np.sqrt(np.median(area))) if area.size else 1.0
    # A pixel of the source has a spread of its own; what is missing to that of an output pixel is added.
    return 0.5 * float(np.sqrt(density**2 - 1)) if density > _COARSE else 0.0
