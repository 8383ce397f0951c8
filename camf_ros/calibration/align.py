"""Alignment of recorded pairs: a search at a small size, then refinement level by level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.features import F32, edge_directions
from camf_ros.calibration.motions import Matrix, Motion, PlaneMotion, nearest
from camf_ros.calibration.refine import Level, measure, refine
from camf_ros.calibration.search import Reach, guesses

#: Longer side of the visible picture on each level, pixels; the last is at most the picture's own.
SIDES = (128, 192, 288, 432, 648)
# Candidates of the search that are refined.
_CANDIDATES = 6


class Pair(NamedTuple):
    """One recorded pair.

    Attributes:
        infrared: (h, w) uint8.
        visible: (H, W) uint8.
        name: For messages.
    """

    infrared: NDArray[np.uint8]
    visible: NDArray[np.uint8]
    name: str = ""


def levels_of(pair: Pair, start: Matrix, sides: Sequence[int] = SIDES) -> list[Level]:
    """A pair at several sizes, smallest first."""
    height, width = pair.visible.shape
    longest = max(height, width)
    shrink = [side / longest for side in sides if side < longest]
    if longest <= sides[-1] or not shrink:
        shrink.append(min(1.0, sides[-1] / longest))
    # Infrared pixels to a visible pixel: both pictures of a level show about the same detail.
    density = float(np.sqrt(abs(np.linalg.det(start[:2, :2]))))
    result = []
    for scale in shrink:
        fixed, to_fixed = _shrunk(pair.visible, scale)
        moving, to_moving = _shrunk(pair.infrared, min(scale / density, 1.0))
        fixed_seen, moving_seen = seen(fixed), seen(moving)
        result.append(
            Level(edge_directions(fixed, fixed_seen), fixed, fixed_seen, moving, moving_seen, to_fixed, to_moving)
        )
    return result


def seen(grey: F32) -> F32:
    """1 where a picture shows something, 0 in the black border that rectification and warping leave."""
    black = (grey < 0.5).astype(np.uint8)
    count, labels = cv2.connectedComponents(black, connectivity=4)
    if count == 1:
        return np.ones(grey.shape, np.float32)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    border = np.isin(labels, edge[edge > 0])
    # A night sky is black too, but has noise; small black corners of it do no harm.
    result = (~border).astype(np.float32)
    return np.asarray(cv2.erode(result, np.ones((3, 3), np.uint8), borderValue=1.0), np.float32)


def align(
    pairs: Sequence[Pair],
    motion: Motion,
    reach: Reach,
    *,
    weights: Sequence[float] | None = None,
    tick: Callable[[str], None] = lambda _: None,
) -> Motion:
    """The mapping that fits all pairs best.

    Args:
        pairs: All of one size.
        motion: Family, and where to start the search.
        reach: How far to search about it.
        weights: Of each pair; equal when left out.
        tick: Called as the work proceeds.
    """
    weights = [1.0] * len(pairs) if weights is None else weights
    pyramids = []
    for pair in pairs:
        pyramids.append(levels_of(pair, motion.matrix()))
        tick("reading")
    size = (pairs[0].visible.shape[0], pairs[0].visible.shape[1])
    smallest = [pyramid[0] for pyramid in pyramids]
    candidates: list[tuple[float, Motion]] = []
    for guess in guesses(smallest, motion.matrix(), reach, count=_CANDIDATES):
        first = refine(smallest, PlaneMotion("similarity", guess.matrix, size), weights, steps=10)
        second = refine([p[min(1, len(p) - 1)] for p in pyramids], first, weights, steps=8)
        score = sum(w * measure(p[min(1, len(p) - 1)], second).score for w, p in zip(weights, pyramids, strict=True))
        candidates.append((score, second))
        tick("searching")
    best = max(candidates, key=lambda candidate: candidate[0])[1]
    motion = nearest(motion, best.matrix(), size)
    for number in range(1, len(pyramids[0])):
        motion = refine([pyramid[number] for pyramid in pyramids], motion, weights, steps=15)
        tick("refining")
    return motion


def best_start(pairs: Sequence[Pair], motions: Sequence[Motion], reach: Reach) -> Motion:
    """The one of several starts from which the search finds most.

    Args:
        pairs: As for :func:`align`.
        motions: Starts, at least one.
        reach: How far to search about each.
    """
    if len(motions) == 1:
        return motions[0]

    def found(motion: Motion) -> float:
        smallest = [levels_of(pair, motion.matrix(), SIDES[:1])[0] for pair in pairs]
        return guesses(smallest, motion.matrix(), reach, count=1)[0].score

    return max(motions, key=found)


def _shrunk(image: NDArray[np.uint8], scale: float) -> tuple[F32, Matrix]:
    height, width = image.shape
    size = (max(round(width * scale), 16), max(round(height * scale), 16))
    small = image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    sx, sy = size[0] / width, size[1] / height
    matrix = np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]])
    return np.asarray(small, np.float32), matrix
