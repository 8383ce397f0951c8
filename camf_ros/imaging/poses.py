"""Extrinsics from transforms between frames, as tf has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import RegistrationError
from camf_ros.imaging.camera_model import Extrinsics

# Numbers that differ by less are the same pose: a publisher that computes it anew each time must not cost new maps.
_SAME = 1e-6


def check_frames(thermal: str, rgb: str) -> None:
    """Refuse frames of the two cameras that no transform can be between.

    Raises:
        RegistrationError: If both name the same frame, or none.
    """
    if not thermal or not rgb or thermal == rgb:
        raise RegistrationError(
            f"frame_id is {thermal!r} in the thermal camera_info and {rgb!r} in the RGB one",
            expected="a frame of its own for each camera",
            remedy="correct it in the drivers, or set registration.extrinsics to file",
        )


def extrinsics_of(transform: Any) -> Extrinsics:
    """Of a geometry_msgs/Transform that takes points of the thermal camera's frame to the RGB camera's."""
    q, t = transform.rotation, transform.translation
    return Extrinsics(rotation_matrix(q.w, q.x, q.y, q.z), (float(t.x), float(t.y), float(t.z)))


def rotation_matrix(w: float, x: float, y: float, z: float) -> tuple[float, ...]:
    """Rotation matrix of a quaternion of any length, row by row."""
    quaternion: NDArray[np.float64] = np.array([w, x, y, z], np.float64)
    w, x, y, z = (float(value) for value in quaternion / np.linalg.norm(quaternion))
    return (
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )


def alike(one: Extrinsics, other: Extrinsics) -> bool:
    """Whether two poses are one and the same."""
    return _close(one.rotation, other.rotation) and _close(one.translation, other.translation)


def _close(one: Sequence[float], other: Sequence[float]) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=_SAME))
