"""Cameras and how two of them stand to each other: the numbers of a sensor_msgs/CameraInfo, without ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import RegistrationError

Matrix = NDArray[np.float64]

#: Distortion models and how many coefficients each may have. OpenCV calls equidistant "fisheye".
MODELS = {
    "plumb_bob": (0, 4, 5),
    "rational_polynomial": (0, 8, 12),
    "equidistant": (0, 4),
    "fisheye": (0, 4),
}


@dataclass(frozen=True)
class Camera:
    """A camera's intrinsics, for pictures of one size.

    Pixel (0, 0) is the centre of the first pixel.

    Attributes:
        width: Of the pictures, pixels.
        height: Likewise.
        matrix: K, row by row: fx, skew, cx, 0, fy, cy, 0, 0, 1; pixels.
        model: Key of :data:`MODELS`.
        coefficients: D in OpenCV's order; empty or all 0 for a lens without distortion.
    """

    width: int
    height: int
    matrix: tuple[float, ...]
    model: str = "plumb_bob"
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise RegistrationError(f"size is {self.width} x {self.height}", expected="at least 1 x 1 pixels")
        if len(self.matrix) != 9 or not all(map(math.isfinite, self.matrix)):
            raise RegistrationError(f"k is {list(self.matrix)}", expected="nine finite numbers, row by row")
        if self.matrix[0] <= 0 or self.matrix[4] <= 0 or self.matrix[6:] != (0, 0, 1):
            raise RegistrationError(
                f"k is {list(self.matrix)}",
                expected="focal lengths above 0 and a last row of 0, 0, 1",
                remedy="calibrate the camera; drivers send zeros where there is no calibration",
            )
        if self.model not in MODELS:
            raise RegistrationError(f"distortion_model is {self.model!r}", expected=f"one of {', '.join(MODELS)}")
        if len(self.coefficients) not in MODELS[self.model] or not all(map(math.isfinite, self.coefficients)):
            counts = " or ".join(str(count) for count in MODELS[self.model])
            raise RegistrationError(
                f"d is {list(self.coefficients)}", expected=f"{counts} finite numbers for {self.model}"
            )

    @property
    def k(self) -> Matrix:
        """K as (3, 3)."""
        return np.array(self.matrix, np.float64).reshape(3, 3)


@dataclass(frozen=True)
class Extrinsics:
    """How the thermal camera stands to the RGB camera: ``X_rgb = R X_thermal + t``.

    Both in the optical frames of ROS: x to the right, y down, z forward.

    Attributes:
        rotation: R, row by row; orthonormal.
        translation: t, metres.
    """

    rotation: tuple[float, ...]
    translation: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.rotation) != 9 or not all(map(math.isfinite, self.rotation)):
            raise RegistrationError(f"rotation is {list(self.rotation)}", expected="nine finite numbers, row by row")
        if len(self.translation) != 3 or not all(map(math.isfinite, self.translation)):
            raise RegistrationError(f"translation is {list(self.translation)}", expected="three finite numbers, metres")
        if not np.allclose(self.r @ self.r.T, np.eye(3), atol=1e-4) or np.linalg.det(self.r) < 0:
            raise RegistrationError(
                f"rotation is {list(self.rotation)}", expected="an orthonormal matrix with determinant 1"
            )

    @property
    def r(self) -> Matrix:
        """R as (3, 3)."""
        return np.array(self.rotation, np.float64).reshape(3, 3)

    @property
    def t(self) -> Matrix:
        """(3,): t."""
        return np.array(self.translation, np.float64)

    def inverse(self) -> Extrinsics:
        """The way back: ``X_thermal = R' X_rgb + t'``."""
        return Extrinsics(tuple(map(float, self.r.T.ravel())), tuple(map(float, -self.r.T @ self.t)))


def scaling(source: tuple[int, int], target: tuple[int, int]) -> Matrix:
    """Pixels of a picture to those of the same picture in another size, both (height, width); (3, 3).

    The corners of the outermost pixels stay where they are, as in cv2.resize: centres move by half a pixel's growth.
    """
    sy, sx = target[0] / source[0], target[1] / source[1]
    return np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]])
