"""The distortion models against OpenCV's own, and where their polynomials turn back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from camf_ros.errors import RegistrationError
from camf_ros.imaging.camera_model import Camera, Extrinsics, scaling
from camf_ros.imaging.lens import project

K = (500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0)
POINTS = np.random.default_rng(1).uniform(-0.6, 0.6, (200, 2))


@pytest.mark.parametrize(
    ("model", "d"),
    [
        ("plumb_bob", ()),
        ("plumb_bob", (-0.2, 0.05, 0.001, -0.002)),
        ("plumb_bob", (-0.2, 0.05, 0.001, -0.002, 0.01)),
        ("rational_polynomial", (0.4, -0.1, 0.002, 0.003, 0.02, 0.6, 0.02, 0.01)),
        ("rational_polynomial", (0.4, -0.1, 0.002, 0.003, 0.02, 0.6, 0.02, 0.01, 0.003, -0.001, 0.002, 0.001)),
    ],
)
def test_like_opencv(model: str, d: tuple[float, ...]) -> None:
    points = np.column_stack([POINTS, np.ones(len(POINTS))])
    expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), np.array(K).reshape(3, 3), np.array(d))
    got = np.column_stack(project(Camera(640, 480, K, model, d), *POINTS.T))
    np.testing.assert_allclose(got, expected[:, 0], atol=1e-9)


@pytest.mark.parametrize("model", ["equidistant", "fisheye"])
@pytest.mark.parametrize("d", [(0.0, 0.0, 0.0, 1e-12), (-0.03, 0.02, -0.01, 0.002)])
def test_equidistant_like_opencv(model: str, d: tuple[float, ...]) -> None:
    points = np.column_stack([2 * POINTS, np.ones(len(POINTS))])[None]
    expected, _ = cv2.fisheye.projectPoints(
        points, np.zeros((3, 1)), np.zeros((3, 1)), np.array(K).reshape(3, 3), np.array(d)
    )
    got = np.column_stack(project(Camera(640, 480, K, model, d), *(2 * POINTS.T)))
    np.testing.assert_allclose(got, expected[0], atol=1e-9)
    centre = project(Camera(640, 480, K, model, d), np.zeros(1), np.zeros(1))
    assert np.ravel(centre) == pytest.approx([320, 240])


@pytest.mark.parametrize(("model", "d"), [("plumb_bob", (-0.3, 0.0, 0.0, 0.0)), ("fisheye", (-0.5, 0.0, 0.0, 0.0))])
def test_nothing_is_seen_twice(model: str, d: tuple[float, ...]) -> None:
    """r (1 - 0.3 r^2) grows up to r = 1.054 only; beyond, the formula shows the world again, mirrored."""
    radii = np.linspace(0, 4, 4001)
    columns, _ = project(Camera(640, 480, K, model, d), radii, np.zeros_like(radii))
    seen = np.isfinite(columns)
    assert seen[:500].all()
    assert not seen[-1]
    assert (np.diff(seen.astype(int)) <= 0).all()
    assert (np.diff(columns[seen]) > 0).all()
    if model == "plumb_bob":
        assert radii[seen].max() == pytest.approx(np.sqrt(1 / 0.9), abs=0.003)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 0}, "0 x 480"),
        ({"matrix": K[:8]}, "k is"),
        ({"matrix": (0.0, *K[1:])}, "focal lengths above 0"),
        ({"matrix": (float("nan"), *K[1:])}, "nine finite"),
        ({"model": "tilted"}, "'tilted'"),
        ({"coefficients": (0.1, 0.2, 0.3)}, "0 or 4 or 5 finite numbers for plumb_bob"),
        ({"coefficients": (0.1, 0.2, 0.3, float("inf"))}, "finite"),
    ],
)
def test_cameras_that_are_none(change: dict[str, object], said: str) -> None:
    with pytest.raises(RegistrationError, match=said):
        Camera(**{"width": 640, "height": 480, "matrix": K, **change})  # type: ignore[arg-type]


def test_extrinsics() -> None:
    rotation = tuple(map(float, cv2.Rodrigues(np.array([0.1, -0.2, 0.3]))[0].ravel()))
    there = Extrinsics(rotation, (0.1, 0.2, 0.3))
    back = there.inverse()
    point = np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(back.r @ (there.r @ point + there.t) + back.t, point, atol=1e-12)
    for wrong in (tuple(2 * value for value in rotation), tuple(-value for value in rotation)):
        with pytest.raises(RegistrationError, match="orthonormal"):
            Extrinsics(wrong, (0.0, 0.0, 0.0))


def test_scaling_keeps_the_outer_corners() -> None:
    matrix = scaling((30, 40), (45, 90))
    np.testing.assert_allclose(matrix @ [-0.5, -0.5, 1], [-0.5, -0.5, 1])
    np.testing.assert_allclose(matrix @ [39.5, 29.5, 1], [89.5, 44.5, 1])
