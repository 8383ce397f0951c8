"""Trees and bushes: branches that fork, and leaves in clumps that catch the lamps' light from below."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .arrays import F32, U8
from .camera import CANVAS, EYE
from .canvas import AIR, Canvas
from .lamps import irradiance


class _Wood:
    """A trunk that forks: the mask of its wood and the ends where leaves grow, in pixels."""

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self.mask: U8 = np.zeros(shape, np.uint8)
        self.tips: list[tuple[float, float]] = []
        self._rng = rng

    def grow(self, at: tuple[float, float], angle: float, length: float, width: float) -> None:
        """Draw a limb, ``angle`` from straight up, and its forks."""
        rng = self._rng
        end = (at[0] + length * math.sin(angle), at[1] - length * math.cos(angle))
        a, b = np.round(np.asarray([at, end]) * 16).astype(int).tolist()
        cv2.line(self.mask, a, b, 255, max(int(width), 1), cv2.LINE_AA, 4)
        self.tips.append(end)
        if length < 9 or width < 1:
            return
        for _ in range(int(rng.integers(2, 4))):
            self.grow(end, angle + rng.normal(0, 0.5), length * rng.uniform(0.62, 0.82), width * 0.66)


def plant(canvas: Canvas, x: float, z: float, height: float, rng: np.random.Generator, *, bush: bool = False) -> None:
    """Draw a tree (or a bush) of ``height`` metres at (x, z)."""
    over = 2
    scale = CANVAS.fx / z * over
    w, h = int(1.5 * height * scale), int(1.3 * height * scale)
    u, v = CANVAS.project(x, 0.0, z)
    corner = (round(u - w / 2 / over), round(v - h / over))
    wood = _Wood((h, w), rng)
    foot = (w / 2, float(h - 1))
    if bush:
        wood.tips = [(w / 2 + rng.normal(0, 0.16) * w, h - abs(rng.normal(0.3, 0.17)) * h) for _ in range(40)]
    else:
        wood.grow(foot, rng.normal(0, 0.03), 0.27 * height * scale, 0.024 * height * scale)
    tone, leaves = np.zeros((h, w), np.float32), np.zeros((h, w), np.uint8)
    size = 0.085 * height * scale * 0.5
    clump = np.asarray([tip for tip in wood.tips if tip[1] < h - 0.3 * height * scale or bush], np.float32)
    clump = np.clip(clump, 3.5 * size, [w - 3.5 * size, h]).astype(np.float32)
    clump = clump[rng.permutation(len(clump))[: 260 if z < 50 else 120]]
    order = np.argsort(clump[:, 1])
    for cx, cy in clump[order]:
        shade = rng.normal(0.75, 0.2)
        for _ in range(16):
            px, py = cx + rng.normal(0, 1.5) * size, cy + rng.normal(0, 1.1) * size
            axes = (max(int(size * rng.uniform(0.16, 0.42)), 1), max(int(size * rng.uniform(0.10, 0.26)), 1))
            turn = rng.uniform(0, 180)
            value = float(np.clip(shade + rng.normal(0, 0.28) + 0.35 * (py - cy) / (2 * size), 0.1, 1.7))
            cv2.ellipse(tone, (int(px), int(py)), axes, turn, 0, 360, value, -1)
            cv2.ellipse(leaves, (int(px), int(py)), axes, turn, 0, 360, 255, -1, cv2.LINE_AA)
    small = (max(w // over, 1), max(h // over, 1))

    def shrink(image: F32 | U8) -> F32:
        return np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.float32)

    bark, leaf, tone = shrink(wood.mask) / 255, shrink(leaves) / 255, shrink(tone)
    rows = np.arange(small[1], dtype=np.float32)[:, None]
    y = np.broadcast_to((CANVAS.cy - corner[1] - rows) * z / CANVAS.fy + EYE, bark.shape).astype(np.float32)
    columns = np.arange(small[0], dtype=np.float32)[None, :]
    gx = np.broadcast_to((columns + corner[0] - CANVAS.cx) * z / CANVAS.fx, bark.shape).astype(np.float32)
    down = irradiance(gx, y, np.full_like(y, z - 0.8), (0.0, -0.75, -0.66)) + 0.6 * irradiance(
        gx, y, np.full_like(y, z - 0.8), (0.0, 0.8, -0.6)
    )
    leaf_rgb, bark_rgb = np.asarray([0.055, 0.085, 0.028], np.float32), np.asarray([0.075, 0.06, 0.045], np.float32)
    share = leaf[..., None]
    albedo = np.asarray(bark_rgb * (1 - share) + leaf_rgb * tone[..., None] * share, np.float32)
    celsius = (AIR + 1.8) * (1 - leaf) + leaf * (AIR - 1.2 + 1.5 * (tone - 0.75))
    alpha = np.asarray(1 - (1 - bark) * (1 - 0.97 * leaf), np.float32)
    light = np.asarray(albedo * down, np.float32)
    canvas.over(corner, alpha, light, albedo, depth=z, celsius=np.asarray(celsius, np.float32))
