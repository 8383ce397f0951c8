"""Automatic gain control: the mapping from raw values to grey, and how it follows the scene.

The mapping follows the frames by a first-order low-pass over the time of the stamps, so the frame rate does not matter.
Following the mapping, and not the levels that it is made of, bounds what is seen: between two frames the grey of a
thing that does not change moves by at most ``1 - exp(-elapsed / time_constant)`` of 255, whatever enters the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.thermal.scene import Raw, Scene, stride
from camf_ros.settings.thermal_settings import ThermalSettings

Levels = tuple[float, float]

# From one frame to the next the range of a real scene does not change by such a factor.
_MOST_SPAN_RATIO = 1000.0
#: Nodes of a curve.
NODES = 256
_TILES = 8
_LEAST_SIDE = 16
# Nodes extend beyond the scene by this share of its range on both sides. They are set again if the scene leaves them or
# needs less than this share of them.
_MARGIN = 0.25
_LEAST_USE = 0.25
# OpenCV's remap counts rows of its source in 16 bit.
_MOST_ROWS = 32767


class Following:
    """A mapping that moves towards those of the frames, from that of the first one on."""

    def __init__(self) -> None:
        self._value: NDArray[np.float64] | None = None
        self._stamp = 0.0

    def follow(self, target: NDArray[np.float64], stamp: float, time_constant: float) -> NDArray[np.float64]:
        """The mapping for a frame, read-only, at a stamp (seconds) later than the last one.

        ``target`` is what the frame alone would have, of one shape for all frames.
        """
        if self._value is None or time_constant == 0:
            self._value = target
        else:
            share = 1 - math.exp(-(stamp - self._stamp) / time_constant)
            # In this form a constant mapping stays exactly constant.
            self._value = self._value + share * (target - self._value)
        self._stamp = stamp
        return self._value

    def rewrite(self, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> None:
        """Express the mapping in other coordinates, if there is one."""
        if self._value is not None:
            self._value = change(self._value)


def unlike(levels: Levels, others: Levels) -> bool:
    """Whether two ranges differ too much to be of one scene seen by one camera."""
    spans = sorted((levels[1] - levels[0], others[1] - others[0]))
    apart = levels[0] > others[1] or others[0] > levels[1]
    return apart or spans[1] > _MOST_SPAN_RATIO * spans[0]


class LinearStretch:
    """Grey is slope times value plus offset; both follow those of the frames."""

    def __init__(self) -> None:
        self._following = Following()

    def apply(
        self, image: Raw, scene: Scene, stamp: float, settings: ThermalSettings
    ) -> tuple[NDArray[np.uint8], Levels]:
        """Grey picture (H, W), and the raw values that are black and white in it."""
        slope = 255.0 / (scene.high - scene.low)
        target = np.array((slope, -slope * scene.low))
        slope, offset = self._following.follow(target, stamp, settings.time_constant).tolist()
        levels = (-offset / slope, (255.0 - offset) / slope)
        return stretched(image, levels), levels


class TemperatureRange:
    """The same temperatures are black and white all the time."""

    def apply(
        self,
        image: Raw,
        scene: Scene,  # noqa: ARG002 (nothing of the frame matters)
        stamp: float,  # noqa: ARG002
        settings: ThermalSettings,
    ) -> tuple[NDArray[np.uint8], Levels]:
        """As :meth:`LinearStretch.apply`."""
        scale, offset = settings.conversion
        low, high = ((end - offset) / scale for end in (settings.minimum, settings.maximum))
        return stretched(image, (low, high)), (low, high)


def stretched(image: Raw, levels: Levels) -> NDArray[np.uint8]:
    """Grey levels, rounded, between a black and a larger white value."""
    low, high = levels
    if image.dtype == np.uint16:
        # One look-up a pixel instead of float arithmetic on the whole picture.
        return _table(low, high).take(np.asarray(image, np.uint16))
    values = np.clip(image, low, high).astype(np.float32, copy=False)
    values -= np.float32(low)
    return np.asarray(cv2.convertScaleAbs(values, alpha=255.0 / (high - low)), np.uint8)


def _table(low: float, high: float) -> NDArray[np.uint8]:
    """Grey level of each of the 65536 counts; only those between black and white need arithmetic."""
    first, last = max(0, math.ceil(low)), min(65535, math.floor(high))
    table = np.zeros(65536, np.uint8)
    if first <= last:
        table[first : last + 1] = np.rint((np.arange(first, last + 1) - low) * (255.0 / (high - low)))
    table[max(0, last + 1) :] = 255
    return table


class _Layout(NamedTuple):
    """What depends on the size alone.

    Attributes:
        size: (height, width).
        tiles: Down and across.
        place: (H, W) float32, row of the picture of curves for each pixel.
        tile: (n,), tile of each pixel of the sample.
    """

    size: tuple[int, int]
    tiles: tuple[int, int]
    place: NDArray[np.float32]
    tile: NDArray[np.intp]


class TileEqualisation:
    """Equalises frames of one size by tiles (CLAHE: Zuiderveld, Graphics Gems IV, 1994), steady over time.

    OpenCV's own has no memory, so that it flickers. On 16 bit it works with 65536 bins a tile: that takes several times
    as long, and where a camera fills a few hundred of them its limit cuts off nearly everything. Here every tile has a
    curve of some nodes over the range of the scene, which follows the frames. All curves form one picture, a row for
    each image row and tile, and one remap looks up every pixel in it: its bilinear interpolation is that between nodes
    and between tiles.
    """

    def __init__(self) -> None:
        self._following = Following()
        self._layout: _Layout | None = None
        self._range: Levels = (0.0, 0.0)

    def apply(
        self, image: Raw, scene: Scene, stamp: float, settings: ThermalSettings
    ) -> tuple[NDArray[np.uint8], Levels]:
        """Grey picture (H, W), and the range of raw values that the curves cover."""
        layout = self._layout = self._layout or _layout(image.shape[0], image.shape[1])
        self._cover(scene)
        low, high = self._range
        scale = NODES / (high - low)
        step = stride(image.size)
        nodes = (image[::step, ::step].astype(np.float32) - np.float32(low)) * np.float32(scale)
        index = np.clip(nodes, 0, NODES - 1).astype(np.intp).ravel()
        index += layout.tile
        if scene.outside is not None:
            index = index[~scene.outside[::step, ::step].ravel()]
        tiles = layout.tiles[0] * layout.tiles[1]
        histograms = np.bincount(index, minlength=tiles * NODES).reshape(tiles, NODES)
        # A tile without a pixel of the scene takes the histogram of all others.
        histograms[~histograms.any(axis=1)] = histograms.sum(axis=0)
        # The noise bounds the contrast: 1 is a linear stretch over the range, and what is cut off adds up to 1 more.
        limit = max(0.0, min(settings.clahe_limit, (high - low) / scene.least_span - 1))
        target = curves(histograms, limit)
        values = self._following.follow(target, stamp, settings.time_constant)
        rows = cv2.resize(
            np.rint(values).astype(np.uint8).reshape(layout.tiles[0], -1),
            (layout.tiles[1] * NODES, layout.size[0]),
            interpolation=cv2.INTER_LINEAR,
        ).reshape(-1, NODES)
        # Nodes are in the middle of their bins.
        place = image.astype(np.float32)
        place -= np.float32(low)
        place *= np.float32(scale)
        place -= np.float32(0.5)
        np.clip(place, 0, NODES - 1, out=place)
        grey = cv2.remap(rows, place, layout.place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(grey, np.uint8), self._range

    def _cover(self, scene: Scene) -> None:
        """Choose the range of the nodes. It is kept as long as it fits, because every change costs sharpness."""
        low, high = self._range
        span = scene.high - scene.low
        if scene.low < low or scene.high > high or span < _LEAST_USE * (high - low):
            old, new = (low, high), (scene.low - _MARGIN * span, scene.high + _MARGIN * span)
            self._following.rewrite(lambda values: _moved(values, old, new))
            self._range = new


def curves(histograms: NDArray[np.intp], limit: float) -> NDArray[np.float64]:
    """Grey levels of the nodes, (tiles, nodes), not decreasing, 0 to 255, from histograms with a pixel or more each.

    ``limit`` is the most that a bin is worth, as a multiple of the mean; what is more is spread over all bins.
    """
    parts = histograms / histograms.sum(axis=1, keepdims=True)
    clipped = np.minimum(parts, limit / histograms.shape[1])
    clipped += (1 - clipped.sum(axis=1, keepdims=True)) / histograms.shape[1]
    return np.asarray(255 * (np.cumsum(clipped, axis=1) - clipped / 2), np.float64)


def _layout(height: int, width: int) -> _Layout:
    down = max(1, min(_TILES, height // _LEAST_SIDE))
    across = max(1, min(_TILES, width // _LEAST_SIDE, _MOST_ROWS // height))
    columns = np.clip((np.arange(width) + 0.5) * across / width - 0.5, 0, across - 1)
    place = (np.arange(height)[:, None] * across + columns).astype(np.float32)
    step = stride(height * width)
    tile_down, tile_across = (
        np.arange(0, side, step) * count // side for side, count in ((height, down), (width, across))
    )
    tile = (tile_down[:, None] * across + tile_across).ravel() * NODES
    return _Layout((height, width), (down, across), place, tile)


def _moved(values: NDArray[np.float64], old: Levels, new: Levels) -> NDArray[np.float64]:
    """Curves over another range, the same grey for the same value."""
    middles = (np.arange(NODES) + 0.5) / NODES
    before, after = (low + (high - low) * middles for low, high in (old, new))
    return np.stack([np.interp(after, before, curve) for curve in values])
