"""Where a camera sees what another one sees, if all of it lies on a plane.

With ``X_o = R X_r + t`` from the reference camera to the other one, and the plane ``n^T X_r = d`` at the working
distance (``n`` = z, facing the reference camera), points of the plane satisfy ``X_o = (R + t n^T / d) X_r``. Between
undistorted pictures that is the homography ``K_o (R + t n^T / d) K_r^-1``; written from the other camera to the
reference, with the opposite pose, it is the usual ``K_r (R' - t' n'^T / d') K_o^-1`` (Hartley and Zisserman, Multiple
View Geometry, 2004, section 13.1, where the plane has the other sign).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.lens import project
from camf_ros.imaging.warp import Warp

Matrix = NDArray[np.float64]


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
    y, x = np.mgrid[0 : output[0], 0 : output[1]].astype(np.float64)
    ray = [row[0] * x + row[1] * y + row[2] for row in to_ray]
    depth = np.where(ray[2] > 1e-9, ray[2], np.nan)
    return Warp(*project(camera, ray[0] / depth, ray[1] / depth), (camera.height, camera.width))
