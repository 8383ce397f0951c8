"""Colours of an explanation: blue for visible, orange for infrared, light grey for both alike.

Blue and orange differ for every common kind of colour blindness, and in brightness hardly: neither looks like more.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

# From all visible to all infrared, red, green, blue. The ends are blue and vermilion to orange.
_STOPS = (
    (0.00, (20, 90, 200)),
    (0.25, (110, 165, 235)),
    (0.50, (232, 232, 232)),
    (0.75, (250, 175, 90)),
    (1.00, (225, 100, 0)),
)
_LEVELS = 256


def _table() -> NDArray[np.uint8]:
    places = np.linspace(0, 1, _LEVELS)
    at = [stop for stop, _ in _STOPS]
    columns = [np.interp(places, at, [colour[part] for _, colour in _STOPS]) for part in range(3)]
    return np.rint(np.stack(columns, axis=1)).astype(np.uint8)


#: (256, 3), red, green, blue, from visible to infrared.
DIVERGING = _table()
VISIBLE_COLOUR, BOTH_COLOUR, INFRARED_COLOUR = (tuple(map(int, DIVERGING[i])) for i in (0, _LEVELS // 2, -1))

# Part of a map's colour in an overlay; the rest is the picture's outlines.
_OPACITY = 0.62
# What is an outline: how far a pixel is from the mean of its surroundings, so wide (part of the longer side).
_SURROUNDINGS, _STRENGTH = 1 / 16, 1.5


def coloured(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colours of a map.

    Args:
        values: (h, w), 0 (visible) to 1 (infrared); what is beyond has the colour of the ends.

    Returns:
        (h, w, 3) red, green, blue.
    """
    levels = np.rint(np.clip(values, 0, 1) * (_LEVELS - 1)).astype(np.uint8)
    return np.asarray(DIVERGING[levels], np.uint8)


def overlay(picture: NDArray[np.uint8], values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A map's colours over a picture that stays recognisable by its outlines.

    Its levels are left out: white would look like a colour of the map.

    Args:
        picture: (h, w) grey.
        values: (h, w), as for :func:`coloured`.

    Returns:
        (h, w, 3) red, green, blue.
    """
    side = max(3, round(_SURROUNDINGS * max(picture.shape)))
    outlines = cv2.addWeighted(picture, _STRENGTH, cv2.blur(picture, (side, side)), -_STRENGTH, 127)
    grey = np.asarray(cv2.cvtColor(outlines, cv2.COLOR_GRAY2RGB), np.uint8)
    return np.asarray(cv2.addWeighted(coloured(values), _OPACITY, grey, 1 - _OPACITY, 0), np.uint8)
