"""From a pixel of a picture to a direction in front of its camera."""

from __future__ import annotations

import math

import cv2
import numpy as np

from camf_ros.imaging.camera_model import Camera


def bearing(camera: Camera, column: float, row: float) -> tuple[float, float, float]:
    """Direction in which a camera sees a pixel, lens distortion taken out.

    Args:
        camera: Its intrinsics.
        column: Pixels; 0 is the centre of the first.
        row: Likewise.

    Returns:
        (x, y, z) of length 1 in the camera's optical frame: x to the right, y down, z forward.
    """
    pixel = np.array([[[column, row]]], np.float64)
    undistort = cv2.fisheye.undistortPoints if camera.model in ("equidistant", "fisheye") else cv2.undistortPoints
    coefficients = np.array(camera.coefficients or (0.0,) * 4, np.float64)
    x, y = undistort(pixel, camera.k, coefficients)[0, 0]
    length = math.hypot(x, y, 1.0)
    return float(x) / length, float(y) / length, 1.0 / length


def turn_to(direction: tuple[float, float, float]) -> tuple[float, float, float, float]:
    """The shortest rotation that turns the x axis, which an arrow of RViz lies on, into a direction.

    Args:
        direction: Of length 1, and not that of -x.

    Returns:
        Quaternion x, y, z, w of length 1.
    """
    x, y, z = direction
    # Half-way rotation: (1 + cos, axis * sin), not yet of length 1.
    length = math.sqrt((1 + x) ** 2 + y * y + z * z)
    return 0.0, -z / length, y / length, (1 + x) / length
