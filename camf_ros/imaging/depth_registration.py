"""Registration by depth: each pixel of the result is looked up where its own distance puts it in the other camera.

For a pixel p of the ideal reference camera with the nearness n = 1 / z, the other camera sees the point at

    K_o (R K_r^-1 p + n t),    X_o = R X_r + t

so two of three numbers per pixel are computed beforehand. What the other lens does to it changes smoothly with n and is
kept as a polynomial of n for each pixel: the picture is resampled once. Without depth, n is that of the plane.

What a nearer thing hides from the other camera is found with a z-buffer in the thermal camera's view, coarser than the
picture. With the thermal camera as reference the z-buffer itself gives the depth of each thermal pixel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import RegistrationError
from camf_ros.imaging.camera_model import Camera, Extrinsics, scaling
from camf_ros.imaging.warp import Warp, lookups

F32 = NDArray[np.float32]
Size = tuple[int, int]

# Depth outside of it is a hole, metres.
_NEAREST, _FARTHEST = 0.05, 1000.0
# Nearness at which the lens's polynomial is exact, 1 / m: Chebyshev's points for 0.8 m and beyond.
_NODES = tuple(0.625 * (1 + np.cos(np.pi * np.array([5, 3, 1]) / 6)))
# How much nearer, in pixels of the other camera, something must be to hide what is behind: so much for each cell of the
# z-buffer (a slanted surface changes within one) and so much in any case (noise).
_SLANT, _NOISE = 0.75, 0.5
_NOWHERE = np.float32(1e6)
# Every so many pixels, across and down, one goes into the z-buffer and is tested.
_STEP = 2


class DepthWarp(NamedTuple):
    """The map of one depth image; its arrays are those of the next one, too.

    Attributes:
        x: (H, W), column of the other camera's picture that each pixel shows.
        y: (H, W), its row.
        seen: (H, W) uint8, 255 where the other camera sees what the pixel shows.
        known: Share of the pixels with a depth of their own, 0 to 1; the rest is taken to lie on the plane.
        blur: Standard deviation of the smoothing before the look-up, in pixels of the picture; 0 for none.
    """

    x: F32
    y: F32
    seen: NDArray[np.uint8]
    known: float
    blur: float

    def apply(self, image: NDArray[Any]) -> NDArray[Any]:
        """The other camera's picture, (h, w) or (h, w, 3), in the reference camera's geometry."""
        if self.blur > 0:
            image = cv2.GaussianBlur(image, (0, 0), self.blur)
        return np.asarray(cv2.remap(image, self.x, self.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))

    def sample(self, image: NDArray[Any], seen: NDArray[np.uint8]) -> NDArray[Any]:
        """Likewise with the values of the nearest pixels, unchanged; 0, or NaN in floats, where ``seen`` is 0.

        ``seen`` is the mask at the size of the result.
        """
        moved = cv2.remap(image, self.x, self.y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        result = np.asarray(moved, image.dtype)
        if result.shape != seen.shape:
            result = np.asarray(cv2.resize(result, seen.shape[::-1], interpolation=cv2.INTER_NEAREST), image.dtype)
        result[seen == 0] = np.nan if image.dtype == np.float32 else 0
        return result


class DepthRegistration:
    """Maps for one rig and one size of result; everything that does not depend on the depth is computed once."""

    def __init__(
        self,
        *,
        thermal: Camera,
        rgb: Camera,
        depth: Camera,
        extrinsics: Extrinsics,
        reference: str,
        distance: float,
        output: Size,
    ) -> None:
        """Compute it.

        Args:
            thermal: The thermal camera.
            rgb: The RGB camera.
            depth: Geometry of the depth images, in the frame of the RGB camera.
            extrinsics: How the thermal camera stands to the RGB camera.
            reference: ``rgb`` or ``thermal``.
            distance: Of the plane for holes, metres.
            output: (height, width) of the result.
        """
        self._depth_size = depth.height, depth.width
        self._distance, self._by_rgb = distance, reference == "rgb"
        cameras = {"thermal": thermal, "rgb": rgb}
        own, other = cameras[reference], thermal if self._by_rgb else rgb
        to_ray = np.linalg.inv(own.k) @ scaling(output, (own.height, own.width))
        pose = extrinsics.inverse() if self._by_rgb else extrinsics
        self._gather = _Projection(to_ray, output, pose, other.k)
        self._lens = _lens(other, to_ray, output, pose)
        self._other_size = other.height, other.width
        plane = to_ray_at(to_ray, pose, 1 / distance)
        self.blur = Warp(*lookups(other, plane, output), self._other_size).blur

        # The grid in which depth is known: that of the result, or all of the ideal RGB camera.
        grid = output if self._by_rgb else (rgb.height, rgb.width)
        grid_to_ray = to_ray if self._by_rgb else np.asarray(np.linalg.inv(rgb.k), np.float64)
        self._resample = _resampling(depth, grid_to_ray, grid)
        view = self._other_size if self._by_rgb else output
        target = thermal.k if self._by_rgb else scaling((own.height, own.width), output) @ thermal.k
        forward = self._gather if self._by_rgb else _Projection(grid_to_ray, grid, extrinsics.inverse(), target, _STEP)
        self._forward = forward
        self._buffer = _ZBuffer(view, _STEP * forward.spacing)
        parallax = float(np.linalg.norm(extrinsics.t)) * thermal.matrix[0]
        cell = self._buffer.cell * _SLANT + _NOISE
        self._tolerance = np.float32(cell / parallax) if parallax > 1e-6 else np.float32(np.inf)

    def maps(self, depth: NDArray[Any]) -> DepthWarp:
        """Where to look each pixel up.

        Args:
            depth: (h, w), uint16 millimetres or float32 metres along the axis; 0, NaN and infinity are holes.

        Raises:
            RegistrationError: If it has another size or type.
        """
        nearness, valid = self._nearness(depth)
        return self._by_gathering(nearness, valid) if self._by_rgb else self._by_forwarding(nearness, valid)

    def _nearness(self, depth: NDArray[Any]) -> tuple[F32, NDArray[np.bool_]]:
        """1 / z in the grid, that of the plane in holes; and where there is no hole."""
        if depth.shape != self._depth_size or depth.dtype not in (np.uint16, np.float32):
            raise RegistrationError(
                f"the depth image is {depth.dtype} of {' x '.join(map(str, depth.shape[::-1]))}",
                expected=f"uint16 millimetres or float32 metres of {self._depth_size[1]} x {self._depth_size[0]}",
                remedy="correct the camera_info of the depth images",
            )
        if self._resample is not None:
            depth = cv2.remap(depth, *self._resample, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
        unit = np.float32(0.001 if depth.dtype == np.uint16 else 1.0)
        z = depth * unit if unit != 1 else depth.astype(np.float32)
        valid = (z > _NEAREST) & (z < _FARTHEST)
        np.copyto(z, np.float32(self._distance), where=~valid)
        return np.reciprocal(z, out=z), valid

    def _by_gathering(self, nearness: F32, valid: NDArray[np.bool_]) -> DepthWarp:
        x, y, _ = self._gather.project(nearness)
        part = np.s_[::_STEP, ::_STEP]
        some = nearness[part].ravel()
        places = self._buffer.places(x[part], y[part])
        # a hole hides nothing
        self._buffer.fill(places, np.where(valid[part].ravel(), some, np.float32(0)))
        hidden = self._buffer.at(places) - some > self._tolerance
        return self._finished(x, y, nearness, hidden.reshape(nearness[part].shape), _share(valid))

    def _by_forwarding(self, nearness: F32, valid: NDArray[np.bool_]) -> DepthWarp:
        part = np.s_[::_STEP, ::_STEP]
        some = np.ascontiguousarray(nearness[part])
        x, y, along = self._forward.project(some)
        places = self._buffer.places(x, y)
        # as seen from the thermal camera; 0 where only a hole is, below 0 where nothing is
        here = np.where(valid[part], some / along, np.float32(0))
        self._buffer.fill(places, here.ravel(), empty=-1.0)
        mine = self._buffer.enlarged()
        uncovered, plane = mine[part] < 0, mine <= 0
        np.copyto(mine, np.float32(1 / self._distance), where=plane)
        x, y, along = self._gather.project(mine)
        h, w = nearness.shape
        row, column = (np.rint(np.clip(each[part], 0, side - 1)).astype(np.intp) for each, side in ((y, h), (x, w)))
        at = row * w + column
        nearer = nearness.ravel()[at] - mine[part] / along[part] > self._tolerance
        hidden = uncovered | (nearer & valid.ravel()[at])
        return self._finished(x, y, mine, hidden, 1 - _share(plane))

    def _finished(self, x: F32, y: F32, nearness: F32, hidden: NDArray[np.bool_], known: float) -> DepthWarp:
        if self._lens is not None:
            x += self._lens[0].at(nearness)
            y += self._lens[1].at(nearness)
        h, w = self._other_size
        seen = cv2.bitwise_and(cv2.inRange(x, -0.5, w - 0.5), cv2.inRange(y, -0.5, h - 0.5))
        small = np.where(hidden, np.uint8(0), np.uint8(255))
        visible = cv2.resize(small, (_STEP * small.shape[1], _STEP * small.shape[0]), interpolation=cv2.INTER_NEAREST)
        cv2.bitwise_and(seen, visible[: x.shape[0], : x.shape[1]], seen)
        return DepthWarp(x, y, np.asarray(seen, np.uint8), known, self.blur)


def _share(mask: NDArray[np.bool_]) -> float:
    return float(cv2.countNonZero(mask.view(np.uint8))) / mask.size


def to_ray_at(to_ray: NDArray[np.float64], pose: Extrinsics, nearness: float) -> NDArray[np.float64]:
    """(3, 3): pixels to directions of the other camera, for points of one nearness."""
    return np.asarray((pose.r + np.outer(pose.t, [0.0, 0.0, nearness])) @ to_ray)


class _Projection:
    """Every ``step``-th pixel of a grid, with its nearness, to pixels of an ideal camera elsewhere."""

    def __init__(
        self, to_ray: NDArray[np.float64], grid: Size, pose: Extrinsics, k: NDArray[np.float64], step: int = 1
    ) -> None:
        rows, columns = np.mgrid[0 : grid[0] : step, 0 : grid[1] : step].astype(np.float64)
        matrix = k @ pose.r @ to_ray
        self._far = [(row[0] * columns + row[1] * rows + row[2]).astype(np.float32) for row in matrix]
        self._shift = (k @ pose.t).tolist()
        self._x, self._y, self._along = (np.empty(rows.shape, np.float32) for _ in range(3))
        #: Pixels there to a pixel here.
        self.spacing = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2] / matrix[2, 2]))))

    def project(self, nearness: F32) -> tuple[F32, F32, F32]:
        """Column, row, and distance along that camera's axis in units of that along this one's; (h, w) each.

        The arrays are used again by the next call.
        """
        for far, shift, into in zip(self._far, self._shift, (self._x, self._y, self._along), strict=True):
            cv2.scaleAdd(nearness, shift, far, into)
        # behind the camera: far outside of the picture
        np.maximum(self._along, np.float32(1e-6), out=self._along)
        cv2.divide(self._x, self._along, self._x)
        cv2.divide(self._y, self._along, self._y)
        return self._x, self._y, self._along


class _Polynomial:
    """A quadratic polynomial of the nearness for each pixel."""

    def __init__(self, values: list[NDArray[np.float64]]) -> None:
        inverse = np.linalg.inv(np.vander(_NODES, 3))
        self._terms = [np.asarray(term, np.float32) for term in np.tensordot(inverse, np.stack(values), 1)]
        self._out = np.empty(values[0].shape, np.float32)

    def at(self, nearness: F32) -> F32:
        out, (square, linear, constant) = self._out, self._terms
        np.multiply(square, nearness, out=out)
        np.add(out, linear, out=out)
        np.multiply(out, nearness, out=out)
        return np.add(out, constant, out=out)


def _lens(
    camera: Camera, to_ray: NDArray[np.float64], output: Size, pose: Extrinsics
) -> tuple[_Polynomial, _Polynomial] | None:
    """What the lens moves a point by, across and down; None for one without distortion."""
    if not any(camera.coefficients):
        return None
    ideal = Camera(camera.width, camera.height, camera.matrix)
    moves: tuple[list[NDArray[np.float64]], ...] = ([], [])
    for nearness in _NODES:
        rays = to_ray_at(to_ray, pose, float(nearness))
        for move, real, plain in zip(moves, lookups(camera, rays, output), lookups(ideal, rays, output), strict=True):
            # where the lens cannot see, out of the picture
            move.append(np.nan_to_num(real - plain, nan=float(_NOWHERE)))
    return _Polynomial(moves[0]), _Polynomial(moves[1])


def _resampling(depth: Camera, to_ray: NDArray[np.float64], grid: Size) -> tuple[Any, Any] | None:
    """The map of depth images into the grid; None where they are in it already."""
    x, y = lookups(depth, to_ray, grid)
    rows, columns = np.mgrid[0 : grid[0], 0 : grid[1]]
    if (depth.height, depth.width) == grid and max(np.abs(x - columns).max(), np.abs(y - rows).max()) < 0.25:
        return None
    found = [np.nan_to_num(each, nan=-float(_NOWHERE)).astype(np.float32) for each in (x, y)]
    first, second = cv2.convertMaps(found[0], found[1], cv2.CV_16SC2, nninterpolation=True)
    return first, second


class _ZBuffer:
    """The nearest of what falls into each cell of a view."""

    def __init__(self, view: Size, spacing: float) -> None:
        #: Side of a cell in pixels of the view: points that neighbour each other leave no cell out.
        self.cell = max(spacing, 1.0)
        self._view = view
        # The outermost cells stand for everything outside of the view.
        self._cells = np.zeros([int(np.ceil(side / self.cell)) + 3 for side in view], np.float32)
        self._flat = self._cells.reshape(-1)

    def places(self, x: F32, y: F32) -> NDArray[np.intp]:
        """Cells of pixels of the view, flat."""
        h, w = self._cells.shape
        scale, half = np.float32(1 / self.cell), np.float32(1.5)
        column, row = (np.clip(each * scale + half, 0, last).astype(np.intp) for each, last in ((x, w - 1), (y, h - 1)))
        return np.asarray(row * w + column, np.intp).ravel()

    def fill(self, places: NDArray[np.intp], nearness: F32, empty: float = 0.0) -> None:
        """Enter points; cracks between them are closed."""
        cells, flat = self._cells, self._flat
        cells.fill(empty)
        flat[places] = nearness
        for border in (cells[0], cells[-1], cells[:, 0], cells[:, -1]):
            border[:] = np.inf
        # NumPy does not say which of several values for one place stays: again, until it is the nearest.
        while (lost := np.flatnonzero(nearness > flat[places])).size:
            places, nearness = places[lost], nearness[lost]
            flat[places] = nearness
        inner = np.ascontiguousarray(cells[1:-1, 1:-1])
        cells[1:-1, 1:-1] = cv2.morphologyEx(inner, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))

    def at(self, places: NDArray[np.intp]) -> F32:
        """The nearest in these cells; infinite outside of the view."""
        return self._flat[places]

    def enlarged(self) -> F32:
        """(h, w) of the view."""
        h, w = self._view
        matrix = np.array([[1 / self.cell, 0, 1], [0, 1 / self.cell, 1]], np.float64)
        how = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(self._cells, matrix, (w, h), flags=how), np.float32)
