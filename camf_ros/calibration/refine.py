"""Alignment of many pairs at once: Gauss-Newton steps on the differences of their edge features, coarse to fine.

All pairs share one mapping, so their normal equations add up. The gradient is the mean of both pictures' (efficient
second-order minimisation, Benhimane and Malis, IROS 2004), which converges from farther away than either alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.features import F32, edge_directions
from camf_ros.calibration.motions import Matrix, Motion


class Level(NamedTuple):
    """One pair at one size.

    Attributes:
        fixed: (C, h, w), features of the visible picture.
        fixed_grey: (h, w), the visible picture.
        fixed_seen: (h, w), 1 where the visible picture shows something, 0 elsewhere.
        moving: (H, W), the infrared picture at about the same number of pixels a degree; grey.
        moving_seen: (H, W), likewise.
        to_fixed: Full-size pixels of the visible picture to this level's.
        to_moving: Full-size pixels of the infrared picture to this level's.
    """

    fixed: F32
    fixed_grey: F32
    fixed_seen: F32
    moving: F32
    moving_seen: F32
    to_fixed: Matrix
    to_moving: Matrix


class Comparison(NamedTuple):
    """How the features of one pair differ under a mapping, and how they would change with a shift; all (h, w).

    Attributes:
        inside: 1 where both pictures show something, away from borders.
        xx: Product of the horizontal slopes, summed over the channels.
        xy: Horizontal times vertical.
        yy: Vertical times vertical.
        bx: Horizontal slope times difference.
        by: Vertical slope times difference.
        score: Correlation of the features inside, -1 to 1.
    """

    inside: F32
    xx: F32
    xy: F32
    yy: F32
    bx: F32
    by: F32
    score: float


class Fit(NamedTuple):
    """Normal equations of one pair for a step.

    Attributes:
        curvature: (n, n).
        slope: (n,).
        score: Correlation of the features over the part that both see, -1 to 1.
        overlap: Share of the fixed picture that both see.
    """

    curvature: NDArray[np.float64]
    slope: NDArray[np.float64]
    score: float
    overlap: float


def warped(level: Level, matrix: Matrix) -> tuple[F32, F32]:
    """The infrared picture in the visible picture's geometry, at the level's size, and where it shows something."""
    mapping = level.to_moving @ matrix @ np.linalg.inv(level.to_fixed)
    size = (level.fixed.shape[2], level.fixed.shape[1])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    grey = cv2.warpPerspective(level.moving, mapping, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.warpPerspective(level.moving_seen, mapping, size, flags=flags)
    return np.asarray(grey, np.float32), np.asarray(seen > 0.999, np.float32)


def compare(level: Level, matrix: Matrix) -> Comparison:
    """Compare one pair under a mapping."""
    grey, seen = warped(level, matrix)
    both = seen * level.fixed_seen
    # Features reach over the border by their smoothing.
    inside = np.asarray(cv2.erode(both, np.ones((7, 7), np.uint8), borderValue=1.0), np.float32)
    features = edge_directions(grey, seen)
    fixed = level.fixed
    height, width = fixed.shape[1:]
    xx, xy, yy = (np.zeros((height, width), np.float32) for _ in range(3))
    bx, by = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for one, other in zip(fixed, features, strict=True):
        mean = 0.5 * (one + other)
        gx = cv2.Sobel(mean, cv2.CV_32F, 1, 0, scale=1 / 8)
        gy = cv2.Sobel(mean, cv2.CV_32F, 0, 1, scale=1 / 8)
        difference = one - other
        xx += gx * gx
        xy += gx * gy
        yy += gy * gy
        bx += gx * difference
        by += gy * difference
    energy = np.sqrt(_energy(fixed, inside) * _energy(features, inside))
    score = float(np.einsum("chw,chw,hw->", fixed, features, inside)) / max(energy, 1e-9)
    return Comparison(inside, xx, xy, yy, bx, by, score)


def measure(level: Level, motion: Motion) -> Fit:
    """Score of a mapping on one pair, and which way it should go."""
    inside, xx, xy, yy, bx, by, score = compare(level, motion.matrix())
    weight = inside.astype(np.float64)
    ux, uy = directions(motion, level.to_fixed, inside.shape)
    # (n, pixels): what each parameter does to the features' differences, summed over the channels.
    curvature = np.einsum("iyx,jyx->ij", ux * (weight * xx), ux) + np.einsum("iyx,jyx->ij", uy * (weight * yy), uy)
    cross = np.einsum("iyx,jyx->ij", ux * (weight * xy), uy)
    curvature += cross + cross.T
    slope = np.einsum("iyx,yx->i", ux, weight * bx) + np.einsum("iyx,yx->i", uy, weight * by)
    return Fit(curvature, slope, score, float(inside.mean()))


def directions(motion: Motion, to_level: Matrix, size: tuple[int, ...]) -> tuple[NDArray[np.float64], ...]:
    """How each parameter moves each pixel of a level: two arrays (n, h, w), x and y, in the level's pixels."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    back = np.linalg.inv(to_level)
    generators = np.stack([to_level @ generator @ back for generator in motion.generators()])
    rows = generators[:, :, 0, None, None] * x + generators[:, :, 1, None, None] * y + generators[:, :, 2, None, None]
    return rows[:, 0] - x * rows[:, 2], rows[:, 1] - y * rows[:, 2]


def refine(levels: Sequence[Level], motion: Motion, weights: Sequence[float], *, steps: int = 20) -> Motion:
    """The mapping that fits all pairs best, from one that is nearly right.

    Args:
        levels: One of each pair, all of one size.
        motion: Where to start.
        weights: Of each pair.
        steps: At most so many.
    """
    for _ in range(steps):
        fits = [measure(level, motion) for level in levels]
        curvature = sum(weight * fit.curvature for weight, fit in zip(weights, fits, strict=True))
        slope = sum(weight * fit.slope for weight, fit in zip(weights, fits, strict=True))
        damping = 1e-3 * np.trace(curvature) / motion.freedom
        step = np.linalg.solve(curvature + damping * np.eye(motion.freedom), slope)
        motion = motion.stepped(step)
        # A step of 1 moves the corners by half the diagonal.
        if float(np.abs(step).max()) * 0.5 * np.hypot(*levels[0].fixed.shape[1:]) < 0.02:
            break
    return motion


def _energy(features: F32, inside: F32) -> float:
    return float(np.einsum("chw,chw,hw->", features, features, inside))
