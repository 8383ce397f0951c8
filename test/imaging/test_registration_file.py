"""The file of a registration: what is written is read back; what is wrong is named, entry and value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from camf_ros.errors import DataError
from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.registration_file import RegistrationFile, read_registration, write_registration

IDENTITY = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def tree(**changes: Any) -> dict[str, Any]:
    """A good file; a change to None takes an entry out."""
    good: dict[str, Any] = {
        "camf_registration": 1,
        "thermal": {"width": 640, "height": 512},
        "rgb": {"width": 1280, "height": 720},
        "homography": [[2, 0.1, 5], [0, 2, -3.5], [0, 0, 1]],
        "extrinsics": {"rotation": IDENTITY, "translation": [0.05, 0, 0]},
    }
    merged = {**good, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def written(folder: Path, content: object) -> Path:
    path = folder / "registration.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def test_good_file(tmp_path: Path) -> None:
    file = read_registration(written(tmp_path, tree()))
    assert (file.thermal_size, file.rgb_size) == ((512, 640), (720, 1280))
    assert file.homography is not None
    np.testing.assert_array_equal(file.homography, [[2, 0.1, 5], [0, 2, -3.5], [0, 0, 1]])
    assert file.extrinsics == Extrinsics((1, 0, 0, 0, 1, 0, 0, 0, 1), (0.05, 0, 0))
    assert (file.thermal, file.rgb) == (None, None)


def test_round_trip(tmp_path: Path) -> None:
    matrix = np.random.default_rng(1).normal(size=(3, 3))
    rotation, _ = np.linalg.qr(matrix)
    rotation *= np.linalg.det(rotation)
    camera = Camera(64, 48, (50.0, 0.0, 31.7, 0.0, 51.0, 24.1, 0.0, 0.0, 1.0), "equidistant", (0.1, 0.01, 1 / 3, 1e-9))
    before = RegistrationFile(
        (48, 64),
        (90, 120),
        matrix,
        Extrinsics(tuple(rotation.ravel().tolist()), (0.1, 1 / 7, -1e-7)),
        camera,
        None,
        {"pairs": ["a", "b"], "residual_px": 0.25},
    )
    path = tmp_path / "a.yaml"
    write_registration(path, before)
    after = read_registration(path)
    np.testing.assert_array_equal(after.homography, matrix)  # type: ignore[arg-type]
    for name in ("thermal_size", "rgb_size", "extrinsics", "thermal", "rgb", "provenance"):
        assert getattr(after, name) == getattr(before, name), name


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no YAML"),
        ("", "the file is missing"),
        ("[1, 2]", r"the file is \[1, 2\]"),
        (tree(camf_registration=2), "camf_registration is 2; expected 1"),
        (tree(camf_registration=None), "camf_registration is missing"),
        (tree(homograhpy=IDENTITY), "the file is \"with an entry 'homograhpy'\""),
        (tree(homography=None, extrinsics=None), "expected a homography, extrinsics, or both"),
        (tree(homography=[[1, 0], [0, 1]]), r"homography is \[\[1, 0\], \[0, 1\]\]; expected 9 finite numbers"),
        (tree(homography=[[1, 0, 0], [0, 1, 0], [1, 1, 0]]), "matrix that can be inverted"),
        (tree(homography=[[1, 0, 0], [0, 1, 0], [0, 0, float("nan")]]), "9 finite numbers"),
        (tree(homography="identity"), "homography is 'identity'"),
        (tree(thermal=None), "thermal is missing"),
        (tree(thermal={"width": 640}), "thermal.height is missing"),
        (tree(rgb={"width": 1280, "height": 720.5}), "rgb.height is 720.5"),
        (tree(rgb={"width": 0, "height": 720}), "rgb.width is 0"),
        (tree(rgb={"width": 8, "height": 8, "d": [0, 0, 0, 0]}), "rgb.k is missing"),
        (tree(rgb={"width": 8, "height": 8, "k": [1, 2]}), r"rgb.k is \[1, 2\]"),
        (tree(rgb={"width": 8, "height": 8, "k": IDENTITY, "d": [1.0]}), r"rgb: d is \[1.0\]"),
        (tree(rgb={"width": 8, "height": 8, "k": IDENTITY, "distortion_model": "odd"}), "'odd'"),
        (tree(rgb={"width": 8, "height": 8, "k": IDENTITY, "distortion_model": 3}), "rgb.distortion_model is 3"),
        (tree(extrinsics=[1]), r"extrinsics is \[1\]"),
        (tree(extrinsics={"rotation": IDENTITY}), "extrinsics.translation is missing"),
        (tree(extrinsics={"rotation": IDENTITY, "translation": [1, 2]}), "3 finite numbers"),
        (tree(extrinsics={"rotation": [[2, 0, 0], [0, 1, 0], [0, 0, 1]], "translation": [0, 0, 0]}), "orthonormal"),
        (tree(extrinsics={"rotation": IDENTITY, "translation": [True, 0, 0]}), "True"),
        (tree(provenance=[1]), r"provenance is \[1\]"),
    ],
)
def test_wrong_files(tmp_path: Path, content: object, said: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=said) as caught:
        read_registration(path)
    assert str(path) in str(caught.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened"):
        read_registration(tmp_path / "none.yaml")
    with pytest.raises(DataError, match="cannot be written"):
        write_registration(tmp_path / "none" / "a.yaml", RegistrationFile((1, 1), (1, 1), np.eye(3)))
