"""Pictures for people: thermal | RGB | fused side by side, one row a moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.raw_image import Image
from camf_ros.imaging.thermal import ThermalFrontEnd
from camf_ros.settings.thermal import ThermalSettings

_TILE_WIDTH, _GAP, _TITLE = 640, 6, 30
_BACKGROUND, _INK = 24, 235


class Triple(NamedTuple):
    """The two inputs of one fused picture, and that picture."""

    thermal: Image
    rgb: NDArray[np.uint8]
    fused: NDArray[np.uint8]


def picture_strip(triples: Sequence[Triple], titles: Sequence[str] = ("thermal", "RGB", "fused")) -> NDArray[np.uint8]:
    """One picture of all of them.

    Args:
        triples: At least one.
        titles: Of the three columns.

    Returns:
        (H, W, 3) red, green, blue.
    """
    rows = [_row(triple) for triple in triples]
    gap = np.full((_GAP, rows[0].shape[1], 3), _BACKGROUND, np.uint8)
    parts = [_titles(titles, rows[0].shape[1])]
    for row in rows:
        parts += [row, gap]
    return np.concatenate(parts)


def _row(triple: Triple) -> NDArray[np.uint8]:
    # All tiles get the fused picture's shape: they show one field of view.
    height = round(_TILE_WIDTH * triple.fused.shape[0] / triple.fused.shape[1])
    thermal = ThermalFrontEnd(ThermalSettings()).apply(triple.thermal, 0.0)
    tiles = [_tile(image, height) for image in (thermal, triple.rgb, triple.fused)]
    gap = np.full((height, _GAP, 3), _BACKGROUND, np.uint8)
    return np.concatenate([tiles[0], gap, tiles[1], gap, tiles[2]], axis=1)


def _tile(image: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    shrinking = image.shape[1] > _TILE_WIDTH
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    tile = np.asarray(cv2.resize(image, (_TILE_WIDTH, height), interpolation=method), np.uint8)
    return tile if tile.ndim == 3 else np.repeat(tile[:, :, None], 3, axis=2)


def _titles(titles: Sequence[str], width: int) -> NDArray[np.uint8]:
    bar = np.full((_TITLE, width, 3), _BACKGROUND, np.uint8)
    for column, title in enumerate(titles):
        place = (column * (_TILE_WIDTH + _GAP) + 8, _TITLE - 9)
        cv2.putText(bar, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.62, (_INK, _INK, _INK), 1, cv2.LINE_AA)
    return bar
