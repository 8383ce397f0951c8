"""What is still missing while a calibration is collected."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from camf_ros.calibration.collection import Collection
from camf_ros.imaging.camera_model import Camera
from camf_ros.settings.fusion_settings import FusionSettings

START, NANO = 1_700_000_000, 1_000_000_000
LENS = Camera(300, 200, (260.0, 0.0, 149.5, 0.0, 260.0, 99.5, 0.0, 0.0, 1.0))


def _message(picture: np.ndarray, encoding: str) -> SimpleNamespace:
    return SimpleNamespace(
        height=picture.shape[0],
        width=picture.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=picture[0].nbytes,
        data=picture.tobytes(),
    )


def _collected(*, reach: float, seconds: float = 6.0, cameras: Camera | None = None, rgb: bool = True) -> Collection:
    """Two cameras that are shaken in front of a wall; thermal stamps are 30 ms late."""
    rng = np.random.default_rng(1)
    wall = cv2.GaussianBlur(cv2.resize(rng.integers(0, 255, (50, 75), dtype=np.uint8), (600, 400)), (0, 0), 1.0)
    collection = Collection(FusionSettings(), {"thermal": cameras, "rgb": cameras}, 12)
    shots = [("thermal", moment, moment + 0.03) for moment in np.arange(0, seconds, 1 / 9).tolist()]
    shots += [("rgb", moment, moment) for moment in np.arange(0, seconds, 1 / 15).tolist()] if rgb else []
    for camera, moment, stamp in sorted(shots, key=lambda shot: shot[2]):
        x = reach * (40 * np.sin(1.3 * moment) + 12 * np.sin(7.1 * moment + 1))
        y = reach * (25 * np.sin(0.9 * moment) + 9 * np.sin(5.3 * moment))
        shift = np.array([[1, 0, x - 150], [0, 1, y - 100]], np.float64)
        seen = np.asarray(cv2.warpAffine(wall, shift, (300, 200), flags=cv2.INTER_LINEAR), np.uint8)
        picture = seen.astype(np.uint16) * 20 + 7000 if camera == "thermal" else np.dstack([seen] * 3)
        message = _message(picture, "mono16" if camera == "thermal" else "rgb8")
        time = START * NANO + round(stamp * NANO)
        collection.add(camera, time, message)
    return collection


def test_enough_without_intrinsics() -> None:
    progress = _collected(reach=1.0).progress()
    assert progress.missing == ()
    assert progress.pairs == 12
    assert progress.offset.seconds == pytest.approx(-0.03, abs=0.004)


def test_cameras_that_hardly_move_lack_views_and_the_time_offset() -> None:
    progress = _collected(reach=0.005).progress()
    assert progress.pairs < 12
    assert any("hardly moves: turn the cameras" in each for each in progress.missing)
    assert any("views: turn and move the cameras" in each for each in progress.missing)


def test_cameras_that_only_turn_lack_depth() -> None:
    """A wall is flat, and a shift of the picture is a turn of the camera."""
    progress = _collected(reach=1.0, cameras=LENS).progress()
    assert progress.depths < 6  # by chance
    assert progress.missing == ("depth: drive or carry the cameras past things that are near and far",)


def test_a_camera_that_is_silent_is_named() -> None:
    progress = _collected(reach=1.0, rgb=False).progress()
    assert progress.missing == ("images of the rgb camera",)
