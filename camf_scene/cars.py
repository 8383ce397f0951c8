"""Cars as sprites: the shell is drawn in true perspective, each pixel shaded as paint, glass, rubber or lamp."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .arrays import F32, U8, blur
from .camera import CANVAS, EYE, Pinhole
from .canvas import AIR
from .carpaint import Car, Surface, surface, wheel_surface
from .mesh import AXLES, HALF_WIDTH, LENGTH, shell, wheel
from .sprite import Sprite

#: A car's sprite is anchored on the ground this far behind its near end, metres.
REFERENCE = 3.2
_TREAD = 1
_FIRST_DISC = 2
_FIRST_FACE = 6
#: Directions towards the lamps that a street mirrors in a car, and their sharpness.
_GLINTS = ((0.55, 0.80, -0.25, 60.0), (-0.6, 0.75, 0.3, 60.0), (0.1, 0.7, 0.7, 40.0), (0.25, 0.55, -0.8, 30.0))


@dataclass(frozen=True)
class Pose:
    """Where a car is: the middle of its rear or front (whichever is nearer), and whether its rear is near."""

    x: float
    z: float
    away: bool

    def world(self, points: F32) -> F32:
        """World coordinates of points (..., 3) in car coordinates."""
        if self.away:
            return np.asarray(points + np.asarray([self.x, 0, self.z], np.float32), np.float32)
        out = points * np.asarray([-1, 1, -1], np.float32)
        return np.asarray(out + np.asarray([self.x, 0, self.z + LENGTH], np.float32), np.float32)

    def body(self, points: F32) -> F32:
        """Car coordinates of world points (n, 3)."""
        if self.away:
            return np.asarray(points - np.asarray([self.x, 0, self.z], np.float32), np.float32)
        out = points - np.asarray([self.x, 0, self.z + LENGTH], np.float32)
        return np.asarray(out * np.asarray([-1, 1, -1], np.float32), np.float32)


def _polygon(target: np.typing.NDArray[np.int32], points: F32, value: int) -> None:
    cv2.fillConvexPoly(target, np.round(points * 16).astype(np.int32), value, cv2.LINE_8, 4)


class _Raster:
    """Which face each pixel of a car shows."""

    def __init__(self, pose: Pose, camera: Pinhole, detail: float) -> None:
        faces = pose.world(shell())
        faces = faces[faces[:, :, 2].min(axis=1) > 0.6]
        normal = np.cross(faces[:, 2] - faces[:, 0], faces[:, 3] - faces[:, 1])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
        centre = faces.mean(axis=1)
        middle = pose.world(np.asarray([[0, 0.6, LENGTH / 2]], np.float32))[0]
        outwards = np.sign(((centre - middle) * normal).sum(axis=1))
        normal *= outwards[:, None]
        sight = centre - np.asarray([0, EYE, 0], np.float32)
        seen = (normal * sight).sum(axis=1) < 0
        order = np.argsort(-np.linalg.norm(sight[seen], axis=1))
        self.faces, self.normal, self.centre = faces[seen][order], normal[seen][order], centre[seen][order]
        uv = self._project(self.faces, camera)
        low = np.maximum(np.floor(uv.reshape(-1, 2).min(axis=0)) - 6, [0, 0])
        high = np.minimum(np.ceil(uv.reshape(-1, 2).max(axis=0)) + 7, [camera.width, camera.height])
        low[1], high[1] = low[1] - 2, min(high[1] + 0.25 * camera.fy / max(pose.z, 1.5), camera.height)
        self.corner = (int(low[0]), int(low[1]))
        self.size = (max(int((high[0] - low[0]) * detail), 1), max(int((high[1] - low[1]) * detail), 1))
        self.detail = detail
        self.ids = np.zeros((self.size[1], self.size[0]), np.int32)
        shift = np.asarray(self.corner, np.float32)
        self.discs: list[tuple[int, float]] = []
        discs = []
        for k, (side, axle) in enumerate((s, a) for s in (-1.0, 1.0) for a in AXLES):
            outer, inner = (pose.world(rim) for rim in wheel(side, axle))
            if min(outer[:, 2].min(), inner[:, 2].min()) < 0.6:
                continue
            rims = [(self._project(rim, camera) - shift) * detail for rim in (outer, inner)]
            _polygon(
                self.ids, np.asarray(cv2.convexHull(np.concatenate(rims).astype(np.float32))[:, 0], np.float32), _TREAD
            )
            if outer[0, 0] * side * (1 if pose.away else -1) < 0:  # the outer side is towards the cameras
                discs.append((rims[0], _FIRST_DISC + k))
                self.discs.append((_FIRST_DISC + k, axle))
        points = (uv - shift) * detail
        for k in range(len(points)):
            _polygon(self.ids, points[k], _FIRST_FACE + k)
        for rim, value in discs:
            _polygon(self.ids, rim, value)

    @staticmethod
    def _project(points: F32, camera: Pinhole) -> F32:
        u = camera.cx + camera.fx * points[..., 0] / points[..., 2]
        v = camera.cy - camera.fy * (points[..., 1] - EYE) / points[..., 2]
        return np.asarray(np.stack([u, v], axis=-1), np.float32)


def _shade(material: Surface, normal: F32, sight: F32) -> F32:
    """Light (n, 3) of a surface in a street of irradiance 1, seen along unit vectors ``sight`` (world axes)."""
    facing = -(normal * sight).sum(axis=1)
    mirror = sight + 2 * facing[:, None] * normal
    diffuse = 0.34 + 0.5 * np.clip(normal[:, 1], 0, 1) + 0.22 * np.abs(normal[:, 0])
    fresnel = material.shine * (1 + 9 * np.clip(1 - facing, 0, 1) ** 4)
    around = 0.10 + 0.75 * np.exp(-(((mirror[:, 1] - 0.12) / 0.16) ** 2))
    around *= np.where(mirror[:, 1] < -0.05, 0.35, 1.0)
    for gx, gy, gz, sharp in _GLINTS:
        direction = np.asarray([gx, gy, gz], np.float32) / np.float32(np.sqrt(gx * gx + gy * gy + gz * gz))
        around += 5.0 * np.exp(sharp * (mirror @ direction - 1))
    return np.asarray(material.albedo * diffuse[:, None] + (fresnel * around)[:, None], np.float32)


def _join(parts: list[tuple[F32, Surface]], n: int) -> Surface:
    out = Surface(
        np.zeros((n, 3), np.float32), np.zeros(n, np.float32), np.zeros((n, 3), np.float32), np.full(n, AIR, np.float32)
    )
    for mask, part in parts:
        on = mask.astype(bool)
        out.albedo[on], out.shine[on], out.glow[on], out.celsius[on] = part.albedo, part.shine, part.glow, part.celsius
    return out


def draw_car(car: Car, pose: Pose, camera: Pinhole = CANVAS, detail: float = 2.0) -> Sprite | None:
    """Draw a car where it stands.

    Args:
        car: What it is.
        pose: Where it is.
        camera: The picture it is drawn for; it is cut off at its borders.
        detail: Drawing pixels per picture pixel; above 1 they are averaged.

    Returns:
        A sprite in pixels of ``camera`` (times ``detail`` where that is below 1), anchored at the ground
        REFERENCE metres behind its near end, or None when no face is in front of the camera.
    """
    raster = _Raster(pose, camera, detail)
    ids = raster.ids
    h, w = ids.shape
    rows, columns = np.nonzero(ids)
    if len(rows) == 0:
        return None
    value = ids[rows, columns]
    u = (columns / detail + raster.corner[0]).astype(np.float32)
    v = (rows / detail + raster.corner[1]).astype(np.float32)
    sight = np.stack([(u - camera.cx) / camera.fx, (camera.cy - v) / camera.fy, np.ones_like(u)], axis=1)
    sight = np.asarray(sight, np.float32)

    body = value >= _FIRST_FACE
    face = np.maximum(value - _FIRST_FACE, 0)
    normal = raster.normal[face]
    normal[~body] = np.asarray([0, 0, -1], np.float32)
    # neighbouring faces blend: the sheet metal is round
    field = np.zeros((h, w, 3), np.float32)
    field[rows, columns] = normal
    rounded = blur(field, max(0.028 * camera.fx / max(pose.z, 2.0) * detail, 0.4))[rows, columns]
    rounded /= np.linalg.norm(rounded, axis=1, keepdims=True) + 1e-6
    eye = np.asarray([0, EYE, 0], np.float32)
    flat = raster.normal[face]
    reach = ((raster.centre[face] - eye) * flat).sum(axis=1) / np.minimum((sight * flat).sum(axis=1), -1e-4)
    place = pose.body(np.asarray(eye + sight * reach[:, None], np.float32))
    turn = np.asarray([1, 1, 1] if pose.away else [-1, 1, -1], np.float32)
    own = np.asarray(rounded * turn, np.float32)

    n = len(rows)
    parts: list[tuple[F32, Surface]] = []
    parts.append((body.astype(np.float32), surface(car, place[body], own[body])))
    tread = value == _TREAD
    rubber = Surface(
        np.full((int(tread.sum()), 3), 0.012, np.float32),
        np.zeros(int(tread.sum()), np.float32),
        np.zeros((int(tread.sum()), 3), np.float32),
        np.full(int(tread.sum()), AIR + 1 + 11 * car.warm, np.float32),
    )
    parts.append((tread.astype(np.float32), rubber))
    for index, axle in raster.discs:
        on = value == index
        plane = pose.world(np.asarray([[(-1 if index < _FIRST_DISC + 2 else 1) * HALF_WIDTH, 0, 0]], np.float32))[0, 0]
        hit = sight[on] * (plane / np.where(np.abs(sight[on, :1]) < 1e-4, 1e-4, sight[on, :1])) + eye
        at = pose.body(np.asarray(hit, np.float32))
        parts.append((on.astype(np.float32), wheel_surface(car, at[:, 1], at[:, 2], axle)))
    material = _join(parts, n)
    unit = sight / np.linalg.norm(sight, axis=1, keepdims=True)
    lit = _shade(material, rounded, np.asarray(unit, np.float32))

    image = np.zeros((h, w, 8), np.float32)
    image[rows, columns, :3] = np.power(np.clip(lit, 0, 1), 1 / 2.2) * 255
    image[rows, columns, 3:6] = material.glow
    image[rows, columns, 6] = material.celsius
    image[rows, columns, 7] = 1.0
    return _finish(image, raster, pose, camera, car.lights)


def _finish(image: F32, raster: _Raster, pose: Pose, camera: Pinhole, lights: bool) -> Sprite:
    scale = min(raster.detail, 1.0)
    if raster.detail > 1:
        size = (max(int(image.shape[1] / raster.detail), 1), max(int(image.shape[0] / raster.detail), 1))
        layers = [cv2.resize(image[:, :, k : k + 4], size, interpolation=cv2.INTER_AREA) for k in (0, 4)]
        image = np.concatenate(layers, axis=2).astype(np.float32)
    cover = image[:, :, 7:8]
    whole = image / np.maximum(cover, 1e-3)
    # bleed colours and temperatures outwards, so that a resampled edge does not mix with nothing
    spread = cv2.GaussianBlur(np.ascontiguousarray(image[:, :, 4:8]), (0, 0), 2.0)
    spread_colour = cv2.GaussianBlur(np.ascontiguousarray(image[:, :, :4]), (0, 0), 2.0)
    halo = np.maximum(spread[:, :, 3], 1e-3)
    celsius = np.where(
        cover[:, :, 0] > 0.3, whole[:, :, 6], np.where(spread[:, :, 3] > 1e-3, spread[:, :, 2] / halo, AIR)
    )
    colour = np.where(cover > 0.3, whole[:, :, :3], spread_colour[:, :, :3] / halo[:, :, None])
    u, v = camera.project(pose.x, 0.0, pose.z + REFERENCE)
    anchor = ((u - raster.corner[0]) * scale, (v - raster.corner[1]) * scale)
    glow: U8 | None = np.clip(image[:, :, 3:6], 0, 255).astype(np.uint8) if lights else None
    return Sprite(
        anchor,
        scale,
        np.clip(cover[:, :, 0] * 255 + 0.5, 0, 255).astype(np.uint8),
        np.clip(colour, 0, 255).astype(np.uint8),
        glow,
        np.asarray(celsius, np.float32),
    )
