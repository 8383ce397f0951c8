"""How two calibrated cameras stand to each other, from pairs that were taken while they moved.

What lies between a turn and a shift of a camera is depth. The RGB camera's own motion shows it, up to a scale
(:mod:`camf_ros.calibration.depth_from_motion`). Gauss-Newton steps on the edge features of
:mod:`camf_ros.calibration.comparison` then find what all pairs share (rotation, direction of the translation, what is
left of the time offset) and the scale of each pair. The length of the translation cannot be seen. Depth has errors of
its own: they would pass for a translation along the view, so each block may explain a part of its shift by them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from camf_ros.calibration.comparison import F32, Level, compared
from camf_ros.calibration.depth_from_motion import GRID, Array, Depth
from camf_ros.calibration.motions import Matrix

# Rotation (3), translation (3), time offset. After them come the scale of the pair and the nearness of a block.
_SHARED = 7
# Shift of a block beyond which it counts for less, pixels of its level.
_ROBUST = 1.0
# Error of a block's nearness, as a share of its corners' spread.
_DOUBT = 0.4
_EPS = 1e-5
# Noise makes slopes steeper and steps shorter than they should be. A level is done after so many, or after one that
# moves the pictures less, pixels.
_RELAXED, _STEPS, _STILL = 1.5, 12, 0.005
# Turns about x and y at which nothing but chance makes edges agree.
_ELSEWHERE = ((0.1, 0.0), (-0.1, 0.0), (0.0, 0.12), (0.0, -0.12))
# Where the search for the translation begins: its length is a tangent, that of the nearest things' parallax.
_STARTS = ((0.0, 0.0, 0.0), (0.06, 0.0, 0.0), (-0.06, 0.0, 0.0), (0.0, 0.06, 0.0), (0.0, -0.06, 0.0))


class Sight(NamedTuple):
    """One pair of undistorted pictures.

    Attributes:
        levels: At several sizes, smallest first.
        depth: Of the RGB picture.
        flow: (*GRID, 2), how fast the RGB picture moves there, full-size pixels a second.
        skew: How much later the thermal picture was taken, seconds.
    """

    levels: Sequence[Level]
    depth: Depth
    flow: Array
    skew: float


class Pose(NamedTuple):
    """The shared unknowns: ``X_rgb = rotation X_thermal + baseline * direction``.

    Attributes:
        late: How much later than its skew says each thermal picture was taken, seconds.
        deviation: (7,), standard errors: of the turn about x, y and z (radians), of the direction's components, and of
            the time (seconds).
        plane: (3,), translation over distance of what is half-way between near and far.
    """

    rotation: Matrix
    direction: Array
    late: float
    deviation: Array
    plane: Array

    @property
    def rotation_vector(self) -> Array:
        """(3,): axis times angle, radians."""
        return np.asarray(cv2.Rodrigues(self.rotation)[0].ravel(), np.float64)


class Estimate(NamedTuple):
    """A pose and what speaks for it.

    Attributes:
        agreement: How much more the edges agree than by chance: 0 for not at all, 1 for fully; median of the pairs.
        turn: Angle between the rotations that the first and the second half of the pairs give, radians; ``swing``:
            likewise of the directions.
        best: The pair that shows it best, an index.
    """

    pose: Pose
    agreement: float
    turn: float
    swing: float
    best: int


def estimate(
    sights: Sequence[Sight],
    rgb: Matrix,
    thermal: Matrix,
    rotation: Matrix,
    *,
    timed: bool = True,
    tick: Callable[[str], None] = lambda _: None,
) -> Estimate:
    """Find the pose from a rotation that lays the pictures roughly over each other.

    Args:
        sights: Some pairs, at several distances, in the order in which they were taken.
        rgb: K, (3, 3), as undistorted.
        thermal: Likewise.
        rotation: Where to begin.
        timed: Whether the time offset is refined; else the skews are taken as they are.
        tick: Called as the work proceeds.
    """
    begun = []
    for start in _STARTS:
        problem = _Problem(sights, rgb, thermal, rotation, np.array(start), timed=timed)
        for _ in range(8):
            problem.step(0)
        tick("rotation and translation")
        begun.append(problem)
    problem = max(begun, key=lambda each: each.score)
    last = len(sights[0].levels) - 1
    for number in range(last + 1):
        problem.settle(number, tick)
    # One after the other, not by turns: pairs close in time show the same things, and err alike.
    middle = len(sights) // 2
    halves = [problem.part_of(part) for part in (slice(middle), slice(middle, None))]
    for half in halves:
        half.settle(max(last - 1, 0), tick)
    one, other = (half.pose() for half in halves)
    agreements = problem.agreements(min(1, last))
    return Estimate(
        problem.pose(),
        float(np.median(agreements)),
        float(np.linalg.norm(cv2.Rodrigues(one.rotation.T @ other.rotation)[0])),
        float(np.arccos(np.clip(one.direction @ other.direction, -1, 1))),
        int(np.argmax(agreements)),
    )


class _Problem:
    """The pairs, what they share, and the scale of each."""

    def __init__(
        self, sights: Sequence[Sight], rgb: Matrix, thermal: Matrix, rotation: Matrix, shift: Array, *, timed: bool
    ) -> None:
        self._sights, self._timed = sights, timed
        self._rgb, self._thermal = rgb, thermal
        self.rotation, self.shift, self.late = rotation, shift, 0.0
        # Of one speed, until the pictures say otherwise.
        nearest = [float(np.quantile(sight.depth.nearness, 0.9)) + 1e-9 for sight in sights]
        self.depths = [
            Depth(sight.depth.nearness / near, sight.depth.spread / near)
            for sight, near in zip(sights, nearest, strict=True)
        ]
        self.scales = np.ones(len(sights))
        self.deviation, self.score = np.full(_SHARED, np.inf), 0.0
        small = sights[0].levels[0]
        height, width = small.fixed.shape[1:]
        rows, columns = np.mgrid[0 : GRID[0], 0 : GRID[1]].astype(np.float64)
        self._centres = _placed(
            (columns + 0.5) * width / GRID[1] - 0.5, (rows + 0.5) * height / GRID[0] - 0.5, small.to_fixed
        )

    def pose(self) -> Pose:
        """What was found."""
        length = float(np.linalg.norm(self.shift)) + 1e-12
        deviation = self.deviation.copy()
        deviation[3:6] /= length
        medians = [float(np.median(each.nearness)) for each in self.depths]
        near = float(np.median(self.scales * medians))
        return Pose(self.rotation, self.shift / length, self.late, deviation, self.shift * near)

    def settle(self, number: int, tick: Callable[[str], None]) -> None:
        """Gauss-Newton on one level until it stands still."""
        for _ in range(_STEPS):
            moved = self.step(number)
            tick("rotation and translation")
            if moved < _STILL:
                break

    def part_of(self, part: slice) -> _Problem:
        """The same with some of the pairs."""
        result = copy.copy(self)
        result._sights, result.depths = self._sights[part], self.depths[part]
        result.scales = self.scales[part].copy()
        return result

    def agreements(self, number: int) -> list[float]:
        """How much more the edges of each pair agree than they do elsewhere, where only chance makes them."""
        scores = []
        for x, y in ((0.0, 0.0), *_ELSEWHERE):
            other = copy.copy(self)
            other.rotation = self.rotation @ cv2.Rodrigues(np.array([x, y, 0.0]))[0]
            scores.append([other._part(index, number).score for index in range(len(self._sights))])
        chance = np.mean(scores[1:], axis=0)
        return [float(each) for each in (scores[0] - chance) / np.maximum(1 - chance, 1e-9)]

    def step(self, number: int) -> float:
        """One Gauss-Newton step on one level; returns by how many pixels of it the pictures moved, about."""
        parts = [self._part(index, number) for index in range(len(self._sights))]
        total, pull = np.zeros((_SHARED, _SHARED)), np.zeros(_SHARED)
        scatter = np.zeros((_SHARED, _SHARED))
        free = bool(np.linalg.norm(self.shift) > 1e-4)
        typical = float(np.mean([part.curvature[-1, -1] for part in parts])) + 1e-12
        # Weakly, each scale is that of the others.
        owns = [part.curvature[-1, -1] + 0.05 * typical for part in parts]
        draws = [part.slope[-1] + 0.05 * typical * (1 - one) for part, one in zip(parts, self.scales, strict=True)]
        for part, own, drawn in zip(parts, owns, draws, strict=True):
            cross = part.curvature[:-1, -1] * free
            one = part.slope[:-1] - cross * drawn / own
            total += part.curvature[:-1, :-1] - np.outer(cross, cross) / own
            pull += one
            scatter += np.outer(one, one)
        fixed = np.zeros((_SHARED, _SHARED))
        if free:
            # The scales take up the length.
            fixed[3:6, 3:6] = np.outer(self.shift, self.shift) / (self.shift @ self.shift)
        fixed[6, 6] = not self._timed
        diagonal = np.diag(total) + 1e-12
        inverse = np.linalg.inv(total + 1e-4 * np.diag(diagonal) + 1e3 * diagonal.max() * fixed)
        step = _RELAXED * (inverse @ pull)
        if free:
            changes = [
                (drawn - part.curvature[-1, :-1] @ step) / own
                for part, own, drawn in zip(parts, owns, draws, strict=True)
            ]
            self.scales = np.clip(self.scales + np.clip(changes, -0.5, 0.5), 0.02, 20.0)
        self.rotation = self.rotation @ cv2.Rodrigues(np.clip(step[:3], -0.05, 0.05))[0]
        self.shift = self.shift + step[3:6]
        self.late = float(self.late + np.clip(step[6], -0.02, 0.02)) if self._timed else self.late
        self.deviation = np.sqrt(np.diag(inverse @ scatter @ inverse))
        self.score = float(np.mean([part.score for part in parts]))
        focal = float(self._rgb[0, 0]) * float(self._sights[0].levels[number].to_fixed[0, 0])
        return focal * float(np.abs(step[:6]).max())

    def _look(self, points: Array, depth: Array, flow: Array, skew: float, change: Array) -> Array:
        """(..., 2) thermal pixels of (..., 2) RGB pixels, after a change (9,): shared unknowns, scale, nearness."""
        rotation = self.rotation @ cv2.Rodrigues(change[:3])[0]
        moved = points + flow * (skew + self.late + change[6])
        rays = np.concatenate([moved, np.ones((*moved.shape[:-1], 1))], axis=-1) @ np.linalg.inv(self._rgb).T
        nearness = (depth * (1 + change[7]) + change[8])[..., None]
        there = (rays - nearness * (self.shift + change[3:6])) @ (self._thermal @ rotation.T).T
        return np.asarray(there[..., :2] / np.maximum(there[..., 2:], 1e-6))

    def _part(self, index: int, number: int) -> _Part:
        """Normal equations of one pair."""
        sight, level = self._sights[index], self._sights[index].levels[number]
        depth, spread = (each * self.scales[index] for each in self.depths[index])
        height, width = level.fixed.shape[1:]
        y, x = np.mgrid[0:height, 0:width].astype(np.float64)
        nothing = np.zeros(_SHARED + 2)
        at = self._look(
            _placed(x, y, level.to_fixed),
            np.asarray(cv2.resize(depth, (width, height)), np.float64),
            np.asarray(cv2.resize(sight.flow, (width, height)), np.float64),
            sight.skew,
            nothing,
        )
        at = np.asarray(at * np.diag(level.to_moving)[:2] + level.to_moving[:2, 2], np.float32)
        columns, rows = np.ascontiguousarray(at[..., 0]), np.ascontiguousarray(at[..., 1])
        grey = cv2.remap(level.moving, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        seen = cv2.remap(level.moving_seen, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        result = compared(level, np.asarray(grey, np.float32), np.asarray(seen > 0.999, np.float32))
        xx, xy, yy, bx, by = (_blocks(image * result.inside) for image in result[1:6])
        curvature = np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -1)
        slope = np.stack([bx, by], -1)
        damped = curvature + (0.05 * float(np.mean(curvature[..., [0, 1], [0, 1]])) + 1e-9) * np.eye(2)
        left = np.linalg.solve(damped, slope[..., None])[..., 0]
        weight = 1 / (1 + (np.linalg.norm(left, axis=-1) / _ROBUST) ** 2)

        def look(change: Array, shift: tuple[float, float] = (0, 0)) -> Array:
            return self._look(self._centres + shift, depth, sight.flow, sight.skew, change)

        here = look(nothing)
        by_pixel = np.stack([look(nothing, shift) - here for shift in ((1, 0), (0, 1))], axis=-1)
        by_unknown = np.stack([look(_EPS * unit) - here for unit in np.eye(_SHARED + 2)], axis=-1) / _EPS
        by_unknown[..., 7] /= self.scales[index]
        # As shifts of the level's RGB picture.
        moves = np.linalg.solve(by_pixel, by_unknown) * float(level.to_fixed[0, 0])
        moves, along = moves[..., : _SHARED + 1], moves[..., _SHARED + 1]
        cost = np.einsum("yx,yxi,yxij,yxj->yx", weight, left, curvature, left)
        noise = float(cost.sum()) / (2 * max(int(np.count_nonzero(cost)), 1)) + 1e-12
        known = noise / np.maximum(_DOUBT * spread, 1e-9) ** 2
        curvature, slope = _without(np.asarray(along), curvature, slope, np.asarray(known))
        total = np.einsum("yx,yxia,yxij,yxjb->ab", weight, moves, curvature, moves)
        return _Part(total, np.einsum("yx,yxia,yxi->a", weight, moves, slope), result.score)


class _Part(NamedTuple):
    """Normal equations of one pair, of the shared unknowns and its scale, and the correlation of its features."""

    curvature: Array
    slope: Array
    score: float


def _without(along: Array, curvature: Array, slope: Array, known: Array) -> tuple[Array, Array]:
    """What blocks say of the shared unknowns if the depth of each may explain its shift: a Schur complement.

    ``along`` is the shift (..., 2) by a change of nearness, ``known`` how well that is known, in the curvature's units.
    """
    pulled = np.einsum("yxij,yxj->yxi", curvature, along)
    free = np.einsum("yxi,yxi->yx", along, pulled) + known
    left = slope - pulled * (np.einsum("yxi,yxi->yx", along, slope) / free)[..., None]
    return curvature - pulled[..., :, None] * pulled[..., None, :] / free[..., None, None], left


def _placed(x: Array, y: Array, to_level: Matrix) -> Array:
    """(..., 2) full-size pixels of a level's columns and rows."""
    back = np.asarray(np.linalg.inv(to_level))
    return np.stack([back[0, 0] * x + back[0, 2], back[1, 1] * y + back[1, 2]], axis=-1)


def _blocks(image: F32) -> Array:
    """Sums over the blocks, GRID."""
    height, width = image.shape
    mean = np.asarray(cv2.resize(image, GRID[::-1], interpolation=cv2.INTER_AREA), np.float64)
    return np.asarray(mean * (height * width / (GRID[0] * GRID[1])))
