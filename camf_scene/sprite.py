"""Cut-out pictures of things that move, and how they are laid into a frame of either camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .arrays import F32, U8


@dataclass(frozen=True)
class Sprite:
    """A cut-out seen from the cameras' place.

    Attributes:
        anchor: Column and row inside the cut-out of the point that is put in place.
        scale: Sprite pixels per RGB pixel at the distance it is drawn for, or per metre for people.
        alpha: Coverage (h, w), 0..255.
        colour: (h, w, 3) gamma coded RGB in a light of irradiance 1.
        glow: (h, w, 3) code values of its own light, or None.
        celsius: (h, w) temperature, float32.
    """

    anchor: tuple[float, float]
    scale: float
    alpha: U8
    colour: U8
    glow: U8 | None
    celsius: F32


@dataclass(frozen=True)
class Placed:
    """Where a sprite lies in a frame: the slice of the frame and the matrix of the warp into it."""

    rows: slice
    columns: slice
    matrix: F32
    size: tuple[int, int]


def place(sprite: Sprite, at: tuple[float, float], zoom: tuple[float, float], frame: tuple[int, int]) -> Placed | None:
    """Find the part of a frame that a sprite covers.

    Args:
        sprite: The sprite.
        at: Column and row of the frame where its anchor goes.
        zoom: Frame pixels per sprite pixel, across and down; a negative one across mirrors it.
        frame: Width and height of the frame.

    Returns:
        None when nothing of it is inside.
    """
    h, w = sprite.alpha.shape
    ax, ay = sprite.anchor
    edges_x = sorted((at[0] - ax * zoom[0], at[0] + (w - 1 - ax) * zoom[0]))
    edges_y = (at[1] - ay * zoom[1], at[1] + (h - 1 - ay) * zoom[1])
    x0, x1 = max(int(np.floor(edges_x[0])), 0), min(int(np.ceil(edges_x[1])) + 1, frame[0])
    y0, y1 = max(int(np.floor(edges_y[0])), 0), min(int(np.ceil(edges_y[1])) + 1, frame[1])
    if x1 - x0 < 1 or y1 - y0 < 1:
        return None
    matrix = np.asarray([[zoom[0], 0, at[0] - ax * zoom[0] - x0], [0, zoom[1], at[1] - ay * zoom[1] - y0]], np.float32)
    return Placed(slice(y0, y1), slice(x0, x1), matrix, (x1 - x0, y1 - y0))


def _warp(image: NDArray[Any], placed: Placed) -> NDArray[Any]:
    # mipmap: a cut-out that shrinks much is averaged first, or its edges would crawl
    matrix = placed.matrix
    shrink = min(abs(float(matrix[0, 0])), abs(float(matrix[1, 1])))
    if shrink < 0.6:
        step = min(round(1 / shrink), 8)
        h, w = image.shape[:2]
        size = (max(w // step, 1), max(h // step, 1))
        fx, fy = size[0] / w, size[1] / h
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), image.dtype)
        matrix = matrix.copy()
        matrix[0, 2] += matrix[0, 0] * (0.5 / fx - 0.5)
        matrix[1, 2] += matrix[1, 1] * (0.5 / fy - 0.5)
        matrix[0, 0] /= fx
        matrix[1, 1] /= fy
    out = cv2.warpAffine(image, matrix, placed.size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(out, image.dtype)


def warp_u8(image: U8, placed: Placed) -> U8:
    """A sprite layer of code values at its place."""
    return np.asarray(_warp(image, placed), np.uint8)


def warp_f32(image: F32, placed: Placed) -> F32:
    """A sprite layer of numbers at its place."""
    return np.asarray(_warp(image, placed), np.float32)


def blend(target: U8, source: U8, alpha: U8) -> None:
    """Lay ``source`` over ``target`` (h, w, 3) in place, with coverage ``alpha`` (h, w) 0..255."""
    w1 = alpha.astype(np.float32) * np.float32(1 / 255)
    target[:] = cv2.blendLinear(source, target, w1, np.float32(1) - w1)


def add(target: U8, source: U8) -> None:
    """Add light of code values in place, saturating."""
    target[:] = cv2.add(target, source)
