"""How the cameras stand to each other, from /tf and /tf_static; needs tf2_ros, which not every machine has."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from camf_ros.errors import ParameterError, RegistrationError
from camf_ros.imaging.camera_model import Extrinsics

# Numbers that differ by less are the same pose: a publisher that computes it anew each time must not cost new maps.
_SAME = 1e-6


class CameraTransforms:
    """Listens to transforms and answers for two frames."""

    def __init__(self, node: Node) -> None:
        """Start to listen.

        Raises:
            ParameterError: If tf2_ros is not installed.
        """
        try:
            import tf2_ros  # noqa: PLC0415 - only who wants transforms needs it
        except ImportError as error:
            raise ParameterError(
                f"registration.extrinsics is tf and tf2_ros cannot be imported ({error})",
                expected="the package tf2_ros_py",
                remedy="install it, or set registration.extrinsics to file",
            ) from error
        self._failure: type[Exception] = tf2_ros.TransformException
        self._buffer: Any = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        self._last: Extrinsics | None = None

    def close(self) -> None:
        """Stop to listen."""
        self._listener.unregister()

    def extrinsics(self, thermal_frame: str, rgb_frame: str) -> Extrinsics | None:
        """The newest pose of the thermal camera in the RGB camera's frame; None as long as there is none.

        Raises:
            RegistrationError: If both cameras name the same frame, or none.
        """
        if not thermal_frame or not rgb_frame or thermal_frame == rgb_frame:
            raise RegistrationError(
                f"frame_id is {thermal_frame!r} in the thermal camera_info and {rgb_frame!r} in the RGB one",
                expected="a frame of its own for each camera",
                remedy="correct it in the drivers, or set registration.extrinsics to file",
            )
        try:
            transform = self._buffer.lookup_transform(rgb_frame, thermal_frame, Time()).transform
        except self._failure:
            return None
        q, t = transform.rotation, transform.translation
        found = Extrinsics(_rotation(q.w, q.x, q.y, q.z), (t.x, t.y, t.z))
        if self._last is None or not _alike(self._last, found):
            self._last = found
        return self._last


def _rotation(w: float, x: float, y: float, z: float) -> tuple[float, ...]:
    """Rotation matrix of a quaternion, row by row."""
    w, x, y, z = (float(value) for value in np.array([w, x, y, z]) / np.linalg.norm([w, x, y, z]))
    return (
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )


def _alike(one: Extrinsics, other: Extrinsics) -> bool:
    return bool(
        np.allclose(one.rotation, other.rotation, rtol=0, atol=_SAME)
        and np.allclose(one.translation, other.translation, rtol=0, atol=_SAME)
    )
