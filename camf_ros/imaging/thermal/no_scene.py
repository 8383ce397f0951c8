"""Pixels that are no scene: empty borders, constant rows and columns, rows of telemetry.

Rectified and rotated pictures have corners that nothing was seen for, at 0 or at the limit of their type; sensors have
lines that are stuck; small cores send what they know of themselves as rows above or below the picture. A few of such
pixels, far from all others, take most of the contrast of everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from camf_ros.imaging.thermal.scene import FULL_SCALES, Mask, Raw, Scene

# A picture with a shorter side is too small to tell.
_LEAST_SIDE = 16
# Pixels of one value that must hang together at a side, share of them with none but such neighbours where the scene may
# have that value, and share of the picture that must be scene.
_LEAST_AREA, _SOLID, _LEAST_SCENE = 4, 0.3, 0.02
# Side of the square around a pixel of a border of which nothing counts, and of that of which nothing counts that is
# unlike the scene.
_BESIDE, _NEAR = 5, 11
# What marks nothing in floats, which may have been 16 bits with a sign.
_FLOAT_LIMITS = (0.0, -32768.0, 32767.0)
# The range of the scene is taken from so many pixels a side of the inner three quarters, without this share at both
# ends; what is further from it than so many times its span is unlike it.
_SAMPLES, _TRIMMED, _SPANS = 24, 0.1, 2.0
# Lines are looked at in so many places first; stuck are those of which so much has one value, in runs of at most this
# share of all lines.
_PLACES, _MOSTLY, _MOST_STUCK = 8, 0.8, 0.02
# Rows of telemetry at either side at most; share of their values that are unlike the scene; how much rougher they are.
_MOST_ROWS, _UNLIKE, _ROUGHER = 6, 0.25, 8.0


class NoScene(NamedTuple):
    """What was found in a frame.

    Attributes:
        mask: (H, W), where there is no scene.
        border: Pixels of empty borders and corners.
        lines: Constant rows and columns.
        top: Rows of telemetry above the picture.
        bottom: Likewise below.
    """

    mask: Mask
    border: int
    lines: int
    top: int
    bottom: int

    @property
    def text(self) -> str:
        """In words."""
        parts = [f"{self.lines} constant lines"] if self.lines else []
        parts += [f"{rows} rows {where}" for rows, where in ((self.top, "above"), (self.bottom, "below")) if rows]
        return ", ".join([f"border of {self.border} pixels", *parts] if self.border else parts)

    @property
    def warning(self) -> str:
        """What the user should do about rows that are no picture; empty where there are none."""
        return "; ".join(
            f"the {place} {rows} thermal rows are no picture (telemetry?): set thermal.crop_{side} to {rows}"
            for place, side, rows in (("first", "top", self.top), ("last", "bottom", self.bottom))
            if rows
        )

    def within(self, image: Raw, scene: Scene) -> Raw:
        """The frame with what is no scene as cold or as hot as the scene gets."""
        low, high = scene.sample.min(), scene.sample.max()
        result: Raw = image.copy()
        result[self.mask] = np.clip(image[self.mask], low, high)
        result[: self.top] = result[len(result) - self.bottom :] = low
        return result

    @property
    def share(self) -> float:
        """Of all pixels, 0 to 1."""
        return int(np.count_nonzero(self.mask)) / self.mask.size


def find_no_scene(image: Raw) -> NoScene | None:
    """Look for pixels that are no scene.

    Args:
        image: (H, W), uint16 or float32; what is not finite is left to others.

    Returns:
        What was found; None where that is nothing, or nearly all.
    """
    height, width = image.shape
    if min(height, width) < _LEAST_SIDE:
        return None
    low, high = _range(image)
    top, bottom = (_telemetry(rows, low, high) for rows in (image[:_SIDE_ROWS], image[: -_SIDE_ROWS - 1 : -1]))
    part = image[top : height - bottom]
    limits = _limits(part)
    rows, columns = (_stuck(lines, low, high) for lines in (part, part.T))
    if not (top or bottom or limits or rows or columns):
        return None
    mask = np.zeros(image.shape, np.bool_)
    inner = mask[top : height - bottom]
    for value in limits:
        inner |= _at_sides(part, value, like_scene=low <= value <= high)
    if limits:
        # Who has filled the borders has mixed them with the pixels beside them.
        beside, near = (_around(inner, reach) for reach in (_BESIDE, _NEAR))
        inner |= beside | (near & ((part < low) | (part > high)))
    border = int(np.count_nonzero(inner))
    inner[rows] = True
    inner[:, columns] = True
    mask[:top] = mask[height - bottom :] = True
    found = NoScene(mask, border, len(rows) + len(columns), top, bottom)
    return found if 0 < found.share <= 1 - _LEAST_SCENE else None


# Those that may be telemetry and as many to compare them with.
_SIDE_ROWS = 2 * _MOST_ROWS


def _range(image: Raw) -> tuple[float, float]:
    """Lower and upper end of what most of the inner pixels are."""
    height, width = image.shape
    inner = image[
        height // 8 : height - height // 8 : max(1, height // _SAMPLES),
        width // 8 : width - width // 8 : max(1, width // _SAMPLES),
    ].ravel()
    if inner.dtype != np.uint16:
        inner = inner[np.isfinite(inner)]
        if inner.size == 0:
            return -np.inf, np.inf
    cut = int(_TRIMMED * inner.size)
    ordered = np.sort(inner)
    low, high = float(ordered[cut]), float(ordered[-1 - cut])
    span = _SPANS * max(high - low, 1.0 if inner.dtype == np.uint16 else 1e-6)
    return low - span, high + span


def _telemetry(rows: Raw, low: float, high: float) -> int:
    """Rows of telemetry among the first ones.

    Args:
        rows: (2 n, W), the outermost first; at most n of them are looked at, and compared with the others.
        low: Values below it are unlike the scene.
        high: Values above it likewise.
    """
    first = rows[0]
    if int(np.count_nonzero((first < low) | (first > high))) < _UNLIKE * first.size:
        return 0
    with np.errstate(invalid="ignore", over="ignore"):
        values = np.nan_to_num(rows.astype(np.float64), posinf=0.0, neginf=0.0)
        unlike = ((values < low) | (values > high)).mean(axis=1) >= _UNLIKE
        rough = np.abs(np.diff(values, axis=1)).mean(axis=1)
    usual = float(np.median(rough[len(rows) // 2 :]))
    other = unlike & (rough > _ROUGHER * max(usual, 1e-6))
    count = int(np.argmin(other)) if not other.all() else len(rows)
    return count if count <= _MOST_ROWS else 0


def _limits(image: Raw) -> list[float]:
    """The values that mark nothing and occur at the sides."""
    sides = np.concatenate((image[0], image[-1], image[:, 0], image[:, -1]))
    if image.dtype == np.uint16:
        return [float(end) for end in {sides.min(), sides.max()} if end == 0 or end in FULL_SCALES]
    largest = float(np.fmax.reduce(sides))
    return [*({largest} if largest in FULL_SCALES else ()), *(each for each in _FLOAT_LIMITS if (sides == each).any())]


def _at_sides(image: Raw, value: float, *, like_scene: bool) -> Mask:
    """Where pixels of a value hang together with a side; where the scene may have that value, without gaps."""
    equal = (image == image.dtype.type(value)).view(np.uint8)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(equal, connectivity=8, ltype=cv2.CV_32S)
    sides = np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    kept = np.zeros(len(statistics), np.bool_)
    kept[np.unique(sides)] = True
    kept &= statistics[:, cv2.CC_STAT_AREA] >= _LEAST_AREA
    kept[0] = False  # what has another value
    if like_scene:
        whole = cv2.erode(equal, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
        solid = np.bincount(labels[whole > 0], minlength=len(statistics))
        kept &= solid >= _SOLID * statistics[:, cv2.CC_STAT_AREA]
    return np.asarray(kept[labels], np.bool_)


def _around(mask: Mask, side: int) -> Mask:
    """Pixels in whose square of so many pixels a side one of the mask lies."""
    return np.asarray(cv2.dilate(mask.view(np.uint8), np.ones((side, side), np.uint8)), np.uint8).view(np.bool_)


def _stuck(lines: Raw, low: float, high: float) -> list[int]:
    """Lines of one value that is unlike the scene, a few side by side at most."""
    count, length = lines.shape
    # In one place first: hardly any line is unlike the scene there.
    place = lines[:, length // 3]
    candidates = np.flatnonzero((place < low) | (place > high))
    if candidates.size == 0:
        return []
    values = place[candidates]
    places = lines[candidates, :: max(1, length // _PLACES)] == values[:, None]
    found = np.count_nonzero(places, axis=1) >= _MOSTLY * places.shape[1]
    # Lines may cross each other.
    stuck = [
        int(number)
        for number, value in zip(candidates[found], values[found], strict=True)
        if np.count_nonzero(lines[number] == value) >= _MOSTLY * length
    ]
    most = max(2, int(_MOST_STUCK * count))
    return [number for run in _runs(stuck) if len(run) <= most for number in run]


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Ascending numbers in groups of consecutive ones."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs
