"""Time offset, depth and extrinsics from what the cameras of a moving rig see."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from camf_ros.calibration.depth_from_motion import GRID, depth_from_motion
from camf_ros.calibration.extrinsics import _without
from camf_ros.calibration.rig import quaternion
from camf_ros.calibration.selection import Moment, choose
from camf_ros.calibration.time_offset import Track, time_offset
from camf_ros.imaging.camera_model import rotation_matrix
from camf_scene.camera import Pinhole
from camf_scene.drive import StreetDrive
from camf_scene.perspective import Pose


def _texture(seed: int, size: tuple[int, int] = (400, 600)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = cv2.resize(rng.integers(0, 255, (size[0] // 8, size[1] // 8), dtype=np.uint8), size[::-1])
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0))


def _shaken(late: float, rate: float, seed: int, seconds: float = 8.0) -> Track:
    """A camera that looks at a wall and is shaken; its stamps are ``late``."""
    wall, track = _texture(seed), Track()
    for moment in np.arange(0.3, seconds, 1 / rate):
        x = 40 * np.sin(1.3 * moment) + 12 * np.sin(7.1 * moment + 1)
        y = 25 * np.sin(0.9 * moment) + 9 * np.sin(5.3 * moment)
        shift = np.array([[1, 0, x - 150], [0, 1, y - 100]], np.float64)
        seen = cv2.warpAffine(wall, shift, (300, 200), flags=cv2.INTER_LINEAR)
        track.add(np.asarray(seen, np.uint8), float(moment) + late)
    return track


@pytest.mark.parametrize("late", [0.04, -0.13])
def test_time_offset_is_found_between_cameras_of_other_rates_and_with_its_sign(late: float) -> None:
    found = time_offset(_shaken(late, 9.0, 1), _shaken(0.0, 15.0, 2))
    assert not found.doubt
    assert found.seconds == pytest.approx(-late, abs=0.003)
    assert found.error < 0.005


def test_cameras_that_stand_still_or_see_nothing_have_no_time_offset() -> None:
    moving, still, blank = _shaken(0.0, 15.0, 1), Track(), Track()
    for number in range(60):
        still.add(_texture(3), number / 15)
        blank.add(np.full((200, 300), 90, np.uint8), number / 15)
    assert "hardly moves" in time_offset(still, moving).doubt
    assert "could be followed over 0 frames" in time_offset(blank, moving).doubt


def test_motions_that_have_nothing_in_common_give_no_time_offset() -> None:
    other = Track()
    rng, place = np.random.default_rng(5), np.zeros(2)
    wall = _texture(6)
    for number in range(100):
        place = 0.9 * place + rng.normal(0, 5, 2)
        shift = np.array([[1, 0, place[0] - 150], [0, 1, place[1] - 100]], np.float64)
        other.add(np.asarray(cv2.warpAffine(wall, shift, (300, 200)), np.uint8), number / 15)
    assert time_offset(other, _shaken(0.0, 15.0, 2)).doubt


def test_pairs_are_spread_and_not_taken_while_the_camera_turns_fast() -> None:
    thermal, rgb = _shaken(0.0, 15.0, 1), _shaken(0.0, 15.0, 2)
    # every other pair has 20 ms between its exposures
    moments = [Moment(stamp, stamp, 0.02 * (number % 2)) for number, stamp in enumerate(rgb.stamps)]
    chosen = choose(moments, thermal, rgb, 10)
    assert 8 <= len(chosen) <= 10
    assert [each.rgb for each in chosen] == sorted({each.rgb for each in chosen})
    assert np.ptp([each.rgb for each in chosen]) > 5
    assert np.mean([each.skew for each in chosen]) < 0.004


@pytest.fixture(scope="module")
def drive() -> StreetDrive:
    return StreetDrive(1, rgb_size=(640, 480), thermal_size=(64, 50), oversampling=1)


def _seen(drive: StreetDrive, poses: list[Pose]) -> list[np.ndarray]:
    camera: Pinhole = drive.rgb_camera
    return [cv2.cvtColor(drive.view(20.0, camera, pose).colour, cv2.COLOR_RGB2GRAY) for pose in poses]


def test_depth_from_motion_is_the_true_one_up_to_its_scale(drive: StreetDrive) -> None:
    poses = [drive.pose(20.0 + number / 15) for number in range(9)]
    found = depth_from_motion(_seen(drive, poses), drive.rgb_camera.matrix)
    assert found is not None
    again = depth_from_motion(_seen(drive, poses[-4:]), drive.rgb_camera.matrix)
    assert again is not None
    assert np.array_equal(found.nearness, again.nearness), "far enough"
    depth = drive.view(20.0, drive.rgb_camera, poses[-1]).depth
    true = cv2.resize((1 / depth).astype(np.float64), GRID[::-1], interpolation=cv2.INTER_AREA)
    assert np.corrcoef(found.nearness.ravel(), true.ravel())[0, 1] > 0.85
    way = float(np.linalg.norm(poses[-1].position - poses[-4].position))
    assert 0.85 * way < np.median(found.nearness[true > 0.05] / true[true > 0.05]) < 1.1 * way
    assert abs(float(np.median(found.nearness[true < 0.02]))) < 0.04 * way
    known = found.spread > 0
    off = np.abs(found.nearness - way * true)[known] / found.spread[known]
    assert 0.3 < np.median(off) < 1.5, "the spread says how far off it is"


def test_blocks_of_unknown_depth_say_nothing_along_their_parallax() -> None:
    rng = np.random.default_rng(1)
    roots = rng.normal(size=(3, 4, 2, 2))
    curvature, shift = roots @ roots.swapaxes(-1, -2), rng.normal(size=(3, 4, 2))
    slope = np.einsum("yxij,yxj->yxi", curvature, shift)
    along = rng.normal(size=(3, 4, 2))
    without, left = _without(along, curvature, slope, np.zeros((3, 4)))
    assert np.abs(np.einsum("yxij,yxj->yxi", without, along)).max() < 1e-9
    assert np.allclose(left, np.einsum("yxij,yxj->yxi", without, shift))
    same, unchanged = _without(along, curvature, slope, np.full((3, 4), 1e12))
    assert np.allclose(same, curvature)
    assert np.allclose(unchanged, slope)


def test_a_camera_that_only_turns_shows_no_depth(drive: StreetDrive) -> None:
    start = drive.pose(20.0)
    poses = [Pose(drive.pose(20.0 + number / 15).rotation, start.position) for number in range(9)]
    assert depth_from_motion(_seen(drive, poses), drive.rgb_camera.matrix) is None


def test_quaternion() -> None:
    for turn in ([0.3, -0.2, 0.1], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0]):
        matrix = cv2.Rodrigues(np.array(turn))[0]
        x, y, z, w = quaternion(matrix)
        assert rotation_matrix(w, x, y, z) == pytest.approx(matrix.ravel())
