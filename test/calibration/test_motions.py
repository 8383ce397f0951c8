"""Families of mappings: steps stay in the family, and points are fitted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from camf_ros.calibration.comparison import directions
from camf_ros.calibration.motions import (
    FAMILIES,
    Motion,
    PlaneMotion,
    TurnMotion,
    corner_distance,
    fitted,
    mapped,
    nearest,
)
from camf_ros.imaging.camera_model import Extrinsics

SIZE = (240, 320)
K = np.array([[300.0, 0, 158], [0, 305, 121], [0, 0, 1]])


def turn_motion(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> TurnMotion:
    rotation = cv2.Rodrigues(np.array([x, y, z], float))[0]
    return TurnMotion(
        K, 0.8 * K + np.diag([0, 0, 0.2]), Extrinsics(tuple(rotation.ravel()), (0.3, 0.1, 0.05)), 2.0, SIZE
    )


def motions() -> list[Motion]:
    start = np.array([[1.1, -0.1, 5], [0.1, 1.1, -3], [0, 0, 1]])
    return [*(PlaneMotion(family, start, SIZE) for family in FAMILIES), turn_motion(0.02, -0.03, 0.01)]


@pytest.mark.parametrize("number", range(4))
def test_directions_are_the_derivatives_of_steps(number: int) -> None:
    motion = motions()[number]
    columns, rows = directions(motion, np.eye(3), SIZE)
    assert columns.shape == (motion.freedom, *SIZE)
    for parameter in range(motion.freedom):
        step = np.zeros(motion.freedom)
        step[parameter] = 1e-6
        points = np.array([[0, 0], [SIZE[1] - 1, 0], [SIZE[1] - 1, SIZE[0] - 1], [0, SIZE[0] - 1]], np.float64)
        moved = mapped(np.linalg.inv(motion.matrix()) @ motion.stepped(step).matrix(), points) - points
        for (x, y), shift in zip(points.astype(int), moved, strict=True):
            expected = 1e-6 * np.array([columns[parameter, y, x], rows[parameter, y, x]])
            np.testing.assert_allclose(shift, expected, atol=2e-9)
        assert 50 < np.abs(np.stack([columns[parameter], rows[parameter]])).max() < 400, "about half the diagonal"


@pytest.mark.parametrize("number", range(4))
def test_points_are_fitted(number: int) -> None:
    start = motions()[number]
    rng = np.random.default_rng(number)
    truth = start.stepped(rng.uniform(-0.08, 0.08, start.freedom))
    fixed = rng.uniform((0, 0), SIZE[::-1], (40, 2))
    moving = mapped(truth.matrix(), fixed)
    assert corner_distance(start.matrix(), truth.matrix(), SIZE) > 3
    assert corner_distance(fitted(start, fixed, moving).matrix(), truth.matrix(), SIZE) < 1e-4
    moving[:5] += 60
    assert corner_distance(fitted(start, fixed, moving, robust=1.0).matrix(), truth.matrix(), SIZE) < 1.5


def test_nearest_in_a_stiffer_family() -> None:
    similar = np.array([[1.02, -0.05, 5], [0.05, 1.02, -3], [0, 0, 1]])
    for family in FAMILIES:
        found = nearest(PlaneMotion(family, np.eye(3), SIZE), similar, SIZE)
        assert corner_distance(found.matrix(), similar, SIZE) < 1e-6
    squeezed = np.diag([1.02, 0.98, 1.0])
    assert (
        corner_distance(nearest(PlaneMotion("similarity", np.eye(3), SIZE), squeezed, SIZE).matrix(), squeezed, SIZE)
        > 1
    )


def test_turning_keeps_rotations_rotations_and_the_position() -> None:
    motion = turn_motion()
    rng = np.random.default_rng(1)
    for _ in range(50):
        motion = motion.stepped(rng.normal(0, 0.1, 3))
    np.testing.assert_allclose(motion.extrinsics.r @ motion.extrinsics.r.T, np.eye(3), atol=1e-12)
    assert motion.extrinsics.translation == (0.3, 0.1, 0.05)


def test_turn_motion_is_the_mapping_of_the_plane() -> None:
    """A point on the plane, seen by both cameras."""
    motion = turn_motion(0.02, -0.03, 0.1)
    point = np.array([0.3, -0.2, 2.0])
    thermal = motion.extrinsics.r.T @ (point - motion.extrinsics.t)
    moving = 0.8 * K + np.diag([0, 0, 0.2])
    fixed_pixel, moving_pixel = (matrix @ p / p[2] for matrix, p in ((K, point), (moving, thermal)))
    np.testing.assert_allclose(mapped(motion.matrix(), fixed_pixel[None, :2])[0], moving_pixel[:2], atol=1e-9)


def test_corner_distance_is_in_pixels_of_the_fixed_picture() -> None:
    half = np.diag([0.5, 0.5, 1.0])
    shifted = half @ np.array([[1, 0, 3.0], [0, 1, 4.0], [0, 0, 1]])
    assert corner_distance(shifted, half, SIZE) == pytest.approx(5)
