"""How good an alignment is, told from the pictures themselves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.motions import Motion, PlaneMotion, corner_distance
from camf_ros.calibration.refine import Comparison, Level, compare, refine

# Blocks across and down whose own shifts are measured.
_BLOCKS = (4, 3)
# Shifts, as a share of the picture, at which nothing but chance makes edges agree.
_ELSEWHERE = ((0.09, 0.0), (-0.09, 0.0), (0.0, 0.12), (0.0, -0.12), (0.08, 0.1), (-0.08, -0.1))


class Evidence(NamedTuple):
    """What one pair says about a mapping.

    Attributes:
        agreement: How much more its edges agree than they do by chance: 0 for not at all, 1 for fully.
        residuals: Shifts that remain in the blocks of the picture, pixels of the full-size visible picture.
        distance: How far off the corners are if this pair alone is asked, likewise.
    """

    agreement: float
    residuals: NDArray[np.float64]
    distance: float


def evidence(level: Level, motion: Motion, size: tuple[int, int]) -> Evidence:
    """Ask one pair.

    Args:
        level: The pair, at a size at which edges are sharp.
        motion: The mapping that all pairs share.
        size: (height, width) of the full-size visible picture.
    """
    here = compare(level, motion.matrix())
    elsewhere = []
    for x, y in _ELSEWHERE:
        shift = np.array([[1, 0, x * size[1]], [0, 1, y * size[0]], [0, 0, 1]])
        elsewhere.append(compare(level, motion.matrix() @ shift).score)
    chance = float(np.mean(elsewhere))
    scale = 1 / float(level.to_fixed[0, 0])
    # The stiffest family: one pair can seldom tell more.
    start = PlaneMotion("similarity", motion.matrix(), size)
    alone = refine([level], start, [1.0], steps=10)
    return Evidence(
        (here.score - chance) / max(1 - chance, 1e-9),
        scale * _block_shifts(here),
        corner_distance(alone.matrix(), motion.matrix(), size),
    )


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
        agreement: Median over the pairs.
        doubts: Why the result is not to be trusted, a sentence each; empty if it is.
    """

    residual: float
    disagreement: float
    agreement: float
    doubts: tuple[str, ...]


#: Below this agreement of a pair's edges nothing was found in it; chance alone gives less (docs/registration.md).
LEAST_AGREEMENT = 0.2
#: Largest residual and disagreement, as shares of the diagonal of the visible picture.
MOST_RESIDUAL, MOST_DISAGREEMENT = 0.004, 0.012


def verdict(gathered: Sequence[Evidence], size: tuple[int, int], used: int, given: int) -> Verdict:
    """Judge.

    Args:
        gathered: Of the pairs that were used.
        size: (height, width) of the visible picture.
        used: Pairs used.
        given: Pairs there were.
    """
    diagonal = float(np.hypot(*size))
    every = np.concatenate([one.residuals for one in gathered])
    residual = float(np.median(every)) if every.size else float("inf")
    disagreement = float(np.median([one.distance for one in gathered]))
    agreement = float(np.median([one.agreement for one in gathered]))
    doubts = []
    if agreement < LEAST_AGREEMENT:
        doubts.append(
            f"edges agree by {agreement:.2f}, which is little more than by chance (expected {LEAST_AGREEMENT:g} or "
            "more): the pictures show few edges that both cameras see, or the cameras look elsewhere"
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
    if used < (given + 1) // 2:
        doubts.append(f"only {used} of {given} pairs agree with each other")
    return Verdict(residual, disagreement, agreement, tuple(doubts))
