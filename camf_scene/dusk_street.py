"""A street at dusk as surfaces in space: ground, house fronts, vans, bollards, lamp posts, boards and people.

Everything is flat, so that its depth is known exactly. The places are those of the night street; y is down here.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .arrays import F32, tile
from .canvas import AIR, display
from .facades import FrontPainter, House, lettering
from .figures import Clothes, draw_body
from .ground import END, WALL_LEFT, WALL_RIGHT, ground_paint
from .lamps import LAMPS, irradiance
from .perspective import Surface, Texture
from .skeleton import Build, walker
from .walls import Paint

Point = tuple[float, float, float]

#: The street begins here, behind the camera's first place, metres.
BEGIN = -8.0
#: What is left of the day: linear RGB irradiance from above.
_DAYLIGHT = np.asarray([0.42, 0.46, 0.56], np.float32)
# Texture pixels per metre.
_GROUND, _FRONT, _THING, _BODY = 24.0, 40.0, 120.0, 110.0
_TILE = 8.0
_HOUSES = ((0.20, 0.10, 0.075), (0.32, 0.29, 0.24), (0.19, 0.195, 0.21), (0.26, 0.20, 0.14))
_SHOPS = ("NIGHT CAFE", "PHARMACY", "BAKERY", "BOOKS", "BICYCLES", "TAILOR")
_PHASES = 10


@dataclass(frozen=True)
class Walk:
    """Someone who goes to and fro between two places (x, z), metres, at ``speed`` metres a second."""

    start: tuple[float, float]
    stop: tuple[float, float]
    speed: float
    build: Build
    clothes: Clothes

    def at(self, t: float) -> tuple[float, float, float]:
        """Place x, z and metres walked at a time."""
        length = float(np.hypot(self.stop[0] - self.start[0], self.stop[1] - self.start[1]))
        gone = self.speed * t % (2 * length)
        share = min(gone, 2 * length - gone) / length
        return (
            self.start[0] + share * (self.stop[0] - self.start[0]),
            self.start[1] + share * (self.stop[1] - self.start[1]),
            gone,
        )


WALKS = (
    Walk((-0.1, 4.0), (-0.4, 60.0), 0.5, Build(1.8, hood=True, bag=True), Clothes()),
    Walk((-4.6, 70.0), (-4.2, 3.0), 1.3, Build(1.7, 0.95), Clothes(jacket=(0.12, 0.03, 0.03))),
    Walk((-8.0, 12.0), (4.0, 12.0), 1.1, Build(1.68, 0.92, coat=0.34), Clothes(jacket=(0.05, 0.06, 0.1))),
    Walk((4.0, 26.0), (-8.0, 26.0), 1.2, Build(1.75, 1.1, coat=0.3), Clothes(jacket=(0.2, 0.19, 0.15))),
    Walk((3.0, 90.0), (2.6, 5.0), 1.2, Build(1.78, 1.05), Clothes(jacket=(0.03, 0.05, 0.03))),
    Walk((-9.9, 6.0), (-10.4, 95.0), 1.0, Build(1.74), Clothes(trousers=(0.06, 0.05, 0.04))),
    Walk((-7.0, 48.0), (3.0, 48.0), 0.9, Build(1.72, hood=True), Clothes(jacket=(0.1, 0.1, 0.11))),
)
#: x, z of the middle, length, height, reflectance and whether its engine is warm.
VANS = (
    (0.6, 9.0, 4.6, 2.1, (0.45, 0.45, 0.44), True),
    (0.6, 21.5, 4.2, 1.9, (0.08, 0.12, 0.25), False),
    (0.7, 39.0, 5.2, 2.4, (0.40, 0.30, 0.06), True),
    (0.6, 57.0, 4.4, 2.0, (0.10, 0.02, 0.02), False),
    (-8.2, 15.5, 4.8, 2.2, (0.25, 0.26, 0.25), True),
    (-8.3, 31.0, 4.4, 1.9, (0.05, 0.10, 0.07), False),
    (-8.3, 52.0, 5.0, 2.3, (0.5, 0.5, 0.48), True),
    (-8.2, 74.0, 4.4, 2.0, (0.2, 0.2, 0.21), False),
)
#: x, z of bollards, near the way of the rig.
BOLLARDS = tuple((x, z) for z in np.arange(3.0, 84.0, 5.5).tolist() for x in (-0.55, -3.6))


def still_surfaces(seed: int) -> list[Surface]:
    """Everything that does not move."""
    rng = np.random.default_rng((seed, 21))
    surfaces = _ground(rng) + _fronts(rng)
    for x, z, length, height, colour, warm in VANS:
        surfaces += _van((x, z), length, height, colour, warm=warm)
    for x, z in BOLLARDS:
        surfaces += _box((x, z), (0.16, 0.16, 0.95), [_bollard(rng)] * 4, _plain(0.16, 0.16, (0.1, 0.1, 0.1), AIR - 1))
    for lamp in LAMPS:
        if lamp.pole is not None:
            metal = _plain(0.14, lamp.y, (0.09, 0.095, 0.10), AIR - 0.8, 40.0)
            surfaces += _box((lamp.pole, lamp.z), (0.14, 0.14, lamp.y), [metal] * 4, metal)
            glow = _plain(0.6, 0.18, (0.06, 0.06, 0.06), AIR + 15.0)
            glow.glow[:] = np.asarray(lamp.colour, np.float32) * 6
            surfaces.append(_upright((lamp.pole, lamp.z - 0.1), 0.6, lamp.y + 0.1, glow))
    for x, z, text in ((-0.2, 16.0, "30"), (-4.0, 35.0, "STOP"), (1.9, 4.0, "MARKET"), (1.9, 47.0, "TOWN"),
                       (-9.9, 24.0, "SLOW")):  # fmt: skip
        metal = _plain(0.08, 1.7, (0.2, 0.2, 0.2), AIR - 0.8)
        surfaces += _box((x, z), (0.08, 0.08, 1.7), [metal] * 4, metal)
        surfaces.append(_upright((x, z - 0.06), 0.7, 2.2, _board(text)))
    return surfaces


class Walkers:
    """The people, as cut-outs across the street."""

    def __init__(self, seed: int) -> None:
        """Draw every step of everyone, there and back."""
        folds = tile(np.random.default_rng((seed, 22)), 16, 4)
        self._bodies: list[list[list[tuple[Texture, tuple[float, float, float]]]]] = []
        for walk in WALKS:
            way = np.subtract(walk.stop, walk.start)
            ways = []
            for heading in (np.arctan2(way[0], way[1]), np.arctan2(-way[0], -way[1])):
                steps = []
                for phase in range(_PHASES):
                    body = draw_body(walker(walk.build, phase / _PHASES), float(heading), walk.clothes, _BODY, folds)
                    h, w = body.alpha.shape
                    light = np.power(_DAYLIGHT * 0.8, 1 / 2.2)
                    texture = Texture(np.asarray(body.colour * light, np.uint8), body.celsius, body.alpha)
                    steps.append((texture, (w / _BODY, h / _BODY, body.anchor[1] / _BODY)))
                ways.append(steps)
            self._bodies.append(ways)

    def at(self, t: float) -> list[Surface]:
        """The people at a time."""
        surfaces = []
        for walk, ways in zip(WALKS, self._bodies, strict=True):
            x, z, gone = walk.at(t)
            length = float(np.hypot(walk.stop[0] - walk.start[0], walk.stop[1] - walk.start[1]))
            texture, (width, height, top) = ways[int(gone >= length)][int(gone / 1.45 * _PHASES) % _PHASES]
            surfaces.append(Surface((x - width / 2, -top, z), (width, 0, 0), (0, height, 0), texture))
        return surfaces


def _hung(paint: Paint, corner: Point, across: Point, down: Point) -> Surface:
    """A painted surface in the light that falls on it."""
    h, w = paint.celsius.shape
    o, a, b = (np.asarray(each, np.float32) for each in (corner, across, down))
    normal = np.cross(b, a)
    normal /= np.linalg.norm(normal)
    # light changes slowly: a coarse grid is enough
    s = (np.arange(min(w, 48), dtype=np.float32) + 0.5) / min(w, 48)
    r = (np.arange(min(h, 48), dtype=np.float32) + 0.5) / min(h, 48)
    places = o + s[None, :, None] * a + r[:, None, None] * b
    up = (float(normal[0]), -float(normal[1]), float(normal[2]))
    light = irradiance(places[..., 0], -places[..., 1], places[..., 2], up)
    light += _DAYLIGHT * np.float32(0.6 + 0.4 * up[1])
    light = np.asarray(cv2.resize(light, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)
    colour = display(np.asarray(paint.albedo * light + paint.glow, np.float32))
    return Surface(corner, across, down, Texture(colour, paint.celsius))


def _ground(rng: np.random.Generator) -> list[Surface]:
    width = WALL_RIGHT - WALL_LEFT
    columns, step = int(width * _GROUND), int(_TILE * _GROUND)
    rows = step * int(np.ceil((END - BEGIN) / _TILE))
    z, x = np.meshgrid(
        END - (np.arange(rows, dtype=np.float32) + 0.5) / _GROUND,
        WALL_LEFT + (np.arange(columns, dtype=np.float32) + 0.5) / _GROUND,
        indexing="ij",
    )
    size = np.full_like(x, 1 / _GROUND)
    albedo, celsius = ground_paint(x, z, size, size, rng)
    surfaces = []
    for row in range(0, rows, step):
        part = np.s_[row : row + step]
        far = END - row / _GROUND
        paint = Paint(albedo[part], np.zeros_like(albedo[part]), celsius[part])
        surfaces.append(_hung(paint, (WALL_LEFT, 0.0, far), (width, 0, 0), (0, 0, -_TILE)))
    return surfaces


def _fronts(rng: np.random.Generator) -> list[Surface]:
    surfaces = []
    for x in (WALL_LEFT, WALL_RIGHT):
        near, before = BEGIN, 0.0
        while near < END:
            far = near + float(rng.uniform(9.0, 14.0))
            shop = str(rng.choice(_SHOPS)) if rng.random() < 0.4 else ""
            colour = _HOUSES[int(rng.integers(len(_HOUSES)))]
            house = House(near, far, float(rng.uniform(7.0, 12.0)), colour, brick=colour == _HOUSES[0], shop=shop,
                          lit=0.35, warmth=float(rng.uniform(-0.4, 0.8)))  # fmt: skip
            paint = FrontPainter(house, rng, _FRONT, _FRONT).paint()
            # the texture's left is the far end on the right side of the street, and the near one on the left side
            start, along = (far, near - far) if x > 0 else (near, far - near)
            surfaces.append(_hung(paint, (x, -house.height, start), (0, 0, along), (0, house.height, 0)))
            if house.height > before:
                side = FrontPainter(House(0.0, 9.0, house.height, colour), rng, 16.0, 16.0)
                wall = Paint(side.albedo, side.glow, side.celsius)
                left = x if x > 0 else x - 9.0
                surfaces.append(_hung(wall, (left, -house.height, near), (9.0, 0, 0), (0, house.height, 0)))
            near, before = far, house.height
    end = FrontPainter(House(0.0, 24.0, 9.0, _HOUSES[2], lit=0.35), rng, 20.0, 20.0).paint()
    surfaces.append(_hung(end, (-16.0, -9.0, END), (24.0, 0, 0), (0, 9.0, 0)))
    return surfaces


def _plain(width: float, height: float, albedo: Point, celsius: float, scale: float = _THING) -> Paint:
    shape = max(int(height * scale), 4), max(int(width * scale), 4)
    return Paint(
        np.broadcast_to(np.asarray(albedo, np.float32), (*shape, 3)).copy(),
        np.zeros((*shape, 3), np.float32),
        np.full(shape, celsius, np.float32),
    )


def _upright(place: tuple[float, float], width: float, top: float, paint: Paint) -> Surface:
    """A board across the street, its middle at ``place`` (x, z) and its upper edge at a height."""
    h, w = paint.celsius.shape
    height = width * h / w
    return _hung(paint, (place[0] - width / 2, -top, place[1]), (width, 0, 0), (0, height, 0))


def _box(place: tuple[float, float], size: Point, sides: list[Paint], lid: Paint) -> list[Surface]:
    """An upright box with its middle at ``place`` (x, z): size along x, z and y; front, right, rear and left side."""
    (x, z), (w, d, h) = place, size
    front, right, rear, left = sides
    x0, x1, z0, z1 = x - w / 2, x + w / 2, z - d / 2, z + d / 2
    return [
        _hung(front, (x0, -h, z0), (w, 0, 0), (0, h, 0)),
        _hung(right, (x1, -h, z0), (0, 0, d), (0, h, 0)),
        _hung(rear, (x1, -h, z1), (-w, 0, 0), (0, h, 0)),
        _hung(left, (x0, -h, z1), (0, 0, -d), (0, h, 0)),
        _hung(lid, (x0, -h, z1), (w, 0, 0), (0, 0, -d)),
    ]


def _fill(paint: Paint, share: tuple[float, float, float, float], albedo: Point, celsius: float) -> None:
    """Paint the rectangle (left, top, right, bottom), in shares of the sides."""
    h, w = paint.celsius.shape
    part = np.s_[int(share[1] * h) : int(share[3] * h), int(share[0] * w) : int(share[2] * w)]
    paint.albedo[part], paint.celsius[part] = np.asarray(albedo, np.float32), celsius


def _van(place: tuple[float, float], length: float, height: float, colour: Point, *, warm: bool) -> list[Surface]:
    width, glass = 1.9, (0.02, 0.022, 0.025)
    engine = AIR + (9.0 if warm else 0.6)
    sides = []
    for wide in (width, length, width, length):
        paint = _plain(wide, height, colour, AIR + 0.8, 80.0)
        _fill(paint, (0.06, 0.12, 0.94, 0.42), glass, AIR - 2.5)
        _fill(paint, (0.0, 0.86, 1.0, 1.0), (0.02, 0.02, 0.02), AIR + 0.5)
        if wide == length:
            for post in (0.34, 0.62):
                _fill(paint, (post, 0.1, post + 0.03, 0.8), (colour[0] * 0.5, colour[1] * 0.5, colour[2] * 0.5), AIR)
            for wheel in (0.2, 0.8):
                _wheel(paint, wheel * wide, height - 0.32, AIR + (6.0 if warm else 1.5))
        else:
            _fill(paint, (0.2, 0.5, 0.8, 0.66), (0.05, 0.05, 0.05), engine)
            for lamp in (0.04, 0.84):
                _fill(paint, (lamp, 0.54, lamp + 0.12, 0.64), (0.6, 0.2, 0.1), AIR + 2.0)
            _fill(paint, (0.36, 0.74, 0.64, 0.8), (0.8, 0.8, 0.75), AIR)
        sides.append(paint)
    return _box(place, (width, length, height), sides, _plain(width, length, colour, AIR - 2.5, 40.0))


def _wheel(paint: Paint, x: float, y: float, celsius: float) -> None:
    h, w = paint.celsius.shape
    gy, gx = np.mgrid[0:h, 0:w].astype(np.float32)
    r = np.hypot(gx / 80.0 - x, gy / 80.0 - y)
    paint.albedo[r < 0.32], paint.celsius[r < 0.32] = np.float32(0.015), celsius
    paint.albedo[r < 0.18], paint.celsius[r < 0.18] = np.float32(0.2), celsius + 2.0


def _bollard(rng: np.random.Generator) -> Paint:
    paint = _plain(0.16, 0.95, (0.05, 0.05, 0.05), AIR + 1.5)
    for top in (0.08, 0.4):
        _fill(paint, (0.0, top, 1.0, top + 0.14), (0.7, 0.68, 0.6), AIR - 1.5)
    paint.celsius[:] += rng.normal(0, 0.2, paint.celsius.shape).astype(np.float32)
    return paint


def _board(text: str) -> Paint:
    paint = _plain(0.7, 0.5, (0.75, 0.75, 0.72), AIR - 2.0, 160.0)
    _fill(paint, (0.04, 0.06, 0.96, 0.94), (0.03, 0.08, 0.3), AIR + 0.5)
    h, w = paint.celsius.shape
    ink: F32 = np.zeros((h, w), np.float32)
    ink[h // 4 : h - h // 4, w // 8 : w - w // 8] = lettering(text, (w - 2 * (w // 8), h - 2 * (h // 4)))
    paint.albedo[:] += ink[..., None] * (0.75 - paint.albedo)
    paint.celsius[:] -= ink * np.float32(1.5)
    return paint
