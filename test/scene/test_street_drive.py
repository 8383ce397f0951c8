"""The rig that drives: perspective, true depth, poses, and a recording of it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import recordings
from numpy.typing import NDArray

from camf_scene.camera import Pinhole
from camf_scene.drive import BASELINE, DELAY, PERIOD, StreetDrive
from camf_scene.perspective import Pose, Raster, Surface, Texture
from camf_scene.recording import START, record

#: A bollard at 1.1 m, a van at 5 m, houses, sky.
NEAR = 26.0
MOMENTS = (3.0, NEAR, 44.0)
Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def drive() -> StreetDrive:
    return StreetDrive(seed=1)


@pytest.fixture(scope="module")
def small() -> StreetDrive:
    return StreetDrive(2, rgb_size=(64, 48), thermal_size=(64, 50))


def _points(camera: Pinhole, depth: NDArray[np.float32]) -> Array:
    """(h, w, 3) in the camera's frame."""
    y, x = np.mgrid[0 : camera.height, 0 : camera.width].astype(np.float64)
    depth = np.where(np.isinf(depth), np.float32(np.nan), depth)
    return np.stack([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, np.ones_like(x)], 2) * depth[..., None]


def _projected(camera: Pinhole, points: Array) -> tuple[Array, Array]:
    with np.errstate(invalid="ignore"):
        return (
            camera.cx + camera.fx * points[..., 0] / points[..., 2],
            camera.cy + camera.fy * points[..., 1] / points[..., 2],
        )


def _texture(rng: np.random.Generator) -> Texture:
    grey = cv2.resize(rng.integers(0, 255, (24, 32), dtype=np.uint8), (320, 240), interpolation=cv2.INTER_NEAREST)
    return Texture(np.repeat(grey[..., None], 3, axis=2), grey.astype(np.float32))


def test_a_surface_is_where_opencv_projects_it_and_as_far_as_its_plane() -> None:
    camera = Pinhole(320, 240, 200.0, 210.0, 158.0, 122.0)
    rotation, _ = cv2.Rodrigues(np.array([0.1, -0.3, 0.05]))
    pose = Pose(rotation, np.array([0.2, -0.1, -0.3]))
    surface = Surface((-1.5, -1.0, 3.0), (2.4, 0.2, 1.0), (0.1, 1.6, 0.2), _texture(np.random.default_rng(1)))
    raster = Raster([surface], camera, pose)
    picture = np.zeros((240, 320, 3), np.uint8)
    raster.paint(0, picture)

    turn = cv2.Rodrigues(rotation.T)[0]
    corners = cv2.projectPoints(surface.corners, turn, -rotation.T @ pose.position, camera.matrix, None)[0][:, 0]
    inside = np.isfinite(raster.depth)
    edge = np.array(
        [[cv2.pointPolygonTest(corners.astype(np.float32), (float(x), float(y)), True) for x in range(320)]
         for y in range(240)]
    )  # fmt: skip
    assert inside.any()
    assert inside[edge > 0.01].all()
    assert not inside[edge < -0.01].any()

    normal = np.cross(surface.across, surface.down) @ rotation
    origin = (np.array(surface.corner) - pose.position) @ rotation
    rays = _points(camera, np.ones((240, 320), np.float32))
    assert raster.depth[inside] == pytest.approx((normal @ origin / (rays @ normal))[inside], rel=1e-5)

    texels = np.array([[0, 0], [320, 0], [320, 240], [0, 240]], np.float32) - np.float32(0.5)
    grey = surface.texture.levels[0][0][..., 0]
    expected = cv2.warpPerspective(
        grey, cv2.getPerspectiveTransform(texels, corners.astype(np.float32)), (320, 240), flags=cv2.INTER_LINEAR
    )
    error = np.abs(picture[..., 0].astype(int) - expected)[edge > 2]
    assert np.median(error) <= 2
    assert error.mean() < 8


def test_what_is_behind_the_camera_or_seen_from_behind_is_not_drawn() -> None:
    camera, texture = Pinhole(64, 48, 50.0, 50.0, 31.5, 23.5), _texture(np.random.default_rng(1))
    pose = Pose(np.eye(3), np.zeros(3))
    back = Surface((1.0, -1.0, 3.0), (-2.0, 0, 0), (0, 2.0, 0), texture)
    behind = Surface((-1.0, -1.0, -3.0), (2.0, 0, 0), (0, 2.0, 0), texture)
    assert not np.isfinite(Raster([back, behind], camera, pose).depth).any()
    # a floor that begins behind the camera
    floor = Surface((-9.0, 1.0, 50.0), (18.0, 0, 0), (0, 0, -60.0), texture)
    depth = Raster([floor, back, behind], camera, pose).depth
    assert depth[-1, 32] == pytest.approx(50.0 / 23.5, rel=1e-4)
    assert not np.isfinite(depth[:24]).any()


def test_the_nearer_surface_covers_the_farther_and_holes_show_it() -> None:
    camera, pose = Pinhole(64, 48, 50.0, 50.0, 31.5, 23.5), Pose(np.eye(3), np.zeros(3))
    texture = _texture(np.random.default_rng(1))
    alpha = np.zeros((240, 320), np.uint8)
    alpha[:, :160] = 255
    cut = Texture(*texture.levels[0], alpha)
    near, far = (Surface((-z, -z, z), (2 * z, 0, 0), (0, 2 * z, 0), made) for z, made in ((2.0, cut), (5.0, texture)))
    for order in ([near, far], [far, near]):
        depth = Raster(order, camera, pose).depth
        assert depth[:, :31] == pytest.approx(2.0)
        assert depth[:, 33:] == pytest.approx(5.0)


def test_the_rig_is_as_promised(drive: StreetDrive) -> None:
    assert np.linalg.norm(drive.translation) == pytest.approx(0.12)
    for camera, field in ((drive.rgb_camera, 69.0), (drive.thermal_camera, 50.0)):
        assert 2 * np.degrees(np.arctan(camera.width / 2 / camera.fx)) == pytest.approx(field)
    assert drive.rotation @ drive.rotation.T == pytest.approx(np.eye(3), abs=1e-12)
    rgb, thermal = drive.pose(7.0), drive.pose(7.0, "thermal")
    assert rgb.rotation.T @ thermal.rotation == pytest.approx(drive.rotation)
    assert rgb.rotation.T @ (thermal.position - rgb.position) == pytest.approx(drive.translation)
    picture, raw = drive.rgb(7.0), drive.thermal(7.0)
    assert (picture.shape, picture.dtype) == ((480, 640, 3), np.uint8)
    assert (raw.shape, raw.dtype) == ((512, 640), np.uint16)
    assert raw.max() <= 16383


def test_it_drives_and_turns(drive: StreetDrive) -> None:
    poses = [drive.pose(float(t)) for t in np.arange(0, 60, 0.25)]
    ahead = np.array([pose.position[2] for pose in poses])
    assert np.ptp(ahead) > 60
    assert np.ptp([pose.position[0] for pose in poses]) > 1
    pan = np.degrees([np.arctan2(pose.rotation[0, 2], pose.rotation[2, 2]) for pose in poses])
    assert pan.min() < -20
    assert pan.max() > 20
    assert np.array(drive.pose(3.0 + PERIOD)[1]) == pytest.approx(drive.pose(3.0)[1])


@pytest.mark.parametrize("t", MOMENTS)
def test_depth_of_one_camera_agrees_with_the_depth_of_the_other(drive: StreetDrive, t: float) -> None:
    points = _points(drive.rgb_camera, drive.depth(t))
    moved = (points - drive.translation) @ drive.rotation  # X_thermal = R' (X_rgb - t)
    x, y = (each.astype(np.float32) for each in _projected(drive.thermal_camera, moved))
    # 1 / z is linear on a plane: bilinear interpolation between pixels of one surface is exact
    nearness = 1 / drive.depth(t, "thermal")
    seen = cv2.remap(nearness, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=-1)
    bend = cv2.dilate(np.abs(cv2.Laplacian(nearness, cv2.CV_32F)), np.ones((3, 3)))
    bend = cv2.remap(bend, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=9)
    inside = np.isfinite(points[..., 2]) & (x > 1) & (y > 1) & (x < 638) & (y < 510)
    # what an error of the depth moves a point by in the other picture, pixels
    pixels = drive.rgb_camera.fx * BASELINE
    error, edge = pixels * (1 / moved[..., 2] - seen)[inside], pixels * bend[inside] > 0.05
    # behind something else in the other picture: there it is farther than what is seen
    right, hidden = np.abs(error) < 0.1, error < -0.1
    assert inside.mean() > 0.3
    assert right.mean() > 0.9
    assert (right | hidden | edge).all()
    assert edge.mean() < 0.2


@pytest.mark.parametrize("t", MOMENTS)
def test_pictures_from_two_places_agree_through_the_depth(drive: StreetDrive, t: float) -> None:
    """The same kind of camera in both places: what is left after the warp is what depth or pose are wrong by."""
    camera = drive.rgb_camera
    here, there = (drive.view(t, camera, drive.pose(t, name)) for name in ("rgb", "thermal"))
    moved = (_points(camera, here.depth) - drive.translation) @ drive.rotation
    x, y = (each.astype(np.float32) for each in _projected(camera, moved))
    first, second = (cv2.cvtColor(view.colour, cv2.COLOR_RGB2GRAY) for view in (here, there))
    warped = cv2.remap(second, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
    behind = cv2.remap(there.depth, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    visible = (np.abs(behind / moved[..., 2] - 1) < 0.02).astype(np.uint8)
    visible = cv2.erode(visible, np.ones((9, 9)), borderValue=0)
    features = cv2.goodFeaturesToTrack(first, 400, 0.01, 5, mask=visible)
    assert len(features) > 100
    found, status, _ = cv2.calcOpticalFlowPyrLK(first, warped, features, None, winSize=(11, 11), maxLevel=0)
    shift = np.linalg.norm((found - features)[status == 1], axis=-1)
    assert np.median(shift) < 0.1
    assert np.abs(np.median((found - features)[status == 1], axis=0)).max() < 0.03


def test_things_stand_from_one_metre_to_fifty(drive: StreetDrive) -> None:
    depth = drive.depth(NEAR)
    assert depth.min() < 1.2
    assert (depth[np.isfinite(depth)] > 50).any()
    assert np.isinf(depth[0]).any()


def test_seed_and_time_alone_decide(drive: StreetDrive, small: StreetDrive) -> None:
    again = StreetDrive(2, rgb_size=(64, 48), thermal_size=(64, 50))
    again.rgb(20.0)
    assert np.array_equal(small.rgb(9.0), again.rgb(9.0))
    assert np.array_equal(small.thermal(9.0), again.thermal(9.0))
    place = small.rgb_camera, small.pose(9.0)
    assert not np.array_equal(small.view(9.0, *place).colour, drive.view(9.0, *place).colour)


@pytest.mark.parametrize("depth", ["16UC1", "32FC1"])
def test_a_recording_has_both_cameras_and_depth_under_the_stamps_of_a_late_thermal_clock(
    small: StreetDrive, depth: str, tmp_path: Path
) -> None:
    record(tmp_path / "bag", small, seconds=1.0, start=4.0, depth=depth, jitter=0.0)
    images = {
        topic: recordings.read(tmp_path / "bag", topic)
        for topic in ("/rgb/image_raw", "/thermal/image_raw", "/depth/image")
    }
    assert [len(each) for each in images.values()] == [15, 9, 15]
    rgb, thermal, deep = (each[5][1] for each in images.values())
    stamps = [each.header.stamp.sec * 10**9 + each.header.stamp.nanosec - START for each in (rgb, thermal, deep)]
    assert stamps == [round(5 / 15 * 1e9), round((5 / 9 + DELAY) * 1e9), stamps[0]]
    assert np.array_equal(recordings.pixels(rgb), small.rgb(4 + 5 / 15))
    raw = np.frombuffer(thermal.data.tobytes(), np.uint16).reshape(50, 64)
    assert np.array_equal(raw, small.thermal(4 + 5 / 9))
    assert deep.encoding == depth
    metres = small.depth(4 + 5 / 15)
    if depth == "16UC1":
        read = np.frombuffer(deep.data.tobytes(), np.uint16).reshape(48, 64)
        assert np.abs(read / 1000 - metres)[metres < 65].max() < 0.0006
        assert not read[np.isinf(metres)].any()
    else:
        assert np.array_equal(np.frombuffer(deep.data.tobytes(), np.float32).reshape(48, 64), metres)
    info = recordings.read(tmp_path / "bag", "/thermal/camera_info")[5][1]
    assert info.k.reshape(3, 3) == pytest.approx(small.thermal_camera.matrix)
    assert info.header == thermal.header
    assert recordings.read(tmp_path / "bag", "/depth/camera_info")[0][1].k[0] == small.rgb_camera.fx


def test_thermal_stamps_jitter_around_the_delay(small: StreetDrive, tmp_path: Path) -> None:
    record(tmp_path / "bag", small, seconds=10.0, rgb_rate=1.0, thermal_rate=10.0, jitter=0.002)
    found = recordings.read(tmp_path / "bag", "/thermal/image_raw")
    stamps = np.array([each.header.stamp.sec + each.header.stamp.nanosec * 1e-9 for _, each in found])
    late = stamps - START * 1e-9 - np.arange(100) / 10
    assert late.mean() == pytest.approx(DELAY, abs=0.001)
    assert late.std() == pytest.approx(0.002, rel=0.3)
    assert recordings.topics(tmp_path / "bag").keys() == {
        "/rgb/image_raw", "/rgb/camera_info", "/thermal/image_raw", "/thermal/camera_info"
    }  # fmt: skip
