"""What the RGB camera's own motion shows: how far the parts of its picture are, and how fast they move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.motions import Matrix
from camf_ros.calibration.time_offset import followed

Array = NDArray[np.float64]
Grey = NDArray[np.uint8]

#: Blocks of the RGB picture, down and across.
GRID = (12, 16)
# Tracked corners, and the fewest that show a motion.
_CORNERS, _FEWEST = 500, 40
# Least median shift of corners beyond what a turn explains, pixels: less shows no depth.
_LEAST_PARALLAX = 1.0
_EPIPOLAR = 1.0
# Ways of the camera beyond which a point counts as behind it; and the least share of points that must be in front.
_FAR, _IN_FRONT = 1000.0, 0.5


def depth_from_motion(frames: Sequence[Grey], k: Matrix) -> Array | None:
    """Inverse depth of the blocks of the last of some undistorted frames of one camera.

    Returns:
        GRID, in units of 1 / the way that the camera went; None if it did not move, or nothing could be followed.
    """
    first: Any = cv2.goodFeaturesToTrack(frames[-1], _CORNERS, 0.005, 7)
    if first is None:
        return None
    now = np.asarray(first, np.float32)
    good = np.ones(len(first), bool)
    for newer, older in zip(frames[:0:-1], frames[-2::-1], strict=True):
        now, returned = followed(newer, older, now)
        good &= returned
    if good.sum() < _FEWEST:
        return None
    here, there = first[good, 0].astype(np.float64), now[good, 0].astype(np.float64)
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
    turned = one @ rotation.T
    parallax = np.linalg.norm(turned[:, :2] / turned[:, 2:] - other[:, :2], axis=1)
    if float(np.median(parallax)) * float(k[0, 0]) < _LEAST_PARALLAX:
        return None
    # other ~ turned + nearness * shift
    across, along = np.cross(other, turned), np.cross(other, shift.ravel())
    weight = (along**2).sum(axis=1)
    # Noise makes it negative too, far away: cut off, the mean would be too near.
    nearness = -(across * along).sum(axis=1) / np.maximum(weight, 1e-12)
    result = _spread(here, nearness, weight, frames[-1].shape)
    return result if float(np.quantile(result, 0.9)) > 0 else None


def _spread(points: Array, values: Array, weights: Array, size: tuple[int, ...]) -> Array:
    """Weighted mean of values in each block, GRID; of those around where a block has none."""
    total, mass = np.zeros(GRID), np.zeros(GRID)
    rows = np.clip((points[:, 1] + 0.5) * GRID[0] / size[0], 0, GRID[0] - 1).astype(int)
    columns = np.clip((points[:, 0] + 0.5) * GRID[1] / size[1], 0, GRID[1] - 1).astype(int)
    weights = np.minimum(weights / np.median(weights), 4.0)
    np.add.at(total, (rows, columns), weights * values)
    np.add.at(mass, (rows, columns), weights)
    result, known = np.zeros(GRID), 1e-9
    # The nearest that are known count most.
    for width in (0.5, 1.0, 2.0, 4.0):
        near, far = (cv2.GaussianBlur(each, (0, 0), width) for each in (mass, total))
        share = 10.0 ** (-3 * width)
        result, known = result + share * far, known + share * near
    return np.asarray(result / known)


def flow_of(before: Grey, after: Grey, seconds: float) -> Array:
    """How fast an RGB picture moves, (*GRID, 2) pixels a second, from two frames that follow each other."""
    scale = min(1.0, 320 / max(before.shape))
    small = [cv2.resize(each, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for each in (before, after)]
    # OpenCV's type stubs lack it.
    opencv: Any = cv2
    finder = opencv.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    dense = cv2.resize(finder.calc(small[0], small[1], None), GRID[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(dense / (scale * seconds), np.float64)
