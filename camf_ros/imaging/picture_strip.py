"""Pictures for people: thermal | RGB | fused side by side, and thermal over RGB before and after a calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.camera_messages import Image
from camf_ros.imaging.camera_model import scaling
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.settings.thermal_settings import ThermalSettings

_TILE_WIDTH, _GAP, _TITLE = 640, 6, 30
_BACKGROUND, _INK = 24, 235


class Triple(NamedTuple):
    """The two inputs of one fused picture, and that picture."""

    thermal: Image
    rgb: NDArray[np.uint8]
    fused: NDArray[np.uint8]


def picture_strip(triples: Sequence[Triple], titles: Sequence[str] = ("thermal", "RGB", "fused")) -> NDArray[np.uint8]:
    """One (H, W, 3) picture of at least one triple, a row each, under the titles of the three columns."""
    rows = [_row(triple) for triple in triples]
    gap = np.full((_GAP, rows[0].shape[1], 3), _BACKGROUND, np.uint8)
    parts = [_bar(titles, rows[0].shape[1], 0.62)]
    for row in rows:
        parts += [row, gap]
    return np.concatenate(parts)


def _row(triple: Triple) -> NDArray[np.uint8]:
    # All tiles get the fused picture's shape: they show one field of view.
    height = round(_TILE_WIDTH * triple.fused.shape[0] / triple.fused.shape[1])
    thermal = ThermalFrontEnd(ThermalSettings()).apply(triple.thermal, 0.0)
    tiles = [_tile(image, height) for image in (thermal, triple.rgb, triple.fused)]
    gap = _gap(height)
    return np.concatenate([tiles[0], gap, tiles[1], gap, tiles[2]], axis=1)


def _tile(image: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    shrinking = image.shape[1] > _TILE_WIDTH
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    tile = np.asarray(cv2.resize(image, (_TILE_WIDTH, height), interpolation=method), np.uint8)
    return tile if tile.ndim == 3 else np.repeat(tile[:, :, None], 3, axis=2)


def overlay(
    thermal: NDArray[np.uint8],
    rgb: NDArray[np.uint8],
    mapping: NDArray[np.float64],
    titles: tuple[str, str] = ("before", "after"),
) -> NDArray[np.uint8]:
    """Thermal in orange over RGB luminance in blue, (H, W, 3); where edges lie on each other the colours vanish.

    Left the thermal picture resized, right under the (3, 3) mapping from RGB pixel to thermal pixel.
    """
    size = (rgb.shape[0], rgb.shape[1])
    before = scaling(size, (thermal.shape[0], thermal.shape[1]))
    parts = []
    for to_thermal, title in zip((before, mapping), titles, strict=True):
        warped = cv2.warpPerspective(thermal, to_thermal, size[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        red, blue = cv2.equalizeHist(warped), cv2.equalizeHist(rgb)
        mixed = cv2.merge([red, cv2.addWeighted(red, 0.5, blue, 0.5, 0), blue])
        parts += [np.concatenate([_bar([title], size[1], 0.6), mixed]), _gap(size[0] + _TITLE)]
    return np.concatenate(parts[:-1], axis=1)


def _bar(titles: Sequence[str], width: int, scale: float) -> NDArray[np.uint8]:
    bar = np.full((_TITLE, width, 3), _BACKGROUND, np.uint8)
    for column, title in enumerate(titles):
        place = (column * (_TILE_WIDTH + _GAP) + 8, _TITLE - 9)
        cv2.putText(bar, title, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (_INK, _INK, _INK), 1, cv2.LINE_AA)
    return bar


def _gap(height: int) -> NDArray[np.uint8]:
    return np.full((height, _GAP, 3), _BACKGROUND, np.uint8)
