"""Pictures in another size or geometry.

A map is computed once for each camera, from a homography or from calibrated cameras. It is kept in OpenCV's fixed-point
form (whole pixels and 1/32), which is several times faster to apply than floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import RegistrationError
from camf_ros.imaging.camera_model import Camera, DepthImage, Extrinsics, scaling
from camf_ros.imaging.registration_file import RegistrationFile
from camf_ros.settings.registration_settings import RegistrationSettings

Matrix = NDArray[np.float64]
Image = NDArray[np.uint8 | np.uint16 | np.float32]
#: (height, width).
Size = tuple[int, int]

# Radii (tangent of the angle to the optical axis) at which it is tested whether a lens's polynomial still grows.
_RADII = np.linspace(0.0, 20.0, 20001)
# Coefficients of D that move a point radially: not the tangential ones and those of a thin prism.
_RADIAL = (1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0)
# Source pixels per output pixel from which on a picture is smoothed first, against aliasing.
_COARSE = 1.3


def resized(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """A picture at another size: averaged if both sides shrink, else bilinear; itself if it fits already."""
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    shrinking = image.shape[0] >= height and image.shape[1] >= width
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def sampled(image: Image, size: Size) -> Image:
    """A picture at another size, (height, width), whose values are those of its nearest pixels, unchanged."""
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT), image.dtype)


class Warp:
    """One map, for one size of source and one of output.

    Attributes:
        seen: (H, W) uint8, 255 where the source shows something and 0 elsewhere.
        blur: Standard deviation, in source pixels, of the smoothing before the look-up; 0 for none.
    """

    def __init__(self, x: NDArray[np.float64], y: NDArray[np.float64], source: Size) -> None:
        """Of the column x and row y of the source that each output pixel shows, (H, W); NaN where there is none.

        The source's size is (height, width).
        """
        height, width = source
        # Pixels are squares: the picture ends half a pixel beyond the outermost centres.
        inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
        self.seen = inside.astype(np.uint8) * np.uint8(255)
        self.blur = _smoothing(x, y, inside)
        # Beyond the border its pixels are repeated, so that the network sees no edge there.
        x = np.clip(np.nan_to_num(x, nan=0.0), 0, width - 1)
        y = np.clip(np.nan_to_num(y, nan=0.0), 0, height - 1)
        self._maps = cv2.convertMaps(x.astype(np.float32), y.astype(np.float32), cv2.CV_16SC2)
        # Nearest pixels, where somebody has asked for them.
        self._nearest: NDArray[np.int16] | None = None

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture, (h, w) or (h, w, 3) of the source's size, in the output's geometry."""
        if self.blur > 0:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self.blur), np.uint8)
        first, second = self._maps
        return np.asarray(cv2.remap(image, first, second, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)

    def sample(self, image: Image) -> Image:
        """The nearest pixel's value, unchanged, where the source shows something; elsewhere 0, or NaN in floats."""
        if self._nearest is None:
            # Not left to remap(), which rounds fixed-point maps up at times.
            whole, fraction = np.asarray(self._maps[0], np.int16), np.asarray(self._maps[1], np.uint16)
            up = np.dstack(((fraction & 31) >= 16, (fraction >> 5) >= 16))
            self._nearest = np.asarray(whole + up, np.int16)
        no_fraction: NDArray[np.uint16] = np.empty(0, np.uint16)
        result = np.asarray(cv2.remap(image, self._nearest, no_fraction, cv2.INTER_NEAREST), image.dtype)
        result[self.seen == 0] = np.nan if image.dtype == np.float32 else 0
        return result


def from_homography(matrix: Matrix, source: Size, output: Size) -> Warp:
    """The map of a (3, 3) homography from output pixels to source pixels; sizes are (height, width)."""
    y, x = np.mgrid[0 : output[0], 0 : output[1]].astype(np.float64)
    moved = [row[0] * x + row[1] * y + row[2] for row in matrix]
    # A depth of 0 or less is the horizon or behind the camera. The sign of a homography is arbitrary: the middle of the
    # picture is assumed to be in front.
    sign = np.sign(matrix[2] @ [(output[1] - 1) / 2, (output[0] - 1) / 2, 1.0])
    depth = np.where(sign * moved[2] > 1e-12, moved[2], np.nan)
    return Warp(moved[0] / depth, moved[1] / depth, source)


def _smoothing(x: NDArray[np.float64], y: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    """Standard deviation, in source pixels, of the smoothing that a map needs; 0 for none."""
    if min(x.shape) < 2:
        return 0.0
    area = np.diff(x, axis=1)[:-1] * np.diff(y, axis=0)[:, :-1] - np.diff(x, axis=0)[:, :-1] * np.diff(y, axis=1)[:-1]
    area = np.abs(area[inside[:-1, :-1]])
    area = area[np.isfinite(area)]
    density = float(np.sqrt(np.median(area))) if area.size else 1.0
    # A source pixel is blurred already; add what is missing to the blur of an output pixel.
    return 0.5 * float(np.sqrt(density**2 - 1)) if density > _COARSE else 0.0


def transfer(pose: Extrinsics, distance: float) -> Matrix:
    """(3, 3): directions of the reference camera to those of the other one, for points on a plane.

    With ``X_o = R X_r + t`` (the pose) and the plane ``n^T X_r = d`` (n = z, d metres), points of the plane satisfy
    ``X_o = (R + t n^T / d) X_r`` (Hartley and Zisserman, Multiple View Geometry, 2004, section 13.1, where the plane
    has the other sign).
    """
    return np.asarray(pose.r + np.outer(pose.t, [0.0, 0.0, 1.0]) / distance)


def undistorting(camera: Camera, to_ray: Matrix, output: Size) -> Warp:
    """The map that shows a camera's picture in the geometry of an ideal one; see :func:`lookups`."""
    return Warp(*lookups(camera, to_ray, output), (camera.height, camera.width))


def lookups(camera: Camera, to_ray: Matrix, output: Size) -> tuple[Matrix, Matrix]:
    """Column and row at which a camera's picture shows the pixels of an ideal one of (height, width), (H, W) each.

    NaN where the camera cannot see. ``to_ray``, (3, 3), takes a homogeneous output pixel to a direction in the camera's
    frame: of any length, with z above 0 for what lies in front.
    """
    lens: Any = cv2.fisheye if _is_fisheye(camera) else cv2
    d = np.array(camera.coefficients or (0.0,) * 4, np.float64)
    ideal = np.linalg.inv(to_ray)
    x, y = lens.initUndistortRectifyMap(camera.k, d, np.eye(3), ideal, output[::-1], cv2.CV_32FC1)
    # OpenCV ignores the skew in K.
    fy, cy = camera.matrix[4:6]
    x = x.astype(np.float64) + camera.matrix[1] / fy * (y - cy)
    rows, columns = np.mgrid[0 : output[0], 0 : output[1]].astype(np.float64)
    across, down, depth = (row[0] * columns + row[1] * rows + row[2] for row in to_ray)
    seen = (depth > 1e-9) & (np.hypot(across, down) <= _widest(camera) * depth)
    return np.where(seen, x, np.nan), np.where(seen, y, np.nan)


def _is_fisheye(camera: Camera) -> bool:
    return camera.model in ("equidistant", "fisheye") and any(camera.coefficients)


def _widest(camera: Camera) -> float:
    """The radius up to which the polynomial of a lens grows; beyond it, points would appear a second time."""
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


class Rig(NamedTuple):
    """What is known about the cameras at the moment; None where it is not."""

    thermal: Camera | None = None
    rgb: Camera | None = None
    extrinsics: Extrinsics | None = None
    depth: DepthImage | None = None


class CameraMaps:
    """The map of each camera's pictures into the geometry of the result.

    It asks only for what a map needs, so that the reference camera's own map can be had without the other camera.
    """

    def __init__(
        self,
        sizes: Mapping[str, Size],
        reference: str,
        settings: RegistrationSettings,
        rig: Rig,
        file: RegistrationFile | None,
    ) -> None:
        """For pictures of these sizes, of the reference camera at least."""
        self._sizes, self._reference, self._settings, self._rig, self._file = sizes, reference, settings, rig, file

    def warp(self, camera: str, output: Size) -> Warp | None:
        """The map of a camera's pictures into a result of a size; None where only the size differs.

        Raises RegistrationError if something that the map needs is not known.
        """
        if self._settings.mode == "homography":
            return self._by_homography(camera, output)
        if self._settings.calibrated:
            return self._calibrated(camera, output)
        return None

    def _by_homography(self, camera: str, output: Size) -> Warp | None:
        if camera == self._reference:
            return None
        file = self._file
        if file is None or file.homography is None:
            raise lacks(self._settings, "homography")
        # The frames may have other sizes than in the file: a camera that bins, or a driver that resizes.
        thermal, rgb = self._sizes["thermal"], self._sizes["rgb"]
        to_rgb = scaling(file.rgb_size, rgb) @ file.homography @ scaling(thermal, file.thermal_size)
        to_other = np.linalg.inv(to_rgb) if self._reference == "rgb" else to_rgb
        return from_homography(to_other @ scaling(output, self._sizes[self._reference]), self._sizes[camera], output)

    def _calibrated(self, camera: str, output: Size) -> Warp:
        own = self.camera(camera)
        to_ray = np.linalg.inv(self.camera(self._reference).k) @ scaling(output, self._sizes[self._reference])
        if camera != self._reference:
            extrinsics = self.extrinsics()
            pose = extrinsics if self._reference == "thermal" else extrinsics.inverse()
            to_ray = transfer(pose, self._settings.distance) @ to_ray
        return undistorting(own, to_ray, output)

    def camera(self, name: str) -> Camera:
        """Intrinsics of a camera; raises RegistrationError if they are not known or do not fit its pictures."""
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

    def extrinsics(self) -> Extrinsics:
        """How the cameras stand to each other; raises RegistrationError if that is not known."""
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
