"""Registration: both frames into the geometry of the reference frame, each in one resampling by a precomputed map.

The maps depend on the sizes of the frames, the settings and what is known about the cameras; they are computed when one
of these changes and kept until it does again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import RegistrationError
from camf_ros.imaging.camera_model import Camera, Extrinsics, scaling
from camf_ros.imaging.coverage import Coverage
from camf_ros.imaging.plane import transfer, undistorting
from camf_ros.imaging.registration_file import RegistrationFile, read_registration
from camf_ros.imaging.warp import Warp, from_homography
from camf_ros.settings.registration import RegistrationSettings

Size = tuple[int, int]
Picture = NDArray[np.uint8]

_EVERYTHING = 255


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


class Aligned(NamedTuple):
    """Two pictures in one geometry.

    Attributes:
        thermal: (h, w), at the size that the network works at.
        rgb: (H, W, 3) or (H, W), at the size of the result.
        coverage: Who sees what of the result; None if both see everything.
        full_thermal: (H, W), where the coverage needs it; else None.
        undistorted: Whether the geometry is that of the reference camera without its lens's distortion.
    """

    thermal: Picture
    rgb: Picture
    coverage: Coverage | None = None
    full_thermal: Picture | None = None
    undistorted: bool = False


class Registration(Protocol):
    """Brings two pictures into one geometry."""

    def align(
        self, thermal: Picture, rgb: Picture, *, reference: str, settings: RegistrationSettings, rig: Rig
    ) -> Aligned:
        """Both pictures as the reference camera would see them.

        Args:
            thermal: (h, w).
            rgb: (h', w', 3) or (h', w').
            reference: ``rgb`` or ``thermal``.
            settings: How.
            rig: What is known about the cameras.

        Raises:
            RegistrationError: If the pictures do not fit what is known, or something is missing.
            DataError: If the registration file cannot be used.
        """
        ...


def resized(image: Picture, size: Size) -> Picture:
    """A picture at another size, (height, width): areas are averaged when it shrinks, bilinear when it grows.

    Args:
        image: (h, w) or (h, w, 3).
        size: (H, W) of the result.

    Returns:
        (H, W) or (H, W, 3); the picture itself where it has the size already.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    # Area averaging when shrinking (no aliasing), bilinear when enlarging.
    shrinking = image.shape[0] >= height and image.shape[1] >= width
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


class _Plan(NamedTuple):
    """Everything that is the same for every pair of frames until something changes."""

    thermal: Callable[[Picture], Picture]
    rgb: Callable[[Picture], Picture]
    full_thermal: Callable[[Picture], Picture] | None
    coverage: Coverage | None
    undistorted: bool


class _Key(NamedTuple):
    """What a plan depends on."""

    thermal_size: Size
    rgb_size: Size
    reference: str
    settings: RegistrationSettings
    rig: Rig


class PlannedRegistration:
    """The registration that the settings ask for, its maps kept between frames."""

    def __init__(self) -> None:
        self._key: _Key | None = None
        self._made: _Plan | None = None
        self._read: tuple[str, RegistrationFile] | None = None

    def check(self, settings: RegistrationSettings) -> None:
        """Read the file that the settings name, so that a wrong one is told at once.

        Raises:
            DataError: If it cannot be used.
            RegistrationError: If it lacks what the mode needs.
        """
        if settings.mode == "homography":
            self._homography(settings)
        elif (
            settings.mode == "calibrated" and settings.extrinsics == "file" and self._file(settings).extrinsics is None
        ):
            raise _lacks(settings, "extrinsics")

    def align(
        self, thermal: Picture, rgb: Picture, *, reference: str, settings: RegistrationSettings, rig: Rig
    ) -> Aligned:
        """See :meth:`Registration.align`."""
        if settings.mode != "calibrated":
            rig = Rig()  # nothing of it is looked at: no reason to plan anew
        key = _Key(_size(thermal), _size(rgb), reference, settings, rig)
        plan = self._made if key == self._key else None
        if plan is None:
            plan = self._plan(key)
            self._key, self._made = key, plan
        full = plan.full_thermal(thermal) if plan.full_thermal else None
        return Aligned(plan.thermal(thermal), plan.rgb(rgb), plan.coverage, full, plan.undistorted)

    def _plan(self, key: _Key) -> _Plan:
        settings = key.settings
        own = key.rgb_size if key.reference == "rgb" else key.thermal_size
        output = _side_by_side(own, settings.output_height, settings.output_width)
        processing = _side_by_side(output, settings.processing_height, settings.processing_width)
        if settings.mode == "none" and key.thermal_size != key.rgb_size:
            raise RegistrationError(
                f"the thermal image is {_text(key.thermal_size)} and the RGB image {_text(key.rgb_size)}",
                expected="one size with registration.mode none",
                remedy="set registration.mode to resize, homography or calibrated",
            )
        if settings.mode in ("none", "resize"):
            return _Plan(_resizing(processing), _resizing(output), None, None, False)
        make = self._by_homography(key, own) if settings.mode == "homography" else self._calibrated(key, own)
        rgb = make("rgb", output)
        thermal = make("thermal", output)
        coverage: Coverage | None = Coverage(_seen(thermal, output), _seen(rgb, output), settings.feather)
        if coverage is not None and coverage.overlap == 0:
            raise RegistrationError(
                "the two cameras see nothing in common",
                expected="an overlap",
                remedy="check registration.file, and which camera is which",
            )
        if coverage is not None and coverage.complete:
            coverage = None
        full = _apply(thermal, output) if coverage is not None and coverage.needs_thermal else None
        if processing != output:
            thermal = make("thermal", processing)
        return _Plan(
            _apply(thermal, processing), _apply(rgb, output), full, coverage, undistorted=settings.mode == "calibrated"
        )

    def _by_homography(self, key: _Key, own: Size) -> Callable[[str, Size], Warp | None]:
        file = self._homography(key.settings)
        assert file.homography is not None
        # The file's sizes may be other ones than those of the frames: a camera that bins, or a driver that resizes.
        to_rgb = scaling(file.rgb_size, key.rgb_size) @ file.homography @ scaling(key.thermal_size, file.thermal_size)

        def make(camera: str, output: Size) -> Warp | None:
            if camera == key.reference:
                return None
            to_other = np.linalg.inv(to_rgb) if key.reference == "rgb" else to_rgb
            source = key.thermal_size if camera == "thermal" else key.rgb_size
            return from_homography(to_other @ scaling(output, own), source, output)

        return make

    def _calibrated(self, key: _Key, own: Size) -> Callable[[str, Size], Warp | None]:
        cameras = self._cameras(key)
        extrinsics = self._extrinsics(key)
        ideal = cameras[key.reference].k
        pose = extrinsics if key.reference == "thermal" else extrinsics.inverse()

        def make(camera: str, output: Size) -> Warp:
            to_ray = np.linalg.inv(ideal) @ scaling(output, own)
            if camera != key.reference:
                to_ray = transfer(pose, key.settings.distance) @ to_ray
            return undistorting(cameras[camera], to_ray, output)

        return make

    def _cameras(self, key: _Key) -> dict[str, Camera]:
        file = self._file(key.settings) if key.settings.file else None
        result = {}
        for name, camera, size in (
            ("thermal", key.rig.thermal or (file.thermal if file else None), key.thermal_size),
            ("rgb", key.rig.rgb or (file.rgb if file else None), key.rgb_size),
        ):
            if camera is None:
                raise RegistrationError(
                    f"nothing is known about the lens of the {name} camera",
                    expected=f"messages on {name}/camera_info, or k in registration.file",
                    remedy="calibrate the camera, or set registration.mode to homography",
                )
            if (camera.height, camera.width) != size:
                raise RegistrationError(
                    f"the {name} image is {_text(size)} and its calibration for {camera.width} x {camera.height}",
                    expected="one size",
                    remedy="correct the camera_info of the driver",
                )
            result[name] = camera
        return result

    def _extrinsics(self, key: _Key) -> Extrinsics:
        settings = key.settings
        if settings.extrinsics == "file":
            found = self._file(settings).extrinsics
            if found is None:
                raise _lacks(settings, "extrinsics")
            return found
        if key.rig.extrinsics is None:
            raise RegistrationError(
                "there is no transform between the two cameras yet",
                expected="their frames on /tf or /tf_static",
                remedy="start what publishes them, or set registration.extrinsics to file",
            )
        return key.rig.extrinsics

    def _homography(self, settings: RegistrationSettings) -> RegistrationFile:
        file = self._file(settings)
        if file.homography is None:
            raise _lacks(settings, "homography")
        return file

    def _file(self, settings: RegistrationSettings) -> RegistrationFile:
        if self._read is None or self._read[0] != settings.file:
            self._read = (settings.file, read_registration(Path(settings.file).expanduser()))
        return self._read[1]


def _lacks(settings: RegistrationSettings, entry: str) -> RegistrationError:
    return RegistrationError(
        f"{settings.file} has no {entry}",
        expected=f"one for registration.mode {settings.mode}",
        remedy="docs/registration.md says how to make it",
    )


def _resizing(size: Size) -> Callable[[Picture], Picture]:
    return lambda image: resized(image, size)


def _apply(warp: Warp | None, size: Size) -> Callable[[Picture], Picture]:
    return _resizing(size) if warp is None else warp.apply


def _seen(warp: Warp | None, size: Size) -> Picture:
    return np.full(size, _EVERYTHING, np.uint8) if warp is None else warp.seen


def _size(image: Picture) -> Size:
    return image.shape[0], image.shape[1]


def _side_by_side(own: Size, height: int, width: int) -> Size:
    """A size of which none, one or both sides are given (not 0); what is not keeps the shape of ``own``."""
    if not height and not width:
        return own
    return height or max(1, round(own[0] * width / own[1])), width or max(1, round(own[1] * height / own[0]))


def _text(size: Size) -> str:
    return f"{size[1]} x {size[0]}"
