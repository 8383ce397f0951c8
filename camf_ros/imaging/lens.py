"""What a lens does to directions: the distortion models of sensor_msgs/CameraInfo, forwards only.

``plumb_bob`` and ``rational_polynomial`` are OpenCV's (calib3d, "Camera Calibration and 3D Reconstruction"), radial and
tangential, the latter with thin prism terms where it has 12 coefficients. ``equidistant`` is the model of Kannala and
Brandt (IEEE PAMI 28, 2006) as in OpenCV's fisheye module.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.camera_model import Camera

F64 = NDArray[np.float64]

# Radii (tangent of the angle to the optical axis) up to which a polynomial is looked at for where it turns back.
_RADII = np.linspace(0.0, 20.0, 20001)


def project(camera: Camera, x: F64, y: F64) -> tuple[F64, F64]:
    """Where a camera shows points, given as x / z and y / z in its own frame.

    Args:
        camera: The camera.
        x: Any shape.
        y: The same shape.

    Returns:
        Columns and rows, pixels. NaN where the polynomial of the lens has turned back: the point is far outside the
        picture, and the formula would show it a second time inside.
    """
    x, y = _distorted(camera, x, y)
    fx, skew, cx, _, fy, cy = camera.matrix[:6]
    return fx * x + skew * y + cx, fy * y + cy


def _distorted(camera: Camera, x: F64, y: F64) -> tuple[F64, F64]:
    if not any(camera.coefficients):
        return x, y
    if camera.model in ("equidistant", "fisheye"):
        return _equidistant(camera.coefficients, x, y)
    d = (*camera.coefficients, *[0.0] * (12 - len(camera.coefficients)))
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = d
    r2 = x * x + y * y

    def radial(r2: F64) -> F64:
        return (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))

    factor = np.where(r2 <= _turning_point(_RADII * radial(_RADII**2)) ** 2, radial(r2), np.nan)
    return (
        x * factor + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + r2 * s2),
        y * factor + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + r2 * (s3 + r2 * s4),
    )


def _equidistant(coefficients: tuple[float, ...], x: F64, y: F64) -> tuple[F64, F64]:
    k1, k2, k3, k4 = coefficients

    def bent(angle: F64) -> F64:
        a2 = angle * angle
        return angle * (1 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))

    radius = np.hypot(x, y)
    angle = np.arctan(radius)
    angles = np.arctan(_RADII)
    limit = np.arctan(_turning_point(bent(angles)))
    factor = np.where(angle <= limit, bent(angle), np.nan) / np.maximum(radius, 1e-12)
    factor = np.where(radius < 1e-9, 1.0, factor)
    return x * factor, y * factor


def _turning_point(images: F64) -> float:
    """The largest of the radii up to which their images grow."""
    shrinks = np.flatnonzero(~(np.diff(images) > 0))
    return float(_RADII[shrinks[0]] if shrinks.size else np.inf)
