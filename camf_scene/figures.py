"""Bodies as sprites: each limb shaded as the round thing it is, for the RGB and for the thermal camera."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .arrays import F32, blur
from .canvas import AIR
from .skeleton import Limb, Vec
from .sprite import Sprite

#: Surface temperature of bodies and clothing in a night of AIR degrees, Celsius.
CELSIUS = {
    "face": 32.6, "hand": 29.0, "hair": 23.5, "jacket": 19.5, "sleeve": 19.0, "trousers": 21.0, "shoe": 15.0,
    "bag": 13.5, "tyre": 12.5, "frame": 10.0, "fur": 22.0, "paw": 24.0, "snout": 29.0, "ear": 25.0,
}  # fmt: skip
#: How much colder than its middle a limb is at its edge.
_COOL_EDGE = 3.2


@dataclass(frozen=True)
class Clothes:
    """Linear RGB reflectance of the parts of a body; parts that are not named are black."""

    jacket: Vec = (0.03, 0.03, 0.035)
    trousers: Vec = (0.022, 0.024, 0.032)
    skin: Vec = (0.30, 0.19, 0.14)
    hair: Vec = (0.02, 0.015, 0.01)
    bag: Vec = (0.03, 0.025, 0.02)
    warmth: float = 0.0
    other: dict[str, Vec] = field(default_factory=dict)

    def colour(self, part: str) -> Vec:
        """Reflectance of a part."""
        table: dict[str, Vec] = {
            "jacket": self.jacket,
            "sleeve": self.jacket,
            "trousers": self.trousers,
            "face": self.skin,
            "hand": self.skin,
            "hair": self.hair,
            "bag": self.bag,
            "tyre": (0.012, 0.012, 0.012),
            "frame": (0.12, 0.12, 0.13),
        }
        return self.other.get(part, table.get(part, (0.03, 0.025, 0.02)))


def _turn(p: Vec, yaw: float) -> Vec:
    """Sprite axes (right, up, away) of a point of a walker who heads ``yaw`` radians to the right of away."""
    f, s, y = p
    return f * math.sin(yaw) - s * math.cos(yaw), y, f * math.cos(yaw) + s * math.sin(yaw)


def draw_body(limbs: list[Limb], yaw: float, clothes: Clothes, scale: float, folds: F32) -> Sprite:
    """Draw a body.

    Args:
        limbs: Its limbs.
        yaw: Where it heads, radians: 0 away from the cameras, pi/2 to the right.
        clothes: Its colours.
        scale: Sprite pixels per metre.
        folds: A noise tile, used as folds of cloth.

    Returns:
        A sprite anchored at the ground below the body.
    """
    turned = [(limb, _turn(limb.a, yaw), _turn(limb.b, yaw)) for limb in limbs]
    reach = max(max(abs(a[0]), abs(b[0])) + max(limb.ra, limb.rb) for limb, a, b in turned) + 3 / scale
    top = max(max(a[1] + limb.ra, b[1] + limb.rb) for limb, a, b in turned) + 3 / scale
    w, h = int(2 * reach * scale) + 1, int((top + 0.05) * scale) + 3
    ax, ay = reach * scale, top * scale
    painter = _Painter((h, w), clothes, scale, folds)
    # what is near covers what is far
    turned.sort(key=lambda item: -(item[1][2] + item[2][2]) / 2 - item[0].lift)
    for limb, a, b in turned:
        painter.limb(limb, (ax + a[0] * scale, ay - a[1] * scale), (ax + b[0] * scale, ay - b[1] * scale))
    image = painter.image
    cover = image[:, :, 4]
    soft = blur(np.ascontiguousarray(image[:, :, :4] * cover[:, :, None]), 1.5)
    halo = blur(cover, 1.5)
    spread = soft / np.maximum(halo, 1e-3)[:, :, None]
    inside = (cover > 0.5)[:, :, None]
    final = np.where(inside, image[:, :, :4], spread)
    colour = np.power(np.clip(final[:, :, :3], 0, 1), 1 / 2.2) * 255
    celsius = np.where(halo > 2e-3, final[:, :, 3], AIR)
    return Sprite(
        (ax, ay), scale, (cover * 255).astype(np.uint8), colour.astype(np.uint8), None, celsius.astype(np.float32)
    )


class _Painter:
    """Lays limbs over each other: (h, w, 5) red, green, blue, Celsius, coverage."""

    def __init__(self, shape: tuple[int, int], clothes: Clothes, scale: float, folds: F32) -> None:
        self.image = np.zeros((*shape, 5), np.float32)
        self._clothes, self._scale, self._folds = clothes, scale, folds

    def limb(self, limb: Limb, a: tuple[float, float], b: tuple[float, float]) -> None:
        """Add one round cone between the pixels ``a`` and ``b``, with a smooth edge and a cylinder's shading."""
        h, w = self.image.shape[:2]
        ra, rb = limb.ra * self._scale, limb.rb * self._scale
        x0, x1 = int(max(min(a[0] - ra, b[0] - rb) - 1, 0)), int(min(max(a[0] + ra, b[0] + rb) + 3, w))
        y0, y1 = int(max(min(a[1] - ra, b[1] - rb) - 1, 0)), int(min(max(a[1] + ra, b[1] + rb) + 3, h))
        if x1 <= x0 or y1 <= y0:
            return
        gx = np.arange(x0, x1, dtype=np.float32)[None, :] - np.float32(a[0])
        gy = np.arange(y0, y1, dtype=np.float32)[:, None] - np.float32(a[1])
        bx, by = np.float32(b[0] - a[0]), np.float32(b[1] - a[1])
        length = np.float32(max(bx * bx + by * by, 1e-3))
        along = np.minimum(np.maximum(gx * (bx / length) + gy * (by / length), 0), 1)
        ox, oy = gx - along * bx, gy - along * by
        radius = np.float32(ra) + along * np.float32(rb - ra)
        distance = np.sqrt(ox * ox + oy * oy)
        cover = np.minimum(np.maximum(radius - distance + np.float32(0.5), 0), 1)
        front = np.sqrt(1 - np.float32(0.98) * np.minimum(distance / radius, 1) ** 2)
        up = np.minimum(np.maximum(-oy / radius, -0.6), 1)
        skin = limb.part in ("face", "hand")
        v, u = (y0 * 2) % 256, (x0 * 3) % 256
        cloth = self._folds[v : v + y1 - y0, u : u + x1 - x0] * np.float32(0.2 if skin else 1.0)
        lit = (np.float32(0.42) + np.float32(0.26) * front + np.float32(0.42) * up) * (1 + np.float32(0.16) * cloth)
        base = CELSIUS[limb.part] + (0.0 if skin else self._clothes.warmth)
        warm = np.float32(base) + np.float32(0.55) * cloth
        if base > AIR + 4:
            warm -= np.float32(_COOL_EDGE) * (1 - front)
        if limb.part in ("jacket", "sleeve"):  # tight over the shoulders, loose at the hem
            height = (h - np.arange(y0, y1, dtype=np.float32)[:, None]) / np.float32(self._scale)
            warm += np.float32(2.2) * np.minimum(np.maximum((height - np.float32(1.15)) / np.float32(0.4), -0.6), 1)
        patch = self.image[y0:y1, x0:x1]
        value = np.empty((*cover.shape, 4), np.float32)
        value[:, :, :3] = np.maximum(lit, 0.05)[:, :, None] * np.asarray(self._clothes.colour(limb.part), np.float32)
        value[:, :, 3] = warm
        out = cover + patch[:, :, 4] * (1 - cover)
        share = (cover / np.maximum(out, 1e-4))[:, :, None]
        patch[:, :, :4] += share * (value - patch[:, :, :4])
        patch[:, :, 4] = out
