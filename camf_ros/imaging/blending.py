"""Blends two pictures by amounts for each place and scale.

The result is the Laplacian pyramid whose level l is ``a_l L_l(A) + b_l L_l(B)``, collapsed: the
same function as :func:`camf_ros.network.blend.blend`, with OpenCV, in float32. Here because the picture needs more
precision than the network that decides the amounts, and because what comes from which camera stays exactly separable.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

#: What blending raises where there is no memory.
FAILURES: tuple[type[Exception], ...] = (MemoryError, cv2.error)
Grey = NDArray[np.uint8]
Map = NDArray[np.float32]
#: For each level, finest first, (2, h, w): amounts of the first and of the second picture. The first level's are of
#: half its size, as are the second level's.
Amounts = Sequence[Map]


class Blender:
    """Blends pictures of one size. Keeps its memory for the next pair, so one thread uses it."""

    def __init__(self, height: int, width: int, levels: int) -> None:
        """Take memory.

        Args:
            height: Of the pictures, pixels.
            width: Likewise.
            levels: Of the pyramid; the pictures are padded to multiples of ``2 ** (levels - 1)`` by repeating their
            border.
        """
        self._size = height, width
        self._padding = padding(height, width, levels)
        rows, columns = height + self._padding[0], width + self._padding[1]
        shapes = [(rows >> level, columns >> level) for level in range(levels)]
        self._pictures = [[np.empty(shape, np.float32) for shape in shapes] for _ in range(2)]
        self._work = [[np.empty(shape, np.float32) for shape in shapes] for _ in range(3)]

    def blend(self, first: Grey, second: Grey, amounts: Amounts) -> Grey:
        """The blended picture, (H, W), clipped to 0 to 255 and rounded."""
        for pyramid, picture in zip(self._pictures, (first, second), strict=True):
            self._reduce(pyramid, picture)
        blended = self._collapse(amounts, (0, 1))
        rounded = cv2.addWeighted(blended, 1.0, blended, 0.0, 0.0, dtype=cv2.CV_8U)  # and clipped
        return np.asarray(rounded, np.uint8)[: self._size[0], : self._size[1]]

    def parts(self, first: Grey, second: Grey, amounts: Amounts) -> tuple[Map, Map]:
        """What each picture gives to the blended one, (H, W) grey levels: their sum is it before it is clipped."""
        for pyramid, picture in zip(self._pictures, (first, second), strict=True):
            self._reduce(pyramid, picture)
        height, width = self._size
        one, other = (self._collapse(amounts, (source,))[:height, :width].copy() for source in (0, 1))
        return one, other

    def bands(self, first: Grey, second: Grey, amounts: Amounts) -> list[tuple[Map, Map]]:
        """What each picture gives to each level of the blended pyramid, finest first, grey levels.

        Returns:
            For each level ``a_l L_l(first)`` and ``b_l L_l(second)``, (h, w), ``h = ceil(H / 2 ** l)``; the last level
            is the low-pass rest.
        """
        for pyramid, picture in zip(self._pictures, (first, second), strict=True):
            self._reduce(pyramid, picture)
        result, last = [], len(amounts) - 1
        for level, (own, amount) in enumerate(zip(zip(*self._pictures, strict=True), amounts, strict=True)):
            height, width = (-(-side >> level) for side in self._size)
            size = own[0].shape[::-1]
            weighted = []
            for source, picture in enumerate(own):
                detail = picture
                if level < last:
                    smaller = self._pictures[source][level + 1]
                    detail = picture - cv2.resize(smaller, size, interpolation=cv2.INTER_LINEAR)
                at = cv2.resize(amount[source], size, interpolation=cv2.INTER_LINEAR) if level == 0 else amount[source]
                weighted.append(np.asarray(detail * at, np.float32)[:height, :width])
            result.append((weighted[0], weighted[1]))
        return result

    def _reduce(self, pyramid: list[Map], picture: Grey) -> None:
        """Gaussian pyramid of means of 2 x 2."""
        pyramid[0][...] = padded(picture, self._padding)
        for larger, smaller in pairwise(pyramid):
            cv2.resize(larger, smaller.shape[::-1], smaller, interpolation=cv2.INTER_AREA)

    def _collapse(self, amounts: Amounts, sources: Sequence[int]) -> Map:
        result, detail, amount = self._work
        last = len(result) - 1
        result[last][...] = 0
        for source in sources:
            result[last] += amounts[last][source] * self._pictures[source][last]
        for level in range(last - 1, -1, -1):
            size = result[level].shape[::-1]
            cv2.resize(result[level + 1], size, result[level], interpolation=cv2.INTER_LINEAR)
            for source in sources:
                pyramid, at = self._pictures[source], amounts[level][source]
                cv2.resize(pyramid[level + 1], size, detail[level], interpolation=cv2.INTER_LINEAR)
                cv2.subtract(pyramid[level], detail[level], detail[level])
                if level == 0:
                    at = np.asarray(cv2.resize(at, size, amount[0], interpolation=cv2.INTER_LINEAR), np.float32)
                cv2.multiply(detail[level], at, detail[level])
                cv2.add(result[level], detail[level], result[level])
        return result[0]


def padding(height: int, width: int, levels: int) -> tuple[int, int]:
    """Rows below and columns to the right that a picture lacks for a pyramid."""
    step = 2 ** (levels - 1)
    return -height % step, -width % step


def padded(picture: Grey, missing: tuple[int, int]) -> Grey:
    """A picture with its border repeated below and to the right."""
    if missing == (0, 0):
        return picture
    return np.asarray(cv2.copyMakeBorder(picture, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE), np.uint8)
