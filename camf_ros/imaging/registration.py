"""Registration: both frames into the geometry of the reference frame, each in one resampling by a precomputed map.

The maps depend on the sizes of the frames, the settings and what is known about the cameras; they are kept until one of
these changes, and for a few sizes that come in turns.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import RegistrationError
from camf_ros.imaging.blending import Coverage
from camf_ros.imaging.camera_model import Camera, DepthImage
from camf_ros.imaging.depth_registration import DepthRegistration
from camf_ros.imaging.memory_budget import area, side_by_side, sizes_of
from camf_ros.imaging.registration_file import RegistrationFile, read_registration
from camf_ros.imaging.warp import CameraMaps, Image, Rig, Size, Warp, lacks, resized, sampled, text
from camf_ros.settings.registration_settings import RegistrationSettings

Picture = NDArray[np.uint8]
#: A picture of the thermal camera, (h, w) of any type, in the geometry of the result, (H, W): values of the nearest
#: pixels, unchanged; 0, or NaN in floats, where that camera sees nothing.
Sample = Callable[[Image], Image]
_Move = Callable[[Picture], Picture]
_OTHER = {"thermal": "rgb", "rgb": "thermal"}
_T = TypeVar("_T")
# Maps are kept for so many pairs of sizes, and for so many pixels of results beside those of the last one.
_KEPT, _PIXELS = 4, 2**22


class Aligned(NamedTuple):
    """Two pictures in one geometry.

    Attributes:
        thermal: (h, w), at the size that the network works at.
        rgb: (H, W, 3) or (H, W), at the size of the result.
        coverage: Who sees what of the result; None if both see everything.
        full_thermal: (H, W), where the coverage needs it; else None.
        undistorted: Whether the geometry is that of the reference camera without its lens's distortion.
        depth: Share of the pixels that were registered by a depth of their own, 0 to 1; the rest by the plane.
        sample: Does the same with raw thermal values, until the next pair is aligned.
    """

    thermal: Picture
    rgb: Picture
    coverage: Coverage | None = None
    full_thermal: Picture | None = None
    undistorted: bool = False
    depth: float = 0.0
    sample: Sample | None = None


class AlignedAlone(NamedTuple):
    """One picture in the geometry of the result; black where the camera sees nothing of it.

    ``sample`` does the same with raw values.
    """

    image: Picture
    reference: str
    undistorted: bool = False
    sample: Sample | None = None


class _Plan(NamedTuple):
    """Everything that is the same for every pair of frames until something changes."""

    thermal: _Move
    rgb: _Move
    full_thermal: _Move | None = None
    coverage: Coverage | None = None
    undistorted: bool = False
    sample: Sample | None = None


class _DepthPlan(NamedTuple):
    """Likewise with depth.

    Attributes:
        maps: Of the camera that is not the reference.
        own: Moves the picture of the reference camera.
        own_seen: (H, W), 255 where that one sees something of the result.
        output: (height, width) of the result.
    """

    maps: DepthRegistration
    own: _Move
    own_seen: Picture
    output: Size


class CheckedFile(NamedTuple):
    """A registration file that was read; an empty name and None where the settings name no file."""

    name: str
    content: RegistrationFile | None


class _Kept(Generic[_T]):
    """What was made for the last sizes, one for each: what it depends on beside them may change with every frame."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, tuple[object, int, _T]] = OrderedDict()

    def get(self, sizes: Hashable, key: object, output: Size, make: Callable[[], _T]) -> _T:
        """What belongs to the sizes; ``key``: all that it depends on. ``output`` is the (height, width) of results."""
        known = self._entries.pop(sizes, None)
        if known is None or known[0] != key:
            known = key, area(output), make()
        others = sum(pixels for _, pixels, _ in self._entries.values())
        while self._entries and (len(self._entries) >= _KEPT or others > _PIXELS):
            others -= self._entries.popitem(last=False)[1][1]
        self._entries[sizes] = known
        return known[2]


class PlannedRegistration:
    """The registration that the settings ask for, its maps kept between frames."""

    def __init__(self) -> None:
        self._forget()
        self._kept: CheckedFile | None = None
        self._renewed: CheckedFile | None = None
        self._stale = False

    @classmethod
    def checked(cls, settings: RegistrationSettings) -> PlannedRegistration:
        """A registration whose file has been read; raises what :meth:`check` raises."""
        registration = cls()
        registration.renew(registration.check(settings))
        return registration

    def another(self) -> PlannedRegistration:
        """One of its own, for another thread, with the file that was read."""
        registration = PlannedRegistration()
        registration.renew(self._renewed if self._stale else self._kept)
        return registration

    def renew(self, checked: CheckedFile | None) -> None:
        """Make all maps anew with the next pictures, from what :meth:`check` gave; from any thread.

        None: a file is read when it is needed.
        """
        self._renewed = checked
        self._stale = True

    def check(self, settings: RegistrationSettings) -> CheckedFile | None:
        """Read the file that the settings name, so that a wrong one is told at once; from any thread.

        It changes nothing; :meth:`renew` takes the result, which is None where the mode needs no file. Raises DataError
        if the file cannot be used, RegistrationError if it lacks what the mode needs.
        """
        if settings.mode != "homography" and not settings.calibrated:
            return None
        checked = CheckedFile(settings.file, _read(settings))
        file = checked.content
        if settings.mode == "homography" and (file is None or file.homography is None):
            raise lacks(settings, "homography")
        if settings.calibrated and settings.extrinsics == "file" and (file is None or not file.extrinsics):
            raise lacks(settings, "extrinsics")
        return checked

    def align(
        self, thermal: Picture, rgb: Picture, *, reference: str, settings: RegistrationSettings, rig: Rig
    ) -> Aligned:
        """Both pictures, thermal (h, w) and RGB (h', w', 3) or (h', w'), as the reference camera would see them.

        Mode ``depth`` is registration by the plane where the rig has no depth image.

        Raises RegistrationError if they do not fit what is known or something is missing, DataError if the registration
        file cannot be used.
        """
        self._refresh()
        key = _size(thermal), _size(rgb), reference, settings, _of_lenses(rig)
        output, _ = sizes_of(*key[:4])
        plan = self._pairs.get(key[:2], key, output, lambda: self._plan(*key))
        if settings.mode == "depth" and rig.depth is not None:
            return self._by_depth(key, rig.depth, thermal, rgb, plan.sample)
        full = plan.full_thermal(thermal) if plan.full_thermal else None
        return Aligned(plan.thermal(thermal), plan.rgb(rgb), plan.coverage, full, plan.undistorted, sample=plan.sample)

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
        """One picture as the reference camera would see it.

        ``other`` is the size of the other camera's last picture; None if there was none, and then the geometry is that
        of the picture's own camera. Raises what :meth:`align` raises.
        """
        self._refresh()
        if other is None:
            reference = camera
        own, used = _size(image), _of_lenses(rig)
        sizes = {camera: own} if other is None else {_OTHER[camera]: other, camera: own}
        output = side_by_side(sizes[reference], settings.output_height, settings.output_width)
        move, sample = self._alone.get(
            (camera, own, other),
            (reference, settings, used),
            output,
            lambda: self._plan_alone(camera, sizes, reference, settings, used),
        )
        return AlignedAlone(move(image), reference, settings.calibrated, sample)

    def _refresh(self) -> None:
        if self._stale:
            self._stale, self._kept = False, self._renewed
            self._forget()

    def _forget(self) -> None:
        self._pairs: _Kept[_Plan] = _Kept()
        self._depths: _Kept[_DepthPlan] = _Kept()
        self._alone: _Kept[tuple[_Move, Sample]] = _Kept()

    def _by_depth(
        self,
        key: tuple[Size, Size, str, RegistrationSettings, Rig],
        depth: DepthImage,
        thermal: Picture,
        rgb: Picture,
        own: Sample | None,
    ) -> Aligned:
        """``own``: :attr:`Aligned.sample` by the plane."""
        output, _ = sizes_of(*key[:4])
        plan = self._depths.get(key[:2], (key, depth.camera), output, lambda: self._plan_depth(key, depth.camera))
        warp = plan.maps.maps(depth.image)
        seen = warp.seen
        if seen.shape != plan.output:
            seen = np.asarray(cv2.resize(seen, plan.output[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
        if key[2] == "rgb":
            grey, colour = np.asarray(warp.apply(thermal), np.uint8), plan.own(rgb)
            coverage = Coverage(seen, plan.own_seen, key[3].feather)
            sample: Sample | None = functools.partial(warp.sample, seen=seen)
        else:
            grey, colour = plan.own(thermal), np.asarray(warp.apply(rgb), np.uint8)
            coverage = Coverage(plan.own_seen, seen, key[3].feather)
            sample = own  # its own camera: no depth in it
        full = resized(grey, plan.output) if coverage.needs_thermal else None
        both = None if coverage.complete else coverage
        return Aligned(grey, colour, both, full, True, warp.known, sample)

    def _plan_depth(self, key: tuple[Size, Size, str, RegistrationSettings, Rig], depth: Camera) -> _DepthPlan:
        thermal_size, rgb_size, reference, settings, rig = key
        output, processing = sizes_of(thermal_size, rgb_size, reference, settings)
        cameras = CameraMaps({"thermal": thermal_size, "rgb": rgb_size}, reference, settings, rig, self._file(settings))
        maps = DepthRegistration(
            thermal=cameras.camera("thermal"),
            rgb=cameras.camera("rgb"),
            depth=depth,
            extrinsics=cameras.extrinsics(),
            reference=reference,
            distance=settings.distance,
            output=processing if reference == "rgb" else output,
        )
        seen = _seen(cameras.warp(reference, output), output)
        size = output if reference == "rgb" else processing
        return _DepthPlan(maps, _move(cameras.warp(reference, size), size), seen, output)

    def _plan_alone(
        self, camera: str, sizes: Mapping[str, Size], reference: str, settings: RegistrationSettings, rig: Rig
    ) -> tuple[_Move, Sample]:
        output = side_by_side(sizes[reference], settings.output_height, settings.output_width)
        warp = CameraMaps(sizes, reference, settings, rig, self._file(settings)).warp(camera, output)
        move = _resizing(output) if warp is None else _seen_by(warp)
        return move, _sampling(lambda: warp, output)

    def _plan(
        self, thermal_size: Size, rgb_size: Size, reference: str, settings: RegistrationSettings, rig: Rig
    ) -> _Plan:
        output, processing = sizes_of(thermal_size, rgb_size, reference, settings)
        if settings.mode == "none" and thermal_size != rgb_size:
            raise RegistrationError(
                f"the thermal image is {text(thermal_size)} and the RGB image {text(rgb_size)}",
                expected="one size with registration.mode none",
                remedy="set registration.mode to resize, homography or calibrated",
            )
        if settings.mode in ("none", "resize"):
            return _Plan(_resizing(processing), _resizing(output), sample=_sampling(lambda: None, output))
        sizes = {"thermal": thermal_size, "rgb": rgb_size}
        maps = CameraMaps(sizes, reference, settings, rig, self._file(settings))
        thermal, rgb = maps.warp("thermal", output), maps.warp("rgb", output)
        coverage = Coverage(_seen(thermal, output), _seen(rgb, output), settings.feather)
        if coverage.overlap == 0:
            raise RegistrationError(
                "the two cameras see nothing in common",
                expected="an overlap",
                remedy="check registration.file, and which camera is which",
            )
        full = None if coverage.complete or not coverage.needs_thermal else _move(thermal, output)
        whole = thermal
        sample = _sampling(lambda: whole, output)
        if processing != output:
            thermal = maps.warp("thermal", processing)
            if full is None:  # made when it is needed
                sample = _sampling(functools.cache(lambda: maps.warp("thermal", output)), output)
        return _Plan(
            _move(thermal, processing),
            _move(rgb, output),
            full,
            None if coverage.complete else coverage,
            settings.calibrated,
            sample,
        )

    def _file(self, settings: RegistrationSettings) -> RegistrationFile | None:
        if self._kept is None or self._kept.name != settings.file:
            self._kept = CheckedFile(settings.file, _read(settings))
        return self._kept.content


def _read(settings: RegistrationSettings) -> RegistrationFile | None:
    return read_registration(Path(settings.file).expanduser()) if settings.file else None


def _of_lenses(rig: Rig) -> Rig:
    """What of the rig maps depend on: depth changes with every frame."""
    return rig._replace(depth=None)


def _seen_by(warp: Warp) -> _Move:
    """The map, and black where the camera sees nothing."""
    unseen = warp.seen == 0
    if not unseen.any():
        return warp.apply

    def apply(image: Picture) -> Picture:
        result = warp.apply(image)
        result[unseen] = 0
        return result

    return apply


def _sampling(warp: Callable[[], Warp | None], size: Size) -> Sample:
    def sample(image: Image) -> Image:
        found = warp()
        return sampled(image, size) if found is None else found.sample(image)

    return sample


def _resizing(size: Size) -> _Move:
    return lambda image: resized(image, size)


def _move(warp: Warp | None, size: Size) -> _Move:
    return _resizing(size) if warp is None else warp.apply


def _seen(warp: Warp | None, size: Size) -> Picture:
    return np.full(size, 255, np.uint8) if warp is None else warp.seen


def _size(image: Picture) -> Size:
    return image.shape[0], image.shape[1]
