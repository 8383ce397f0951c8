"""Families of mappings between two pictures, and small steps within them.

A mapping is a (3, 3) matrix from pixels of the fixed picture (RGB) to pixels of the moving one (thermal). A step is
taken in the fixed picture: ``W <- W (I + sum_i s_i A_i)``, with the generators ``A_i`` in coordinates that are 0 in the
middle of the picture and 1 at its corners, where all of them move pixels by about as much.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.camera_model import Extrinsics

Matrix = NDArray[np.float64]
Points = NDArray[np.float64]


class Motion(Protocol):
    """A family of mappings of ``freedom`` parameters, with a current member."""

    freedom: int

    def matrix(self) -> Matrix:
        """(3, 3), fixed picture to moving picture, full-size pixels."""
        ...

    def generators(self) -> NDArray[np.float64]:
        """(freedom, 3, 3): directions of small steps, in full-size pixels of the fixed picture."""
        ...

    def stepped(self, step: NDArray[np.float64]) -> Motion:
        """The family with another member, ``step`` (freedom,) away."""
        ...


def _generator(*entries: tuple[int, int, float]) -> Matrix:
    result = np.zeros((3, 3))
    for row, column, value in entries:
        result[row, column] = value
    return result


_SHIFTS = (_generator((0, 2, 1.0)), _generator((1, 2, 1.0)))
_ZOOM = _generator((0, 0, 1.0), (1, 1, 1.0))
_TURN = _generator((0, 1, -1.0), (1, 0, 1.0))
_STRETCH = _generator((0, 0, 1.0), (1, 1, -1.0))
_SHEAR = _generator((0, 1, 1.0), (1, 0, 1.0))
_TILTS = (_generator((2, 0, 1.0)), _generator((2, 1, 1.0)))

#: Generators of each family, from the stiffest to the most flexible.
FAMILIES: Mapping[str, tuple[Matrix, ...]] = {
    "similarity": (*_SHIFTS, _ZOOM, _TURN),
    "affine": (*_SHIFTS, _ZOOM, _TURN, _STRETCH, _SHEAR),
    "homography": (*_SHIFTS, _ZOOM, _TURN, _STRETCH, _SHEAR, *_TILTS),
}


class PlaneMotion:
    """Similarity, affine map or homography."""

    def __init__(self, family: str, matrix: Matrix, size: tuple[int, int]) -> None:
        """Of a key of :data:`FAMILIES`, a member (3, 3) of it, and the (height, width) of the fixed picture."""
        self._family, self._matrix, self._size = family, matrix, size
        self.freedom = len(FAMILIES[family])

    def matrix(self) -> Matrix:
        """See :meth:`Motion.matrix`."""
        return self._matrix

    def generators(self) -> NDArray[np.float64]:
        """See :meth:`Motion.generators`."""
        there = centred(self._size)
        back = np.linalg.inv(there)
        return np.stack([back @ generator @ there for generator in FAMILIES[self._family]])

    def stepped(self, step: NDArray[np.float64]) -> PlaneMotion:
        """See :meth:`Motion.stepped`."""
        moved = self._matrix @ (np.eye(3) + np.tensordot(step, self.generators(), axes=1))
        return PlaneMotion(self._family, moved / moved[2, 2], self._size)


class TurnMotion:
    """Where two calibrated cameras look, what lies between them being known: only the thermal camera turns.

    Of undistorted pictures, with ``X_t = R (X_r - t)`` and the plane at distance d: ``W = K_t R (I - t n^T / d)
    K_r^-1``.
    """

    freedom = 3

    def __init__(
        self, fixed: Matrix, moving: Matrix, extrinsics: Extrinsics, distance: float, size: tuple[int, int]
    ) -> None:
        """Of both K, (3, 3); a distance in metres; and the (height, width) of the RGB picture (fixed)."""
        self._fixed, self._moving, self._distance, self._size = fixed, moving, distance, size
        self.extrinsics = extrinsics
        self._plane = np.eye(3) - np.outer(extrinsics.t, [0.0, 0.0, 1.0]) / distance
        # A step of 1 moves pixels by about half the diagonal, as the other families' does.
        self._angle = 0.5 * float(np.hypot(*size)) / float(fixed[0, 0])

    def matrix(self) -> Matrix:
        """See :meth:`Motion.matrix`."""
        return np.asarray(self._moving @ self.extrinsics.r.T @ self._plane @ np.linalg.inv(self._fixed))

    def generators(self) -> NDArray[np.float64]:
        """See :meth:`Motion.generators`."""
        there = self._plane @ np.linalg.inv(self._fixed)
        back = np.linalg.inv(there)
        return np.stack([back @ (self._angle * _cross(axis)) @ there for axis in np.eye(3)])

    def stepped(self, step: NDArray[np.float64]) -> TurnMotion:
        """See :meth:`Motion.stepped`."""
        turn = cv2.Rodrigues(self._angle * np.asarray(step, np.float64))[0]
        rotation = (self.extrinsics.r.T @ turn).T
        # Products of rotations drift: make it orthonormal again.
        left, _, right = np.linalg.svd(rotation)
        extrinsics = Extrinsics(tuple(map(float, (left @ right).ravel())), self.extrinsics.translation)
        return TurnMotion(self._fixed, self._moving, extrinsics, self._distance, self._size)


def _cross(axis: NDArray[np.float64]) -> Matrix:
    x, y, z = axis
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def fitted(motion: Motion, fixed: Points, moving: Points, *, robust: float = np.inf) -> Motion:
    """The member of a family that takes (N, 2) points nearest to (N, 2) points of the other picture; Gauss-Newton.

    ``robust`` is the distance, pixels of the fixed picture, beyond which a point counts for less (Huber).
    """
    for _ in range(30):
        matrix, generators = motion.matrix(), motion.generators()
        homogeneous = np.column_stack([fixed, np.ones(len(fixed))])
        moved = np.einsum("nij,pj->npi", generators, homogeneous)
        # How the steps move the points in the fixed picture, and where the points ought to be there.
        slopes = moved[:, :, :2] - homogeneous[None, :, :2] * moved[:, :, 2:]
        wanted = mapped(np.asarray(np.linalg.inv(matrix)), moving) - fixed
        weights = np.minimum(1.0, robust / np.maximum(np.linalg.norm(wanted, axis=1), 1e-12))
        jacobian = slopes.transpose(1, 2, 0).reshape(-1, motion.freedom)
        weight = np.repeat(weights, 2)[:, None]
        normal = jacobian.T @ (weight * jacobian)
        normal += 1e-12 * np.trace(normal) * np.eye(motion.freedom)
        step = np.linalg.solve(normal, jacobian.T @ (weight[:, 0] * wanted.ravel()))
        motion = motion.stepped(step)
        if float(np.abs(step).max()) < 1e-9:
            break
    return motion


def nearest(motion: Motion, matrix: Matrix, size: tuple[int, int]) -> Motion:
    """The member of a motion's family that is most like a mapping, over a (height, width) picture."""
    grid = np.stack(np.meshgrid(np.linspace(0, size[1] - 1, 5), np.linspace(0, size[0] - 1, 5)), axis=-1).reshape(-1, 2)
    return fitted(motion, np.asarray(grid, np.float64), mapped(matrix, grid))


def centred(size: tuple[int, int]) -> Matrix:
    """Pixels of a (height, width) picture to coordinates with 0 in its middle and length 1 at its corners."""
    height, width = size
    half = 0.5 * float(np.hypot(height, width))
    return np.array([[1 / half, 0, -(width - 1) / 2 / half], [0, 1 / half, -(height - 1) / 2 / half], [0, 0, 1]])


def mapped(matrix: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) points under a homography."""
    moved = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return np.asarray(moved[:, :2] / moved[:, 2:])


def corner_distance(one: Matrix, other: Matrix, size: tuple[int, int]) -> float:
    """Mean distance, over the four corners of the fixed picture, of where two mappings take them, pixels.

    Measured in the fixed picture: how far off the moving picture lies when it is brought over it.
    """
    height, width = size
    places = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    # Where the estimate, undone by the truth, would put a corner.
    back = mapped(np.linalg.inv(other) @ one, places)
    return float(np.linalg.norm(back - places, axis=1).mean())
