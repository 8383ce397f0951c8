"""Defects of thermal cameras: bytes in the wrong order, dead pixels, single pixels without a value.

A picture with swapped bytes is noise, because the low byte, which changes from pixel to pixel, is read as the high one.
Swapped back it is smooth.

A dead pixel has three properties at once. It differs from the median of its surroundings by many times the noise. Its
neighbours are not affected, which no lens can draw: even a star covers two pixels. And it stays so for a second or
longer, while sharp objects move on.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.camera_messages import Image
from camf_ros.imaging.thermal.scene import Raw, Scene

# Rows that are looked at.
_ROWS = 48
# Counts in the wrong order fill the range: so many values of what is taken for the high byte occur at least, and so
# many of the low one at most (14 bits); a picture is rougher than itself turned round by this factor at least. By the
# larger factor and in so many pixels, whatever the bytes are: counts may have 16 bits, or be shifted to the left.
_LEAST_SPAN = 32768.0
_HIGH, _LOW, _ROUGHER, _MUCH_ROUGHER, _MANY = 128, 64, 1.25, 2.0, 1024
# Share of float values that must be numbers, and how large they may be.
_NUMBERS, _LARGEST = 0.9, 1e9
# Temperatures in the wrong order may all be as good as 0.
_MOST_TINY = 1e-6

#: What the user should know of such a picture.
WARNING = "the thermal picture is noise whose bytes seem to be in the wrong order: set thermal.byte_order to swapped"
# Standard deviations of the noise.
_STANDS_OUT = 8.0
# Share of its height that the neighbours may have.
_NEIGHBOURS = 0.15
# Seconds between searches; hits from which a pixel counts as dead, and hits that are counted at most.
_PERIOD = 0.25
_BELIEVED, _MOST_HITS = 5, 8
# With a larger share of the pixels standing out it is the scene, or noise of another kind.
_MOST_SHARE = 0.005
# Pixels without a number are single if so many of their neighbours have none either; at most this share of all.
_HOLES_BESIDE, _MOST_HOLES = 2, 0.02


def swapped(image: Image) -> Image:
    """The (H, W) picture with the bytes of each value in the other order; 8-bit pictures as they are.

    Whole float32 values within 16 bits are taken for signed counts.
    """
    if image.dtype == np.float32:
        if _whole(image):
            return np.asarray(image.astype(np.int16).byteswap(), np.float32)
        bits = np.ascontiguousarray(image).view(np.uint32)
        return np.asarray(bits.byteswap().view(np.float32), np.float32)
    turned: Image = image.byteswap()
    return turned


def looks_swapped(image: Raw, scene: Scene) -> bool:
    """Whether a picture is noise as it is, and smooth with the bytes of each value in the other order."""
    span = scene.high - scene.low
    if span < _LEAST_SPAN and (image.dtype == np.uint16 or span > _MOST_TINY):
        return False
    rows = np.ascontiguousarray(image[:: max(1, len(image) // _ROWS)])
    turned = swapped(rows)
    if rows.dtype == np.float32 and not _whole(rows):
        return not _numbers(rows) and _numbers(turned)
    counts = rows.astype(np.int64).ravel() & 0xFFFF
    high, low = (np.count_nonzero(np.bincount(part)) for part in (counts >> 8, counts & 0xFF))
    likely = high >= _HIGH and low <= _LOW
    if not likely and rows.size < _MANY:
        return False
    return _roughness(rows) > (_ROUGHER if likely else _MUCH_ROUGHER) * _roughness(turned)


def _roughness(rows: Image) -> float:
    """Mean difference of pixels side by side, as a share of the range of most of them."""
    values = rows.astype(np.float64)
    low, high = np.percentile(values, (2, 98))
    return float(np.abs(np.diff(values, axis=1)).mean()) / max(float(high - low), 1.0)


def _numbers(rows: Image) -> bool:
    """Whether values may be temperatures, or counts."""
    size = np.abs(rows)
    with np.errstate(invalid="ignore"):
        return bool((((size > 1 / _LARGEST) | (size == 0)) & (size < _LARGEST)).mean() >= _NUMBERS)


def _whole(image: Image) -> bool:
    """Whether floats are signed counts of 16 bits."""
    rows = image[:: max(1, len(image) // _ROWS)]
    with np.errstate(invalid="ignore"):
        return bool(((rows == np.rint(rows)) & (np.abs(rows) <= _LEAST_SPAN)).all())


class DeadPixels:
    """Finds and repairs the dead pixels of one camera."""

    def __init__(self) -> None:
        self._size: tuple[int, ...] = ()
        self._stamp = -np.inf
        self._forget(())

    @property
    def places(self) -> NDArray[np.intp]:
        """Those that are repaired at present, by their place in the flattened frame."""
        return self._dead

    @property
    def suspects(self) -> NDArray[np.intp]:
        """Those, and the ones that look dead without having proven it yet: single pixels far off, of no use for levels.

        By their place in the flattened frame of the last call of :meth:`repair`.
        """
        return self._suspects

    def repair(self, image: Raw, noise: float, stamp: float) -> Raw:
        """The finite (H, W) frame with each dead pixel replaced by the median of its live neighbours.

        The image itself where there is none. ``noise`` is a standard deviation above 0, ``stamp`` in seconds.
        """
        if image.shape != self._size:
            self._forget(image.shape)
        elapsed = stamp - self._stamp
        # Without usable stamps every frame is searched.
        if elapsed >= _PERIOD or elapsed <= 0:
            self._stamp = stamp
            if (found := self._search(image, noise)) is not None:
                self._learn(found)
        if self._dead.size == 0:
            return image
        live = np.ones(image.shape, np.bool_)
        live.flat[self._dead] = False
        return filled(image, live, self._dead)

    def _forget(self, size: tuple[int, ...]) -> None:
        self._size = size
        self._hits = np.zeros(int(np.prod(size)), np.int8)
        self._suspects: NDArray[np.intp] = np.zeros(0, np.intp)
        self._dead: NDArray[np.intp] = np.zeros(0, np.intp)

    def _search(self, image: Raw, noise: float) -> NDArray[np.intp] | None:
        """Places, in the flattened frame, that look dead in this frame alone; None for too many: nothing is learnt."""
        image = np.ascontiguousarray(image)
        median = cv2.medianBlur(image, 3)
        height = cv2.absdiff(image, median)
        places = np.flatnonzero(height > height.dtype.type(min(_STANDS_OUT * noise, 65535)))
        if places.size > max(4, _MOST_SHARE * image.size):
            return None
        level = median.ravel()[places].astype(np.float64)
        own = image.ravel()[places].astype(np.float64) - level
        others = (_around(image, places) - level[:, None]) * np.sign(own)[:, None]
        return np.asarray(places[others.max(axis=1, initial=-np.inf) < _NEIGHBOURS * np.abs(own)], np.intp)

    def _learn(self, found: NDArray[np.intp]) -> None:
        self._hits[self._suspects] -= 1
        self._hits[found] += 2
        self._hits[found] = np.minimum(self._hits[found], _MOST_HITS)
        suspects = np.union1d(self._suspects, found).astype(np.intp)
        hits = self._hits[suspects]
        # A dead pixel stays dead until it has been live as often as it was dead.
        known = np.isin(suspects, self._dead)
        self._dead = suspects[(hits >= _BELIEVED) | (known & (hits > 0))]
        self._suspects = suspects[hits > 0]
        self._hits[suspects[hits <= 0]] = 0


def single_holes(image: Raw) -> NDArray[np.intp] | None:
    """Places, in the flattened frame, of NaN among neighbours that have a value.

    None where there is none, or too many for a defect of the sensor.
    """
    holes = np.isnan(image)
    around = cv2.boxFilter(holes.view(np.uint8), cv2.CV_16U, (3, 3), normalize=False, borderType=cv2.BORDER_REFLECT_101)
    places = np.flatnonzero(holes & (around <= 1 + _HOLES_BESIDE))
    return places if 0 < places.size <= _MOST_HOLES * image.size else None


def filled(image: Raw, live: NDArray[np.bool_], places: NDArray[np.intp]) -> Raw:
    """The frame with some pixels, places in the flattened frame, replaced by the median of their live neighbours."""
    values = _around(image, places)
    values[_around(live, places) == 0] = np.nan
    alone = np.isnan(values).all(axis=1)
    values[alone] = 0
    result: Raw = image.copy()
    result.flat[places[~alone]] = np.nanmedian(values, axis=1)[~alone].astype(image.dtype)
    return result


def _around(image: NDArray[np.generic], places: NDArray[np.intp]) -> NDArray[np.float64]:
    """(n, 8) values around places; beyond the border, those of its nearest pixels, the place itself left out."""
    rows, columns = np.divmod(places, image.shape[1])
    steps = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
    result = np.empty((places.size, len(steps)))
    for number, (y, x) in enumerate(steps):
        # Mirrored at the border, so that it is never the place itself (unless the frame is one pixel wide).
        row, column = rows + y, columns + x
        row = np.where((row < 0) | (row >= image.shape[0]), rows - y, row).clip(0, image.shape[0] - 1)
        column = np.where((column < 0) | (column >= image.shape[1]), columns - x, column).clip(0, image.shape[1] - 1)
        result[:, number] = image[row, column]
    return result
