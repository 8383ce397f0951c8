"""Registration by depth: against projections point by point, on the drawn rig, and with what depth cameras send."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from camf_ros.errors import RegistrationError
from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.depth_registration import DepthRegistration, DepthWarp
from camf_scene.camera import Pinhole
from camf_scene.drive import Counterparts, StreetDrive

Array = NDArray[np.float64]

DISTORTED = (-0.28, 0.09, 0.001, -0.0005, 0.0)
PLANE = 2.0
NEAR = 26.0


def _camera(width: int, height: int, focal: float, d: tuple[float, ...] = (), model: str = "plumb_bob") -> Camera:
    k = (focal, 0.0, width / 2 - 3.0, 0.0, focal * 1.01, height / 2 + 2.0, 0.0, 0.0, 1.0)
    return Camera(width, height, k, model, d)


def _pose(angles: tuple[float, float, float], t: tuple[float, float, float]) -> Extrinsics:
    return Extrinsics(tuple(cv2.Rodrigues(np.radians(angles))[0].ravel().tolist()), t)


THERMAL, RGB = _camera(320, 256, 340.0), _camera(320, 240, 230.0)
POSE = _pose((0.6, -1.2, 0.8), (0.12, 0.01, -0.008))


def _made(**changes: Any) -> DepthRegistration:
    given: dict[str, Any] = {
        "thermal": THERMAL, "rgb": RGB, "depth": RGB, "extrinsics": POSE, "reference": "rgb", "distance": PLANE,
        "output": (240, 320),
    }  # fmt: skip
    return DepthRegistration(**given | changes)


def _slope(size: tuple[int, int], near: float = 1.2, far: float = 30.0) -> NDArray[np.float32]:
    """Depth of a tilted plane, (height, width): from far at the top left to near at the bottom right."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    share = 0.5 * x / (size[1] - 1) + 0.5 * y / (size[0] - 1)
    return np.asarray(1 / (1 / far + share * (1 / near - 1 / far)), np.float32)


def _rays(camera: Camera, places: Array) -> Array:
    """Directions (n, 3) of pixels (n, 2) of the camera without its distortion."""
    return np.asarray(np.column_stack([places, np.ones(len(places))]) @ np.linalg.inv(camera.k).T)


def _seen_at(camera: Camera, points: Array) -> Array:
    """(n, 2): where a camera with its distortion sees points of its own frame."""
    d = np.array(camera.coefficients or (0.0,) * 4)
    if camera.model == "equidistant":
        return np.asarray(cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), camera.k, d)[0][:, 0])
    return np.asarray(cv2.projectPoints(points, np.zeros(3), np.zeros(3), camera.k, d)[0][:, 0])


def _shown(warp: DepthWarp) -> Array:
    return np.stack([warp.x, warp.y], axis=2).astype(np.float64)


PLACES = np.array([[40.0, 50.0], [160.0, 120.0], [203.0, 31.0], [255.0, 199.0], [90.0, 180.0]])


@pytest.mark.parametrize(
    "thermal",
    [
        pytest.param(THERMAL, id="no distortion"),
        pytest.param(_camera(320, 256, 340.0, DISTORTED), id="plumb_bob"),
        pytest.param(_camera(320, 256, 340.0, (0.05, -0.02, 0.01, 0.0), "equidistant"), id="equidistant"),
    ],
)
def test_a_pixel_is_looked_up_where_the_thermal_camera_sees_its_point(thermal: Camera) -> None:
    depth = _slope((240, 320))
    warp = _made(thermal=thermal).maps(depth)
    z = depth[PLACES[:, 1].astype(int), PLACES[:, 0].astype(int)]
    points = (_rays(RGB, PLACES) * z[:, None] - POSE.t) @ POSE.r
    found = _shown(warp)[PLACES[:, 1].astype(int), PLACES[:, 0].astype(int)]
    assert found == pytest.approx(_seen_at(thermal, points), abs=0.05)
    assert warp.known == 1.0


def test_a_smaller_result_shows_the_same_points() -> None:
    depth = np.full((240, 320), 3.0, np.float32)
    large, small = _made().maps(depth), _made(output=(120, 160)).maps(depth)
    whole = _shown(large)
    expected = (whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]) / 4
    assert _shown(small) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("d", [(), DISTORTED])
def test_depth_images_of_another_size_and_lens_are_read_at_the_right_place(d: tuple[float, ...]) -> None:
    depth_camera = _camera(424, 240, 290.0, d)
    depth = _slope((240, 424))
    warp = _made(depth=depth_camera).maps(depth)
    at = _seen_at(depth_camera, _rays(RGB, PLACES))
    z = depth[np.rint(at[:, 1]).astype(int), np.rint(at[:, 0]).astype(int)]
    points = (_rays(RGB, PLACES) * z[:, None] - POSE.t) @ POSE.r
    found = _shown(warp)[PLACES[:, 1].astype(int), PLACES[:, 0].astype(int)]
    assert found == pytest.approx(_seen_at(THERMAL, points), abs=0.05)


@pytest.mark.parametrize("reference", ["rgb", "thermal"])
@pytest.mark.parametrize("hole", [0.0, np.nan, np.inf, -np.inf, -1.0])
def test_holes_lie_on_the_plane(reference: str, hole: float) -> None:
    size = (240, 320) if reference == "rgb" else (256, 320)
    depth = np.full((240, 320), hole, np.float32)
    warp = _made(reference=reference, output=size).maps(depth)
    own, other = (RGB, THERMAL) if reference == "rgb" else (THERMAL, RGB)
    points = _rays(own, PLACES) * PLANE
    moved = (points - POSE.t) @ POSE.r if reference == "rgb" else points @ POSE.r.T + POSE.t
    assert _shown(warp)[PLACES[:, 1].astype(int), PLACES[:, 0].astype(int)] == pytest.approx(
        _seen_at(other, moved), abs=0.02
    )
    assert warp.known == 0.0


def test_a_hole_hides_nothing() -> None:
    depth = np.full((240, 320), 20.0, np.float32)
    everything = _made().maps(depth).seen.copy()
    depth[:, 150:170] = 0  # on the plane, much nearer than the rest
    seen = _made().maps(depth).seen
    assert np.array_equal(seen[:, :130], everything[:, :130])
    assert np.array_equal(seen[:, 190:], everything[:, 190:])


def test_millimetres_and_metres_give_the_same_map() -> None:
    depth = _slope((240, 320))
    registration = _made()
    metres = _shown(registration.maps(depth))
    assert _shown(registration.maps(np.rint(depth * 1000).astype(np.uint16))) == pytest.approx(metres, abs=0.05)


def test_what_a_near_thing_hides_from_the_thermal_camera_is_not_seen_by_it() -> None:
    """The thermal camera stands to the right: left of a near thing it does not see what RGB sees."""
    pose = _pose((0, 0, 0), (0.12, 0.0, 0.0))
    far, near, edges = 12.0, 1.5, (150, 190)
    depth = np.full((240, 320), far, np.float32)
    depth[:, edges[0] : edges[1]] = near
    warp = _made(extrinsics=pose).maps(depth)
    hidden = 230.0 * 0.12 * (1 / near - 1 / far)
    row = warp.seen[120] > 0
    assert not row[int(edges[0] - hidden) + 3 : edges[0] - 1].any()
    assert row[edges[0] - int(hidden) - 30 : edges[0] - int(hidden) - 3].all()
    assert row[edges[0] : edges[1]].all()
    assert row[edges[1] : edges[1] + 40].all()


def test_a_thin_thing_hides_no_more_than_itself() -> None:
    pose = _pose((0, 0, 0), (0.12, 0.0, 0.0))
    depth = np.full((240, 320), 12.0, np.float32)
    depth[:, 180:186] = 1.5
    row = _made(extrinsics=pose).maps(depth).seen[120] > 0
    shift = 230.0 * 0.12 * (1 / 1.5 - 1 / 12.0)
    hidden = np.flatnonzero(~row[100:220]) + 100
    assert len(hidden) <= 12
    assert abs(hidden.mean() - (182.5 - shift)) < 2.0
    assert row[180:186].all()


def test_cameras_in_one_place_need_no_depth() -> None:
    registration = _made(extrinsics=_pose((0.5, -1.0, 0.2), (0.0, 0.0, 0.0)))
    first = registration.maps(_slope((240, 320)))
    places, seen = _shown(first), first.seen.copy()
    other = registration.maps(np.full((240, 320), np.nan, np.float32))
    assert _shown(other) == pytest.approx(places, abs=0.01)
    assert np.array_equal(other.seen, seen)


@pytest.mark.parametrize(
    ("depth", "words"),
    [
        pytest.param(np.ones((120, 160), np.float32), "float32 of 160 x 120", id="size"),
        pytest.param(np.ones((240, 320), np.uint8), "uint8", id="type"),
        pytest.param(np.ones((240, 320, 3), np.float32), "3 x 320 x 240", id="channels"),
    ],
)
def test_a_depth_image_that_does_not_fit_is_refused(depth: NDArray[Any], words: str) -> None:
    with pytest.raises(RegistrationError, match=words):
        _made().maps(depth)


class Case(NamedTuple):
    """One moment of the drive: the truth, and both maps."""

    truth: Counterparts
    warp: DepthWarp
    plane: DepthWarp


@pytest.fixture(scope="module")
def drive() -> StreetDrive:
    return StreetDrive(seed=1)


def camera_of(pinhole: Pinhole) -> Camera:
    return Camera(pinhole.width, pinhole.height, tuple(pinhole.matrix.ravel().tolist()))


def case(drive: StreetDrive, t: float, reference: str, depth: NDArray[Any] | None = None) -> Case:
    own = drive.camera(reference)
    extrinsics = Extrinsics(tuple(drive.rotation.ravel().tolist()), tuple(drive.translation.tolist()))
    registration, plane = (
        DepthRegistration(
            thermal=camera_of(drive.thermal_camera), rgb=camera_of(drive.rgb_camera), depth=camera_of(drive.rgb_camera),
            extrinsics=extrinsics, reference=reference, distance=PLANE, output=(own.height, own.width),
        )
        for _ in range(2)
    )  # fmt: skip
    holes = np.zeros((drive.rgb_camera.height, drive.rgb_camera.width), np.float32)
    return Case(
        drive.counterparts(t, reference),
        registration.maps(drive.depth(t) if depth is None else depth),
        plane.maps(holes),
    )


def errors(found: Case, warp: DepthWarp) -> Array:
    """Distance from where each visible pixel truly is to where it is looked up, pixels of the other camera."""
    truth = np.stack([found.truth.x, found.truth.y], axis=2)
    return np.asarray(np.linalg.norm(_shown(warp) - truth, axis=2)[found.truth.visible])


@pytest.mark.parametrize("reference", ["rgb", "thermal"])
def test_on_the_drawn_rig_the_error_is_a_pixel_or_less_from_one_metre_to_fifty(
    drive: StreetDrive, reference: str
) -> None:
    found = case(drive, NEAR, reference)
    by_depth, by_plane = errors(found, found.warp), errors(found, found.plane)
    distance = found.truth.depth[found.truth.visible]
    assert distance.min() < 1.2
    assert np.median(by_depth) <= 1.0
    for low, high in ((0.8, 1.5), (1.5, 3.0), (3.0, 6.0), (6.0, 12.0), (12.0, 25.0), (25.0, 60.0)):
        band = (distance >= low) & (distance < high)
        assert band.sum() > 500
        assert np.median(by_depth[band]) <= 1.0, f"{low} to {high} m"
    assert by_plane.max() > 25


@pytest.mark.parametrize("reference", ["rgb", "thermal"])
def test_what_truly_is_hidden_or_visible_is_found_so(drive: StreetDrive, reference: str) -> None:
    found = case(drive, NEAR, reference)
    other = drive.camera("thermal" if reference == "rgb" else "rgb")
    x, y, truly, _ = found.truth
    inside = (x > 8) & (x < other.width - 9) & (y > 8) & (y < other.height - 9)
    sure = inside & ~_near_an_edge(truly | ~inside, 5)
    hidden, visible = sure & ~truly, sure & truly
    assert hidden.sum() > 200
    assert (found.warp.seen[hidden] == 0).mean() > 0.9
    assert (found.warp.seen[visible] > 0).mean() > 0.99


def _near_an_edge(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    kernel = np.ones((size, size), np.uint8)
    edges = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, kernel)
    return np.asarray(edges > 0)


@pytest.mark.parametrize("reference", ["rgb", "thermal"])
def test_a_depth_camera_with_noise_and_holes_is_good_enough(drive: StreetDrive, reference: str) -> None:
    rng = np.random.default_rng(3)
    truth = drive.depth(NEAR)
    noisy = truth * (1 + 0.01 * rng.standard_normal(truth.shape).astype(np.float32))
    depth = np.where(truth < 60, noisy * 1000, 0).astype(np.uint16)
    depth[rng.random(truth.shape) < 0.05] = 0
    depth[200:240, 300:360] = 0
    found = case(drive, NEAR, reference, depth)
    assert np.median(errors(found, found.warp)) <= 1.0
    assert found.warp.seen[found.truth.visible].mean() > 0.9 * 255


def test_the_warped_picture_shows_what_the_other_camera_saw(drive: StreetDrive) -> None:
    """A picture of where its own pixels are comes back as the map."""
    found = case(drive, NEAR, "rgb")
    camera = drive.thermal_camera
    column = np.broadcast_to(np.arange(camera.width, dtype=np.float32), (camera.height, camera.width))
    shown = found.warp.apply(np.ascontiguousarray(column))
    well_inside = found.truth.visible & (found.truth.x > 3) & (found.truth.x < camera.width - 4)
    assert shown[well_inside] == pytest.approx(found.truth.x[well_inside], abs=0.1)


def test_the_z_buffer_keeps_the_nearest_whatever_the_order() -> None:
    from camf_ros.imaging.depth_registration import _ZBuffer  # noqa: PLC0415

    rng = np.random.default_rng(5)
    buffer = _ZBuffer((64, 80), 2.0)
    x, y = (rng.random(20000, np.float32).reshape(100, 200) * side for side in (80, 64))
    nearness = rng.random(20000, np.float32)
    places = buffer.places(x.astype(np.float32), y.astype(np.float32))
    buffer.fill(places, nearness)
    expected = np.zeros(buffer._cells.shape, np.float32)
    np.maximum.at(expected.reshape(-1), places, nearness)
    # cracks are closed
    closed = cv2.morphologyEx(expected[1:-1, 1:-1].copy(), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    assert np.array_equal(buffer._cells[1:-1, 1:-1], closed)
    assert np.isinf(buffer.at(buffer.places(*(np.full((1, 1), -50.0, np.float32) for _ in range(2))))).all()
