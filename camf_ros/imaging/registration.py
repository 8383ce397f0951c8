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
from camf_ros.imaging.camera_maps import CameraMaps, Rig, Size, lacks, text
from camf_ros.imaging.coverage import Coverage
from camf_ros.imaging.registration_file import RegistrationFile, read_registration
from camf_ros.imaging.warp import Warp
from camf_ros.settings.registration import RegistrationSettings

Picture = NDArray[np.uint8]

_EVERYTHING = 255


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


class AlignedAlone(NamedTuple):
    """One picture in the geometry that the result has.

    Attributes:
        image: (H, W, 3) or (H, W); black where the camera sees nothing of the result.
        reference: Camera whose geometry it is.
        undistorted: As in :class:`Aligned`.
    """

    image: Picture
    reference: str
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

    def align_alone(
        self,
        camera: str,
        image: Picture,
        *,
        other: Size | None,
        reference: str,
        settings: RegistrationSettings,
        rig: Rig,
    ) -> AlignedAlone:
        """One picture as the reference camera would see it, or as its own camera does where that is all there is.

        Args:
            camera: Whose picture it is, ``rgb`` or ``thermal``.
            image: (h, w), or (h, w, 3) of the RGB camera.
            other: Size of the other camera's last picture; None if there was none, and then the geometry is that of
                the picture's own camera.
            reference: As in :meth:`align`.
            settings: As in :meth:`align`.
            rig: As in :meth:`align`.

        Raises:
            RegistrationError: As :meth:`align`.
            DataError: As :meth:`align`.
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


def sizes_of(thermal: Size, rgb: Size, reference: str, settings: RegistrationSettings) -> tuple[Size, Size]:
    """(height, width) of the fused picture, and that at which the network works, for pictures of two sizes."""
    output = _side_by_side(rgb if reference == "rgb" else thermal, settings.output_height, settings.output_width)
    return output, _side_by_side(output, settings.processing_height, settings.processing_width)


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


class _AloneKey(NamedTuple):
    """Likewise for a picture that is alone."""

    camera: str
    size: Size
    other: Size | None
    reference: str
    settings: RegistrationSettings
    rig: Rig


class CheckedFile(NamedTuple):
    """A registration file that was read.

    Attributes:
        name: As in the settings; empty for none.
        content: None for none.
    """

    name: str
    content: RegistrationFile | None


class PlannedRegistration:
    """The registration that the settings ask for, its maps kept between frames."""

    def __init__(self) -> None:
        self._key: _Key | None = None
        self._made: _Plan | None = None
        self._alone: tuple[_AloneKey, Callable[[Picture], Picture]] | None = None
        self._kept: CheckedFile | None = None
        self._renewed: CheckedFile | None = None
        self._stale = False

    @classmethod
    def checked(cls, settings: RegistrationSettings) -> PlannedRegistration:
        """A registration whose file has been read.

        Raises:
            DataError: As :meth:`check`.
            RegistrationError: As :meth:`check`.
        """
        registration = cls()
        registration.renew(registration.check(settings))
        return registration

    def another(self) -> PlannedRegistration:
        """One of its own, for another thread, with the file that was read."""
        registration = PlannedRegistration()
        registration.renew(self._renewed if self._stale else self._kept)
        return registration

    def renew(self, checked: CheckedFile | None) -> None:
        """Make all maps anew with the next pictures, from this file; from any thread.

        Args:
            checked: From :meth:`check`. None: a file is read when it is needed.
        """
        self._renewed = checked
        self._stale = True

    def check(self, settings: RegistrationSettings) -> CheckedFile | None:
        """Read the file that the settings name, so that a wrong one is told at once; from any thread.

        It changes nothing: what is at work stays at work.

        Returns:
            What :meth:`renew` takes; None where the mode needs no file.

        Raises:
            DataError: If it cannot be used.
            RegistrationError: If it lacks what the mode needs.
        """
        if settings.mode not in ("homography", "calibrated"):
            return None
        checked = CheckedFile(settings.file, _read(settings))
        file = checked.content
        if settings.mode == "homography" and (file is None or file.homography is None):
            raise lacks(settings, "homography")
        if settings.mode == "calibrated" and settings.extrinsics == "file" and (file is None or not file.extrinsics):
            raise lacks(settings, "extrinsics")
        return checked

    def align(
        self, thermal: Picture, rgb: Picture, *, reference: str, settings: RegistrationSettings, rig: Rig
    ) -> Aligned:
        """See :meth:`Registration.align`."""
        self._refresh()
        key = _Key(_size(thermal), _size(rgb), reference, settings, _used(rig, settings))
        plan = self._made if key == self._key else None
        if plan is None:
            plan = self._plan(key)
            self._key, self._made = key, plan
        full = plan.full_thermal(thermal) if plan.full_thermal else None
        return Aligned(plan.thermal(thermal), plan.rgb(rgb), plan.coverage, full, plan.undistorted)

    def align_alone(
        self,
        camera: str,
        image: Picture,
        *,
        other: Size | None,
        reference: str,
        settings: RegistrationSettings,
        rig: Rig,
    ) -> AlignedAlone:
        """See :meth:`Registration.align_alone`."""
        self._refresh()
        if other is None:
            reference = camera
        key = _AloneKey(camera, _size(image), other, reference, settings, _used(rig, settings))
        if self._alone is None or self._alone[0] != key:
            self._alone = key, self._plan_alone(key)
        return AlignedAlone(self._alone[1](image), reference, settings.mode == "calibrated")

    def _refresh(self) -> None:
        if self._stale:
            self._stale = False
            self._kept = self._renewed
            self._key = self._made = self._alone = None

    def _plan_alone(self, key: _AloneKey) -> Callable[[Picture], Picture]:
        sizes = {key.camera: key.size}
        if key.other is not None:
            sizes["rgb" if key.camera == "thermal" else "thermal"] = key.other
        output = _side_by_side(sizes[key.reference], key.settings.output_height, key.settings.output_width)
        maps = CameraMaps(sizes, key.reference, key.settings, key.rig, self._file(key.settings))
        warp = maps.warp(key.camera, output)
        return _resizing(output) if warp is None else _seen_by(warp)

    def _plan(self, key: _Key) -> _Plan:
        settings = key.settings
        output, processing = sizes_of(key.thermal_size, key.rgb_size, key.reference, settings)
        if settings.mode == "none" and key.thermal_size != key.rgb_size:
            raise RegistrationError(
                f"the thermal image is {text(key.thermal_size)} and the RGB image {text(key.rgb_size)}",
                expected="one size with registration.mode none",
                remedy="set registration.mode to resize, homography or calibrated",
            )
        if settings.mode in ("none", "resize"):
            return _Plan(_resizing(processing), _resizing(output), None, None, False)
        sizes = {"thermal": key.thermal_size, "rgb": key.rgb_size}
        maps = CameraMaps(sizes, key.reference, settings, key.rig, self._file(settings))
        thermal, rgb = maps.warp("thermal", output), maps.warp("rgb", output)
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
            thermal = maps.warp("thermal", processing)
        return _Plan(
            _apply(thermal, processing), _apply(rgb, output), full, coverage, undistorted=settings.mode == "calibrated"
        )

    def _file(self, settings: RegistrationSettings) -> RegistrationFile | None:
        if self._kept is None or self._kept.name != settings.file:
            self._kept = CheckedFile(settings.file, _read(settings))
        return self._kept.content


def _read(settings: RegistrationSettings) -> RegistrationFile | None:
    return read_registration(Path(settings.file).expanduser()) if settings.file else None


def _used(rig: Rig, settings: RegistrationSettings) -> Rig:
    """What of the rig is looked at: nothing else is a reason to plan anew."""
    return rig if settings.mode == "calibrated" else Rig()


def _seen_by(warp: Warp) -> Callable[[Picture], Picture]:
    """The map, and black where the camera sees nothing."""
    unseen = warp.seen == 0
    if not unseen.any():
        return warp.apply

    def apply(image: Picture) -> Picture:
        result = warp.apply(image)
        result[unseen] = 0
        return result

    return apply


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
