"""What the node knows about the cameras themselves: their camera_info, and how they stand to each other."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from rclpy.node import Node

from camf_ros.imaging.warp import Rig
from camf_ros.nodes import topics
from camf_ros.nodes.camera_infos import CameraInfos, camera_of
from camf_ros.nodes.transforms import CameraTransforms
from camf_ros.settings.registration_settings import RegistrationSettings


class Cameras:
    """Listens to both cameras' camera_info, and to transforms where the settings ask for them."""

    def __init__(self, node: Node, settings: RegistrationSettings) -> None:
        """Subscribe.

        Raises:
            ParameterError: If transforms are asked for and tf2_ros is not installed.
        """
        self._node = node
        self._transforms: CameraTransforms | None = None
        self.configure(settings)
        self.infos = CameraInfos(node)

    def configure(self, settings: RegistrationSettings) -> None:
        """Use other settings from the next frame on; from the executor's thread.

        Raises:
            ParameterError: As the constructor.
        """
        if settings.mode == "calibrated" and settings.extrinsics == "tf" and self._transforms is None:
            self._transforms = CameraTransforms(self._node)
        self._settings = settings

    def rig(self, thermal_stamp: Time | None, rgb_stamp: Time | None) -> Rig:
        """What is known at these stamps (None: at last), as far as the registration asks.

        Raises:
            RegistrationError: If a camera_info, or its frame, makes no sense.
        """
        settings = self._settings
        if settings.mode != "calibrated":
            return Rig()
        thermal, rgb = self.infos.of(topics.THERMAL, thermal_stamp), self.infos.of(topics.RGB, rgb_stamp)
        extrinsics = None
        if settings.extrinsics == "tf" and self._transforms is not None and thermal is not None and rgb is not None:
            extrinsics = self._transforms.extrinsics(thermal.header.frame_id, rgb.header.frame_id)
        return Rig(camera_of(thermal), camera_of(rgb), extrinsics)

    def close(self) -> None:
        """Unsubscribe."""
        self.infos.close()
        if self._transforms is not None:
            self._transforms.close()
            self._transforms = None
