"""A canvas that a panel is laid out on, in units that do not depend on its size, with OpenCV's letters: always there.

The colours of an explanation are blue for RGB, orange for thermal, light grey for both alike. Blue and orange differ
for every common kind of colour blindness, and hardly in brightness: neither looks like more.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, ...]

BACKGROUND: Colour = (26, 26, 28)
INK: Colour = (240, 240, 240)
FAINT: Colour = (150, 150, 150)

# From all RGB to all thermal: red, green, blue.
_STOPS = (
    (0.00, (20, 90, 200)),
    (0.25, (110, 165, 235)),
    (0.50, (232, 232, 232)),
    (0.75, (250, 175, 90)),
    (1.00, (225, 100, 0)),
)
_COLOURS = 256

_FONT = cv2.FONT_HERSHEY_SIMPLEX
# Height of a capital letter at scale 1, pixels.
_CAPITAL = 21.0
# Positions with parts of a pixel, for OpenCV: so many bits.
_SHIFT = 4


class Box(NamedTuple):
    """A rectangle in units of the layout: x, y of its upper left corner, width, height."""

    x: float
    y: float
    width: float
    height: float


class Canvas:
    """Draws in coordinates of a ``layout`` (width, height), in the middle of a picture of ``size`` (width, height)."""

    def __init__(self, size: tuple[int, int], layout: tuple[int, int]) -> None:
        self.picture: NDArray[np.uint8] = np.empty((size[1], size[0], 3), np.uint8)
        self.picture[:] = BACKGROUND
        self._scale = min(size[0] / layout[0], size[1] / layout[1])
        self._left = (size[0] - layout[0] * self._scale) / 2
        self._top = (size[1] - layout[1] * self._scale) / 2

    def pixels(self, box: Box) -> tuple[slice, slice]:
        """Rows and columns of a box, at least one of each."""
        top, left = self._top + box.y * self._scale, self._left + box.x * self._scale
        bottom, right = top + box.height * self._scale, left + box.width * self._scale
        rows = slice(round(top), max(round(top) + 1, round(bottom)))
        return rows, slice(round(left), max(round(left) + 1, round(right)))

    def put(self, image: NDArray[np.uint8], box: Box) -> None:
        """A picture (h, w) or (h, w, 3) that fills a box. Areas are averaged when it shrinks."""
        rows, columns = self.pixels(box)
        size = columns.stop - columns.start, rows.stop - rows.start
        shrinking = image.shape[1] >= size[0] and image.shape[0] >= size[1]
        method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        resized = np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)
        self.picture[rows, columns] = resized if resized.ndim == 3 else resized[:, :, None]

    def text(
        self,
        words: str,
        at: tuple[float, float],
        *,
        height: float,
        colour: Colour = INK,
        align: float = 0.0,
        width: float | None = None,
        bold: bool = False,
    ) -> float:
        """One line of ASCII, which is what the font has; returns its width.

        ``at`` is x and the baseline's y, ``height`` that of a capital letter. ``align`` (0, 0.5 or 1) is the part of
        the line that is left of x. Letters become smaller where the line would be wider than ``width``.
        """
        scale = height * self._scale / _CAPITAL
        thickness = max(1, round(height * self._scale * (0.16 if bold else 0.12)))
        length = cv2.getTextSize(words, _FONT, scale, thickness)[0][0]
        if width is not None and length > width * self._scale:
            scale *= width * self._scale / length
            length = cv2.getTextSize(words, _FONT, scale, thickness)[0][0]
        x = self._left + at[0] * self._scale - align * length
        y = self._top + at[1] * self._scale
        cv2.putText(self.picture, words, (round(x), round(y)), _FONT, scale, colour, thickness, cv2.LINE_AA)
        return length / self._scale

    def frame(self, box: Box, colour: Colour, width: float = 1.5) -> None:
        """The outline of a box, within it."""
        rows, columns = self.pixels(box)
        line = max(1, round(width * self._scale))
        part = self.picture[rows, columns]
        part[:line] = part[-line:] = part[:, :line] = part[:, -line:] = colour

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: Colour) -> None:
        """A thin line."""
        cv2.line(self.picture, self._point(start), self._point(end), colour, 1, cv2.LINE_AA, _SHIFT)

    def dot(self, at: tuple[float, float], radius: float, colour: Colour, *, ring: bool = False) -> None:
        """A disc, or the ring around one."""
        size = round(radius * self._scale * 2**_SHIFT)
        width = max(1, round(1.5 * self._scale)) if ring else cv2.FILLED
        cv2.circle(self.picture, self._point(at), size, colour, width, cv2.LINE_AA, _SHIFT)

    def _point(self, at: tuple[float, float]) -> tuple[int, int]:
        x, y = self._left + at[0] * self._scale, self._top + at[1] * self._scale
        return round(x * 2**_SHIFT), round(y * 2**_SHIFT)


def fitted(box: Box, shape: tuple[int, ...]) -> Box:
    """The largest box within another that has a picture's proportions, in its middle."""
    height, width = shape[:2]
    scale = min(box.width / width, box.height / height)
    size = width * scale, height * scale
    return Box(box.x + (box.width - size[0]) / 2, box.y + (box.height - size[1]) / 2, *size)


def _table() -> NDArray[np.uint8]:
    places = np.linspace(0, 1, _COLOURS)
    at = [stop for stop, _ in _STOPS]
    columns = [np.interp(places, at, [colour[part] for _, colour in _STOPS]) for part in range(3)]
    return np.rint(np.stack(columns, axis=1)).astype(np.uint8)


#: (256, 3), red, green, blue, from RGB to thermal.
DIVERGING = _table()


def coloured(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(h, w, 3) red, green, blue of a map (h, w), 0 (RGB) to 1 (thermal); the ends' colours beyond."""
    levels = np.rint(np.clip(values, 0, 1) * (_COLOURS - 1)).astype(np.uint8)
    return np.asarray(DIVERGING[levels], np.uint8)


def grey(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Grey levels of a map as a picture: what is below 0 is black, what is above 255 white."""
    return np.asarray(np.rint(np.clip(values, 0, 255)), np.uint8)
