"""The map of each camera's pictures into the geometry of the result, as far as the settings and what is known give one.

One object belongs to one set of sizes, settings and knowledge of the cameras. It asks only for what a map needs, so
that the reference camera's own map can be had without the other camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from camf_ros.errors import RegistrationError
from camf_ros.imaging.camera_model import Camera, Extrinsics, scaling
from camf_ros.imaging.plane import transfer, undistorting
from camf_ros.imaging.registration_file import RegistrationFile
from camf_ros.imaging.warp import Warp, from_homography
from camf_ros.settings.registration import RegistrationSettings

#: (height, width).
Size = tuple[int, int]


class Rig(NamedTuple):
    """What is known about the cameras at the moment; None where it is not.

    Attributes:
        thermal: Intrinsics of the thermal camera.
        rgb: Intrinsics of the RGB camera.
        extrinsics: How the thermal camera stands to the RGB camera.
    """

    thermal: Camera | None = None
    rgb: Camera | None = None
    extrinsics: Extrinsics | None = None


class CameraMaps:
    """Maps for pictures of one set of sizes."""

    def __init__(
        self,
        sizes: Mapping[str, Size],
        reference: str,
        settings: RegistrationSettings,
        rig: Rig,
        file: RegistrationFile | None,
    ) -> None:
        """Keep what the maps are made of.

        Args:
            sizes: Of the pictures, by camera; the reference camera's at least.
            reference: Camera whose geometry the result has.
            settings: How.
            rig: What is known about the cameras.
            file: What is in the file that the settings name, if they name one.
        """
        self._sizes, self._reference, self._settings, self._rig, self._file = sizes, reference, settings, rig, file

    def warp(self, camera: str, output: Size) -> Warp | None:
        """The map of a camera's pictures into a result of a size; None where only the size differs.

        Raises:
            RegistrationError: If something that the map needs is not known.
        """
        if self._settings.mode == "homography":
            return self._by_homography(camera, output)
        if self._settings.mode == "calibrated":
            return self._calibrated(camera, output)
        return None

    def _by_homography(self, camera: str, output: Size) -> Warp | None:
        if camera == self._reference:
            return None
        file = self._file
        if file is None or file.homography is None:
            raise lacks(self._settings, "homography")
        # The file's sizes may be other ones than those of the frames: a camera that bins, or a driver that resizes.
        thermal, rgb = self._sizes["thermal"], self._sizes["rgb"]
        to_rgb = scaling(file.rgb_size, rgb) @ file.homography @ scaling(thermal, file.thermal_size)
        to_other = np.linalg.inv(to_rgb) if self._reference == "rgb" else to_rgb
        return from_homography(to_other @ scaling(output, self._sizes[self._reference]), self._sizes[camera], output)

    def _calibrated(self, camera: str, output: Size) -> Warp:
        own = self._camera(camera)
        to_ray = np.linalg.inv(self._camera(self._reference).k) @ scaling(output, self._sizes[self._reference])
        if camera != self._reference:
            extrinsics = self._extrinsics()
            pose = extrinsics if self._reference == "thermal" else extrinsics.inverse()
            to_ray = transfer(pose, self._settings.distance) @ to_ray
        return undistorting(own, to_ray, output)

    def _camera(self, name: str) -> Camera:
        size, file = self._sizes[name], self._file
        if name == "thermal":
            camera = self._rig.thermal or (file.thermal if file else None)
        else:
            camera = self._rig.rgb or (file.rgb if file else None)
        if camera is None:
            raise RegistrationError(
                f"nothing is known about the lens of the {name} camera",
                expected=f"messages on {name}/camera_info, or k in registration.file",
                remedy="calibrate the camera, or set registration.mode to homography",
            )
        if (camera.height, camera.width) != size:
            raise RegistrationError(
                f"the {name} image is {text(size)} and its calibration for {camera.width} x {camera.height}",
                expected="one size",
                remedy="correct the camera_info of the driver",
            )
        return camera

    def _extrinsics(self) -> Extrinsics:
        if self._settings.extrinsics == "file":
            found = self._file.extrinsics if self._file else None
            if found is None:
                raise lacks(self._settings, "extrinsics")
            return found
        if self._rig.extrinsics is None:
            raise RegistrationError(
                "there is no transform between the two cameras yet",
                expected="their frames on /tf or /tf_static",
                remedy="start what publishes them, or set registration.extrinsics to file",
            )
        return self._rig.extrinsics


def lacks(settings: RegistrationSettings, entry: str) -> RegistrationError:
    """The error for a registration file without an entry that the mode needs."""
    return RegistrationError(
        f"{settings.file} has no {entry}",
        expected=f"one for registration.mode {settings.mode}",
        remedy="docs/registration.md says how to make it",
    )


def text(size: Size) -> str:
    """A size as people write it: width x height."""
    return f"{size[1]} x {size[0]}"
