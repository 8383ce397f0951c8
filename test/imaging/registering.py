"""Two small pictures of two cameras, and files and settings that bring them into one geometry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from camf_ros.imaging import warp as module
from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.registration import Aligned, PlannedRegistration
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.imaging.warp import Rig
from camf_ros.settings.registration_settings import RegistrationSettings

THERMAL, RGB = (30, 40), (36, 52)
# Thermal pixel to RGB pixel: a turn, a zoom, a shift and a little perspective.
HOMOGRAPHY = np.array([[1.18, -0.06, 3.1], [0.07, 1.15, -2.3], [2e-4, -1e-4, 1.0]])


def turned(x: float, y: float, z: float) -> tuple[float, ...]:
    return tuple(map(float, cv2.Rodrigues(np.array([x, y, z], float))[0].ravel()))


EXTRINSICS = Extrinsics(turned(0.02, -0.03, 0.05), (0.11, -0.02, 0.015))
LENSES: dict[str, tuple[str, tuple[float, ...]]] = {
    "none": ("plumb_bob", ()),
    "plumb_bob": ("plumb_bob", (-0.25, 0.08, 0.004, -0.003, 0.01)),
    "rational_polynomial": ("rational_polynomial", (0.4, -0.1, 0.002, 0.003, 0.02, 0.6, 0.02, 0.01)),
    "equidistant": ("equidistant", (-0.03, 0.02, -0.01, 0.002)),
}


def camera(size: tuple[int, int], lens: str, focal: float) -> Camera:
    model, coefficients = LENSES[lens]
    height, width = size
    matrix = (focal, 0.0, width / 2 - 0.8, 0.0, 1.02 * focal, height / 2 + 0.6, 0.0, 0.0, 1.0)
    return Camera(width, height, matrix, model, coefficients)


def smooth(seed: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, 1, shape)
    soft = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.asarray(np.clip(128 + 320 * soft, 0, 255).astype(np.uint8))


def pictures() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return smooth(1, THERMAL), smooth(2, (*RGB, 3))


def file_with(folder: Path, **entries: Any) -> str:
    path = folder / "registration.yaml"
    write_registration(path, RegistrationFile(THERMAL, RGB, **entries))
    return str(path)


def align(settings: RegistrationSettings, reference: str = "rgb", rig: Rig = Rig()) -> Aligned:  # noqa: B008
    return PlannedRegistration().align(*pictures(), reference=reference, settings=settings, rig=rig)


def shifted(folder: Path, **others: Any) -> RegistrationSettings:
    """Settings for a file with the homography."""
    return RegistrationSettings(mode="homography", file=file_with(folder, homography=HOMOGRAPHY), **others)


def count_maps(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows with every map of a lens that is computed."""
    made: list[object] = []
    original = module.undistorting
    monkeypatch.setattr(module, "undistorting", lambda *args: made.append(1) or original(*args))
    return made
