"""A bank of smoke that drifts over the right pavement: opaque to the RGB camera, nothing to the thermal one."""

from __future__ import annotations

import cv2
import numpy as np

from .arrays import F32, U8, sample, tile
from .camera import CANVAS, EYE, PERIOD
from .canvas import Canvas, display, rays
from .lamps import LAMPS

#: Distance of the bank and how gently it fades where something stands inside, metres.
DISTANCE, DEPTH = 15.6, 1.6
#: Its extent: left, right, bottom, top in metres at DISTANCE.
EXTENT = (-2.2, 6.0, -0.2, 6.2)
#: The bank is computed on every STEP-th pixel.
STEP = 4


class Smoke:
    """The bank of smoke on the canvas."""

    def __init__(self, canvas: Canvas, exposure: float, rng: np.random.Generator) -> None:
        """Prepare its noise, its light and what stands in front of it.

        Args:
            canvas: The finished static street.
            exposure: Factor from light to what `display` takes.
            rng: Source of its shape.
        """
        left, bottom = CANVAS.project(EXTENT[0], EXTENT[2], DISTANCE)
        right, top = CANVAS.project(EXTENT[1], EXTENT[3], DISTANCE)
        x0, y0 = int(left) // STEP * STEP, int(top) // STEP * STEP
        w, h = (int(right) - x0) // STEP, (int(bottom) - y0) // STEP
        self.corner, self.size = (x0, y0), (w, h)
        self._tiles = (tile(rng, 4, 5, 0.55), tile(rng, 4, 6, 0.6))
        gx, gy = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
        self._grid = gx, gy
        ux, uy = gx / w, 1 - gy / h
        # a plume: dense low and in the middle, leaning with the wind, thinning out upwards
        middle = 0.58 - 0.14 * uy
        self._shape: F32 = np.asarray(
            2.3 * np.exp(-(((ux - middle) / (0.20 + 0.14 * uy)) ** 2) - (np.maximum(uy - 0.10, 0) / 0.52) ** 2)
            * np.clip(uy / 0.045, 0, 1) * np.clip((1 - uy) / 0.25, 0, 1), np.float32,
        )  # fmt: skip
        du, dv = rays(self.corner, (w * STEP, h * STEP))
        px, py = du[::STEP, ::STEP] * DISTANCE, dv[::STEP, ::STEP] * DISTANCE + EYE
        light = np.full((h, w, 3), 0.034, np.float32)
        for lamp in LAMPS:
            r2 = (lamp.x - px) ** 2 + (lamp.y - py) ** 2 + (lamp.z - DISTANCE) ** 2 + 1.5
            light += np.asarray(0.10 * lamp.power / r2, np.float32)[..., None] * np.asarray(lamp.colour, np.float32)
        self._light = np.asarray(light * exposure, np.float32)
        depth = canvas.depth[y0 : y0 + h * STEP, x0 : x0 + w * STEP]
        gate = np.clip((depth - DISTANCE + 0.3) / DEPTH, 0, 1)
        self._gate: U8 = np.asarray(255 * cv2.GaussianBlur(gate, (3, 3), 0), np.uint8)

    def density(self, t: float) -> tuple[F32, F32]:
        """Opacity 0..1 and relative brightness of the bank on its coarse grid."""
        gx, gy = self._grid
        cycle = (t % PERIOD) / PERIOD * 512.0
        a = sample(self._tiles[0], gx * 1.5 + 2 * cycle, gy * 1.5 + 3 * cycle)
        b = sample(self._tiles[1], gx * 2.6 + 5 * cycle + 9 * a, gy * 2.6 + 6 * cycle + 40 + 9 * a)
        thick = self._shape * (1.20 + 0.46 * a + 0.30 * b)
        opacity = 1 - np.exp(-2.6 * np.maximum(thick - 0.16, 0))
        return np.asarray(opacity, np.float32), np.asarray(0.95 + 0.2 * a + 0.22 * b, np.float32)

    def draw(self, frame: U8, offset: tuple[int, int], t: float, flash: float) -> None:
        """Lay the bank over an RGB frame in place.

        Args:
            frame: The frame.
            offset: Column and row of the canvas that the frame's first pixel shows.
            t: Time in seconds.
            flash: Light of approaching headlights on it, 0..1.
        """
        opacity, tone = self.density(t)
        colour = display(np.asarray(self._light * np.maximum(tone, 0.2)[..., None] * (1 + flash), np.float32))
        w, h = self.size[0] * STEP, self.size[1] * STEP
        x, y = self.corner[0] - offset[0], self.corner[1] - offset[1]
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, frame.shape[1]), min(y + h, frame.shape[0])
        if x1 <= x0 or y1 <= y0:
            return
        part = np.s_[y0 - y : y1 - y, x0 - x : x1 - x]
        big = cv2.resize((opacity * 255).astype(np.uint8), (w, h), interpolation=cv2.INTER_LINEAR)
        alpha = cv2.multiply(big, self._gate, scale=1 / 255)[part].astype(np.float32) * np.float32(1 / 255)
        cloud = np.ascontiguousarray(cv2.resize(colour, (w, h), interpolation=cv2.INTER_LINEAR)[part])
        target = frame[y0:y1, x0:x1]
        target[:] = cv2.blendLinear(cloud, np.ascontiguousarray(target), alpha, np.float32(1) - alpha)
