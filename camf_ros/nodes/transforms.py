"""How the cameras stand to each other, from /tf and /tf_static; needs tf2_ros, which not every machine has."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from camf_ros.errors import ParameterError
from camf_ros.imaging.camera_model import Extrinsics, alike, check_frames, extrinsics_of


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
        check_frames(thermal_frame, rgb_frame)
        try:
            transform = self._buffer.lookup_transform(rgb_frame, thermal_frame, Time()).transform
        except self._failure:
            return None
        found = extrinsics_of(transform)
        if self._last is None or not alike(self._last, found):
            self._last = found
        return self._last
