"""Change of size; lenses as OpenCV has them, where their polynomials turn back, and cameras that are none."""

from __future__ import annotations

import cv2
import numpy as np
import plain_camf
import pytest
from numpy.typing import NDArray

from camf_ros.errors import RegistrationError
from camf_ros.imaging.camera_model import Camera, Extrinsics, scaling
from camf_ros.imaging.warp import Warp, resized, undistorting

SIZES = [(1, 1), (1, 9), (7, 5), (8, 8), (31, 17), (48, 64), (100, 37)]


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
@pytest.mark.parametrize("target", SIZES)
@pytest.mark.parametrize("source", SIZES)
def test_sizes(source: tuple[int, int], target: tuple[int, int], channels: tuple[int, ...]) -> None:
    even = np.full((*source, *channels), 77, np.uint8)
    got = resized(even, target)
    assert (got.dtype, got.shape) == (np.uint8, (*target, *channels))
    assert (got == 77).all()


def test_equal_size_is_not_touched() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (6, 7), dtype=np.uint8)
    np.testing.assert_array_equal(resized(picture, (6, 7)), picture)


def test_enlarging_is_bilinear_about_pixel_centres() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (13, 9, 3), dtype=np.uint8)
    for size in ((26, 18), (30, 21), (13, 40)):
        expected = plain_camf.resize(np.moveaxis(picture, 2, 0).astype(np.float64), *size)
        np.testing.assert_allclose(np.moveaxis(resized(picture, size), 2, 0), expected, atol=1.5)


def test_shrinking_averages_areas() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (24, 36), dtype=np.uint8)
    for by in (2, 3, 4):
        blocks = picture.reshape(24 // by, by, 36 // by, by).mean(axis=(1, 3))
        np.testing.assert_allclose(resized(picture, (24 // by, 36 // by)), blocks, atol=0.51)
    stripes = np.tile(np.array([0, 255], np.uint8), (20, 50))
    assert np.abs(resized(stripes, (10, 40)).astype(int) - 127.5).max() < 60, "fine stripes alias into coarse ones"


@pytest.mark.parametrize("size", [(60, 80), (15, 20), (30, 80)])
def test_no_shift(size: tuple[int, int]) -> None:
    """The centre of gravity of a spot stays where it was, as a share of the picture."""
    rows, columns = np.mgrid[0:30, 0:40]
    spot = (255 * np.exp(-((rows - 11.5) ** 2 + (columns - 23.5) ** 2) / 18)).astype(np.uint8)
    got = resized(spot, size).astype(np.float64)
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    centre = [((axis + 0.5) * got).sum() / got.sum() for axis in (rows, columns)]
    assert centre[0] / size[0] == pytest.approx(12 / 30, abs=0.004)
    assert centre[1] / size[1] == pytest.approx(24 / 40, abs=0.004)


def test_read_only_and_strided_pictures() -> None:
    picture = np.random.default_rng(4).integers(0, 256, (20, 30), dtype=np.uint8)
    view = picture[:, :21]
    view.flags.writeable = False
    for size in ((10, 10), (40, 50)):
        np.testing.assert_array_equal(resized(view, size), resized(view.copy(), size))


K = (500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0)


def ideal(focal: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """Pixel to direction of a camera without distortion; ``size`` is (height, width)."""
    return np.linalg.inv(np.array([[focal, 0, size[1] / 2], [0, focal, size[0] / 2], [0, 0, 1]]))


@pytest.mark.parametrize("skew", [0.0, 4.0])
@pytest.mark.parametrize(
    ("model", "d"),
    [
        ("plumb_bob", ()),
        ("plumb_bob", (-0.2, 0.05, 0.001, -0.002)),
        ("plumb_bob", (-0.2, 0.05, 0.001, -0.002, 0.01)),
        ("rational_polynomial", (0.4, -0.1, 0.002, 0.003, 0.02, 0.6, 0.02, 0.01)),
        ("rational_polynomial", (0.4, -0.1, 0.002, 0.003, 0.02, 0.6, 0.02, 0.01, 0.003, -0.001, 0.002, 0.001)),
        ("equidistant", (-0.03, 0.02, -0.01, 0.002)),
        ("fisheye", (-0.03, 0.02, -0.01, 0.002)),
        ("fisheye", (0.0, 0.0, 0.0, 1e-12)),
        ("equidistant", ()),
    ],
)
def test_a_point_is_shown_where_the_lens_shows_it(model: str, d: tuple[float, ...], skew: float) -> None:
    """The picture is a ramp across and a ramp down, so that its values say where they come from."""
    size, shown = (120, 160), (36, 48)
    camera = Camera(size[1], size[0], (125.0, skew, 80.0, 0.0, 127.0, 60.0, 0.0, 0.0, 1.0), model, d)
    turned = cv2.Rodrigues(np.array([0.05, -0.1, 0.2]))[0] @ ideal(60.0, shown)
    rows, columns = np.mgrid[: size[0], : size[1]]
    picture = np.dstack([columns, rows, 0 * rows]).astype(np.uint8)
    warp = undistorting(camera, turned, shown)
    got = warp.apply(picture)
    checked = 0
    for row in range(shown[0]):
        for column in range(shown[1]):
            x, y, z = turned @ [column, row, 1.0]
            if model in ("equidistant", "fisheye") and d:
                points = np.array([[[x / z, y / z]]])
                (((u, v),),) = cv2.fisheye.distortPoints(points, np.eye(3), np.array(d))
            else:
                rays = np.array([[x / z, y / z, 1.0]])
                (((u, v),),) = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), np.eye(3), np.array(d))[0]
            u, v, _ = camera.k @ [u, v, 1.0]
            inside = 1 < u < size[1] - 2 and 1 < v < size[0] - 2
            if inside:
                assert warp.seen[row, column] == 255
                assert abs(got[row, column, 0] - u) <= 1
                assert abs(got[row, column, 1] - v) <= 1
                checked += 1
    assert checked > 500


@pytest.mark.parametrize(("model", "d"), [("plumb_bob", (-0.3, 0.0, 0.0, 0.0)), ("fisheye", (-0.5, 0.0, 0.0, 0.0))])
def test_nothing_is_seen_twice(model: str, d: tuple[float, ...]) -> None:
    """r (1 - 0.3 r^2) grows up to r = 1.054 only; beyond, the formula shows the world again, mirrored."""
    size = (1, 2001)
    seen = undistorting(Camera(640, 480, K, model, d), ideal(250.0, size), size).seen[0] > 0
    right = seen[1001:]
    assert right[:100].all()
    assert not right[-1]
    assert (np.diff(right.astype(int)) <= 0).all()
    if model == "plumb_bob":
        # The picture ends at r = 0.64 of the formula, which this lens never shows: 1.054 (1 - 0.3 * 1.111) = 0.703.
        assert np.flatnonzero(right).max() / 250 < np.sqrt(1 / 0.9) + 0.005


def test_a_lens_that_turns_back_within_the_picture() -> None:
    """r (1 - r^2) turns back at r = 0.577, where it shows 0.385: within this picture, which reaches to 0.64."""
    size = (1, 2001)
    seen = undistorting(Camera(640, 480, K, "plumb_bob", (-1.0, 0.0, 0.0, 0.0)), ideal(1000.0, size), size).seen[0] > 0
    assert np.flatnonzero(seen).max() - 1000 == pytest.approx(1000 * np.sqrt(1 / 3), abs=2)


def test_nothing_behind_the_camera_is_seen() -> None:
    about = cv2.Rodrigues(np.array([0.0, np.pi, 0.0]))[0]
    assert not undistorting(Camera(640, 480, K), about @ ideal(500.0, (48, 64)), (48, 64)).seen.any()


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


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_samples_are_values_of_the_nearest_pixels_and_invalid_where_nothing_is_seen(dtype: type) -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 250, (40, 50)).astype(dtype)
    x, y = rng.uniform(-10, 60, (30, 45)), rng.uniform(-10, 50, (30, 45))
    x[0, 0] = np.nan
    # Not so near to the middle between two pixels that 1/32 decides.
    x, y = (np.where(np.abs(each % 1 - 0.5) < 0.04, np.floor(each) + 0.2, each) for each in (x, y))
    inside = (x >= -0.5) & (x <= 49.5) & (y >= -0.5) & (y <= 39.5)
    expected = np.full(x.shape, np.nan if dtype == np.float32 else 0, dtype)
    rows, columns = (np.clip(np.rint(each[inside]), 0, last).astype(int) for each, last in ((y, 39), (x, 49)))
    expected[inside] = image[rows, columns]
    np.testing.assert_array_equal(Warp(x, y, (40, 50)).sample(image), expected)
