"""Registration of pairs in mode depth: with depth images, without, and at other sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from camf_ros.errors import ParameterError, RegistrationError
from camf_ros.imaging.camera_model import Camera, DepthImage, Extrinsics
from camf_ros.imaging.registration import Aligned, PlannedRegistration
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.imaging.warp import Rig
from camf_ros.settings.registration_settings import RegistrationSettings

THERMAL = Camera(80, 64, (90.0, 0.0, 39.5, 0.0, 90.0, 31.5, 0.0, 0.0, 1.0))
RGB = Camera(80, 60, (60.0, 0.0, 39.5, 0.0, 60.0, 29.5, 0.0, 0.0, 1.0))
#: The thermal camera 20 cm to the right.
POSE = Extrinsics((1, 0, 0, 0, 1, 0, 0, 0, 1), (0.2, 0.0, 0.0))
#: What both see: a wall at one distance with a bright bar, where the thermal camera sees it at a column.
FAR = 4.0


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "rig.yaml"
    write_registration(path, RegistrationFile((64, 80), (60, 80), None, POSE))
    return str(path)


def _pictures(distance: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A bar at x = 0.3 m of a wall at a distance, as both cameras see it."""
    thermal, rgb = np.full((64, 80), 40, np.uint8), np.full((60, 80, 3), 40, np.uint8)
    for picture, camera, x in ((thermal, THERMAL, 0.3 - 0.2), (rgb, RGB, 0.3)):
        column = camera.matrix[0] * x / distance + camera.matrix[2]
        picture[:, round(column) - 1 : round(column) + 2] = 220
    return thermal, rgb


def _depth(distance: float, camera: Camera = RGB) -> DepthImage:
    return DepthImage(np.full((camera.height, camera.width), distance, np.float32), camera)


def _align(file: str, depth: DepthImage | None, reference: str = "rgb", distance: float = FAR, **more: int) -> Aligned:
    settings = RegistrationSettings(mode="depth", file=file, distance=1.0, **more)
    return PlannedRegistration.checked(settings).align(
        *_pictures(distance), reference=reference, settings=settings, rig=Rig(THERMAL, RGB, None, depth)
    )


def _column(picture: NDArray[np.uint8]) -> float:
    """Of the bar."""
    grey = picture if picture.ndim == 2 else picture[..., 0]
    row = grey[grey.shape[0] // 2].astype(np.float64) - 40
    return float(row @ np.arange(len(row)) / row.sum())


@pytest.mark.parametrize("reference", ["rgb", "thermal"])
def test_with_depth_both_pictures_show_the_bar_in_one_place_and_by_the_plane_they_do_not(
    file: str, reference: str
) -> None:
    by_depth, by_plane = _align(file, _depth(FAR), reference), _align(file, None, reference)
    assert abs(_column(by_depth.thermal) - _column(by_depth.rgb)) < 0.6
    assert abs(_column(by_plane.thermal) - _column(by_plane.rgb)) > 5
    assert (by_depth.depth, by_plane.depth) == (1.0, 0.0)
    assert by_depth.undistorted
    # the thermal camera sees less: all of it is seen by both
    assert (by_depth.coverage is None) == (reference == "thermal")


def test_without_depth_it_is_the_calibrated_registration(file: str) -> None:
    settings = RegistrationSettings(mode="calibrated", file=file, distance=1.0)
    expected = PlannedRegistration.checked(settings).align(
        *_pictures(FAR), reference="rgb", settings=settings, rig=Rig(THERMAL, RGB)
    )
    found = _align(file, None)
    assert np.array_equal(found.thermal, expected.thermal)
    assert np.array_equal(found.rgb, expected.rgb)


def test_every_pair_has_its_own_depth(file: str) -> None:
    settings = RegistrationSettings(mode="depth", file=file)
    registration = PlannedRegistration.checked(settings)
    for distance in (4.0, 2.0, 8.0):
        rig = Rig(THERMAL, RGB, None, _depth(distance))
        made = registration.align(*_pictures(distance), reference="rgb", settings=settings, rig=rig)
        assert abs(_column(made.thermal) - _column(made.rgb)) < 0.8


@pytest.mark.parametrize("reference", ["rgb", "thermal"])
def test_the_network_may_work_at_a_smaller_size(file: str, reference: str) -> None:
    made = _align(file, _depth(FAR), reference, processing_width=40)
    own = (60, 80) if reference == "rgb" else (64, 80)
    assert made.thermal.shape == (own[0] // 2, 40)
    assert made.rgb.shape[:2] == own
    assert _column(made.thermal) == pytest.approx((_column(made.rgb) - 0.5) / 2, abs=0.5)
    assert made.coverage is None or made.coverage.both.shape == own


def test_what_only_rgb_sees_behind_something_near_is_left_to_rgb(file: str) -> None:
    depth = _depth(FAR)
    depth.image[:, 40:46] = 0.8
    made = _align(file, depth)
    assert made.coverage is not None
    seen = made.coverage.both[30]
    shift = 60.0 * 0.2 * (1 / 0.8 - 1 / FAR)
    assert not seen[round(42.5 - shift)]
    assert seen[40:46].all()


def test_depth_images_of_another_camera_than_before_are_no_error(file: str) -> None:
    settings = RegistrationSettings(mode="depth", file=file)
    registration = PlannedRegistration.checked(settings)
    small = Camera(40, 30, (30.0, 0.0, 19.5, 0.0, 30.0, 14.5, 0.0, 0.0, 1.0))
    for camera in (RGB, small, RGB):
        rig = Rig(THERMAL, RGB, None, _depth(FAR, camera))
        made = registration.align(*_pictures(FAR), reference="rgb", settings=settings, rig=rig)
        assert abs(_column(made.thermal) - _column(made.rgb)) < 0.8


def test_a_frame_alone_is_shown_as_by_the_plane(file: str) -> None:
    made = []
    for mode in ("depth", "calibrated"):
        settings = RegistrationSettings(mode=mode, file=file, distance=1.0)
        made.append(
            PlannedRegistration.checked(settings).align_alone(
                "thermal", _pictures(FAR)[0], other=(60, 80), reference="rgb", settings=settings, rig=Rig(THERMAL, RGB)
            )
        )
    assert np.array_equal(made[0].image, made[1].image)
    assert made[0].undistorted


def test_what_is_missing_is_named(file: str) -> None:
    with pytest.raises(ParameterError, match=r"registration\.mode depth"):
        RegistrationSettings(mode="depth")
    settings = RegistrationSettings(mode="depth", file=file)
    with pytest.raises(RegistrationError, match="lens of the thermal camera"):
        PlannedRegistration.checked(settings).align(
            *_pictures(FAR), reference="rgb", settings=settings, rig=Rig(None, RGB, None, _depth(FAR))
        )


@pytest.mark.parametrize("more", [{}, {"processing_width": 40, "processing_height": 30}])
@pytest.mark.parametrize("reference", ["rgb", "thermal"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_raw_values_go_the_way_of_the_grey_ones(file: str, reference: str, dtype: type, more: dict[str, int]) -> None:
    distance = 2.0
    aligned = _align(file, _depth(distance), reference, distance, **more)
    thermal, _ = _pictures(distance)
    raw = thermal.astype(dtype) + dtype(1000)
    assert aligned.sample is not None
    sampled = aligned.sample(raw)
    assert sampled.dtype == dtype
    assert sampled.shape == aligned.rgb.shape[:2]
    invalid = np.isnan(sampled) if dtype == np.float32 else sampled == 0
    assert set(np.unique(sampled[~invalid])) == {1040, 1220}, "no value is invented"
    if aligned.coverage is None:
        assert not invalid.any()
    else:
        np.testing.assert_array_equal(invalid[aligned.coverage.both], False)
    values = np.where(invalid, 1040, sampled).astype(np.float64) - 1000
    assert _column(values.astype(np.uint8)) == pytest.approx(_column(aligned.rgb), abs=1.5 if more else 1.0)
