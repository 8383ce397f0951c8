"""Cameras and how two of them stand to each other, without ROS.

Messages are any objects with the fields of sensor_msgs/CameraInfo or geometry_msgs/Transform: what a node receives, and
what is read from a recording.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import RegistrationError, shown

Matrix = NDArray[np.float64]

#: Distortion models and how many coefficients each may have. OpenCV calls equidistant "fisheye".
MODELS = {
    "plumb_bob": (0, 4, 5),
    "rational_polynomial": (0, 8, 12),
    "equidistant": (0, 4),
    "fisheye": (0, 4),
}
# Numbers that differ by less are the same pose: a publisher that computes it anew each time must not cost new maps.
_SAME = 1e-6
# Coefficients of a rational polynomial; drivers send them with others, of zero, behind them.
_RATIONAL, _LONGER = 8, (12, 14)
# No number of a camera is as large, no sensor bins so many pixels, and rotations have a few digits at least.
_ABSURD, _MOST_BINNED, _NO_ROTATION = 1e9, 64, 0.02
# A second at 30 Hz.
_KEPT = 30
#: So many stamps say which images are lost on the way, at a tenth of the rate, too.
LAST_STAMPS = 200
_IDENTITY = np.eye(3).ravel().tolist()


@dataclass(frozen=True)
class Camera:
    """A camera's intrinsics, for pictures of one size; pixel (0, 0) is the centre of the first pixel.

    Attributes:
        matrix: K, row by row: fx, skew, cx, 0, fy, cy, 0, 0, 1; pixels.
        model: Key of :data:`MODELS`.
        coefficients: D in OpenCV's order; empty or all 0 for a lens without distortion.
    """

    width: int
    height: int
    matrix: tuple[float, ...]
    model: str = "plumb_bob"
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise RegistrationError(f"size is {self.width} x {self.height}", expected="at least 1 x 1 pixels")
        if len(self.matrix) != 9 or not all(map(math.isfinite, self.matrix)):
            raise RegistrationError(f"k is {list(self.matrix)}", expected="nine finite numbers, row by row")
        if self.matrix[0] <= 0 or self.matrix[4] <= 0 or self.matrix[6:] != (0, 0, 1):
            raise RegistrationError(
                f"k is {list(self.matrix)}",
                expected="focal lengths above 0 and a last row of 0, 0, 1",
                remedy="calibrate the camera; drivers send zeros where there is no calibration",
            )
        if self.model not in MODELS:
            raise RegistrationError(f"distortion_model is {shown(self.model)}", expected=f"one of {', '.join(MODELS)}")
        if len(self.coefficients) not in MODELS[self.model] or not all(map(math.isfinite, self.coefficients)):
            counts = " or ".join(str(count) for count in MODELS[self.model])
            raise RegistrationError(
                f"d is {shown(list(self.coefficients))}", expected=f"{counts} finite numbers for {self.model}"
            )

    @property
    def k(self) -> Matrix:
        """K as (3, 3)."""
        return np.array(self.matrix, np.float64).reshape(3, 3)


@dataclass(frozen=True)
class Extrinsics:
    """The pose of the thermal camera in the RGB camera's frame: ``X_rgb = R X_thermal + t``.

    Both are optical frames of ROS (x right, y down, z forward). R is row by row and orthonormal, t in metres.
    """

    rotation: tuple[float, ...]
    translation: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.rotation) != 9 or not all(map(math.isfinite, self.rotation)):
            raise RegistrationError(f"rotation is {list(self.rotation)}", expected="nine finite numbers, row by row")
        if len(self.translation) != 3 or not all(map(math.isfinite, self.translation)):
            raise RegistrationError(f"translation is {list(self.translation)}", expected="three finite numbers, metres")
        if not np.allclose(self.r @ self.r.T, np.eye(3), atol=1e-4) or np.linalg.det(self.r) < 0:
            raise RegistrationError(
                f"rotation is {list(self.rotation)}", expected="an orthonormal matrix with determinant 1"
            )

    @property
    def r(self) -> Matrix:
        """R as (3, 3)."""
        return np.array(self.rotation, np.float64).reshape(3, 3)

    @property
    def t(self) -> Matrix:
        """(3,): t."""
        return np.array(self.translation, np.float64)

    def inverse(self) -> Extrinsics:
        """The opposite pose: ``X_thermal = R' X_rgb + t'``."""
        return Extrinsics(tuple(map(float, self.r.T.ravel())), tuple(map(float, -self.r.T @ self.t)))


class DepthImage(NamedTuple):
    """A depth image.

    Attributes:
        image: (h, w), uint16 millimetres or float32 metres; 0, NaN and infinity are holes.
        camera: Its geometry, in the frame of the RGB camera.
    """

    image: NDArray[Any]
    camera: Camera


def scaling(source: tuple[int, int], target: tuple[int, int]) -> Matrix:
    """(3, 3): pixels of a picture to those of the same picture in another size, both (height, width).

    As in cv2.resize, the corners of the outermost pixels stay where they are.
    """
    sy, sx = target[0] / source[0], target[1] / source[1]
    return np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]])


def check_frames(thermal: str, rgb: str) -> None:
    """Raise RegistrationError for frames between which there can be no transform: equal ones, or an empty name."""
    if not thermal or not rgb or thermal == rgb:
        raise RegistrationError(
            f"frame_id is {thermal!r} in the thermal camera_info and {rgb!r} in the RGB one",
            expected="a frame of its own for each camera",
            remedy="correct it in the drivers, or set registration.extrinsics to file",
        )


def extrinsics_of(transform: Any) -> Extrinsics:
    """From the geometry_msgs/Transform of the thermal camera's frame to the RGB camera's."""
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
    """Whether two poses are the same."""
    return _close(one.rotation, other.rotation) and _close(one.translation, other.translation)


def _close(one: Sequence[float], other: Sequence[float]) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=_SAME))


class InfoHistory:
    """The last camera_info messages of one camera: newer ones may have come while a pair is processed."""

    def __init__(self) -> None:
        self._kept: deque[Any] = deque(maxlen=_KEPT)

    def keep(self, info: Any) -> None:
        """Take a message."""
        self._kept.append(info)

    def of(self, stamp: Any) -> Any:
        """The message with an image's stamp, else the last one (some cameras send it rarely); None before the first."""
        infos = tuple(self._kept)
        last = infos[-1] if infos else None
        return next((info for info in infos if info.header.stamp == stamp), last)


def picture_size(info: Any) -> tuple[int, int]:
    """(height, width) of the pictures that a camera_info goes with: its region of interest, binned."""
    width, height = info.roi.width or info.width, info.roi.height or info.height
    return height // max(info.binning_y, 1), width // max(info.binning_x, 1)


def camera_of(info: Any) -> Camera | None:
    """Intrinsics of the pictures as they come: after the region of interest and the binning.

    None without a message, and where K begins with 0: then the camera is not calibrated. Raises RegistrationError for
    an unknown distortion model and for impossible numbers.
    """
    if info is None or info.k[0] == 0:
        return None
    height, width = picture_size(info)
    k = _to_picture(info) @ np.array(info.k, np.float64).reshape(3, 3)
    return Camera(width, height, _plain(k), *_lens(info))


def wrong_with(info: Any) -> str:
    """What makes a camera_info useless, for us and for whoever would get it with the fused image; empty if nothing.

    K of zeros is a camera without calibration, and R and P of zeros are not known; all else has to make sense.
    """
    return next(_faults(info), "")


def _faults(info: Any) -> Iterator[str]:
    numbers = {name: np.array(getattr(info, name), np.float64) for name in ("k", "d", "r", "p")}
    for name, values in numbers.items():
        if not (np.abs(values) < _ABSURD).all():
            yield f"{name} is {shown(values.tolist())}"
    size, region = f"{info.width} x {info.height}", info.roi
    if max(info.binning_x, info.binning_y) > _MOST_BINNED or (
        info.width and info.height and not all(picture_size(info))
    ):
        yield f"binning is {info.binning_x} x {info.binning_y} for {size}"
    if region.x_offset + region.width > info.width or region.y_offset + region.height > info.height:
        yield f"roi is {region.width} x {region.height} at {region.x_offset}, {region.y_offset} of {size}"
    r, p = numbers["r"].reshape(3, 3), numbers["p"].reshape(3, 4)
    if r.any() and (np.abs(r @ r.T - np.eye(3)).max() > _NO_ROTATION or np.linalg.det(r) < 0):
        yield f"r is {shown(numbers['r'].tolist())}, which is no rotation"
    if p.any() and (min(p[0, 0], p[1, 1]) <= 0 or p[2].tolist() != [0, 0, 1, 0]):
        yield f"p is {shown(numbers['p'].tolist())}; expected focal lengths above 0 and a last row of 0, 0, 1, 0"
    try:
        model, coefficients = _lens(info)
        k = _plain(numbers["k"]) if numbers["k"].any() else _plain(np.eye(3).ravel())
        Camera(max(1, info.width), max(1, info.height), k, model, coefficients)
    except RegistrationError as error:
        yield str(error)


def _lens(info: Any) -> tuple[str, tuple[float, ...]]:
    """Distortion model and coefficients of a camera_info, as image_geometry takes them."""
    model, d = str(info.distortion_model) or "plumb_bob", _plain(np.array(info.d))
    if not any(d):
        d = ()
    elif model == "plumb_bob" and len(d) == _RATIONAL:
        model = "rational_polynomial"
    elif model == "rational_polynomial" and len(d) in _LONGER and not any(d[_RATIONAL:]):
        d = d[:_RATIONAL]
    return model, d


def fused_info(info: Any, header: Any, size: tuple[int, int], *, undistorted: bool) -> Any:
    """The reference camera's camera_info, changed to go with an image of (height, width) made from its pictures.

    K and P are scaled, region and binning reset. Where the distortion was taken out, D is zero, R the identity, and P
    made of K.
    """
    own = picture_size(info)
    result = copy.copy(info)
    result.header = header
    if own == size == (info.height, info.width) and not undistorted:
        return result
    result.height, result.width = size
    result.binning_x = result.binning_y = 0
    result.roi = copy.copy(info.roi)
    result.roi.x_offset = result.roi.y_offset = result.roi.width = result.roi.height = 0
    result.roi.do_rectify = False
    to_result = scaling(own, size) @ _to_picture(info)
    k = to_result @ np.array(info.k, np.float64).reshape(3, 3)
    result.k = k.ravel().tolist()
    if undistorted:
        result.distortion_model = "plumb_bob"
        result.d = [0.0] * 5
        result.r = _IDENTITY
        result.p = np.column_stack([k, np.zeros(3)]).ravel().tolist()
    else:
        result.p = (to_result @ np.array(info.p, np.float64).reshape(3, 4)).ravel().tolist()
    return result


def _to_picture(info: Any) -> NDArray[np.float64]:
    """(3, 3): pixels of the full sensor to pixels of the pictures."""
    height, width = picture_size(info)
    region = (info.roi.height or info.height, info.roi.width or info.width)
    cut = np.array([[1, 0, -float(info.roi.x_offset)], [0, 1, -float(info.roi.y_offset)], [0, 0, 1]])
    # Where the binning does not divide the region, the remainder is cut off.
    used = (height * max(info.binning_y, 1), width * max(info.binning_x, 1))
    return np.asarray(scaling(used, (height, width)) @ cut) if all(region) else np.eye(3)


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values.ravel())
