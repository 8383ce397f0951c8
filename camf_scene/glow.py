"""Light in the air and in the lens of things that stand still: beams below lamps, streaks on the road, bloom."""

from __future__ import annotations

import numpy as np

from .arrays import F32, sample, tile, wide_blur
from .camera import CANVAS, EYE, FOCAL
from .canvas import Canvas, positions
from .ground import KERB_LEFT, KERB_RIGHT
from .lamps import LAMPS


def beams(canvas: Canvas) -> None:
    """The cone of lit haze below each street lamp."""
    for lamp in LAMPS:
        if lamp.pole is None:
            continue
        u, v = CANVAS.project(lamp.x, lamp.y, lamp.z)
        reach = lamp.y * FOCAL / lamp.z
        x0, x1 = max(int(u - reach), 0), min(int(u + reach), CANVAS.width)
        y0, y1 = max(int(v), 0), min(int(v + 1.15 * reach), CANVAS.height)
        if x1 <= x0 or y1 <= y0:
            continue
        gx = (np.arange(x0, x1, dtype=np.float32)[None, :] - u) / reach
        gy = (np.arange(y0, y1, dtype=np.float32)[:, None] - v) / reach
        far = np.hypot(gx, gy) + 0.06
        angle = np.arctan2(np.abs(gx), np.maximum(gy, 1e-4))
        cone = np.exp(-((angle / 0.62) ** 2)) * np.exp(-far / 0.6) * np.clip(gy / 0.03, 0, 1) / (far + 0.25)
        cone *= np.clip((1.1 - gy) / 0.4, 0, 1)
        in_front = canvas.depth[y0:y1, x0:x1] > lamp.z - 1.0
        light = 0.05 * np.asarray(cone * in_front, np.float32)
        canvas.light[y0:y1, x0:x1] += light[..., None] * np.asarray(lamp.colour, np.float32)


def streaks(canvas: Canvas, rng: np.random.Generator) -> None:
    """Mirror images of the lamps, drawn out by the damp road."""
    top = int(CANVAS.cy)
    x, _, z = (part[top:] for part in positions(canvas.depth))
    road = (canvas.normal[top:, :, 1] > 0.9) & (x > KERB_LEFT) & (x < KERB_RIGHT)
    damp = sample(tile(rng, 4, 5), x * 42, np.minimum(z, 200) * 42)
    rough = np.asarray(road * np.clip(0.5 + 0.35 * damp, 0.05, 1.3), np.float32)
    rows = np.arange(top, CANVAS.height, dtype=np.float32)[:, None]
    columns = np.arange(CANVAS.width, dtype=np.float32)[None, :]
    for lamp in LAMPS:
        u, _ = CANVAS.project(lamp.x, lamp.y, lamp.z)
        v = CANVAS.cy + FOCAL * (lamp.y + EYE) / lamp.z
        wide, tall = 0.55 * FOCAL / lamp.z + 4, 3.4 * FOCAL / lamp.z
        shape = np.exp(-(((rows - v) / tall) ** 2)) * np.exp(-(((columns - u) / wide) ** 2))
        streak = np.asarray(rough * shape * np.float32(0.02 * lamp.power**0.5), np.float32)
        canvas.light[top:] += streak[..., None] * np.asarray(lamp.colour, np.float32)


def bloom(canvas: Canvas) -> None:
    """What the lens scatters around bright things."""
    bright: F32 = np.asarray(np.clip(canvas.light - 0.35, 0, 20.0), np.float32)
    for sigma, weight in ((2.5, 0.16), (9.0, 0.16), (30.0, 0.16), (100.0, 0.10)):
        canvas.light += np.float32(weight) * wide_blur(bright, sigma)
