"""The night street as two cameras see it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .arrays import F32, U8
from .camera import CANVAS, FOCAL, MARGIN, RGB_CAMERA, RGB_SIZE, THERMAL_CAMERA, THERMAL_SIZE, Pinhole, sway
from .canvas import COUNTS_AT_ZERO, COUNTS_PER_KELVIN, counts, display
from .cars import REFERENCE
from .headlights import Headlights
from .lamps import light_at
from .people import ACTORS, Box, Cast
from .sensors import RgbSensor, ThermalSensor
from .smoke import DISTANCE as SMOKE_DISTANCE
from .smoke import Smoke
from .sprite import Sprite, add, blend, place, warp_f32, warp_u8
from .street import build_street
from .traffic import LEAVING, ONCOMING, Garage

#: From linear light to what `display` takes.
EXPOSURE = 1.0


@dataclass(frozen=True)
class _Thing:
    """Something to draw: distance, sprite, x, distance of its anchor, RGB pixels per sprite pixel, presence."""

    z: float
    sprite: Sprite
    x: float
    anchor: float
    zoom: float
    presence: float


class NightStreet:
    """A street at night that never ends, for an RGB and a thermal camera in the same place.

    Frames are functions of the seed and the time alone. The street repeats after PERIOD seconds, without a jump;
    the noise of the sensors does not.

    Attributes:
        rgb_camera: The RGB camera.
        thermal_camera: The thermal camera; its field of view is the same.
    """

    def __init__(
        self, seed: int = 1, rgb_size: tuple[int, int] = (1280, 720), thermal_size: tuple[int, int] = (640, 512)
    ) -> None:
        """Draw everything that can be drawn before the first frame.

        Args:
            seed: Chooses façades, trees, smoke and noise.
            rgb_size: Width and height of the RGB frames.
            thermal_size: Width and height of the thermal frames.
        """
        self._set_sizes(rgb_size, thermal_size)
        canvas = build_street(seed)
        rng = np.random.default_rng((seed, 5))
        self._base: U8 = display(np.asarray(canvas.light * EXPOSURE, np.float32))
        self._albedo: U8 = np.asarray(255 * np.power(np.clip(canvas.albedo, 0, 1), 1 / 2.2), np.uint8)
        self._depth = canvas.depth
        size = (CANVAS.width * THERMAL_SIZE[0] // RGB_SIZE[0], CANVAS.height * THERMAL_SIZE[1] // RGB_SIZE[1])
        self._warmth: F32 = np.asarray(
            cv2.resize(counts(canvas.celsius), size, interpolation=cv2.INTER_AREA), np.float32
        )
        self._thermal_depth: F32 = np.asarray(
            cv2.resize(canvas.depth, size, interpolation=cv2.INTER_NEAREST), np.float32
        )
        self._cast = Cast(rng)
        self._garages = (Garage(ONCOMING), Garage(LEAVING))
        self._smoke = Smoke(canvas, EXPOSURE, rng)
        self._headlights = Headlights(canvas)
        self._rgb_sensor, self._thermal_sensor = RgbSensor(seed), ThermalSensor(seed)

    def _set_sizes(self, rgb_size: tuple[int, int], thermal_size: tuple[int, int]) -> None:
        self._rgb_size, self._thermal_size = rgb_size, thermal_size
        self.rgb_camera: Pinhole = RGB_CAMERA.resized(rgb_size)
        self.thermal_camera: Pinhole = THERMAL_CAMERA.resized(thermal_size)

    def resized(self, rgb_size: tuple[int, int], thermal_size: tuple[int, int]) -> NightStreet:
        """The same street in frames of other widths and heights; what was drawn serves both."""
        street = copy.copy(self)
        street._set_sizes(rgb_size, thermal_size)
        return street

    def people(self, t: float) -> list[Box]:
        """Boxes around the people in the RGB frame at time ``t``, in its pixels.

        People behind something are included; the frames' sway is too.
        """
        dx, dy = sway(t)
        sx, sy = self._rgb_size[0] / RGB_SIZE[0], self._rgb_size[1] / RGB_SIZE[1]
        return [
            Box((b.left + dx) * sx, (b.top + dy) * sy, (b.right + dx) * sx, (b.bottom + dy) * sy, b.distance, b.name)
            for b in self._cast.boxes(t)
        ]

    def rgb(self, t: float) -> NDArray[np.uint8]:
        """The RGB frame at time ``t`` seconds: (height, width, 3), C-contiguous."""
        dx, dy = sway(t)
        camera = RGB_CAMERA.shifted(dx, dy)
        frame = _window(self._base, MARGIN[0] - dx, MARGIN[1] - dy)
        offset = (round(MARGIN[0] - dx), round(MARGIN[1] - dy))
        coming, going = ONCOMING.seen(t), LEAVING.seen(t)
        light = self._headlights.light_map(
            None if coming is None else (ONCOMING.x, *coming), None if going is None else (LEAVING.x, *going)
        )
        if light is not None:
            self._headlights.shine(frame, self._albedo, offset, light)
        flash = 0.0 if coming is None else 0.5 * float(np.exp(-(((coming[0] - 17.0) / 10.0) ** 2)))
        smoked = False
        things = self._things(t)
        for thing in things:
            if not smoked and thing.z < SMOKE_DISTANCE:
                self._smoke.draw(frame, offset, t, flash)
                smoked = True
            self._draw_rgb(frame, camera, offset, thing)
        if not smoked:
            self._smoke.draw(frame, offset, t, flash)
        if going is not None and going[0] > 1.5:
            self._headlights.tail_veil(frame, camera, LEAVING.x, going[0])
        if coming is not None:
            self._headlights.veil(frame, camera, ONCOMING.x, coming[0], _uncovered(things, *coming))
        return _fit(self._rgb_sensor.read(frame, t), self._rgb_size)

    def thermal(self, t: float) -> NDArray[np.uint16]:
        """The thermal frame at time ``t`` seconds: (height, width) counts, 0..16383."""
        dx, dy = sway(t)
        sx, sy = THERMAL_SIZE[0] / RGB_SIZE[0], THERMAL_SIZE[1] / RGB_SIZE[1]
        camera = RGB_CAMERA.shifted(dx, dy).resized(THERMAL_SIZE)
        ox, oy = (MARGIN[0] - dx) * sx, (MARGIN[1] - dy) * sy
        matrix = np.asarray([[1, 0, -ox], [0, 1, -oy]], np.float32)
        frame: F32 = np.asarray(cv2.warpAffine(self._warmth, matrix, THERMAL_SIZE, flags=cv2.INTER_LINEAR), np.float32)
        offset = (round(ox), round(oy))
        for thing in self._things(t):
            self._draw_thermal(frame, camera, offset, thing)
        return _fit(self._thermal_sensor.read(frame, t), self._thermal_size)

    def _things(self, t: float) -> list[_Thing]:
        """What moves, the farthest first."""
        things: list[_Thing] = []
        for actor in ACTORS:
            seen = self._cast.sprite(actor, t)
            if seen is not None:
                sprite, x, z, presence = seen
                things.append(_Thing(z, sprite, x, z, FOCAL / z / sprite.scale, presence))
        for garage in self._garages:
            coming = garage.driver.seen(t)
            if coming is not None:
                distance, presence = coming
                sprite, drawn = garage.at(distance)
                anchor = distance + REFERENCE
                things.append(
                    _Thing(
                        distance, sprite, garage.driver.x, anchor, (drawn + REFERENCE) / anchor / sprite.scale, presence
                    )
                )
        return sorted(things, key=lambda thing: -thing.z)

    def _draw_rgb(self, frame: U8, camera: Pinhole, offset: tuple[int, int], thing: _Thing) -> None:
        sprite = thing.sprite
        placed = place(sprite, camera.project(thing.x, 0.0, thing.anchor), (thing.zoom, thing.zoom), RGB_SIZE)
        if placed is None:
            return
        alpha = warp_u8(sprite.alpha, placed)
        behind = self._depth[_shift(placed.rows, offset[1]), _shift(placed.columns, offset[0])] > thing.z - 0.2
        alpha *= behind
        if thing.presence < 1:
            alpha = np.asarray(cv2.convertScaleAbs(alpha, alpha=thing.presence), np.uint8)
        light, _ = light_at(thing.x, max(thing.z, 0.5))
        tint = np.power(light * np.float32(EXPOSURE), 1 / 2.2)
        colour = warp_u8(sprite.colour, placed)
        colour = np.asarray(cv2.transform(colour, np.diag(tint).astype(np.float32)), np.uint8)
        target = frame[placed.rows, placed.columns]
        patch = np.ascontiguousarray(target)
        if sprite.glow is None:
            _ground_shade(patch, behind, placed.matrix, sprite.anchor)
        blend(patch, colour, alpha)
        if sprite.glow is not None:
            glow = np.asarray(cv2.convertScaleAbs(warp_u8(sprite.glow, placed), alpha=thing.presence), np.uint8)
            add(patch, glow * behind[..., None])
        target[:] = patch

    def _draw_thermal(self, frame: F32, camera: Pinhole, offset: tuple[int, int], thing: _Thing) -> None:
        sx, sy = THERMAL_SIZE[0] / RGB_SIZE[0], THERMAL_SIZE[1] / RGB_SIZE[1]
        sprite = thing.sprite
        zoom = (thing.zoom * sx, thing.zoom * sy)
        placed = place(sprite, camera.project(thing.x, 0.0, thing.anchor), zoom, THERMAL_SIZE)
        if placed is None:
            return
        alpha = warp_u8(sprite.alpha, placed).astype(np.float32) * np.float32(thing.presence / 255)
        alpha *= self._thermal_depth[_shift(placed.rows, offset[1]), _shift(placed.columns, offset[0])] > thing.z - 0.2
        warm = warp_f32(sprite.celsius, placed) * np.float32(COUNTS_PER_KELVIN) + np.float32(COUNTS_AT_ZERO)
        target = frame[placed.rows, placed.columns]
        target += alpha * (warm - target)


def _uncovered(things: list[_Thing], z: float, presence: float) -> tuple[float, float]:
    """Share of the two lamps of the oncoming car at distance ``z`` that nothing nearer hides."""
    shares = []
    for side in (-0.64, 0.64):
        sight = (ONCOMING.x + side) / z
        share = presence
        for thing in things:
            if not 0.5 < thing.z < z - 0.5:
                continue
            gap = abs(thing.x / thing.z - sight) * thing.z
            if thing.sprite.glow is None:
                share *= min(max((gap - 0.10) / 0.22, 0.15), 1.0)
            else:
                share *= min(max((gap - 0.70) / 0.40, 0.0), 1.0)
        shares.append(share)
    return shares[0], shares[1]


def _ground_shade(patch: U8, behind: NDArray[np.bool_], matrix: F32, anchor: tuple[float, float]) -> None:
    """Darken the ground under the feet of a body whose sprite lies over ``patch``."""
    h, w = patch.shape[:2]
    u = float(matrix[0, 0]) * anchor[0] + float(matrix[0, 2])
    v = float(matrix[1, 1]) * anchor[1] + float(matrix[1, 2])
    wide = 0.5 * float(matrix[0, 0]) * anchor[0]
    tall = max(0.30 * wide, 1.0)
    y0, y1 = max(int(v - 2.5 * tall), 0), min(int(v + 2.5 * tall) + 1, h)
    if y1 <= y0:
        return
    gx = np.exp(-(((np.arange(w, dtype=np.float32) - u) / wide) ** 2))
    gy = np.exp(-(((np.arange(y0, y1, dtype=np.float32) - v) / tall) ** 2))
    keep = 1 - 0.6 * gy[:, None] * gx[None, :] * behind[y0:y1]
    patch[y0:y1] = patch[y0:y1] * keep[..., None]


def _window(canvas: U8, left: float, top: float) -> U8:
    """The RGB frame's part of the canvas from a fractional place on; bilinear."""
    x, y = int(left), int(top)
    fx, fy = left - x, top - y
    rows = slice(y, y + RGB_SIZE[1] + 1)
    a, b = canvas[rows, x : x + RGB_SIZE[0]], canvas[rows, x + 1 : x + 1 + RGB_SIZE[0]]
    across = cv2.addWeighted(a, 1 - fx, b, fx, 0.0)
    return np.asarray(cv2.addWeighted(across[:-1], 1 - fy, across[1:], fy, 0.0), np.uint8)


def _shift(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)


def _fit(frame: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    if (frame.shape[1], frame.shape[0]) == size:
        return np.ascontiguousarray(frame)
    how = cv2.INTER_AREA if size[0] < frame.shape[1] else cv2.INTER_LINEAR
    return np.ascontiguousarray(np.asarray(cv2.resize(frame, size, interpolation=how), frame.dtype))
