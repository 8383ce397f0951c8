"""Registration as the formulas say it, pixel by pixel and number by number, without NumPy's or OpenCV's help."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]


def times(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def mapped(matrix: Sequence[Sequence[float]], x: float, y: float) -> Point:
    u, v, w = times(matrix, (x, y, 1.0))
    return u / w, v / w


def distorted(model: str, d: Sequence[float], x: float, y: float) -> Point:
    r2 = x * x + y * y
    if model == "equidistant":
        r = math.sqrt(r2)
        a = math.atan(r)
        bent = a + d[0] * a**3 + d[1] * a**5 + d[2] * a**7 + d[3] * a**9
        return (x * bent / r, y * bent / r) if r else (x, y)
    k1, k2, p1, p2 = d[:4]
    k3 = d[4] if len(d) > 4 else 0.0
    k4, k5, k6 = d[5:8] if len(d) >= 8 else (0.0, 0.0, 0.0)
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


def resampled(
    image: NDArray[np.uint8], size: tuple[int, int], place: Callable[[float, float], Point | None]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Bilinear look-up of every output pixel; the border is repeated. Also where the source has pixels."""
    height, width = image.shape[:2]
    result = np.zeros((*size, *image.shape[2:]))
    seen = np.zeros(size, bool)
    for row in range(size[0]):
        for column in range(size[1]):
            found = place(float(column), float(row))
            if found is None:
                continue
            seen[row, column] = -0.5 <= found[0] <= width - 0.5 and -0.5 <= found[1] <= height - 0.5
            x, y = min(max(found[0], 0.0), width - 1.0), min(max(found[1], 0.0), height - 1.0)
            left, top = min(int(x), max(width - 2, 0)), min(int(y), max(height - 2, 0))
            a, b = x - left, y - top
            above = (1 - a) * image[top, left] + a * image[top, left + 1].astype(float)
            below = (1 - a) * image[top + 1, left] + a * image[top + 1, left + 1].astype(float)
            result[row, column] = (1 - b) * above + b * below
    return result, seen
