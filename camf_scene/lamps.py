"""Street lamps and shop lights: where they stand and how much light they throw on a surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import F32

WARM = (1.0, 0.66, 0.34)
SODIUM = (1.0, 0.56, 0.22)
WHITE = (0.82, 0.93, 1.0)
NEUTRAL = (1.0, 0.80, 0.58)
SHOP = (1.0, 0.84, 0.62)


@dataclass(frozen=True)
class Lamp:
    """A light at (x, y, z) metres.

    Attributes:
        x: Metres to the right.
        y: Metres above the ground.
        z: Metres ahead.
        power: Irradiance times metres squared straight below.
        colour: Linear RGB.
        pole: x of the foot of its pole, or None for a light without one.
        spread: Exponent of the fall-off away from straight down; 0 shines everywhere.
    """

    x: float
    y: float
    z: float
    power: float
    colour: tuple[float, float, float]
    pole: float | None = None
    spread: float = 1.3


LAMPS: tuple[Lamp, ...] = (
    Lamp(0.2, 6.2, 4.4, 24.0, NEUTRAL, None, 2.4),
    Lamp(-7.9, 6.2, 21.0, 66.0, WHITE, -9.9, 2.0),
    Lamp(0.9, 6.2, 27.0, 62.0, WARM, 2.1, 2.0),
    Lamp(-8.3, 6.2, 43.0, 70.0, WARM, -9.9, 2.0),
    Lamp(0.9, 6.2, 52.0, 70.0, SODIUM, 2.1, 2.0),
    Lamp(-8.3, 6.2, 68.0, 76.0, WHITE, -9.9, 2.0),
    Lamp(0.9, 6.2, 80.0, 76.0, SODIUM, 2.1, 2.0),
    Lamp(4.2, 2.2, 13.6, 3.6, SHOP, None, 0.0),
    Lamp(4.2, 2.2, 17.0, 3.6, SHOP, None, 0.0),
    Lamp(-11.7, 2.3, 31.5, 6.5, WHITE, None, 0.0),
)
#: Sky glow of a town at night.
AMBIENT = (0.012, 0.016, 0.028)


def irradiance(x: F32, y: F32, z: F32, normal: tuple[float, float, float] | F32) -> F32:
    """Linear RGB light (..., 3) falling on points at ``x``, ``y``, ``z`` with a common or their own unit normal."""
    n = np.asarray(normal, np.float32)
    nx, ny, nz = n[..., 0], n[..., 1], n[..., 2]
    out = np.zeros((*np.shape(x), 3), np.float32)
    sky = np.asarray(0.6 + 0.4 * ny, np.float32)[..., None] * np.asarray(AMBIENT, np.float32)
    out += sky
    for lamp in LAMPS:
        dx, dy, dz = lamp.x - x, lamp.y - y, lamp.z - z
        r2 = dx * dx + dy * dy + dz * dz + np.float32(0.4)
        if lamp.power / float(r2.min()) < 2e-3:
            continue
        inverse = 1.0 / np.sqrt(r2)
        facing = np.maximum((nx * dx + ny * dy + nz * dz) * inverse, 0.0) + np.float32(0.03)
        down = np.clip(dy * inverse, 0.0, 1.0) ** np.float32(lamp.spread) if lamp.spread else np.float32(1.0)
        e = np.float32(lamp.power) * facing * (down + np.float32(0.02)) / r2
        out += np.asarray(e, np.float32)[..., None] * np.asarray(lamp.colour, np.float32)
    return out


def light_at(x: float, z: float, height: float = 1.2) -> tuple[F32, float]:
    """Light on an upright thing at (x, z): its RGB irradiance, and how far it comes from the right (-1..1)."""
    total = np.asarray(AMBIENT, np.float32).copy()
    left, right = 1e-3, 1e-3
    for lamp in LAMPS:
        dx, dy, dz = lamp.x - x, lamp.y - height, lamp.z - z
        r2 = dx * dx + dy * dy + dz * dz + 0.4
        down = (max(dy, 0.0) / r2**0.5) ** lamp.spread if lamp.spread else 1.0
        # what stands in front of the light shows the camera its dark side
        facing = 0.35 + 0.3 * min(max(-dz / r2**0.5, -1.0), 1.0)
        e = lamp.power * (down + 0.02) * facing / r2
        total += np.float32(e) * np.asarray(lamp.colour, np.float32)
        side = dx / r2**0.5
        right += e * max(side, 0.0)
        left += e * max(-side, 0.0)
    return total, (right - left) / (right + left)
