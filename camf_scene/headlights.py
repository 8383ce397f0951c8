"""The lamps of cars that drive: the light they throw on the street and the glare in the lens."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .arrays import F32, U8
from .camera import EYE, FOCAL, RGB_SIZE, Pinhole
from .canvas import Canvas, positions
from .mesh import LENGTH

#: Light on the street is computed on every STEP-th canvas pixel.
STEP = 8
#: The veil in the lens is computed on every VEIL-th pixel.
VEIL = 4
_COOL = (1.0, 0.95, 0.86)
_RED = (1.0, 0.07, 0.04)


class Headlights:
    """Light of moving lamps on the static street, and their glare."""

    def __init__(self, canvas: Canvas) -> None:
        """Keep the coarse geometry of the street.

        Args:
            canvas: The finished static street.
        """
        self._x, self._y, self._z = positions(canvas.depth, STEP)
        normal = canvas.normal[::STEP, ::STEP]
        self._n = tuple(np.ascontiguousarray(normal[..., k]) for k in range(3))
        self._glare = {"front": _lens(256, 7, 0.9), "tail": _lens(160, 0, 0.0)}

    def beam(self, x: float, z: float, forward: float, reach: float) -> F32:
        """Coarse light of a pair of headlights at (x, z) that shine along ``forward`` (+1 away, -1 towards us)."""
        dx, dy, dz = (
            self._x - np.float32(x),
            self._y - np.float32(0.68),
            (self._z - np.float32(z)) * np.float32(forward),
        )
        r2 = dx * dx + dy * dy + dz * dz + np.float32(1.0)
        inverse = 1 / np.sqrt(r2)
        ahead = np.maximum(dz, 0.05)
        across, up = dx / ahead, dy / ahead
        shape = np.exp(-((across / 0.42) ** 2)) * np.exp(
            -(np.where(up > -0.01, (up + 0.01) / 0.05, (up + 0.01) / 0.22) ** 2)
        )
        facing = -(self._n[0] * dx + self._n[1] * dy + self._n[2] * dz * np.float32(forward)) * inverse
        light = shape * np.clip(facing + 0.02, 0.0, 1.0) * np.float32(reach) / r2 * np.clip(dz * 2, 0, 1)
        return np.asarray(np.sqrt(np.clip(light, 0, 2.0)), np.float32)

    def glow(self, x: float, z: float, reach: float) -> F32:
        """Coarse light of tail lamps at (x, z) on what lies around."""
        dx, dy, dz = self._x - np.float32(x), self._y - np.float32(0.75), self._z - np.float32(z)
        r2 = dx * dx + dy * dy + dz * dz + np.float32(0.6)
        facing = np.clip(-(self._n[0] * dx + self._n[1] * dy + self._n[2] * dz) / np.sqrt(r2), 0, 1)
        return np.asarray(np.sqrt(np.float32(reach) * facing * np.clip(0.4 - 0.7 * dz, 0, 1) / r2), np.float32)

    def light_map(
        self, oncoming: tuple[float, float, float] | None, leaving: tuple[float, float, float] | None
    ) -> U8 | None:
        """Light of all moving lamps on the canvas, (h, w, 3) at a STEP-th of its size; None without one.

        Args:
            oncoming: (x, z, presence) of the front of a car that comes, or None.
            leaving: (x, z, presence) of the rear of a car that goes, or None.
        """
        if oncoming is None and leaving is None:
            return None
        total = np.zeros((*self._z.shape, 3), np.float32)
        if oncoming is not None:
            x, z, presence = oncoming
            total += self.beam(x, z, -1.0, 30.0 * presence**2)[..., None] * np.asarray(_COOL, np.float32)
        if leaving is not None:
            x, z, presence = leaving
            total += self.beam(x, z + LENGTH, 1.0, 30.0 * presence**2)[..., None] * np.asarray(_COOL, np.float32)
            total += self.glow(x, z, 0.5 * presence**2)[..., None] * np.asarray(_RED, np.float32)
        return np.asarray(np.clip(total * 190, 0, 255), np.uint8)

    def shine(self, frame: U8, albedo: U8, offset: tuple[int, int], light: U8) -> None:
        """Light the frame up in place where moving lamps shine on the street.

        Args:
            frame: RGB frame that shows the canvas from ``offset`` on.
            albedo: Gamma coded reflectance of the whole canvas.
            offset: Column and row of the canvas at the frame's first pixel.
            light: What `light_map` returned.
        """
        lit = np.flatnonzero(light.max(axis=(1, 2)) > 2)
        if len(lit) == 0:
            return
        first, last = max(int(lit[0]) - 1, 0), min(int(lit[-1]) + 2, light.shape[0])
        size = (light.shape[1] * STEP, (last - first) * STEP)
        big = cv2.resize(light[first:last], size, interpolation=cv2.INTER_LINEAR)
        top, bottom = max(first * STEP, offset[1]), min(last * STEP, offset[1] + RGB_SIZE[1])
        columns = np.s_[offset[0] : offset[0] + RGB_SIZE[0]]
        patch = cv2.multiply(
            big[top - first * STEP : bottom - first * STEP, columns], albedo[top:bottom, columns], scale=1 / 255
        )
        part = frame[top - offset[1] : bottom - offset[1]]
        cv2.add(part, patch, dst=part)

    def veil(self, frame: U8, camera: Pinhole, x: float, z: float, cover: tuple[float, float]) -> None:
        """Glare of a pair of headlights towards the cameras, added in place.

        Args:
            frame: RGB frame.
            camera: Camera of the frame.
            x: Middle of the car.
            z: Distance of its front.
            cover: Share of each lamp (left, right in the picture) that nothing hides.
        """
        # a beam aims past the cameras the more the nearer the car is
        aim = math.exp(-((abs(x) / z / 0.60) ** 2))
        small = np.zeros((RGB_SIZE[1] // VEIL, RGB_SIZE[0] // VEIL), np.float32)
        near = min(1.0, 24.0 / z)
        for side, share in ((-0.64, cover[0]), (0.64, cover[1])):
            u, v = camera.project(x + side, 0.68, z)
            power = aim * min(0.12 + 0.88 * share, 3 * share)
            if power < 0.02:
                continue
            at = (u / VEIL, v / VEIL)
            _add(small, self._glare["front"], at, 0.35 + 1.15 * near, 290 * power * (0.3 + 0.7 * near))
            _add(small, self._glare["tail"], at, 0.10 + 0.28 * near, 500 * power)
            mirror = camera.cy + FOCAL * (0.68 + EYE) / z
            size = (FOCAL * 0.16 / z / VEIL + 1, FOCAL * 1.1 / z / VEIL)
            _streak(small, (at[0], mirror / VEIL), size, 80 * power)
        layer = np.clip(255 * (1 - np.exp(small * np.float32(-1 / 190))), 0, 255)
        tinted = np.asarray(layer[..., None] * np.asarray(_COOL, np.float32), np.uint8)
        big = cv2.resize(tinted, (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_LINEAR)
        cv2.add(frame, big, dst=frame)

    def tail_veil(self, frame: U8, camera: Pinhole, x: float, z: float) -> None:
        """Glow of a pair of tail lamps, added in place."""
        for side in (-0.72, 0.72):
            u, v = camera.project(x + side, 0.82, z)
            radius = max(min(420.0 / z, 90.0), 9.0)
            x0, y0 = int(u - radius), int(v - radius)
            size = int(2 * radius)
            a, b, c, d = max(x0, 0), max(y0, 0), min(x0 + size, frame.shape[1]), min(y0 + size, frame.shape[0])
            if c <= a or d <= b:
                continue
            spot = cv2.resize(self._glare["tail"], (size, size), interpolation=cv2.INTER_LINEAR)[
                b - y0 : d - y0, a - x0 : c - x0
            ]
            glow = np.clip(spot[..., None] * 150 * np.asarray(_RED, np.float32), 0, 255).astype(np.uint8)
            frame[b:d, a:c] = cv2.add(np.ascontiguousarray(frame[b:d, a:c]), glow)


def _lens(size: int, rays: int, ray: float) -> F32:
    """What a lens makes of a point of light: a core, a halo and faint rays; 1 in the middle, 0 at the rim."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    gx, gy = np.meshgrid(axis, axis)
    r = np.hypot(gx, gy) + 1e-4
    spot = np.exp(-((r / 0.09) ** 2)) + 0.42 * np.exp(-r / 0.12) + 0.12 * np.exp(-r / 0.34)
    if rays:
        angle = np.arctan2(gy, gx)
        comb = np.abs(np.cos(angle * rays / 2 + 0.4)) ** 60 + 0.7 * np.abs(np.cos(angle * (rays - 2) / 2 + 1.3)) ** 90
        spot += 0.25 * ray * comb * np.exp(-r / 0.17)
    rim = np.clip((1 - r) / 0.5, 0, 1)
    return np.asarray(spot * rim * rim * (3 - 2 * rim), np.float32)


def _add(target: F32, spot: F32, at: tuple[float, float], zoom: float, power: float) -> None:
    """Add a spot, enlarged by ``zoom``, centred on ``at``."""
    half = spot.shape[0] * zoom / 2
    x0, y0 = max(int(at[0] - half), 0), max(int(at[1] - half), 0)
    x1, y1 = min(int(at[0] + half) + 1, target.shape[1]), min(int(at[1] + half) + 1, target.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    middle = (spot.shape[0] - 1) / 2
    matrix = np.asarray([[zoom, 0, at[0] - x0 - middle * zoom], [0, zoom, at[1] - y0 - middle * zoom]], np.float32)
    patch = cv2.warpAffine(spot, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    target[y0:y1, x0:x1] += np.float32(power) * patch


def _streak(target: F32, at: tuple[float, float], size: tuple[float, float], power: float) -> None:
    """Add an upright smear of ``size`` = (width, height) centred on ``at``."""
    (u, v), (wide, tall) = at, size
    x0, x1 = max(int(u - 3 * wide), 0), min(int(u + 3 * wide) + 1, target.shape[1])
    y0, y1 = max(int(v - 2.5 * tall), 0), min(int(v + 2.5 * tall) + 1, target.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    gx = np.exp(-(((np.arange(x0, x1, dtype=np.float32) - u) / wide) ** 2))
    gy = np.exp(-(((np.arange(y0, y1, dtype=np.float32) - v) / tall) ** 2))
    target[y0:y1, x0:x1] += np.float32(power) * (gy[:, None] * gx[None, :])
