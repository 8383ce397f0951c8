"""The nine definitions written out pixel by pixel in plain Python, slowly: what the fast ones must equal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

Picture = list[list[float]]


def flat(picture: Picture) -> list[float]:
    return [value for row in picture for value in row]


def average(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def entropy(f: Picture) -> float:
    values = flat(f)
    return -math.fsum(n / len(values) * math.log2(n / len(values)) for n in Counter(values).values())


def shared(one: Picture, other: Picture) -> float:
    x, y = flat(one), flat(other)
    n = len(x)
    p, q, joint = Counter(x), Counter(y), Counter(zip(x, y, strict=True))
    return math.fsum(c / n * math.log(c * n / (p[i] * q[j])) for (i, j), c in joint.items())


def mutual_information(a: Picture, b: Picture, f: Picture) -> float:
    return shared(f, a) + shared(f, b)


def standard_deviation(f: Picture) -> float:
    mean = average(flat(f))
    return math.sqrt(average([(value - mean) ** 2 for value in flat(f)]))


def spatial_frequency(f: Picture) -> float:
    height, width = len(f), len(f[0])
    horizontal = [(f[i][j] - f[i][j - 1]) ** 2 for i in range(height) for j in range(1, width)]
    vertical = [(f[i][j] - f[i - 1][j]) ** 2 for i in range(1, height) for j in range(width)]
    return math.sqrt(average(horizontal) + average(vertical))


def average_gradient(f: Picture) -> float:
    height, width = len(f), len(f[0])

    def difference(value: Callable[[int], float], at: int, size: int) -> float:
        low, high = max(at - 1, 0), min(at + 1, size - 1)
        return (value(high) - value(low)) / (high - low)

    return average(
        [
            math.sqrt(
                (difference(lambda k, i=i: f[i][k], j, width) ** 2 + difference(lambda k, j=j: f[k][j], i, height) ** 2)
                / 2
            )
            for i in range(height)
            for j in range(width)
        ]
    )


def correlation(x: list[float], y: list[float]) -> float:
    mx, my = average(x), average(y)
    covariance = math.fsum((p - mx) * (q - my) for p, q in zip(x, y, strict=True))
    return covariance / math.sqrt(math.fsum((p - mx) ** 2 for p in x) * math.fsum((q - my) ** 2 for q in y))


def correlations_of_differences(a: Picture, b: Picture, f: Picture) -> float:
    def minus(x: Picture, y: Picture) -> list[float]:
        return [p - q for p, q in zip(flat(x), flat(y), strict=True)]

    return correlation(flat(a), minus(f, b)) + correlation(flat(b), minus(f, a))


def windows(picture: Picture, size: int) -> list[tuple[int, int]]:
    """Top left corners of all windows inside the picture."""
    return [(i, j) for i in range(len(picture) - size + 1) for j in range(len(picture[0]) - size + 1)]


def weighted(picture: Picture, weights: Picture, at: tuple[int, int]) -> float:
    i, j = at
    return math.fsum(w * picture[i + m][j + n] for m, row in enumerate(weights) for n, w in enumerate(row))


def product(x: Picture, y: Picture) -> Picture:
    return [[p * q for p, q in zip(one, other, strict=True)] for one, other in zip(x, y, strict=True)]


def fidelity(reference: Picture, image: Picture) -> float:
    kept = available = 0.0
    for scale, size in enumerate((17, 9, 5, 3)):
        half = size // 2
        weights = [
            [math.exp(-(m * m + n * n) / (2 * (size / 5) ** 2)) for n in range(-half, half + 1)]
            for m in range(-half, half + 1)
        ]
        total = math.fsum(flat(weights))
        weights = [[w / total for w in row] for row in weights]
        if scale:

            def halved(x: Picture, weights: Picture = weights, size: int = size) -> Picture:
                rows, columns = range(0, len(x) - size + 1, 2), range(0, len(x[0]) - size + 1, 2)
                return [[weighted(x, weights, (i, j)) for j in columns] for i in rows]

            reference, image = halved(reference), halved(image)
        squares, image_squares, products = (
            product(reference, reference),
            product(image, image),
            product(reference, image),
        )
        for at in windows(reference, size):
            mean_r, mean_i = weighted(reference, weights, at), weighted(image, weights, at)
            var_r = weighted(squares, weights, at) - mean_r**2
            var_i = weighted(image_squares, weights, at) - mean_i**2
            covariance = weighted(products, weights, at) - mean_r * mean_i
            if var_r > 1e-8:
                gain = covariance / var_r
                noise = var_i - gain * covariance
                if gain > 0:
                    kept += math.log10(1 + gain**2 * var_r / (max(noise, 0) + 2))
                available += math.log10(1 + var_r / 2)
    return kept / available


def information_fidelity(a: Picture, b: Picture, f: Picture) -> float:
    return fidelity(a, f) + fidelity(b, f)


def edge_transfer(a: Picture, b: Picture, f: Picture) -> float:
    height, width = len(f), len(f[0])

    def gradient(x: Picture, i: int, j: int) -> tuple[float, float]:
        def at(m: int, n: int) -> float:
            return x[i + m][j + n] if 0 <= i + m < height and 0 <= j + n < width else 0.0

        right = at(-1, 1) + 2 * at(0, 1) + at(1, 1) - at(-1, -1) - 2 * at(0, -1) - at(1, -1)
        up = at(-1, -1) + 2 * at(-1, 0) + at(-1, 1) - at(1, -1) - 2 * at(1, 0) - at(1, 1)
        return math.hypot(right, up), math.pi / 2 if right == 0 else math.atan(up / right)

    kept = available = 0.0
    for source in (a, b):
        for i in range(height):
            for j in range(width):
                (g, alpha), (gf, alphaf) = gradient(source, i, j), gradient(f, i, j)
                if g == 0:
                    continue
                ratio = gf if g == gf else min(g, gf) / max(g, gf)
                strength = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5)))
                orientation = 0.9879 / (1 + math.exp(-22 * (1 - abs(alpha - alphaf) / (math.pi / 2) - 0.8)))
                kept += g * strength * orientation
                available += g
    return kept / available


def similarity(x: Picture, y: Picture) -> float:
    c1, c2, n = (0.01 * 2) ** 2, (0.03 * 2) ** 2, 49
    values = []
    for i, j in windows(x, 7):
        p = [x[i + m][j + k] for m in range(7) for k in range(7)]
        q = [y[i + m][j + k] for m in range(7) for k in range(7)]
        mp, mq = average(p), average(q)
        vp = math.fsum((v - mp) ** 2 for v in p) / (n - 1)
        vq = math.fsum((v - mq) ** 2 for v in q) / (n - 1)
        vpq = math.fsum((v - mp) * (w - mq) for v, w in zip(p, q, strict=True)) / (n - 1)
        values.append((2 * mp * mq + c1) * (2 * vpq + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return average(values)


def structural_similarity(a: Picture, b: Picture, f: Picture) -> float:
    return similarity(f, a) + similarity(f, b)


TEXTBOOK: dict[str, Callable[[Picture, Picture, Picture], float]] = {
    "EN": lambda _a, _b, f: entropy(f),
    "SD": lambda _a, _b, f: standard_deviation(f),
    "SF": lambda _a, _b, f: spatial_frequency(f),
    "AG": lambda _a, _b, f: average_gradient(f),
    "MI": mutual_information,
    "SCD": correlations_of_differences,
    "VIF": information_fidelity,
    "Qabf": edge_transfer,
    "SSIM": structural_similarity,
}
