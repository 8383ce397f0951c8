"""Every mode against a computation pixel by pixel; masks; what is kept between frames; what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import plain_geometry as plain
import pytest
from numpy.typing import NDArray
from registering import (
    EXTRINSICS,
    HOMOGRAPHY,
    LENSES,
    RGB,
    THERMAL,
    align,
    camera,
    count_maps,
    file_with,
    pictures,
    shifted,
    smooth,
    turned,
)

from camf_ros.errors import CamfError, DataError, ParameterError, RegistrationError
from camf_ros.imaging import registration as module
from camf_ros.imaging.camera_model import Camera, Extrinsics, scaling
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.imaging.warp import Rig, resized
from camf_ros.settings.registration_settings import RegistrationSettings


def same(got: NDArray[np.uint8], expected: NDArray[np.float64], where: NDArray[np.bool_]) -> None:
    """Equal but for the map's steps of 1/32 pixel, in pictures with slopes of tens of levels a pixel."""
    assert where.mean() > 0.3
    difference = np.abs(got.astype(float) - expected)[where]
    assert difference.max() <= 3.0
    assert difference.mean() < 0.5


def test_none_passes_pictures_of_one_size() -> None:
    thermal, rgb = smooth(1, RGB), pictures()[1]
    for reference in ("rgb", "thermal"):
        aligned = PlannedRegistration().align(
            thermal, rgb, reference=reference, settings=RegistrationSettings(mode="none"), rig=Rig()
        )
        assert aligned.thermal is thermal
        assert aligned.rgb is rgb
    with pytest.raises(RegistrationError, match="40 x 30 and the RGB image 52 x 36"):
        align(RegistrationSettings(mode="none"))


@pytest.mark.parametrize(("reference", "size"), [("rgb", RGB), ("thermal", THERMAL)])
def test_resize(reference: str, size: tuple[int, int]) -> None:
    aligned = align(RegistrationSettings(), reference)
    thermal, rgb = pictures()
    np.testing.assert_array_equal(aligned.thermal, resized(thermal, size))
    np.testing.assert_array_equal(aligned.rgb, resized(rgb, size))
    assert aligned.coverage is None
    assert not aligned.undistorted


@pytest.mark.parametrize("output", [(0, 0), (50, 70)])
@pytest.mark.parametrize("reference", ["rgb", "thermal"])
def test_homography(tmp_path: Path, reference: str, output: tuple[int, int]) -> None:
    aligned = align(shifted(tmp_path, output_height=output[0], output_width=output[1], feather=0), reference)
    thermal, rgb = pictures()
    own = RGB if reference == "rgb" else THERMAL
    size = output if any(output) else own
    to_other = np.linalg.inv(HOMOGRAPHY) if reference == "rgb" else HOMOGRAPHY
    matrix = to_other @ scaling(size, own)
    expected, seen = plain.resampled(
        thermal if reference == "rgb" else rgb, size, lambda x, y: plain.mapped(matrix.tolist(), x, y)
    )
    moved, still = (aligned.thermal, aligned.rgb) if reference == "rgb" else (aligned.rgb, aligned.thermal)
    same(moved, expected, seen)
    np.testing.assert_array_equal(still, resized(rgb if reference == "rgb" else thermal, size))
    assert aligned.coverage.overlap == pytest.approx(seen.mean(), abs=0.01)


def test_homography_of_pictures_of_another_size(tmp_path: Path) -> None:
    """A camera that bins by two: the file's mapping is that of the full size."""
    path = tmp_path / "full.yaml"
    double = scaling(RGB, (72, 104)) @ HOMOGRAPHY @ scaling((60, 80), THERMAL)
    write_registration(path, RegistrationFile((60, 80), (72, 104), double))
    settings = RegistrationSettings(mode="homography", file=str(path))
    plainly = replace(settings, file=file_with(tmp_path, homography=HOMOGRAPHY))
    np.testing.assert_array_equal(align(settings).thermal, align(plainly).thermal)


@pytest.mark.parametrize("output", [(0, 0), (43, 61)])
@pytest.mark.parametrize("reference", ["rgb", "thermal"])
@pytest.mark.parametrize("lens", sorted(LENSES))
def test_calibrated(tmp_path: Path, lens: str, reference: str, output: tuple[int, int]) -> None:
    thermal_camera, rgb_camera = camera(THERMAL, lens, 33.0), camera(RGB, lens, 44.0)
    settings = RegistrationSettings(
        mode="calibrated",
        file=file_with(tmp_path, extrinsics=EXTRINSICS),
        distance=1.7,
        output_height=output[0],
        output_width=output[1],
        feather=0,
    )
    aligned = align(settings, reference, Rig(thermal_camera, rgb_camera))
    assert aligned.undistorted
    own, ideal = (RGB, rgb_camera) if reference == "rgb" else (THERMAL, thermal_camera)
    size = output if any(output) else own
    rotation = np.array(EXTRINSICS.rotation).reshape(3, 3)

    def place(x: float, y: float, shown: Camera, *, is_thermal: bool) -> plain.Point | None:
        # The point of the plane that the ideal reference camera sees here.
        column, row = (x + 0.5) * own[1] / size[1] - 0.5, (y + 0.5) * own[0] / size[0] - 0.5
        fx, _, cx, _, fy, cy = ideal.matrix[:6]
        point = [1.7 * (column - cx) / fx, 1.7 * (row - cy) / fy, 1.7]
        if reference == "rgb" and is_thermal:
            point = plain.times(
                rotation.T.tolist(), [a - b for a, b in zip(point, EXTRINSICS.translation, strict=True)]
            )
        elif reference == "thermal" and not is_thermal:
            point = [a + b for a, b in zip(plain.times(rotation.tolist(), point), EXTRINSICS.translation, strict=True)]
        u, v = plain.distorted(shown.model, shown.coefficients or (0.0,) * 5, point[0] / point[2], point[1] / point[2])
        return shown.matrix[0] * u + shown.matrix[2], shown.matrix[4] * v + shown.matrix[5]

    thermal, rgb = pictures()
    expected, seen = plain.resampled(thermal, size, lambda x, y: place(x, y, thermal_camera, is_thermal=True))
    same(aligned.thermal, expected, seen)
    expected, seen_by_rgb = plain.resampled(rgb, size, lambda x, y: place(x, y, rgb_camera, is_thermal=False))
    same(aligned.rgb, expected, seen_by_rgb)
    overlap = aligned.coverage.overlap if aligned.coverage else 1.0
    assert overlap == pytest.approx((seen & seen_by_rgb).mean(), abs=0.01)


def test_one_interpolation_only(tmp_path: Path) -> None:
    """A chessboard, the picture that shows every smoothing, is what OpenCV makes of it in one go."""
    board = np.kron(np.indices((10, 13)).sum(axis=0) % 2, np.ones((3, 3))).astype(np.uint8)[: THERMAL[0], : THERMAL[1]]
    board = np.asarray(255 * cv2.resize(board, THERMAL[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    settings = shifted(tmp_path, feather=0)
    got = PlannedRegistration().align(board, pictures()[1], reference="rgb", settings=settings, rig=Rig()).thermal
    expected = cv2.warpPerspective(
        board, HOMOGRAPHY, RGB[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    inside = cv2.warpPerspective(np.full_like(board, 255), HOMOGRAPHY, RGB[::-1]) == 255
    difference = np.abs(got.astype(int) - expected)[inside]
    # Two axes, each off by at most half a step of 1/32 pixel on edges of 255 levels, in both computations.
    assert difference.max() <= 2 * 2 * 255 / 64 + 1
    half_way = cv2.resize(board, RGB[::-1])
    twice = cv2.warpPerspective(
        half_way, HOMOGRAPHY @ scaling(RGB, THERMAL), RGB[::-1], borderMode=cv2.BORDER_REPLICATE
    )
    assert np.abs(twice.astype(int) - expected)[inside].mean() > 5 * difference.mean()


def test_distance_at_run_time(tmp_path: Path) -> None:
    """Side by side and parallel: what is f b / d pixels apart at one distance is f b / d' at another."""
    focal, base = 40.0, 0.2
    lens = camera(THERMAL, "none", focal)
    settings = RegistrationSettings(
        mode="calibrated", file=file_with(tmp_path, extrinsics=Extrinsics(turned(0, 0, 0), (base, 0.0, 0.0)))
    )
    thermal = smooth(1, THERMAL)
    registration = PlannedRegistration()
    for distance in (1.0, 2.0, 4.0):
        aligned = registration.align(
            thermal, thermal, reference="rgb", settings=replace(settings, distance=distance), rig=Rig(lens, lens)
        )
        shift = round(focal * base / distance)
        # The thermal camera stands to the left of what X_rgb = X_thermal + (b, 0, 0) calls the RGB camera's origin.
        np.testing.assert_array_equal(aligned.thermal[:, shift:], thermal[:, : THERMAL[1] - shift])


def test_maps_are_computed_when_something_changes_and_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = count_maps(monkeypatch)
    settings = RegistrationSettings(mode="calibrated", file=file_with(tmp_path, extrinsics=EXTRINSICS))
    rig = Rig(camera(THERMAL, "none", 33.0), camera(RGB, "none", 44.0))
    registration = PlannedRegistration()

    def maps(settings: RegistrationSettings, rig: Rig, reference: str = "rgb") -> int:
        made.clear()
        registration.align(*pictures(), reference=reference, settings=settings, rig=rig)
        return len(made)

    assert maps(settings, rig) == 2
    assert maps(replace(settings), Rig(*rig)) == 0
    assert maps(replace(settings, distance=3.0), rig) == 2
    assert maps(replace(settings, distance=3.0), rig, "thermal") == 2
    assert maps(settings, rig._replace(rgb=camera(RGB, "plumb_bob", 44.0))) == 2
    assert maps(settings, rig) == 2
    assert maps(replace(settings, processing_width=20), rig) == 3


def zoomed(factor: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    thermal, rgb = pictures()
    return np.repeat(np.repeat(thermal, factor, 0), factor, 1), np.repeat(np.repeat(rgb, factor, 0), factor, 1)


def zoomed_rig(factor: int) -> Rig:
    return Rig(*(camera((factor * h, factor * w), "none", 33.0 * factor) for h, w in (THERMAL, RGB)))


@pytest.mark.parametrize(("sizes", "computed"), [((1, 2, 3, 4), 2 * 4), ((1, 2, 3, 4, 5), 3 * 2 * 5)])
def test_maps_of_sizes_that_come_in_turns_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...], computed: int
) -> None:
    """Of four sizes; with more, what is kept is bounded, and the pictures are right all the same."""
    made = count_maps(monkeypatch)
    settings = RegistrationSettings(mode="calibrated", file=file_with(tmp_path, extrinsics=EXTRINSICS))
    registration, got = PlannedRegistration(), {}
    rigs = {factor: zoomed_rig(factor) for factor in sizes}
    for _ in range(3):
        for factor in sizes:
            got[factor] = registration.align(*zoomed(factor), reference="rgb", settings=settings, rig=rigs[factor])
    assert len(made) == computed
    for factor in sizes:
        alone = PlannedRegistration().align(*zoomed(factor), reference="rgb", settings=settings, rig=rigs[factor])
        np.testing.assert_array_equal(got[factor].thermal, alone.thermal)
        np.testing.assert_array_equal(got[factor].rgb, alone.rgb)


def test_maps_of_large_pictures_are_not_collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is kept beside the last ones has a bound in pixels: here that of the smaller results."""
    made = count_maps(monkeypatch)
    monkeypatch.setattr(module, "_PIXELS", RGB[0] * RGB[1])
    settings = RegistrationSettings(mode="calibrated", file=file_with(tmp_path, extrinsics=EXTRINSICS))
    registration = PlannedRegistration()
    for factor in (1, 2, 1, 2, 1):
        registration.align(*zoomed(factor), reference="rgb", settings=settings, rig=zoomed_rig(factor))
    # The small ones stay beside the large ones, not the other way round.
    assert len(made) == 2 * 3


def test_file_is_read_once(tmp_path: Path) -> None:
    registration = PlannedRegistration()
    settings = shifted(tmp_path)
    registration.renew(registration.check(settings))
    Path(settings.file).unlink()
    registration.align(*pictures(), reference="rgb", settings=settings, rig=Rig())


def test_check_looks_at_the_disk_and_changes_nothing(tmp_path: Path) -> None:
    registration = PlannedRegistration()
    settings = shifted(tmp_path)

    def aligned() -> NDArray[np.uint8]:
        return registration.align(*pictures(), reference="rgb", settings=settings, rig=Rig()).thermal

    before = aligned()
    good = registration.check(settings)
    Path(settings.file).write_text("nonsense: [")
    with pytest.raises(DataError):
        registration.check(settings)
    np.testing.assert_array_equal(aligned(), before)
    file_with(tmp_path, homography=HOMOGRAPHY @ np.diag([1.0, 1.25, 1.0]))
    other = registration.check(settings)
    np.testing.assert_array_equal(aligned(), before)
    registration.renew(other)
    assert not np.array_equal(aligned(), before)
    registration.renew(good)
    np.testing.assert_array_equal(aligned(), before)


@pytest.mark.parametrize(
    ("given", "expected"),
    [((0, 0), RGB), ((18, 0), (18, 26)), ((0, 104), (72, 104)), ((10, 20), (10, 20))],
)
def test_sizes(given: tuple[int, int], expected: tuple[int, int]) -> None:
    output = align(RegistrationSettings(output_height=given[0], output_width=given[1]))
    assert output.rgb.shape[:2] == output.thermal.shape == expected
    processing = align(RegistrationSettings(processing_height=given[0], processing_width=given[1]))
    assert processing.rgb.shape[:2] == RGB
    assert processing.thermal.shape == expected


def test_transforms_are_waited_for_and_used() -> None:
    settings = RegistrationSettings(mode="calibrated", extrinsics="tf")
    rig = Rig(camera(THERMAL, "none", 33.0), camera(RGB, "none", 44.0))
    with pytest.raises(RegistrationError, match="no transform"):
        align(settings, rig=rig)
    assert align(settings, rig=rig._replace(extrinsics=EXTRINSICS)).undistorted


def test_lenses_of_the_file_serve_where_no_camera_info_comes(tmp_path: Path) -> None:
    thermal, rgb = camera(THERMAL, "plumb_bob", 33.0), camera(RGB, "equidistant", 44.0)
    alone = RegistrationSettings(
        mode="calibrated", file=file_with(tmp_path, extrinsics=EXTRINSICS, thermal=thermal, rgb=rgb)
    )
    got = align(alone)
    expected = align(alone, rig=Rig(thermal, rgb))
    np.testing.assert_array_equal(got.thermal, expected.thermal)
    np.testing.assert_array_equal(got.rgb, expected.rgb)


THERMAL_CAMERA, RGB_CAMERA = camera(THERMAL, "none", 33.0), camera(RGB, "none", 44.0)


@pytest.mark.parametrize(
    ("entries", "rig", "said"),
    [
        ({"extrinsics": EXTRINSICS}, Rig(), "lens of the thermal camera"),
        ({"extrinsics": EXTRINSICS}, Rig(THERMAL_CAMERA), "lens of the rgb camera"),
        (
            {"extrinsics": EXTRINSICS},
            Rig(THERMAL_CAMERA, camera(THERMAL, "none", 44.0)),
            "52 x 36 and its calibration for 40 x 30",
        ),
        ({"homography": np.array([[1, 0, 500.0], [0, 1, 0], [0, 0, 1]])}, Rig(), "nothing in common"),
        (
            {"extrinsics": Extrinsics(turned(0, np.pi, 0), (0.0, 0.0, 0.0))},
            Rig(THERMAL_CAMERA, RGB_CAMERA),
            "nothing in common",
        ),
    ],
)
def test_cameras_that_do_not_fit_or_look_elsewhere(tmp_path: Path, entries: Any, rig: Rig, said: str) -> None:
    mode = "homography" if "homography" in entries else "calibrated"
    with pytest.raises(RegistrationError, match=said):
        align(RegistrationSettings(mode=mode, file=file_with(tmp_path, **entries)), rig=rig)


@pytest.mark.parametrize(
    ("mode", "entries", "kind", "said"),
    [
        ("calibrated", {"homography": HOMOGRAPHY}, RegistrationError, "has no extrinsics"),
        ("homography", {"extrinsics": EXTRINSICS}, RegistrationError, "has no homography"),
        ("homography", None, DataError, "cannot be opened"),
        ("homography", {}, ParameterError, r"registration\.file is empty"),
        ("calibrated", {}, ParameterError, r"registration\.file is empty"),
    ],
)
def test_file_without_what_the_mode_needs(tmp_path: Path, mode: str, entries: Any, kind: Any, said: str) -> None:
    file = str(tmp_path / "none.yaml") if entries is None else file_with(tmp_path, **entries) if entries else ""
    with pytest.raises(kind, match=said):
        PlannedRegistration().check(RegistrationSettings(mode=mode, file=file))
    assert issubclass(RegistrationError, CamfError)


def test_shrinking_does_not_alias(tmp_path: Path) -> None:
    """Stripes of one pixel, seen by a camera of half the resolution, are grey and not stripes of another width."""
    stripes = np.tile(np.array([0, 255], np.uint8), (60, 40))
    path = tmp_path / "half.yaml"
    write_registration(path, RegistrationFile((30, 40), (60, 80), scaling((30, 40), (60, 80))))
    settings = RegistrationSettings(mode="homography", file=str(path))
    small = np.zeros((30, 40), np.uint8)
    got = PlannedRegistration().align(small, stripes, reference="thermal", settings=settings, rig=Rig()).rgb
    assert np.abs(got[:, 2:-2].astype(float) - 127.5).max() < 30
