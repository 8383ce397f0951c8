"""Flat painted surfaces seen in true perspective by a pinhole camera at any pose.

World and cameras: metres, x to the right, y down, z forward, as in the optical frames of ROS. A pixel of a surface
with the corner ``o`` and the sides ``a`` (across) and ``b`` (down) satisfies ``(u, v, 1) / z = M^-1 (column, row, 1)``
with ``M = K R' [a b o - c]`` for a camera at ``c`` with the axes ``R``: one product gives place and depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .arrays import F32, U8
from .camera import Pinhole

Matrix = NDArray[np.float64]

#: Nothing nearer than this is drawn, metres.
NEAR = 0.05
# How far beyond its sides a surface reaches, in shares of a side, so that no ray slips through between neighbours.
_SEAM = 1e-5
_LEVELS = 7


class Pose(NamedTuple):
    """Where a camera is.

    Attributes:
        rotation: (3, 3), the camera's axes in the world as columns.
        position: (3,), metres.
    """

    rotation: Matrix
    position: Matrix

    def moved(self, rotation: Matrix, translation: Matrix) -> Pose:
        """The pose of a camera whose points X are ``rotation @ X + translation`` in this one's frame."""
        return Pose(self.rotation @ rotation, self.rotation @ translation + self.position)


class Texture:
    """What is painted on a surface, at several resolutions."""

    def __init__(self, colour: U8, celsius: F32, alpha: U8 | None = None) -> None:
        """Make the coarser copies.

        Args:
            colour: (h, w, 3) code values.
            celsius: (h, w) apparent temperature.
            alpha: (h, w), above 127 where there is something; None for everywhere.
        """
        self.alpha = alpha
        self.levels: list[tuple[U8, F32]] = [(colour, celsius)]
        while len(self.levels) < _LEVELS and min(celsius.shape) >= 4:
            h, w = celsius.shape
            size = (max(w // 2, 1), max(h // 2, 1))
            colour = np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA), np.uint8)
            celsius = np.asarray(cv2.resize(celsius, size, interpolation=cv2.INTER_AREA), np.float32)
            self.levels.append((colour, celsius))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the finest copy."""
        h, w = self.levels[0][1].shape
        return int(h), int(w)


@dataclass(frozen=True)
class Surface:
    """A painted parallelogram; from behind it is not seen.

    Attributes:
        corner: World position of the texture's top left corner.
        across: From there to its top right corner.
        down: From there to its bottom left corner.
        texture: What is on it.
    """

    corner: tuple[float, float, float]
    across: tuple[float, float, float]
    down: tuple[float, float, float]
    texture: Texture

    @cached_property
    def corners(self) -> Matrix:
        """(4, 3), around."""
        o, a, b = (np.array(each, np.float64) for each in (self.corner, self.across, self.down))
        return np.stack([o, o + a, o + a + b, o + b])


class _Patch(NamedTuple):
    """A surface and the part of the picture where it may be."""

    texture: Texture
    inverse: Matrix
    rows: slice
    columns: slice

    def planes(self, rows: slice, columns: slice) -> tuple[F32, F32, F32]:
        """The planes u / z, v / z and 1 / z over a part of the picture."""
        x = np.arange(columns.start, columns.stop, dtype=np.float64)
        y = np.arange(rows.start, rows.stop, dtype=np.float64)
        u, v, w = (
            np.add.outer((row[1] * y + row[2]).astype(np.float32), (row[0] * x).astype(np.float32))
            for row in self.inverse
        )
        return u, v, w


class Raster:
    """Which surface each pixel of a camera shows, and how far it is."""

    def __init__(self, surfaces: Sequence[Surface], camera: Pinhole, pose: Pose) -> None:
        """Decide it for the centre of every pixel."""
        shape = camera.height, camera.width
        self._nearness = np.zeros(shape, np.float32)
        self._index = np.full(shape, -1, np.int16)
        self._patches = _patches(surfaces, camera, pose)
        for number, patch in enumerate(self._patches):
            self._enter(number, patch)

    @property
    def depth(self) -> F32:
        """(h, w) metres along the camera's axis; infinite in the sky."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.float32(1) / self._nearness, np.float32)

    def _enter(self, number: int, patch: _Patch) -> None:
        here = patch.rows, patch.columns
        u, v, w = patch.planes(*here)
        nearness = self._nearness[here]
        rim = w * np.float32(_SEAM)
        inside = w > nearness
        for along in (u, v):
            inside &= along >= -rim
            inside &= along <= w + rim
        if patch.texture.alpha is not None:
            rows, columns = np.nonzero(inside)
            h, w_ = patch.texture.shape
            at = w[rows, columns]
            i = np.minimum((v[rows, columns] / at * h).astype(np.intp), h - 1)
            j = np.minimum((u[rows, columns] / at * w_).astype(np.intp), w_ - 1)
            inside[rows, columns] = patch.texture.alpha[i, j] > 127
        np.copyto(nearness, w, where=inside)
        np.copyto(self._index[here], np.int16(number), where=inside)

    def paint(self, layer: int, picture: NDArray[Any]) -> None:
        """Draw what the surfaces show over the sky.

        Args:
            layer: 0 for colour, 1 for temperature.
            picture: (h, w, 3) or (h, w), the sky; changed in place.
        """
        shown = np.bincount(self._index.ravel() + 1, minlength=len(self._patches) + 1)
        for number in np.flatnonzero(shown[1:]).tolist():
            patch = self._patches[number]
            mask = self._index[patch.rows, patch.columns] == number
            ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            rows = slice(patch.rows.start + int(ys[0]), patch.rows.start + int(ys[-1]) + 1)
            columns = slice(patch.columns.start + int(xs[0]), patch.columns.start + int(xs[-1]) + 1)
            mask = mask[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
            u, v, w = patch.planes(rows, columns)
            image = patch.texture.levels[_level(patch, float(np.median(w[mask])))][layer]
            h, width = image.shape[:2]
            w[~mask] = 1
            x, y = u * (np.float32(width) / w) - np.float32(0.5), v * (np.float32(h) / w) - np.float32(0.5)
            drawn = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            cv2.copyTo(drawn, mask.astype(np.uint8), picture[rows, columns])


def _level(patch: _Patch, nearness: float) -> int:
    """The copy of a texture that has about one of its pixels to a pixel of the picture."""
    h, w = patch.texture.shape
    # the Jacobian determinant of a homography
    density = abs(float(np.linalg.det(patch.inverse))) / nearness**3 * h * w
    return int(np.clip(round(0.5 * float(np.log2(max(density, 1e-9)))), 0, len(patch.texture.levels) - 1))


def _patches(surfaces: Sequence[Surface], camera: Pinhole, pose: Pose) -> list[_Patch]:
    """The surfaces that may be seen, and where."""
    k = camera.matrix
    corners = np.stack([surface.corners for surface in surfaces])
    seen = (corners - pose.position) @ pose.rotation
    x, y, z = np.moveaxis(seen @ k.T, 2, 0)
    beside = [z < NEAR, x < -0.5 * z, x > (camera.width - 0.5) * z, y < -0.5 * z, y > (camera.height - 0.5) * z]
    matrices = k @ np.stack([seen[:, 1] - seen[:, 0], seen[:, 3] - seen[:, 0], seen[:, 0]], axis=2)
    # The sign of the determinant tells front from back; nearly 0 means from the edge.
    kept = ~np.any([each.all(axis=1) for each in beside], axis=0) & (np.linalg.det(matrices) > 1e-6)
    patches = []
    for number in np.flatnonzero(kept).tolist():
        outline = _in_front(seen[number]) @ k.T
        pixels = outline[:, :2] / outline[:, 2:]
        x0, y0 = np.maximum(np.floor(pixels.min(axis=0)), 0).astype(int).tolist()
        x1, y1 = np.minimum(np.ceil(pixels.max(axis=0)) + 1, [camera.width, camera.height]).astype(int).tolist()
        if x1 > x0 and y1 > y0:
            part = slice(y0, y1), slice(x0, x1)
            patches.append(_Patch(surfaces[number].texture, np.linalg.inv(matrices[number]), *part))
    return patches


def _in_front(corners: Matrix) -> Matrix:
    """The part of a polygon (n, 3) that lies before the camera."""
    kept = []
    for here, there in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if here[2] >= NEAR:
            kept.append(here)
        if (here[2] >= NEAR) != (there[2] >= NEAR):
            kept.append(here + (there - here) * ((NEAR - here[2]) / (there[2] - here[2])))
    return np.array(kept).reshape(-1, 3)
