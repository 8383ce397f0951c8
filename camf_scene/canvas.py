"""The static picture under construction: light, reflectance, distance and temperature of every canvas pixel."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .arrays import F32, U8
from .camera import CANVAS, EYE

#: Distance that stands for the sky, metres.
SKY = 1000.0
#: Air temperature of the night, Celsius.
AIR = 11.0
#: Raw counts of the thermal core: 14 bit, linear in apparent temperature.
COUNTS_AT_ZERO = 7100.0
COUNTS_PER_KELVIN = 32.0


def counts(celsius: F32) -> F32:
    """Raw thermal counts of apparent temperatures in Celsius."""
    return np.asarray(celsius * np.float32(COUNTS_PER_KELVIN) + np.float32(COUNTS_AT_ZERO), np.float32)


def display(radiance: F32) -> U8:
    """RGB code values of linear light: a soft shoulder, then gamma 2.2."""
    lit = 1.0 - np.exp(-np.maximum(radiance, 0.0))
    return np.asarray(255.0 * np.power(lit, 1 / 2.2) + 0.5, np.uint8)


def _full(channels: int, value: float) -> F32:
    shape = (CANVAS.height, CANVAS.width, channels) if channels > 1 else (CANVAS.height, CANVAS.width)
    return np.full(shape, value, np.float32)


@dataclass
class Canvas:
    """Layers of canvas size.

    Attributes:
        light: Linear RGB light towards the camera, 1 is bright.
        albedo: RGB reflectance 0..1, for lights that move.
        depth: Distance along z in metres; SKY where there is nothing.
        celsius: Apparent temperature.
        normal: Unit surface normals (x, y, z).
    """

    light: F32 = field(default_factory=lambda: _full(3, 0.0))
    albedo: F32 = field(default_factory=lambda: _full(3, 0.0))
    depth: F32 = field(default_factory=lambda: _full(1, SKY))
    celsius: F32 = field(default_factory=lambda: _full(1, -20.0))
    normal: F32 = field(default_factory=lambda: _full(3, 0.0))

    def over(
        self,
        corner: tuple[int, int],
        alpha: F32,
        light: F32,
        albedo: F32,
        *,
        depth: F32 | float,
        celsius: F32,
        normal: tuple[float, float, float] = (0.0, 0.0, -1.0),
    ) -> None:
        """Lay a patch over the canvas; what lies outside of it is cut off.

        Args:
            corner: Column and row of the patch's first pixel.
            alpha: Coverage (h, w), 0..1.
            light: (h, w, 3) linear light.
            albedo: (h, w, 3) reflectance.
            depth: Distance, one number or (h, w).
            celsius: (h, w) temperature.
            normal: Unit normal of the whole patch.
        """
        h, w = alpha.shape
        x0, y0 = max(corner[0], 0), max(corner[1], 0)
        x1, y1 = min(corner[0] + w, CANVAS.width), min(corner[1] + h, CANVAS.height)
        if x1 <= x0 or y1 <= y0:
            return
        here = np.s_[y0:y1, x0:x1]
        part = np.s_[y0 - corner[1] : y1 - corner[1], x0 - corner[0] : x1 - corner[0]]
        a = alpha[part]
        a3 = a[:, :, None]
        self.light[here] += a3 * (light[part] - self.light[here])
        self.albedo[here] += a3 * (albedo[part] - self.albedo[here])
        self.celsius[here] += a * (celsius[part] - self.celsius[here])
        solid = a > 0.5
        distance = depth if isinstance(depth, float) else depth[part][solid]
        self.depth[here][solid] = distance
        self.normal[here][solid] = np.asarray(normal, np.float32)


def rays(corner: tuple[int, int], size: tuple[int, int]) -> tuple[F32, F32]:
    """Directions (x/z, y/z) of the canvas pixels in a patch of ``size`` (width, height) at ``corner``."""
    u = (np.arange(corner[0], corner[0] + size[0], dtype=np.float32) - np.float32(CANVAS.cx)) / CANVAS.fx
    v = (np.float32(CANVAS.cy) - np.arange(corner[1], corner[1] + size[1], dtype=np.float32)) / CANVAS.fy
    gu, gv = np.meshgrid(u, v)
    return np.asarray(gu, np.float32), np.asarray(gv, np.float32)


def positions(depth: F32, step: int = 1) -> tuple[F32, F32, F32]:
    """World x, y, z of the canvas pixels (every ``step``-th) from their distance."""
    gu, gv = rays((0, 0), (CANVAS.width, CANVAS.height))
    z = depth[::step, ::step]
    return (
        np.asarray(gu[::step, ::step] * z, np.float32),
        np.asarray(gv[::step, ::step] * z + EYE, np.float32),
        np.asarray(z, np.float32),
    )
