"""A picture that is alone: where it would be in a pair, black where its camera sees nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from registering import EXTRINSICS, RGB, THERMAL, align, camera, count_maps, file_with, pictures

from camf_ros.imaging.registration import AlignedAlone, PlannedRegistration
from camf_ros.imaging.warp import Rig
from camf_ros.settings.registration_settings import RegistrationSettings


def alone(
    which: str,
    settings: RegistrationSettings,
    reference: str,
    rig: Rig,
    *,
    known: bool = True,
) -> AlignedAlone:
    image, other = pictures() if which == "thermal" else pictures()[::-1]
    size = (other.shape[0], other.shape[1]) if known else None
    return PlannedRegistration().align_alone(which, image, other=size, reference=reference, settings=settings, rig=rig)


def every_mode(folder: Path) -> list[tuple[RegistrationSettings, Rig]]:
    matrix = np.array([[1.1, 0.05, -3.0], [-0.04, 1.15, 4.0], [1e-4, -1e-4, 1.0]])
    path = file_with(folder, homography=matrix, extrinsics=EXTRINSICS)
    rig = Rig(camera(THERMAL, "plumb_bob", 33.0), camera(RGB, "plumb_bob", 44.0))
    return [
        (RegistrationSettings(mode="resize"), Rig()),
        (RegistrationSettings(mode="resize", output_width=30), Rig()),
        (RegistrationSettings(mode="homography", file=path), Rig()),
        (RegistrationSettings(mode="calibrated", file=path, distance=3.0), rig),
        (RegistrationSettings(mode="calibrated", file=path, distance=3.0, output_height=20), rig),
    ]


@pytest.mark.parametrize("reference", ["rgb", "thermal"])
def test_a_picture_that_is_alone_is_where_it_would_be_in_a_pair(tmp_path: Path, reference: str) -> None:
    for settings, rig in every_mode(tmp_path):
        both = align(settings, reference, rig)
        seen = both.coverage
        for which, expected in (
            ("thermal", both.thermal if both.full_thermal is None else both.full_thermal),
            ("rgb", both.rgb),
        ):
            got = alone(which, settings, reference, rig)
            assert (got.reference, got.undistorted) == (reference, both.undistorted)
            inside = np.ones(expected.shape[:2], bool)
            if seen is not None:
                inside = (got.image != 0).reshape(*got.image.shape[:2], -1).any(axis=2)
            assert inside.any()
            np.testing.assert_array_equal(got.image[inside], expected[inside])


def test_a_picture_that_is_alone_is_black_where_its_camera_sees_nothing(tmp_path: Path) -> None:
    shift = np.array([[1.0, 0, 20], [0, 1, 0], [0, 0, 1]])  # thermal column 0 is RGB column 20
    settings = RegistrationSettings(mode="homography", file=file_with(tmp_path, homography=shift))
    got = PlannedRegistration().align_alone(
        "thermal", np.full(THERMAL, 200, np.uint8), other=RGB, reference="rgb", settings=settings, rig=Rig()
    )
    assert got.image.shape == RGB
    right = min(RGB[1], 20 + THERMAL[1])
    assert (got.image[: min(THERMAL[0], RGB[0]), 20:right] == 200).all()
    assert not got.image[:, :20].any()


@pytest.mark.parametrize("which", ["rgb", "thermal"])
def test_first_picture_of_all_keeps_its_own_geometry(tmp_path: Path, which: str) -> None:
    """Nothing is known of the other camera, not even its lens."""
    own = {"rgb": RGB, "thermal": THERMAL}
    for settings, rig in every_mode(tmp_path)[:4:3]:
        partly = Rig(rig.thermal, None) if which == "thermal" else Rig(None, rig.rgb)
        for reference in own:
            got = alone(which, settings, reference, partly, known=False)
            assert got.reference == which
            assert got.image.shape[:2] == own[which]


def test_map_of_a_picture_that_is_alone_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_maps(monkeypatch)
    settings, rig = every_mode(tmp_path)[3]
    registration, (thermal, rgb) = PlannedRegistration(), pictures()
    for _ in range(3):
        registration.align(thermal, rgb, reference="rgb", settings=settings, rig=rig)
        registration.align_alone("rgb", rgb, other=THERMAL, reference="rgb", settings=settings, rig=rig)
    assert len(made) == 3
