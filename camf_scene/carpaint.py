"""What a car is made of at each of its points: colour, shine, own light and temperature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import F32, smooth
from .canvas import AIR
from .facades import lettering
from .mesh import AXLES, BELT, HALF_WIDTH, WHEEL_RADIUS


@dataclass(frozen=True)
class Car:
    """A car.

    Attributes:
        colour: Linear RGB of the paint.
        plate: Its number.
        away: Whether its rear is towards the cameras.
        warm: 0 for a car that stood for hours, 1 for one that is driven.
        lights: Whether its lamps are on.
    """

    colour: tuple[float, float, float]
    plate: str
    away: bool
    warm: float = 0.0
    lights: bool = False


@dataclass
class Surface:
    """Material of n points: albedo (n, 3), shine (n,), glow (n, 3) as code values 0..255, celsius (n,)."""

    albedo: F32
    shine: F32
    glow: F32
    celsius: F32


def _inside(value: F32, low: float, high: float, soft: float = 0.012) -> F32:
    return np.asarray(smooth(value, low - soft, low + soft) * (1 - smooth(value, high - soft, high + soft)), np.float32)


def _edge(value: F32) -> F32:
    return smooth(value, -0.012, 0.012)


class _Coat:
    """Lays the materials of a car over its points, one after the other.

    ``x``, ``y`` and ``s`` are metres to the right, up and forwards from the rear bumper.
    """

    def __init__(self, car: Car, points: F32, normal: F32) -> None:
        self.car, self.normal = car, normal
        self.x, self.y, self.s = points[:, 0], points[:, 1], points[:, 2]
        self.side = np.abs(self.x)
        n = len(points)
        # the roof and the bonnet look at the cold sky, the flanks at the street
        celsius = AIR + 1.3 - 2.8 * np.clip(normal[:, 1], 0, 1) + 0.5 * (self.y < 0.5)
        self.out = Surface(
            np.tile(np.asarray(car.colour, np.float32), (n, 1)),
            np.full(n, 0.05, np.float32),
            np.zeros((n, 3), np.float32),
            np.asarray(celsius, np.float32),
        )
        self.flank = smooth(np.asarray(np.abs(normal[:, 0]), np.float32), 0.55, 0.8)

    def lay(self, mask: F32, colour: tuple[float, float, float], gloss: float, celsius: float) -> None:
        """Cover the share ``mask`` (n,) of each point with a material."""
        m = np.asarray(mask, np.float32)
        self.out.albedo += m[:, None] * (np.asarray(colour, np.float32) - self.out.albedo)
        self.out.shine += m * (np.float32(gloss) - self.out.shine)
        self.out.celsius += m * (np.float32(celsius) - self.out.celsius)

    def shine(self, mask: F32, colour: tuple[float, float, float]) -> None:
        """Let the share ``mask`` (n,) glow in ``colour``, code values."""
        self.out.glow += np.asarray(mask, np.float32)[:, None] * np.asarray(colour, np.float32)

    def metal(self) -> None:
        """Seams of the doors, the dark sill, and the warmth of the engine below the bonnet."""
        y, s, warm = self.y, self.s, self.car.warm
        doors = _inside(s, 0.66, 3.0) * _inside(y, 0.25, BELT) * self.flank
        for seam in (1.35, 2.3, 2.98):
            self.lay(doors * _inside(s, seam - 0.006, seam + 0.006, 0.006), (0.01, 0.01, 0.01), 0.0, AIR + 1.0)
        self.lay(np.asarray(1 - smooth(y, 0.24, 0.30), np.float32), (0.02, 0.02, 0.02), 0.01, AIR + 2 + 5 * warm)
        engine = smooth(s, 2.9, 3.6) * smooth(y, 0.3, 0.6)
        heat = engine * (0.75 + 0.25 * np.cos(self.x * 2.4)) * np.clip(0.35 + self.normal[:, 1], 0.3, 1)
        self.out.celsius += np.asarray(warm * 11.0 * heat, np.float32)

    def glass(self) -> None:
        """All windows: black in the dark, and cold because they mirror the sky unless the cabin is heated."""
        y, s, side = self.y, self.s, self.side
        pillars = 1 - _inside(s, 1.315, 1.405) - _inside(s, 2.275, 2.365)
        front = np.asarray(2.30 + (1.40 - y) * 1.75 - s, np.float32)
        back = np.asarray(s - 0.86 + (1.40 - y) * 1.1, np.float32)
        flank = smooth(np.asarray(np.abs(self.normal[:, 0]), np.float32), 0.6, 0.75)
        flank = flank * _inside(y, BELT + 0.035, 1.385) * (side < HALF_WIDTH) * pillars * _edge(front) * _edge(back)
        along = self.normal[:, 2]
        wind = smooth(along, 0.25, 0.4) * _inside(y, 1.02, 1.40) * _inside(side, -1, 0.70) * (s > 2.2)
        rear = smooth(-along, 0.25, 0.4) * _inside(y, 1.07, 1.38) * _inside(side, -1, 0.66) * (s < 1.2)
        panes = np.asarray(np.clip(flank + wind + rear, 0, 1), np.float32)
        self.lay(panes, (0.006, 0.007, 0.008), 0.09, AIR - 1.6 + 4.0 * self.car.warm)

    def ends(self) -> None:
        """Grille, air intake, bumper and lamps."""
        y, s, side, warm = self.y, self.s, self.side, self.car.warm
        front, back = np.asarray(s > 3.7, np.float32), np.asarray(s < 0.5, np.float32)
        grille = front * _inside(y, 0.52, 0.68) * _inside(side, -1, 0.42)
        self.lay(grille, (0.012, 0.012, 0.012), 0.03, AIR + 1 + 17 * warm)
        intake = front * _inside(y, 0.26, 0.42) * _inside(side, -1, 0.58)
        self.lay(intake, (0.012, 0.012, 0.012), 0.02, AIR + 1 + 13 * warm)
        bars = grille * _inside(np.asarray(np.mod(y, 0.045), np.float32), 0, 0.014, 0.004)
        self.lay(bars, (0.2, 0.2, 0.2), 0.12, AIR + 1 + 12 * warm)
        self.lay(back * _inside(y, 0.22, 0.40), (0.025, 0.025, 0.025), 0.02, AIR + 1.5 + 3 * warm)
        raised = np.asarray(y - 0.05 * (side - 0.5), np.float32)
        lens = front * _edge(np.asarray(raised - 0.60, np.float32)) * _inside(y, 0.0, 0.745)
        lens = np.asarray(lens * _inside(side, 0.46, 0.80) * (s > 3.85), np.float32)
        self.lay(lens, (0.25, 0.25, 0.26), 0.25, AIR + 1 + 9 * warm)
        tail = back * _inside(y, 0.70, 0.93) * _inside(side, 0.56, 0.90)
        self.lay(tail, (0.22, 0.012, 0.01), 0.10, AIR + 1 + 3 * warm)
        if self.car.lights:
            bulb = np.exp(-(((side - 0.64) / 0.08) ** 2) - ((y - 0.68) / 0.05) ** 2)
            self.shine(np.asarray(lens * (110 + 400 * bulb), np.float32), (1.0, 0.98, 0.94))
            ring = 0.35 + 0.65 * np.exp(-(((y - 0.80) / 0.06) ** 2))
            self.shine(np.asarray(tail * ring, np.float32), (300, 36, 21))
            self.shine(back * _inside(y, 1.385, 1.41) * _inside(side, -1, 0.14), (120, 10, 6))

    def plates(self) -> None:
        """The number plates: only light tells their letters from their ground."""
        ink = lettering(self.car.plate, (200, 44))
        # each is read from outside, so the front one runs against x
        for low, end, right in ((0.44, self.s > 4.0, -self.x), (0.50, self.s < 0.3, self.x)):
            on = end & (self.side < 0.26) & (np.abs(self.y - low - 0.06) < 0.06)
            column = np.clip((right[on] / 0.48 + 0.5) * 200, 0, 199).astype(int)
            row = np.clip((0.5 - (self.y[on] - low - 0.06) / 0.10) * 44, 0, 43).astype(int)
            mask = ink[row, column][:, None]
            self.out.albedo[on] = np.asarray([0.62, 0.60, 0.5], np.float32) * (1 - mask) + 0.015 * mask
            if self.car.lights and self.car.away:
                self.out.glow[on] += (1 - mask) * np.asarray([46, 44, 40], np.float32)
            self.out.celsius[on] = AIR + 0.9 + 2 * self.car.warm

    def wheels(self) -> None:
        """Wheel arches, and what is hot low down: the exhaust, the floor, the brakes."""
        warm = self.car.warm
        if warm:
            back = self.s < 0.5
            pipe = back * np.exp(-(((self.x - 0.5) / 0.07) ** 2) - ((self.y - 0.27) / 0.05) ** 2)
            under = np.exp(-(((self.y - 0.2) / 0.1) ** 2)) * (self.side < 0.7)
            self.out.celsius += np.asarray(warm * (34 * pipe + 5 * under), np.float32)
        for axle in AXLES:
            r = np.asarray(np.hypot(self.s - axle, self.y - WHEEL_RADIUS), np.float32)
            near = np.exp(-np.maximum(r - 0.36, 0) / 0.1) * self.flank
            self.out.celsius += np.asarray(3.5 * warm * near, np.float32)
            arch = (1 - smooth(r, 0.355, 0.375)) * self.flank
            self.lay(np.asarray(arch, np.float32), (0.004, 0.004, 0.004), 0.0, AIR + 2 + 7 * warm)


def surface(car: Car, points: F32, normal: F32) -> Surface:
    """Material of a car at points (n, 3) = (x, y, s) of its body with unit normals (n, 3) in the same axes."""
    coat = _Coat(car, points, normal)
    coat.metal()
    coat.glass()
    coat.ends()
    coat.plates()
    coat.wheels()
    return coat.out


def wheel_surface(car: Car, y: F32, s: F32, axle: float) -> Surface:
    """Material of the outer side of a wheel."""
    dy, dl = y - np.float32(WHEEL_RADIUS), s - np.float32(axle)
    r = np.asarray(np.hypot(dy, dl), np.float32)
    spokes = 0.5 + 0.5 * np.cos(5 * np.arctan2(dy, dl))
    rim = 1 - smooth(r, 0.195, 0.21)
    metal = np.asarray(rim * (0.25 + 0.75 * smooth(np.asarray(spokes, np.float32), 0.3, 0.6)), np.float32)
    albedo = np.asarray(0.012 + 0.2 * metal[:, None] * np.ones(3), np.float32)
    celsius = AIR + 1 + car.warm * (9 * np.exp(-(((r - 0.30) / 0.05) ** 2)) + 17 * np.exp(-((r / 0.13) ** 2)) + 3)
    return Surface(
        albedo, np.asarray(0.1 * metal, np.float32), np.zeros((len(r), 3), np.float32), np.asarray(celsius, np.float32)
    )
