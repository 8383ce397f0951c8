"""Blends two pictures by amounts for each place and scale: the Laplacian pyramid whose level l is a_l L_l(A) + b_l L_l(B).

The same function as :func:`camf_ros.network.blend.blend`, with OpenCV, in float32. Here because the picture needs more
precision than the network that decides the amounts, and because what comes from which camera stays exactly separable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T", np.uint8, np.float32)
Grey = NDArray[np.uint8]
Map = NDArray[np.float32]
#: For each level, finest first, (2, h, w): amounts of the first and of the second picture. The first two levels have them
#: at 1/2 of the pictures' size, the third at 1/4, all others at 1/8.
Amounts = Sequence[Map]
#: Sides of the pictures that a network is given are multiples of this.
STEP = 8
# From this level on, amounts are of one size. Its pyramid is padded, so that small levels halve evenly.
_COARSE = 3


class Blender:
    """Blends pictures of one size. Keeps its memory for the next pair, so one thread uses it."""

    def __init__(self, height: int, width: int, levels: int) -> None:
        """Take memory.

        Args:
            height: Of the pictures, pixels.
            width: Likewise.
            levels: Of the pyramid, above 3.
        """
        self._size = height, width
        rows, columns = (length + missing for length, missing in zip(self._size, padding(height, width), strict=True))
        even = 2 ** (levels - 1 - _COARSE)
        # What the smallest levels lack at the bottom and to the right, in pixels of the first of them.
        self._missing = -(rows // STEP) % even, -(columns // STEP) % even
        coarse = rows // STEP + self._missing[0], columns // STEP + self._missing[1]
        shapes = [(rows >> level, columns >> level) for level in range(_COARSE)]
        shapes += [(coarse[0] >> level, coarse[1] >> level) for level in range(levels - _COARSE)]
        self._pictures = [[np.empty(shape, np.float32) for shape in shapes] for _ in range(2)]
        self._work = [[np.empty(shape, np.float32) for shape in shapes] for _ in range(3)]
        self._inner = rows // STEP, columns // STEP

    def blend(self, first: Grey, second: Grey, amounts: Amounts) -> Grey:
        """The blended picture, (H, W), clipped to 0 to 255 and rounded."""
        self._reduce(first, second)
        blended = self._collapse(self._fitted(amounts), (0, 1))
        return np.asarray(cv2.add(blended, 0.0, dtype=cv2.CV_8U), np.uint8)[: self._size[0], : self._size[1]]

    def parts(self, first: Grey, second: Grey, amounts: Amounts) -> tuple[Map, Map]:
        """What each picture gives to the blended one, (H, W) grey levels: their sum is it before it is clipped."""
        self._reduce(first, second)
        fitted, (height, width) = self._fitted(amounts), self._size
        one, other = (self._collapse(fitted, (source,))[:height, :width].copy() for source in (0, 1))
        return one, other

    def _reduce(self, *pictures: Grey) -> None:
        """Gaussian pyramids of means of 2 x 2."""
        for pyramid, picture in zip(self._pictures, pictures, strict=True):
            pyramid[0][...] = padded(picture, padding(*self._size))
            for level in range(1, len(pyramid)):
                larger, smaller = pyramid[level - 1], pyramid[level]
                if level == _COARSE:
                    inner = cv2.resize(larger, self._inner[::-1], interpolation=cv2.INTER_AREA)
                    smaller[...] = padded(inner, self._missing)
                else:
                    cv2.resize(larger, smaller.shape[::-1], smaller, interpolation=cv2.INTER_AREA)

    def _fitted(self, amounts: Amounts) -> list[tuple[Map, Map]]:
        """Amounts of the size of their level, but for the first."""
        fitted = []
        for level, maps in enumerate(amounts):
            one, other = maps
            if level >= _COARSE:
                size = self._work[0][level].shape[::-1]
                one, other = (
                    cv2.resize(padded(each, self._missing), size, interpolation=cv2.INTER_AREA) for each in maps
                )
            fitted.append((one, other))
        return fitted

    def _collapse(self, amounts: Sequence[tuple[Map, Map]], sources: Sequence[int]) -> Map:
        result, detail, amount = self._work
        last = len(result) - 1
        result[last][...] = 0
        for source in sources:
            result[last] += amounts[last][source] * self._pictures[source][last]
        for level in range(last - 1, -1, -1):
            size = result[level].shape[::-1]
            cv2.resize(self._inside(result, level + 1), size, result[level], interpolation=cv2.INTER_LINEAR)
            for source in sources:
                pyramid, at = self._pictures[source], amounts[level][source]
                cv2.resize(self._inside(pyramid, level + 1), size, detail[level], interpolation=cv2.INTER_LINEAR)
                cv2.subtract(pyramid[level], detail[level], detail[level])
                if level == 0:
                    at = cv2.resize(at, size, amount[0], interpolation=cv2.INTER_LINEAR)
                cv2.multiply(detail[level], at, detail[level])
                cv2.add(result[level], detail[level], result[level])
        return result[0]

    def _inside(self, pyramid: list[Map], level: int) -> Map:
        """A level as the next finer one sees it."""
        return pyramid[level][: self._inner[0], : self._inner[1]] if level == _COARSE else pyramid[level]


def padding(height: int, width: int) -> tuple[int, int]:
    """Rows below and columns to the right that a picture lacks to be a multiple of :data:`STEP`."""
    return -height % STEP, -width % STEP


def padded(picture: NDArray[_T], missing: tuple[int, int]) -> NDArray[_T]:
    """A picture with its border repeated below and to the right."""
    if missing == (0, 0):
        return picture
    bordered = cv2.copyMakeBorder(picture, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE)
    return np.asarray(bordered, picture.dtype)
