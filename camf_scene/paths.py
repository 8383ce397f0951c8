"""Smooth ways through the street: positions as functions of the time within the PERIOD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .camera import PERIOD


@dataclass(frozen=True)
class Way:
    """Waypoints (second, x, z); nothing is there before the first and after the last.

    Attributes:
        points: Waypoints in the order of time, within 0..PERIOD.
        smooth: Whether speeds change gently (cars) or the way is straight from point to point (people).
    """

    points: tuple[tuple[float, float, float], ...]
    smooth: bool = False

    def at(self, t: float) -> tuple[float, float] | None:
        """Place (x, z) at time ``t``, or None while nothing is there."""
        now = t % PERIOD
        times = [p[0] for p in self.points]
        if len(times) == 1:
            return self.points[0][1], self.points[0][2]
        if not times[0] <= now <= times[-1]:
            return None
        if self.smooth:
            return _hermite(self.points, 1, now), _hermite(self.points, 2, now)
        xs, zs = [p[1] for p in self.points], [p[2] for p in self.points]
        return float(np.interp(now, times, xs)), float(np.interp(now, times, zs))

    def presence(self, t: float) -> float:
        """How much of it is there, 0..1: who comes or goes far away in the haze does so within a second."""
        if len(self.points) == 1:
            return 1.0
        now = t % PERIOD
        return min(max(min(now - self.points[0][0], self.points[-1][0] - now), 0.0), 1.0)

    def heading(self, t: float) -> float:
        """Direction of travel in radians: 0 away from the cameras, pi/2 to the right."""
        now = t % PERIOD
        if len(self.points) == 1:
            return 0.0
        k = 0
        while k < len(self.points) - 2 and now > self.points[k + 1][0]:
            k += 1
        (_, x0, z0), (_, x1, z1) = self.points[k], self.points[k + 1]
        return float(np.arctan2(x1 - x0, z1 - z0))


def _hermite(points: tuple[tuple[float, float, float], ...], axis: int, now: float) -> float:
    """Monotone cubic through the waypoints (Fritsch and Carlson): it never runs past one and back."""
    times = np.asarray([p[0] for p in points])
    values = np.asarray([p[axis] for p in points])
    slopes = np.diff(values) / np.diff(times)
    tangent = np.concatenate([slopes[:1], np.zeros(len(slopes) - 1), slopes[-1:]])
    for k in range(1, len(slopes)):
        a, b = slopes[k - 1], slopes[k]
        tangent[k] = 0.0 if a * b <= 0 else 2 * a * b / (a + b)
    k = int(np.clip(np.searchsorted(times, now) - 1, 0, len(slopes) - 1))
    h = times[k + 1] - times[k]
    s = (now - times[k]) / h
    return float(
        values[k] * (1 + 2 * s) * (1 - s) ** 2
        + h * tangent[k] * s * (1 - s) ** 2
        + values[k + 1] * s * s * (3 - 2 * s)
        + h * tangent[k + 1] * s * s * (s - 1)
    )
