"""What one camera's motion shows: how far the parts of its picture are, up to a scale, and how fast they move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.motions import Matrix
from camf_ros.calibration.time_offset import followed

Array = NDArray[np.float64]
Grey = NDArray[np.uint8]

#: Blocks of the RGB picture, down and across: an edge has the depth of what is in front, a large block a mean depth.
GRID = (24, 32)
# Tracked corners: their number, quality and distance (pixels), and the fewest that show a motion.
_CORNERS, _QUALITY, _APART, _FEWEST = 3000, 0.0005, 3, 40
# After so many frames the motion is looked at. Median shift of corners beyond what a turn explains, pixels: less than
# the first shows no depth, the second is enough.
_LOOKS = (3, 5)
_LEAST_PARALLAX, _CLEAR_PARALLAX = 1.3, 2.5
_EPIPOLAR = 1.0
# Ways of the camera beyond which a point counts as behind it; and the least share of points that must be in front.
_FAR, _IN_FRONT = 1000.0, 0.5


class Depth(NamedTuple):
    """Inverse depth of the blocks of a picture, GRID, in any unit, and how far its corners scatter around that."""

    nearness: Array
    spread: Array


def depth_from_motion(frames: Sequence[Grey], k: Matrix) -> Depth | None:
    """Depth of the last of some undistorted frames of one camera.

    It goes back only as far as there is enough motion: what is near, and says most, leaves the picture soon.

    Returns:
        In units of 1 / the way that the camera went since then; None if it did not move, or nothing could be followed.
    """
    first: Any = cv2.goodFeaturesToTrack(frames[-1], _CORNERS, _QUALITY, _APART)
    if first is None:
        return None
    now = np.asarray(first, np.float32)
    good = np.ones(len(first), bool)
    found: _Corners | None = None
    for back in range(1, len(frames)):
        now, returned = followed(frames[-back], frames[-back - 1], now)
        good &= returned
        if back in _LOOKS or back == len(frames) - 1:
            found = _triangulated(first[good, 0].astype(np.float64), now[good, 0].astype(np.float64), k) or found
            if found and found.parallax >= _CLEAR_PARALLAX:
                break
    if found is None or found.parallax < _LEAST_PARALLAX:
        return None
    result = _in_blocks(found, frames[-1].shape)
    return result if float(np.quantile(result.nearness, 0.9)) > 0 else None


class _Corners(NamedTuple):
    """Inverse depth of corners at ``points`` (n, 2), pixels, and how much each counts; ``parallax``: median, pixels."""

    points: Array
    nearness: Array
    weight: Array
    parallax: float


def _triangulated(here: Array, there: Array, k: Matrix) -> _Corners | None:
    """From where (n, 2) points of one frame lie in another; None if that shows no motion."""
    if len(here) < _FEWEST:
        return None
    essential, inside = cv2.findEssentialMat(here, there, k, method=cv2.USAC_ACCURATE, prob=0.999, threshold=_EPIPOLAR)
    if essential is None or essential.shape != (3, 3):
        return None
    found = cv2.recoverPose(essential, here, there, k, distanceThresh=_FAR, mask=inside.copy())
    count, rotation, shift = found[:3]
    # Where the camera only turned, points lie in front of it or behind it by chance.
    if count < max(_FEWEST, _IN_FRONT * len(here)):
        return None
    here, there = (each[inside.ravel() > 0] for each in (here, there))
    back = np.linalg.inv(k)
    one, other = (np.column_stack([each, np.ones(len(each))]) @ back.T for each in (here, there))
    parallax = float(k[0, 0]) * _beyond_a_turn(one, other)
    turned = one @ rotation.T
    # other ~ turned + nearness * shift
    across, along = np.cross(other, turned), np.cross(other, shift.ravel())
    weight = (along**2).sum(axis=1)
    # Noise makes it negative too, far away: cut off, the mean would be too near.
    nearness = -(across * along).sum(axis=1) / np.maximum(weight, 1e-12)
    return _Corners(here, nearness, weight, parallax)


def _beyond_a_turn(one: Array, other: Array) -> float:
    """Median angle between (n, 3) rays after the turn that lays them best over each other, radians."""
    one, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (one, other))
    left, _, right = np.linalg.svd(one.T @ other)  # Kabsch, Acta Crystallographica A 32, 1976
    return float(np.median(np.linalg.norm(one @ (left @ right) - other, axis=1)))


def _in_blocks(found: _Corners, size: tuple[int, ...]) -> Depth:
    """Weighted mean and deviation in each block; of those around where a block has none."""
    rows = np.clip((found.points[:, 1] + 0.5) * GRID[0] / size[0], 0, GRID[0] - 1).astype(int)
    columns = np.clip((found.points[:, 0] + 0.5) * GRID[1] / size[1], 0, GRID[1] - 1).astype(int)
    weights = np.minimum(found.weight / np.median(found.weight), 4.0)
    sums = np.zeros((*GRID, 3))
    np.add.at(sums, (rows, columns), weights[:, None] * found.nearness[:, None] ** np.arange(3))
    total = np.full((*GRID, 3), (1e-9, 0.0, 0.0))
    # The nearest that are known count most.
    for width in (0.5, 1.0, 2.0, 4.0):
        total += 10.0 ** (-3 * width) * cv2.GaussianBlur(sums, (0, 0), width)
    mean, square = total[..., 1] / total[..., 0], total[..., 2] / total[..., 0]
    return Depth(mean, np.sqrt(np.maximum(square - mean**2, 0)))


def flow_of(before: Grey, after: Grey, seconds: float) -> Array:
    """How fast an RGB picture moves, (*GRID, 2) pixels a second, from two frames that follow each other."""
    scale = min(1.0, 320 / max(before.shape))
    small = [cv2.resize(each, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for each in (before, after)]
    # OpenCV's type stubs lack it.
    opencv: Any = cv2
    finder = opencv.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    dense = cv2.resize(finder.calc(small[0], small[1], None), GRID[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(dense / (scale * seconds), np.float64)
