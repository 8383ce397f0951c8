"""The cars that drive: their ways, and their pictures at a row of distances."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

from .camera import CANVAS
from .carpaint import Car
from .cars import Pose, draw_car
from .paths import Way
from .sprite import Sprite


@dataclass(frozen=True)
class Driver:
    """A car with its ways along the street; the waypoints are (second, x, z of its near end)."""

    car: Car
    x: float
    ways: tuple[Way, ...]
    nearest: float

    def seen(self, t: float) -> tuple[float, float] | None:
        """Distance of the near end at time ``t`` and its presence 0..1, or None while it is away."""
        for way in self.ways:
            at = way.at(t)
            if at is not None:
                return at[1], way.presence(t)
        return None

    def where(self, t: float) -> float | None:
        """Distance of the near end at time ``t``, or None while it is away."""
        seen = self.seen(t)
        return None if seen is None else seen[0]


ONCOMING = Driver(
    Car((0.16, 0.17, 0.18), "FU 5", False, 1.0, True),
    -5.65,
    (
        Way(((0.0, 0, 104.0), (8.0, 0, 24.0), (11.0, 0, 14.3), (21.6, 0, 14.2), (24.2, 0, 8.0), (25.4, 0, 2.4)), True),
        Way(((29.0, 0, 104.0), (35.0, 0, 38.0), (38.8, 0, 2.4)), True),
    ),
    2.4,
)
LEAVING = Driver(
    Car((0.20, 0.025, 0.02), "CAMF 1", True, 1.0, True),
    -2.35,
    (Way(((7.2, 0, -2.3), (8.8, 0, 5.2), (12.6, 0, 21.0), (23.0, 0, 104.0)), True),),
    -2.3,
)


class Garage:
    """Pictures of a driven car from far to near."""

    def __init__(self, driver: Driver) -> None:
        """Draw the car at every distance it needs.

        Args:
            driver: The car and how near it comes.
        """
        self.driver = driver
        self._keys: list[float] = []
        self._sprites: list[Sprite] = []
        z = driver.nearest
        while z < 62.0:
            detail = 1.6 if z > 18 else 1.0 if z > 6 else 0.5 if z > 2.0 else 0.35
            sprite = draw_car(driver.car, Pose(driver.x, z, driver.car.away), CANVAS, detail)
            if sprite is not None:
                self._keys.append(z)
                self._sprites.append(sprite)
            z += max(0.12 * z, 0.5)

    def at(self, z: float) -> tuple[Sprite, float]:
        """The picture to show at distance ``z`` and the distance it was drawn for."""
        k = bisect.bisect_left(self._keys, z)
        if k > 0 and (k == len(self._keys) or z - self._keys[k - 1] < self._keys[k] - z):
            k -= 1
        return self._sprites[k], self._keys[k]
