"""The street without anything that moves: sky, ground, houses, and later lamps, signs, trees and parked cars."""

from __future__ import annotations

from functools import partial

import numpy as np

from .arrays import F32, sample, tile
from .canvas import AIR, Canvas, rays
from .facades import FrontPainter, House
from .furniture import furnish
from .glow import beams, bloom, streaks
from .ground import END, WALL_LEFT, WALL_RIGHT, draw_ground
from .trees import plant
from .walls import Paint, hang

BRICK, CREAM, GREY, OCHRE = (0.20, 0.10, 0.075), (0.32, 0.29, 0.24), (0.19, 0.195, 0.21), (0.26, 0.20, 0.14)
RIGHT = (
    House(4.0, 8.9, 7.2, BRICK, brick=True, lit=0.0, warmth=0.4),
    House(11.6, 20.2, 9.6, BRICK, brick=True, shop="NIGHT CAFE", lit=0.45, warmth=0.8),
    House(20.2, 31.0, 12.2, CREAM, lit=0.34),
    House(31.0, 44.0, 9.0, GREY, lit=0.32, warmth=-0.4),
    House(44.0, 62.0, 12.0, OCHRE, lit=0.34, warmth=0.5),
    House(62.0, 96.0, 9.5, GREY, lit=0.3),
)
LEFT = (
    House(15.0, 27.0, 10.6, OCHRE, lit=0.32, warmth=0.3),
    House(27.0, 37.0, 8.4, GREY, shop="PHARMACY", lit=0.3),
    House(37.0, 50.0, 12.4, BRICK, brick=True, lit=0.34, warmth=0.7),
    House(50.0, 68.0, 9.4, CREAM, lit=0.3),
    House(68.0, 96.0, 11.5, GREY, lit=0.3, warmth=-0.3),
)


#: x, z, height and whether it is a bush.
TREES = ((-10.4, 31.5, 8.0, False), (2.6, 38.0, 7.5, False), (-10.4, 58.0, 8.5, False), (2.6, 66.0, 8.0, False),
         (-11.6, 26.0, 1.5, True), (-11.5, 23.6, 1.3, True))  # fmt: skip


def _sky(canvas: Canvas, rng: np.random.Generator) -> None:
    gu, gv = rays((0, 0), (canvas.depth.shape[1], canvas.depth.shape[0]))
    clouds = sample(tile(rng, 2, 5), gu * 260, gv * 700)
    glow = np.exp(-np.maximum(gv, 0) / 0.16)
    light = (0.007 + 0.03 * glow + 0.0025 * clouds)[..., None] * np.asarray([1.0, 0.86, 0.84], np.float32)
    light += np.asarray([0.002, 0.003, 0.008], np.float32)
    canvas.light[:] = light
    canvas.celsius[:] = 0.0 + 6.0 * np.exp(-np.maximum(gv, 0) / 0.13) + 0.6 * clouds


def _front(canvas: Canvas, house: House, x: float, rng: np.random.Generator) -> None:
    near = max(house.near, abs(x) / 0.672)
    across = min(max(abs(x) * 1000.0 / near**2, 14.0), 80.0)
    down = min(max(1000.0 / near, 24.0), 100.0)
    paint = FrontPainter(house, rng, across, down).paint()
    a, b = (house.far, house.near) if x > 0 else (house.near, house.far)
    corners = ((x, house.height, a), (x, house.height, b), (x, 0.0, b), (x, 0.0, a))
    hang(canvas, paint, corners)


def _gable(canvas: Canvas, house: House, above: float, x: float, rng: np.random.Generator) -> None:
    """The side wall of a house where it rises over its nearer neighbour of height ``above``."""
    tall = house.height - above
    if tall <= 0:
        return
    painter = FrontPainter(House(0.0, 9.0, tall, house.colour, warmth=house.warmth - 0.3), rng, 16.0, 16.0)
    left, right = sorted((x, x + float(np.sign(x)) * 9.0))
    top, near = house.height, house.near
    corners = ((left, top, near), (right, top, near), (right, above, near), (left, above, near))
    hang(canvas, Paint(painter.albedo, painter.glow, painter.celsius), corners)


def _end(canvas: Canvas, rng: np.random.Generator) -> None:
    """The house across the end of the street and the wall at the back of the passage on the right."""
    house = House(0.0, 44.0, 8.0, GREY, lit=0.3)
    hang(
        canvas,
        FrontPainter(house, rng, 12.0, 20.0).paint(),
        ((-22.0, 8.0, END), (22.0, 8.0, END), (22.0, 0.0, END), (-22.0, 0.0, END)),
    )
    side = House(0.0, 8.0, 9.6, BRICK, brick=True, lit=0.0, warmth=0.6)
    painter = FrontPainter(side, rng, 90.0, 90.0)
    corners = (
        (WALL_RIGHT, 9.6, 11.6),
        (WALL_RIGHT + 8, 9.6, 11.6),
        (WALL_RIGHT + 8, 0.0, 11.6),
        (WALL_RIGHT, 0.0, 11.6),
    )
    hang(canvas, Paint(painter.albedo, painter.glow, painter.celsius), corners)


def build_street(seed: int) -> Canvas:
    """Draw everything that stands still."""
    rng = np.random.default_rng(seed)
    canvas = Canvas()
    _sky(canvas, rng)
    draw_ground(canvas, rng)
    _end(canvas, rng)
    for row, x in ((LEFT, WALL_LEFT), (RIGHT, WALL_RIGHT)):
        for nearer, house in reversed(list(zip((None, *row), row, strict=False))):
            _front(canvas, house, x, rng)
            if nearer is not None:
                _gable(canvas, house, nearer.height, x, rng)
    trees = ((x, z, size, low, np.random.default_rng((seed, i))) for i, (x, z, size, low) in enumerate(TREES))
    furnish(canvas, tuple((z, partial(plant, x=x, z=z, height=size, rng=r, bush=low)) for x, z, size, low, r in trees))
    streaks(canvas, rng)
    haze(canvas)
    beams(canvas)
    bloom(canvas)
    return canvas


def haze(canvas: Canvas) -> None:
    """Thin the far light out into the glow of the town, and the far temperatures towards the air's."""
    far: F32 = np.asarray(1 - np.exp(-np.minimum(canvas.depth, 300.0) / 170.0), np.float32)
    far[canvas.depth >= 999] = 0.0
    canvas.light += far[..., None] * (np.asarray([0.036, 0.030, 0.027], np.float32) - canvas.light)
    canvas.celsius += 0.5 * far * (np.float32(AIR - 2.0) - canvas.celsius)
