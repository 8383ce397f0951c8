"""The shape of a car: a shell of four-sided faces in the car's own coordinates.

Car coordinates are metres: x to the right of its middle, y up, s forwards from the rear bumper.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .arrays import F32

LENGTH, HALF_WIDTH = 4.3, 0.88
WHEEL_RADIUS, AXLES = 0.32, (0.85, 3.45)

#: s, height of the outline from behind to the front.
_TOP = ((0.0, 0.62), (0.03, 0.78), (0.10, 0.96), (0.20, 1.04), (0.72, 1.41), (1.2, 1.465), (1.9, 1.47), (2.35, 1.41),
        (3.12, 0.99), (3.6, 0.92), (3.98, 0.84), (4.16, 0.74), (4.25, 0.62), (4.3, 0.50))  # fmt: skip
_WIDE = ((0.0, 0.74), (0.06, 0.81), (0.25, 0.86), (1.2, 0.88), (3.2, 0.88), (3.9, 0.84), (4.15, 0.76), (4.3, 0.60))
BELT = 0.95


def _lookup(table: tuple[tuple[float, float], ...], at: F32) -> F32:
    xs, ys = zip(*table, strict=True)
    return np.asarray(np.interp(at, xs, ys), np.float32)


def _section(top: float, wide: float, roof: float) -> list[tuple[float, float]]:
    """Half a cross section, from the sill up to the middle of the roof: (x, y) pairs."""
    belt = min(BELT, top - 0.01)
    cabin = max(top - belt, 0.0)
    shoulder = wide - min(0.30 * cabin + 0.02, 0.20)
    points = [
        (wide - 0.10, 0.20),
        (wide - 0.02, 0.30),
        (wide, 0.45),
        (wide + 0.01, 0.60),
        (wide - 0.005, 0.5 * (0.60 + belt)),
        (wide - 0.03, belt - 0.03),
        (wide - 0.06, belt),
    ]
    rise = (0.33, 0.66, 0.9)
    points += [(wide - 0.06 + part * (shoulder - wide + 0.06), belt + part * cabin) for part in rise]
    points += [(shoulder - 0.06, top - 0.01), (shoulder * 0.6, top + roof * 0.7), (0.0, top + roof)]
    low = max(top, 0.5)
    return [(x, min(y, low + roof)) for x, y in points]


@lru_cache(maxsize=1)
def shell() -> F32:
    """Corners of all faces, (n, 4, 3) in (x, y, s)."""
    stations = np.concatenate([np.linspace(0.0, 0.3, 7), np.linspace(0.4, 3.8, 26), np.linspace(3.9, LENGTH, 8)])
    stations = stations.astype(np.float32)
    tops, wides = _lookup(_TOP, stations), _lookup(_WIDE, stations)
    rings = []
    for at, top, wide in zip(stations.tolist(), tops.tolist(), wides.tolist(), strict=True):
        half = _section(top, wide, 0.03 if 0.8 < at < 2.3 else 0.015)
        ring = [(x, y, at) for x, y in half] + [(-x, y, at) for x, y in half[-2::-1]]
        rings.append(ring)
    grid = np.asarray(rings, np.float32)
    quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=2).reshape(-1, 4, 3)
    caps = []
    for ring, turn in ((grid[0], 1), (grid[-1], -1)):  # close the rear and the front across
        n = len(ring)
        for k in range(n // 2):
            a, b, c, d = ring[k], ring[n - 1 - k], ring[n - 2 - k], ring[k + 1]
            caps.append([a, b, c, d][::turn])
    return np.concatenate([quads, np.asarray(caps, np.float32)])


def wheel(side: float, axle: float, points: int = 20) -> tuple[F32, F32]:
    """Outer and inner rim of a wheel, (points, 3) each."""
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    y, along = WHEEL_RADIUS * (1 + np.sin(turn)), axle + WHEEL_RADIUS * np.cos(turn)
    outer = np.stack([np.full(points, side * (HALF_WIDTH - 0.01)), y, along], axis=1)
    inner = np.stack([np.full(points, side * (HALF_WIDTH - 0.24)), y, along], axis=1)
    return outer.astype(np.float32), inner.astype(np.float32)
