"""Lamp posts, road signs, boards, wires and parked cars: what stands in the street."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from .arrays import smooth
from .camera import CANVAS, EYE
from .canvas import AIR, Canvas, rays
from .carpaint import Car
from .cars import REFERENCE, Pose, draw_car
from .facades import lettering
from .lamps import LAMPS, Lamp, irradiance, light_at
from .walls import Paint, hang

PARKED: tuple[tuple[Car, Pose], ...] = (
    (Car((0.06, 0.08, 0.16), "CM 4F", True, 0.0), Pose(0.35, 13.9, True)),
    (Car((0.30, 0.30, 0.29), "KR 802", True, 0.65), Pose(0.4, 20.4, True)),
    (Car((0.10, 0.02, 0.02), "LT 19", True, 0.0), Pose(0.35, 32.0, True)),
    (Car((0.20, 0.20, 0.19), "TH 141", False, 0.0), Pose(-8.35, 16.4, False)),
    (Car((0.03, 0.05, 0.04), "OX 55", False, 0.5), Pose(-8.3, 22.8, False)),
    (Car((0.25, 0.24, 0.20), "PA 7", False, 0.0), Pose(-8.4, 34.6, False)),
    (Car((0.05, 0.05, 0.06), "QL 31", False, 0.2), Pose(-8.3, 47.0, False)),
)


def _plain(shape: tuple[int, int], albedo: tuple[float, float, float], celsius: float) -> Paint:
    return Paint(
        np.broadcast_to(np.asarray(albedo, np.float32), (*shape, 3)).copy(),
        np.zeros((*shape, 3), np.float32),
        np.full(shape, celsius, np.float32),
        np.ones(shape, np.float32),
    )


def board(canvas: Canvas, paint: Paint, centre: tuple[float, float, float], size: tuple[float, float]) -> None:
    """Hang a painted board of ``size`` (width, height) metres facing the cameras."""
    x, y, z = centre
    w, h = size[0] / 2, size[1] / 2
    hang(canvas, paint, ((x - w, y + h, z), (x + w, y + h, z), (x + w, y - h, z), (x - w, y - h, z)))


def post(canvas: Canvas, x: float, z: float, height: float, width: float) -> None:
    """A round metal post: bright along its middle, colder than the air because it sees the sky."""
    across = np.linspace(-1, 1, 16, dtype=np.float32)
    paint = _plain((40, 16), (0.09, 0.095, 0.10), AIR + 0.4)
    paint.albedo[:] *= (0.35 + 0.9 * np.sqrt(1 - 0.9 * across**2))[None, :, None]
    paint.celsius[:] += np.linspace(-1.6, 1.2, 40, dtype=np.float32)[:, None]
    board(canvas, paint, (x, height / 2, z), (width, height))


def _lamp_post(canvas: Canvas, lamp: Lamp, foot: float) -> None:
    post(canvas, foot, lamp.z, lamp.y + 0.15, 0.13)
    post(canvas, foot, lamp.z, 1.1, 0.2)
    left, right = sorted((foot, lamp.x))
    arm = _plain((8, 32), (0.08, 0.085, 0.09), AIR - 0.6)
    board(canvas, arm, ((left + right) / 2, lamp.y + 0.13, lamp.z), (right - left, 0.07))
    head = _plain((24, 64), (0.06, 0.06, 0.06), AIR + 5.0)
    head.glow[10:] = np.asarray(lamp.colour, np.float32) * 22.0
    head.celsius[10:] = AIR + 17.0
    gx = np.linspace(-1, 1, 64, dtype=np.float32)[None, :]
    gy = np.linspace(-1, 1, 24, dtype=np.float32)[:, None]
    alpha = smooth(np.asarray(1.0 - gx**4 - np.abs(gy) ** 3, np.float32), 0.0, 0.3)
    board(canvas, Paint(head.albedo, head.glow, head.celsius, alpha), (lamp.x, lamp.y + 0.06, lamp.z), (0.62, 0.17))


def _disc(colour: tuple[float, float, float], rim: tuple[float, float, float], text: str) -> Paint:
    size = 160
    gx, gy = np.meshgrid(np.linspace(-1, 1, size, dtype=np.float32), np.linspace(-1, 1, size, dtype=np.float32))
    r = np.asarray(np.hypot(gx, gy), np.float32)
    paint = _plain((size, size), colour, AIR - 0.4)
    ring = smooth(r, 0.74, 0.77)[..., None]
    paint.albedo[:] += ring * (np.asarray(rim, np.float32) - paint.albedo)
    ink = np.zeros((size, size), np.float32)
    ink[48:112, 36:124] = lettering(text, (88, 64))
    paint.albedo[:] *= 1 - 0.95 * ink[..., None]
    return Paint(paint.albedo, paint.glow, paint.celsius, smooth(np.asarray(1 - r, np.float32), 0.0, 0.03))


def _crossing_sign() -> Paint:
    """White triangle on blue with a walking figure."""
    size = 160
    paint = _plain((size, size), (0.02, 0.09, 0.36), AIR - 0.5)
    white = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(white, np.asarray([[80, 18], [146, 136], [14, 136]], np.int32), 255, cv2.LINE_AA)
    figure: tuple[tuple[tuple[int, int], tuple[int, int]], ...] = (
        ((82, 66), (78, 96)), ((78, 96), (92, 126)), ((78, 96), (62, 126)), ((82, 70), (98, 88)), ((82, 70), (66, 88)),
    )  # fmt: skip
    for a, b in figure:
        cv2.line(white, a, b, 0, 7, cv2.LINE_AA)
    cv2.circle(white, (83, 56), 7, 0, -1, cv2.LINE_AA)
    mask = (white.astype(np.float32) / 255)[..., None]
    paint.albedo[:] += mask * (0.75 - paint.albedo)
    return paint


def _plate(
    text: str, shape: tuple[int, int], ground: tuple[float, float, float], ink: tuple[float, float, float]
) -> Paint:
    h, w = shape
    paint = _plain(shape, ground, AIR + 0.6)
    mask = np.zeros(shape, np.float32)
    mask[h // 5 : h - h // 5, w // 14 : w - w // 14] = lettering(text, (w - 2 * (w // 14), h - 2 * (h // 5)))
    paint.albedo[:] += mask[..., None] * (np.asarray(ink, np.float32) - paint.albedo)
    return paint


def _signs(canvas: Canvas) -> None:
    post(canvas, 1.72, 8.3, 2.7, 0.07)
    board(canvas, _crossing_sign(), (1.72, 1.83, 8.29), (0.46, 0.46))
    board(canvas, _disc((0.72, 0.72, 0.70), (0.5, 0.02, 0.02), "30"), (1.72, 2.40, 8.29), (0.56, 0.56))
    board(
        canvas,
        _plate("MARKET STREET", (60, 300), (0.85, 0.85, 0.8), (0.01, 0.01, 0.02)),
        (5.62, 3.0, 11.56),
        (1.25, 0.28),
    )
    cafe = _plate("CAFE", (90, 160), (0.03, 0.05, 0.05), (0.9, 0.6, 0.3))
    ink = cafe.albedo[..., 0:1] > 0.2
    cafe.glow[:] = np.where(ink, np.asarray([1.9, 0.55, 0.16], np.float32), np.asarray([0.02, 0.012, 0.01], np.float32))
    cafe.celsius[:] = AIR + 2.0
    board(canvas, cafe, (4.36, 4.25, 12.6), (0.95, 0.55))


def _wires(canvas: Canvas) -> None:
    """Overhead wires, as a cover over the sky and the houses."""
    cover = np.zeros((CANVAS.height, CANVAS.width), np.uint8)
    for left, right, z, sag in (((-12.3, 8.6), (4.9, 8.2), 30.0, 0.7), ((-12.3, 9.4), (4.9, 9.0), 47.0, 0.6)):
        s = np.linspace(0, 1, 40)
        x = left[0] + s * (right[0] - left[0])
        y = left[1] + s * (right[1] - left[1]) - sag * 4 * s * (1 - s)
        points = [CANVAS.project(float(a), float(b), z) for a, b in zip(x, y, strict=True)]
        cv2.polylines(cover, [np.round(np.asarray(points) * 16).astype(np.int32)], False, 150, 1, cv2.LINE_AA, 4)
    alpha = cover.astype(np.float32) * np.float32(1 / 255)
    shape = (*alpha.shape, 3)
    cold = np.full(alpha.shape, AIR - 1, np.float32)
    dark, grey = np.full(shape, 0.003, np.float32), np.full(shape, 0.02, np.float32)
    canvas.over((0, 0), alpha, dark, grey, depth=30.0, celsius=cold)


def ground_shadow(canvas: Canvas, pose: Pose, length: float = 4.3) -> None:
    """Darken the ground under and around a parked car, and keep it warmer where the sky is hidden."""
    near, far = pose.z - 0.9, pose.z + length + 1.0
    u0, v0 = CANVAS.project(pose.x - 2.2, 0, near)
    u1, _ = CANVAS.project(pose.x + 2.2, 0, near)
    _, v1 = CANVAS.project(pose.x, 0, far)
    x0, x1, y0, y1 = max(int(u0), 0), min(int(u1) + 1, CANVAS.width), int(v1), min(int(v0) + 1, CANVAS.height)
    if x1 <= x0 or y1 <= y0:
        return
    gu, gv = rays((x0, y0), (x1 - x0, y1 - y0))
    z = -EYE / np.minimum(gv, -1e-3)
    x = gu * z
    dx = np.maximum(np.abs(x - pose.x) - 0.72, 0)
    dz = np.maximum(np.abs(z - pose.z - length / 2) - length / 2 + 0.15, 0)
    dark = np.asarray(0.92 * np.exp(-((dx / 0.28) ** 2) - (dz / 0.35) ** 2), np.float32)
    dark += np.asarray(0.3 * np.exp(-((dx / 0.9) ** 2) - (dz / 1.0) ** 2), np.float32)
    part = np.s_[y0:y1, x0:x1]
    dark = np.clip(dark, 0, 0.94) * (canvas.normal[part][..., 1] > 0.5)
    canvas.light[part] *= (1 - dark)[..., None]
    canvas.celsius[part] += 1.4 * dark


def _park(canvas: Canvas, car: Car, pose: Pose) -> None:
    ground_shadow(canvas, pose)
    sprite = draw_car(car, pose, detail=1.6)
    if sprite is None:
        return
    u, v = CANVAS.project(pose.x, 0.0, pose.z + REFERENCE)
    corner = (round(u - sprite.anchor[0]), round(v - sprite.anchor[1]))
    linear = np.asarray((sprite.colour.astype(np.float32) / 255) ** 2.2, np.float32)
    light, _ = light_at(pose.x, pose.z, 0.8)
    middle = np.asarray([pose.x], np.float32), np.asarray([1.0], np.float32), np.asarray([pose.z + 2], np.float32)
    light = 0.6 * light + 0.4 * irradiance(*middle, (0.0, 1.0, 0.0))[0]
    alpha = sprite.alpha.astype(np.float32) * np.float32(1 / 255)
    lit = np.asarray(linear * light, np.float32)
    depth, up = pose.z + 0.3, (0.0, 0.3, -0.95)
    canvas.over(corner, alpha, lit, linear, depth=depth, celsius=sprite.celsius, normal=up)


def furnish(canvas: Canvas, between: tuple[tuple[float, Callable[[Canvas], None]], ...] = ()) -> None:
    """Put everything into the street, the farthest first.

    Args:
        canvas: Where to draw.
        between: Further (distance, function of the canvas) pairs to draw in the same order.
    """
    jobs: list[tuple[float, Callable[[Canvas], None]]] = [
        (lamp.z, partial(_lamp_post, lamp=lamp, foot=lamp.pole)) for lamp in LAMPS if lamp.pole is not None
    ]
    jobs += [(pose.z, partial(_park, car=car, pose=pose)) for car, pose in PARKED]
    jobs.append((30.0, _wires))
    jobs.append((12.5, _signs))
    jobs += between
    for _, job in sorted(jobs, key=lambda item: -item[0]):
        job(canvas)
