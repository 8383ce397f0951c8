"""Where a camera sees what another one sees, if all of it lies on a plane.

With ``X_o = R X_r + t`` from the reference camera to the other one, and the plane ``n^T X_r = d`` at the working
distance (``n`` = z, facing the reference camera), points of the plane satisfy ``X_o = (R + t n^T / d) X_r``. Between
undistorted pictures that is the homography ``K_o (R + t n^T / d) K_r^-1``; written from the other camera to the
reference, with the opposite pose, it is the usual ``K_r (R' - t' n'^T / d') K_o^-1`` (Hartley and Zisserman, Multiple
View Geometry, 2004, section 13.1, where the plane has the other sign).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.warp import Warp

Matrix = NDArray[np.float64]

# Radii (tangent of the angle to the optical axis) up to which a lens is looked at for where its polynomial turns back.
_RADII = np.linspace(0.0, 20.0, 20001)
# Coefficients of D that a point on the x axis is moved along it by: not the tangential ones and those of a thin prism.
_RADIAL = (1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0)


def transfer(pose: Extrinsics, distance: float) -> Matrix:
    """(3, 3): directions of the reference camera to directions of the other one, for points at the distance.

    Args:
        pose: Reference camera to other camera: ``X_o = R X_r + t``.
        distance: Of the plane, along the reference camera's axis, metres.
    """
    return np.asarray(pose.r + np.outer(pose.t, [0.0, 0.0, 1.0]) / distance)


def undistorting(camera: Camera, to_ray: Matrix, output: tuple[int, int]) -> Warp:
    """The map that shows a camera's picture in the geometry of an ideal one.

    Args:
        camera: The camera whose pictures come.
        to_ray: (3, 3), homogeneous output pixel to a direction in the camera's own frame; any length, and z above 0
            for what lies in front.
        output: (height, width).
    """
    lens: Any = cv2.fisheye if _is_fisheye(camera) else cv2
    d = np.array(camera.coefficients or (0.0,) * 4, np.float64)
    ideal = np.linalg.inv(to_ray)
    x, y = lens.initUndistortRectifyMap(camera.k, d, np.eye(3), ideal, output[::-1], cv2.CV_32FC1)
    # OpenCV knows no skew.
    fy, cy = camera.matrix[4:6]
    x = x.astype(np.float64) + camera.matrix[1] / fy * (y - cy)
    rows, columns = np.mgrid[0 : output[0], 0 : output[1]].astype(np.float64)
    across, down, depth = (row[0] * columns + row[1] * rows + row[2] for row in to_ray)
    seen = (depth > 1e-9) & (np.hypot(across, down) <= _widest(camera) * depth)
    return Warp(np.where(seen, x, np.nan), np.where(seen, y, np.nan), (camera.height, camera.width))


def _is_fisheye(camera: Camera) -> bool:
    return camera.model in ("equidistant", "fisheye") and any(camera.coefficients)


def _widest(camera: Camera) -> float:
    """The largest radius up to which the polynomial of a lens grows; beyond, it shows everything a second time."""
    points, d = np.column_stack([_RADII, np.zeros_like(_RADII)])[None], np.array(camera.coefficients, np.float64)
    if not d.any():
        return np.inf
    if _is_fisheye(camera):
        images = cv2.fisheye.distortPoints(points, np.eye(3), d)[0, :, 0]
    else:
        rays = cv2.convertPointsToHomogeneous(points[0])
        images = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), np.eye(3), d * _RADIAL[: d.size])[0][:, 0, 0]
    shrinks = np.flatnonzero(~(np.diff(images) > 0))
    return float(_RADII[shrinks[0]] if shrinks.size else np.inf)
