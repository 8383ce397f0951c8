"""The YAML file of a registration: read with every entry checked, and written.

    camf_registration: 1
    thermal: {width: 640, height: 512}     # for calibrated without camera_info also distortion_model, k and d
    rgb: {width: 1280, height: 720}
    homography: [[..], [..], [..]]         # thermal pixel to RGB pixel, and/or
    extrinsics: {rotation: [[..], [..], [..]], translation: [x, y, z]}    # X_rgb = R X_thermal + t, metres
    provenance: {..}                       # for people

docs/registration.md describes every entry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from camf_ros.errors import DataError, RegistrationError, shown
from camf_ros.files import write_whole
from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.settings.yaml_file import read_yaml

_VERSION = 1
_ENTRIES = {"camf_registration", "thermal", "rgb", "homography", "extrinsics", "provenance"}
_CAMERA_ENTRIES = {"width", "height", "distortion_model", "k", "d"}
_LARGEST = 65535


@dataclass(frozen=True)
class RegistrationFile:
    """What a file says; None for what it does not.

    Sizes are (height, width), the homography is (3, 3), thermal pixel to RGB pixel. ``provenance`` says how the file
    was made.
    """

    thermal_size: tuple[int, int]
    rgb_size: tuple[int, int]
    homography: NDArray[np.float64] | None = None
    extrinsics: Extrinsics | None = None
    thermal: Camera | None = None
    rgb: Camera | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


def read_registration(path: Path) -> RegistrationFile:
    """Read a file; raises DataError that names the entry that is missing, unknown or wrong."""
    return _Reader(path).file(read_yaml(path, "registration file", remedy="check registration.file"))


def write_registration(path: Path, content: RegistrationFile) -> None:
    """Write a file that :func:`read_registration` reads back the same; raises DataError if it cannot."""
    tree: dict[str, Any] = {"camf_registration": _VERSION}
    for name, size, camera in (
        ("thermal", content.thermal_size, content.thermal),
        ("rgb", content.rgb_size, content.rgb),
    ):
        tree[name] = {"width": size[1], "height": size[0]}
        if camera is not None:
            tree[name] |= {"distortion_model": camera.model, "k": list(camera.matrix), "d": list(camera.coefficients)}
    if content.homography is not None:
        tree["homography"] = _rows(content.homography)
    if content.extrinsics is not None:
        tree["extrinsics"] = {
            "rotation": _rows(content.extrinsics.r),
            "translation": list(content.extrinsics.translation),
        }
    if content.provenance:
        tree["provenance"] = dict(content.provenance)
    write_whole(path, yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=110).encode())


class _Reader:
    """Turns the tree of one file into values, and knows the file for its errors."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def file(self, tree: object) -> RegistrationFile:
        top = self._mapping("the file", tree, _ENTRIES)
        if top.get("camf_registration") != _VERSION:
            raise self._error("camf_registration", top.get("camf_registration"), str(_VERSION))
        (thermal_size, thermal), (rgb_size, rgb) = (self._camera(name, top.get(name)) for name in ("thermal", "rgb"))
        homography = self._homography(top["homography"]) if "homography" in top else None
        extrinsics = self._extrinsics(top["extrinsics"]) if "extrinsics" in top else None
        if homography is None and extrinsics is None:
            raise self._error("homography", None, "a homography, extrinsics, or both")
        provenance = top.get("provenance") or {}
        if not isinstance(provenance, dict):
            raise self._error("provenance", provenance, "a mapping")
        return RegistrationFile(thermal_size, rgb_size, homography, extrinsics, thermal, rgb, provenance)

    def _camera(self, name: str, tree: object) -> tuple[tuple[int, int], Camera | None]:
        entries = self._mapping(name, tree, _CAMERA_ENTRIES)
        width, height = (self._side(f"{name}.{side}", entries.get(side)) for side in ("width", "height"))
        if "k" not in entries:
            for entry in ("d", "distortion_model"):
                if entry in entries:
                    raise self._error(f"{name}.k", None, f"nine numbers, since {name}.{entry} is there")
            return (height, width), None
        matrix = self._numbers(f"{name}.k", entries["k"], 9)
        coefficients = self._numbers(f"{name}.d", entries.get("d", []))
        model = entries.get("distortion_model", "plumb_bob")
        if not isinstance(model, str):
            raise self._error(f"{name}.distortion_model", model, "the name of a model")
        try:
            return (height, width), Camera(width, height, matrix, model, coefficients)
        except RegistrationError as error:
            raise DataError(f"{self._path}: {name}: {error}") from error

    def _homography(self, value: object) -> NDArray[np.float64]:
        matrix = np.array(self._numbers("homography", value, 9)).reshape(3, 3)
        scale = np.abs(matrix).max()
        if scale == 0 or abs(np.linalg.det(matrix / scale)) < 1e-12:
            raise self._error("homography", value, "a matrix that can be inverted")
        return matrix

    def _extrinsics(self, value: object) -> Extrinsics:
        entries = self._mapping("extrinsics", value, {"rotation", "translation"})
        rotation = self._numbers("extrinsics.rotation", entries.get("rotation"), 9)
        translation = self._numbers("extrinsics.translation", entries.get("translation"), 3)
        try:
            return Extrinsics(rotation, translation)
        except RegistrationError as error:
            raise DataError(f"{self._path}: extrinsics: {error}") from error

    def _mapping(self, entry: str, value: object, known: set[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(entry, value, f"a mapping with entries out of {sorted(known)}")
        for name in value:
            if name not in known:
                raise self._error(entry, f"with an entry {shown(name)}", f"entries out of {sorted(known)}")
        return value

    def _side(self, entry: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LARGEST:
            raise self._error(entry, value, f"a whole number from 1 to {_LARGEST}")
        return value

    def _numbers(self, entry: str, value: object, count: int | None = None) -> tuple[float, ...]:
        """A list of numbers, or a list of rows of them."""
        flat = value
        if isinstance(value, list) and all(isinstance(row, list) for row in value):
            flat = [number for row in value for number in row]
        wrong = not isinstance(flat, list) or not all(map(_finite, flat))
        if wrong or (count is not None and len(flat) != count):  # type: ignore[arg-type]
            raise self._error(entry, value, f"{'' if count is None else f'{count} '}finite numbers")
        return tuple(float(number) for number in flat)  # type: ignore[attr-defined]

    def _error(self, entry: str, value: object, expected: str) -> DataError:
        what = "is missing" if value is None else f"is {shown(value)}"
        return DataError(
            f"{self._path}: {entry} {what}", expected=expected, remedy="docs/registration.md has the format"
        )


def _finite(value: object) -> bool:
    """Whether a value is a number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _rows(matrix: NDArray[np.float64]) -> list[list[float]]:
    return [[float(value) for value in row] for row in matrix]
