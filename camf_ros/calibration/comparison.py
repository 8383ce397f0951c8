"""Pairs compared under a mapping: edge features, Gauss-Newton steps on their differences, and how good the fit is.

Brightness and contrast of thermal and RGB have little to do with each other, the sign of an edge neither. So the
structure tensor's direction is compared: gradients (dx, dy) as complex numbers, squared, which doubles their angle and
forgets their sign, and then smoothed (Bigün and Granlund, ICCV 1987). Products of two such numbers are what normalised
gradient fields compare (Haber and Modersitzki, MICCAI 2006).

All pairs share one mapping, so their normal equations add up. The gradient is the mean of both pictures' (efficient
second-order minimisation, Benhimane and Malis, IROS 2004), which converges from farther away than either alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.motions import Matrix, Motion, PlaneMotion, corner_distance

F32 = NDArray[np.float32]

# Pixels of the level: width of the smoothing before gradients, and of their squares.
_BEFORE, _AFTER = 0.8, 1.2
# Share of the picture's typical edge strength below which edges fade.
_FAINT = 1.0
# Blocks across and down whose own shifts are measured.
_BLOCKS = (4, 3)
# Shifts, as a share of the picture, at which nothing but chance makes edges agree.
_ELSEWHERE = ((0.09, 0.0), (-0.09, 0.0), (0.0, 0.12), (0.0, -0.12), (0.08, 0.1), (-0.08, -0.1))
#: Below this agreement of a pair's edges nothing was found in it; chance alone gives less (docs/registration.md).
LEAST_AGREEMENT = 0.2
#: From this agreement on an alignment is clear by itself. Below it, it must lead over others nearby: by half of what is
#: missing.
CLEAR_AGREEMENT = 0.28
# Where other alignments nearby are searched for, and from where on one is another: shares of the diagonal.
_NEARBY, _ANOTHER = 0.045, 0.010
#: Largest residual and disagreement, as shares of the diagonal of the RGB picture.
MOST_RESIDUAL, MOST_DISAGREEMENT = 0.004, 0.012


def gradients(grey: F32) -> tuple[F32, F32]:
    """Horizontal and vertical gradient of a smoothed (H, W) picture."""
    smooth = cv2.GaussianBlur(grey, (0, 0), _BEFORE)
    return (
        np.asarray(cv2.Scharr(smooth, cv2.CV_32F, 1, 0, scale=1 / 32), np.float32),
        np.asarray(cv2.Scharr(smooth, cv2.CV_32F, 0, 1, scale=1 / 32), np.float32),
    )


def edge_directions(grey: F32, seen: F32) -> F32:
    """(2, H, W): cosine and sine of twice the angle of the edges, times a strength from 0 to 1.

    ``seen`` is (H, W), 1 where the picture shows something and 0 where it is a border.
    """
    dx, dy = gradients(grey)
    dx, dy = dx * seen, dy * seen
    cosine = cv2.GaussianBlur(dx * dx - dy * dy, (0, 0), _AFTER)
    sine = cv2.GaussianBlur(2 * dx * dy, (0, 0), _AFTER)
    # The root of a sum of squared gradients is a gradient again.
    energy = cv2.magnitude(cosine, sine)
    faint = _FAINT**2 * float(energy.sum()) / max(float(seen.sum()), 1.0)
    factor = 1 / np.sqrt(energy * (energy + np.float32(faint)) + np.float32(1e-12))
    return np.stack([cosine * factor, sine * factor]).astype(np.float32)


class Level(NamedTuple):
    """One pair at one size: RGB is fixed, thermal moves.

    Attributes:
        fixed: (2, h, w), edge features of the RGB picture; ``fixed_grey``: (h, w), the picture.
        fixed_seen: (h, w), 1 where the RGB picture shows something, 0 elsewhere; ``moving_seen`` likewise.
        moving: (H, W), the thermal picture at about the same number of pixels a degree; grey.
        to_fixed: Full-size pixels of the RGB picture to this level's; ``to_moving``: of the thermal picture.
    """

    fixed: F32
    fixed_grey: F32
    fixed_seen: F32
    moving: F32
    moving_seen: F32
    to_fixed: Matrix
    to_moving: Matrix


class Comparison(NamedTuple):
    """How the features of one pair differ under a mapping, and how they would change with a shift; (h, w).

    Attributes:
        inside: 1 where both pictures show something, away from borders.
        xx: Product of the horizontal slopes, summed over the channels; ``xy``, ``yy``: with the vertical ones.
        bx: Horizontal slope times difference; ``by``: vertical slope times difference.
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
    """Normal equations of one pair for a step: (n, n) and (n,), and the correlation of the features, -1 to 1."""

    curvature: NDArray[np.float64]
    slope: NDArray[np.float64]
    score: float


def warped(level: Level, matrix: Matrix) -> tuple[F32, F32]:
    """The thermal picture in the RGB picture's geometry, at the level's size, and where it shows something."""
    mapping = level.to_moving @ matrix @ np.linalg.inv(level.to_fixed)
    size = (level.fixed.shape[2], level.fixed.shape[1])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    grey = cv2.warpPerspective(level.moving, mapping, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.warpPerspective(level.moving_seen, mapping, size, flags=flags)
    return np.asarray(grey, np.float32), np.asarray(seen > 0.999, np.float32)


def compare(level: Level, matrix: Matrix) -> Comparison:
    """Compare one pair under a mapping."""
    return compared(level, *warped(level, matrix))


def compared(level: Level, grey: F32, seen: F32) -> Comparison:
    """Compare the RGB picture of a level with a thermal picture (h, w) that was warped to it, and where it is seen."""
    both = seen * level.fixed_seen
    # Smoothing spreads features over the border.
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
    return Fit(curvature, slope, score)


def directions(motion: Motion, to_level: Matrix, size: tuple[int, ...]) -> tuple[NDArray[np.float64], ...]:
    """How each parameter moves each pixel of a level: two arrays (n, h, w), x and y, in the level's pixels."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    back = np.linalg.inv(to_level)
    generators = np.stack([to_level @ generator @ back for generator in motion.generators()])
    rows = generators[:, :, 0, None, None] * x + generators[:, :, 1, None, None] * y + generators[:, :, 2, None, None]
    return rows[:, 0] - x * rows[:, 2], rows[:, 1] - y * rows[:, 2]


def refine(levels: Sequence[Level], motion: Motion, *, steps: int = 20) -> Motion:
    """The mapping that fits all pairs best, from one that is nearly right; all levels are of one size."""
    for _ in range(steps):
        fits = [measure(level, motion) for level in levels]
        curvature, slope = sum(fit.curvature for fit in fits), sum(fit.slope for fit in fits)
        damping = 1e-3 * np.trace(curvature) / motion.freedom
        step = np.linalg.solve(curvature + damping * np.eye(motion.freedom), slope)
        motion = motion.stepped(step)
        # A step of 1 moves the corners by half the diagonal.
        if float(np.abs(step).max()) * 0.5 * np.hypot(*levels[0].fixed.shape[1:]) < 0.02:
            break
    return motion


def _energy(features: F32, inside: F32) -> float:
    return float(np.einsum("chw,chw,hw->", features, features, inside))


class Evidence(NamedTuple):
    """What one pair says about a mapping.

    Attributes:
        agreement: How much more its edges agree than they do by chance: 0 for not at all, 1 for fully.
        lead: How much more than under the best other alignment nearby, in the same unit.
        residuals: Shifts that remain in the blocks of the picture, pixels of the full-size RGB picture.
        distance: How far off the corners are if this pair alone is asked, likewise.
    """

    agreement: float
    lead: float
    residuals: NDArray[np.float64]
    distance: float


def evidence(levels: Sequence[Level], motion: Motion, size: tuple[int, int]) -> Evidence:
    """Ask one pair, at its sizes, smallest first; ``size`` is (height, width) of the full-size RGB picture."""
    level = levels[-1]
    here = compare(level, motion.matrix())
    chance = _chance(level, motion, size)
    scale = 1 / float(level.to_fixed[0, 0])
    # The stiffest family: one pair can rarely determine more.
    start = PlaneMotion("similarity", motion.matrix(), size)
    alone = refine([level], start, steps=10)
    agreement = (here.score - chance) / max(1 - chance, 1e-9)
    # Not at the largest size: it takes several alignments.
    lead = _lead(levels[:2][-1], start, size)
    return Evidence(
        agreement,
        agreement if lead is None else lead / max(1 - chance, 1e-9),
        scale * _block_shifts(here),
        corner_distance(alone.matrix(), motion.matrix(), size),
    )


def agreement_of(level: Level, motion: Motion, size: tuple[int, int]) -> float:
    """:attr:`Evidence.agreement` alone, at one size, which takes much less time."""
    chance = _chance(level, motion, size)
    return (compare(level, motion.matrix()).score - chance) / max(1 - chance, 1e-9)


def _chance(level: Level, motion: Motion, size: tuple[int, int]) -> float:
    """How much the features correlate where they cannot belong together: mean over displaced pictures."""
    elsewhere = []
    for x, y in _ELSEWHERE:
        shift = np.array([[1, 0, x * size[1]], [0, 1, y * size[0]], [0, 0, 1]])
        elsewhere.append(compare(level, motion.matrix() @ shift).score)
    return float(np.mean(elsewhere))


def _lead(level: Level, motion: Motion, size: tuple[int, int]) -> float | None:
    """How much more the features correlate than under the best other alignment around; None if there is none."""
    found = refine([level], motion, steps=6)
    others = []
    for step in 2 * _NEARBY * np.concatenate([np.eye(motion.freedom), -np.eye(motion.freedom)]):
        other = refine([level], found.stepped(step), steps=8).matrix()
        if corner_distance(other, found.matrix(), size) > _ANOTHER * float(np.hypot(*size)):
            others.append(compare(level, other).score)
    return compare(level, found.matrix()).score - max(others) if others else None


def _block_shifts(comparison: Comparison) -> NDArray[np.float64]:
    """Length of the shift that each block would like to make, pixels of the level; not of those with few edges."""
    height, width = comparison.inside.shape
    columns, rows = (
        np.linspace(0, side, count + 1).astype(int) for side, count in zip((width, height), _BLOCKS, strict=True)
    )
    found = []
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            part = (slice(top, bottom), slice(left, right))
            inside = comparison.inside[part]
            xx, xy, yy, bx, by = (float((image[part] * inside).sum()) for image in comparison[1:6])
            found.append((np.array([[xx, xy], [xy, yy]]), np.array([bx, by])))
    strengths = np.array([np.linalg.eigvalsh(matrix)[0] for matrix, _ in found])
    strong = strengths > 0.25 * float(strengths.mean())
    shifts = [np.linalg.solve(m, b) for (m, b), good in zip(found, strong, strict=True) if good and m[0, 0] > 0]
    return np.array([float(np.hypot(*shift)) for shift in shifts])


class Verdict(NamedTuple):
    """What all pairs together say.

    Attributes:
        residual: Median shift that remains in the blocks of all pairs, pixels.
        disagreement: Median distance of the corners if the pairs are asked one by one, pixels.
        agreement: Median over the pairs; ``lead`` likewise.
        doubts: Why the result is not to be trusted, a sentence each; empty if it is.
    """

    residual: float
    disagreement: float
    agreement: float
    lead: float
    doubts: tuple[str, ...]


def verdict(gathered: Sequence[Evidence], size: tuple[int, int], given: int) -> Verdict:
    """Judge by the evidence of the pairs that were used, out of those given."""
    diagonal = float(np.hypot(*size))
    every = np.concatenate([one.residuals for one in gathered])
    residual = float(np.median(every)) if every.size else float("inf")
    disagreement = float(np.median([one.distance for one in gathered]))
    agreement, lead = (float(np.median([getattr(one, name) for one in gathered])) for name in ("agreement", "lead"))
    needed = 0.5 * (CLEAR_AGREEMENT - agreement)
    doubts = []
    if agreement < LEAST_AGREEMENT:
        doubts.append(
            f"edges agree by {agreement:.2f}, which is little more than by chance (expected {LEAST_AGREEMENT:g} or "
            "more): the pictures show few edges that both cameras see, or the cameras look elsewhere"
        )
    elif lead < needed:
        doubts.append(
            f"edges agree by {agreement:.2f}, and under another alignment nearby by only {lead:.3f} less (expected "
            f"{needed:.3f} or more, or an agreement of {CLEAR_AGREEMENT:g}): the thermal pictures have too few pixels "
            "or too little contrast"
        )
    if residual > MOST_RESIDUAL * diagonal:
        doubts.append(
            f"parts of the pictures are still {residual:.1f} px off (expected {MOST_RESIDUAL * diagonal:.1f} or less)"
        )
    if disagreement > MOST_DISAGREEMENT * diagonal:
        doubts.append(
            f"pairs by themselves put the corners {disagreement:.1f} px elsewhere (expected "
            f"{MOST_DISAGREEMENT * diagonal:.1f} or less)"
        )
    if len(gathered) < (given + 1) // 2:
        doubts.append(f"only {len(gathered)} of {given} pairs agree with each other")
    return Verdict(residual, disagreement, agreement, lead, tuple(doubts))
