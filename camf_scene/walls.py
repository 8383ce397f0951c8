"""Flat painted surfaces in the street: from a texture to the canvas, in perspective and in the lamps' light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .arrays import F32
from .camera import CANVAS, EYE
from .canvas import Canvas, rays
from .lamps import irradiance

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Paint:
    """What is painted on a surface.

    Attributes:
        albedo: (h, w, 3) reflectance.
        glow: (h, w, 3) linear light of its own (windows, signs).
        celsius: (h, w) temperature.
        alpha: (h, w) coverage, None for a full rectangle.
    """

    albedo: F32
    glow: F32
    celsius: F32
    alpha: F32 | None = None


def _average(image: F32, size: tuple[int, int]) -> F32:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def hang(canvas: Canvas, paint: Paint, corners: tuple[Point, Point, Point, Point]) -> None:
    """Put a painted parallelogram into the street.

    Args:
        canvas: Where to draw.
        paint: Its texture.
        corners: World positions of the texture's top left, top right, bottom right and bottom left corner, z > 0.
    """
    points = np.asarray(corners, np.float32)
    uv = np.asarray([CANVAS.project(*map(float, p)) for p in points], np.float32)
    low = np.maximum(np.floor(uv.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(uv.max(axis=0)).astype(int) + 2, [CANVAS.width, CANVAS.height])
    w, h = (high - low).tolist()
    if w <= 0 or h <= 0:
        return
    th, tw = paint.celsius.shape
    source = np.asarray([[0, 0], [tw, 0], [tw, th], [0, th]], np.float32) - np.float32(0.5)
    # twice the resolution, then averaged: cheap antialiasing of bricks and frames
    target = (uv - low.astype(np.float32) + np.float32(0.5)) * 2 - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(source, np.asarray(target, np.float32))

    def project(image: F32, border: int) -> F32:
        big = cv2.warpPerspective(image, matrix, (2 * w, 2 * h), flags=cv2.INTER_LINEAR, borderMode=border)
        return _average(np.asarray(big, np.float32), (w, h))

    cover = paint.alpha if paint.alpha is not None else np.ones((th, tw), np.float32)
    alpha = project(cover, cv2.BORDER_CONSTANT)
    albedo = project(paint.albedo, cv2.BORDER_REPLICATE)
    glow = project(paint.glow, cv2.BORDER_REPLICATE)
    celsius = project(paint.celsius, cv2.BORDER_REPLICATE)

    normal = np.cross(points[1] - points[0], points[3] - points[0])
    normal /= np.linalg.norm(normal)
    eye = np.asarray([0, EYE, 0], np.float32)
    if float(normal @ (points[0] - eye)) > 0:
        normal = -normal
    corner = (int(low[0]), int(low[1]))
    gu, gv = rays(corner, (w, h))
    along = normal[0] * gu + normal[1] * gv + normal[2]
    away = float(normal @ (points[0] - eye))
    z = np.clip(away / np.where(np.abs(along) < 1e-6, -1e-6, along), 0.5, 2000.0).astype(np.float32)
    n = (float(normal[0]), float(normal[1]), float(normal[2]))
    light = np.asarray(albedo * irradiance(gu * z, gv * z + EYE, z, n) + glow, np.float32)
    canvas.over(corner, alpha, light, albedo, depth=z, celsius=celsius, normal=n)
