"""A robot with two cameras side by side that drives and turns through a street at dusk, with true depth and poses.

``StreetDrive(seed).rgb(t)`` and ``.thermal(t)`` are what the cameras of the rig see at ``t`` seconds, ``.depth(t)`` how
far that is, ``.pose(t)`` where a camera is. ``.view(t, camera, pose)`` is what any camera at any pose sees.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .arrays import F32, U8, U16
from .camera import Pinhole
from .canvas import AIR, counts, display
from .dusk_street import Walkers, still_surfaces
from .perspective import Matrix, Pose, Raster, Surface
from .sensors import RgbSensor, ThermalSensor

#: Horizontal fields of view, degrees, and the distance between the cameras, metres.
FIELDS = {"rgb": 69.0, "thermal": 50.0}
BASELINE = 0.12
#: Seconds by which stamps of the thermal camera are late: its picture stamped t shows the street at t - DELAY.
DELAY = 0.040
#: Seconds after which the robot is where it was: it drives to the end of the street, and back in reverse.
PERIOD = 120.0
# The thermal camera looks a little past the RGB camera: degrees down, right, and clockwise.
_TILT, _PAN, _ROLL = 0.6, -1.2, 0.8
_HEIGHT = 0.95


class View(NamedTuple):
    """What a camera sees.

    Attributes:
        colour: (h, w, 3) code values.
        counts: (h, w) thermal counts, float32.
        depth: (h, w) float32, metres along the axis, at the centres of the pixels; infinite in the sky.
    """

    colour: U8
    counts: F32
    depth: F32


class Counterparts(NamedTuple):
    """Where the other camera sees what each pixel of a camera shows.

    Attributes:
        x: (h, w) column, float32; NaN in the sky.
        y: (h, w) row, likewise.
        visible: (h, w), whether it is in the other picture and nothing hides it there.
        depth: (h, w) float32, metres along the first camera's axis.
    """

    x: F32
    y: F32
    visible: NDArray[np.bool_]
    depth: F32


class StreetDrive:
    """The street and the rig. Everything is a function of the seed and the time alone.

    Attributes:
        rgb_camera: The RGB camera.
        thermal_camera: The thermal camera.
        rotation: (3, 3), ``X_rgb = rotation X_thermal + translation``.
        translation: (3,), metres.
    """

    def __init__(
        self,
        seed: int = 1,
        rgb_size: tuple[int, int] = (640, 480),
        thermal_size: tuple[int, int] = (640, 512),
        baseline: float = BASELINE,
        oversampling: int = 2,
    ) -> None:
        """Build the street.

        Args:
            seed: Chooses houses, wear and noise.
            rgb_size: Width and height of the RGB frames.
            thermal_size: Likewise.
            baseline: Distance between the cameras, metres.
            oversampling: Rays to a pixel, across and down; 1 is faster, and edges have steps.
        """
        self._oversampling = oversampling
        self.rgb_camera = _pinhole(rgb_size, FIELDS["rgb"])
        self.thermal_camera = _pinhole(thermal_size, FIELDS["thermal"])
        self.rotation = _turned(_PAN, _TILT, _ROLL)
        direction = np.array([0.99, 0.1, -0.07])
        self.translation: Matrix = baseline * direction / np.linalg.norm(direction)
        self._still, self._walkers = still_surfaces(seed), Walkers(seed)
        self._rgb_sensor, self._thermal_sensor = RgbSensor(seed, rgb_size), ThermalSensor(seed, thermal_size)

    def camera(self, name: str) -> Pinhole:
        """The camera ``rgb`` or ``thermal``."""
        return self.rgb_camera if name == "rgb" else self.thermal_camera

    def pose(self, t: float, name: str = "rgb") -> Pose:
        """Where the camera ``rgb`` or ``thermal`` is at a time: a robot that weaves, turns and shakes a little."""
        turn = 2 * math.pi * t
        z = 37.0 - 36.0 * math.cos(turn / PERIOD)
        x = -2.1 + 0.7 * math.sin(turn / 20)
        pan = 20.0 * math.sin(turn / 12) + 5.0 * math.sin(turn / 4 + 0.7)
        tilt = 1.5 + 1.2 * math.sin(turn / 5) + 0.4 * math.sin(turn / 1.25)
        roll = 0.8 * math.sin(turn / 7.5) + 0.3 * math.sin(turn / 1.6)
        y = -_HEIGHT + 0.01 * math.sin(turn / 1.25)
        rig = Pose(_turned(pan, tilt, roll), np.array([x, y, z]))
        return rig if name == "rgb" else rig.moved(self.rotation, self.translation)

    def rgb(self, t: float) -> U8:
        """The RGB frame at a time, (h, w, 3)."""
        return self._rgb_sensor.read(self._colour(t, self.rgb_camera, self.pose(t)), t)

    def thermal(self, t: float) -> U16:
        """The thermal frame at a time, (h, w) counts, 0 to 16383."""
        return self._thermal_sensor.read(self._counts(t, self.thermal_camera, self.pose(t, "thermal")), t)

    def depth(self, t: float, name: str = "rgb") -> F32:
        """True depth of a camera's pixels, as in :class:`View`."""
        return Raster(self._surfaces(t), self.camera(name), self.pose(t, name)).depth

    def counterparts(self, t: float, name: str = "rgb") -> Counterparts:
        """The truth for a registration with the camera ``name`` as reference."""
        own, depth = self.camera(name), self.depth(t, name)
        other = "thermal" if name == "rgb" else "rgb"
        there, size = self.camera(other), (own.height, own.width)
        rows, columns = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
        finite = np.where(np.isinf(depth), np.float32(np.nan), depth)
        points = np.stack([(columns - own.cx) / own.fx, (rows - own.cy) / own.fy, np.ones_like(rows)], 2)
        points = np.asarray(points * finite[..., None], np.float64)
        if name == "rgb":
            points = (points - self.translation) @ self.rotation
        else:
            points = points @ self.rotation.T + self.translation
        nearness = 1 / points[..., 2]
        x, y = there.cx + there.fx * points[..., 0] * nearness, there.cy + there.fy * points[..., 1] * nearness
        inside = (x >= 0) & (x <= there.width - 1) & (y >= 0) & (y <= there.height - 1)
        at = [np.where(inside, each, 0).astype(np.float32) for each in (x, y)]
        seen = cv2.remap(1 / self.depth(t, other), at[0], at[1], cv2.INTER_NEAREST)
        visible = inside & (seen < 1.02 * nearness + 0.002)
        return Counterparts(x.astype(np.float32), y.astype(np.float32), visible, depth)

    def view(self, t: float, camera: Pinhole, pose: Pose) -> View:
        """What any camera at any pose sees at a time, without a sensor's noise."""
        depth = Raster(self._surfaces(t), camera, pose).depth
        return View(self._colour(t, camera, pose), self._counts(t, camera, pose), depth)

    def _surfaces(self, t: float) -> list[Surface]:
        return [*self._still, *self._walkers.at(t)]

    def _colour(self, t: float, camera: Pinhole, pose: Pose) -> U8:
        glow = np.exp(-np.maximum(_rise(camera, pose), 0) / 0.35)[..., None]
        light = np.asarray([0.10, 0.13, 0.22], np.float32) + glow * np.asarray([0.32, 0.24, 0.14], np.float32)
        return np.asarray(self._drawn(0, display(np.asarray(light, np.float32)), t, camera, pose), np.uint8)

    def _counts(self, t: float, camera: Pinhole, pose: Pose) -> F32:
        celsius = np.asarray(AIR - 15 + 9 * np.exp(-np.maximum(_rise(camera, pose), 0) / 0.2), np.float32)
        return counts(np.asarray(self._drawn(1, celsius, t, camera, pose), np.float32))

    def _drawn(self, layer: int, sky: NDArray[Any], t: float, camera: Pinhole, pose: Pose) -> NDArray[Any]:
        """The surfaces' layer over a sky of the camera's size."""
        size = camera.width * self._oversampling, camera.height * self._oversampling
        picture = cv2.resize(sky, size)
        Raster(self._surfaces(t), camera.resized(size), pose).paint(layer, picture)
        return np.asarray(cv2.resize(picture, (camera.width, camera.height), interpolation=cv2.INTER_AREA))


def _pinhole(size: tuple[int, int], field: float) -> Pinhole:
    focal = 0.5 * size[0] / math.tan(math.radians(field) / 2)
    return Pinhole(*size, focal, focal, (size[0] - 1) / 2, (size[1] - 1) / 2)


def _turned(pan: float, tilt: float, roll: float) -> Matrix:
    """Axes of a camera that is turned to the right, then down, then clockwise, degrees."""
    a, b, c = (math.radians(angle) for angle in (pan, tilt, roll))
    right = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    down = np.array([[1, 0, 0], [0, math.cos(b), math.sin(b)], [0, -math.sin(b), math.cos(b)]])
    clockwise = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return np.asarray(right @ down @ clockwise)


def _rise(camera: Pinhole, pose: Pose) -> F32:
    """(h, w): how steeply each pixel looks up, height to distance along the ground."""
    x = (np.arange(camera.width, dtype=np.float32) - np.float32(camera.cx)) / np.float32(camera.fx)
    y = (np.arange(camera.height, dtype=np.float32) - np.float32(camera.cy)) / np.float32(camera.fy)
    axes = pose.rotation.astype(np.float32)
    wx, wy, wz = (np.add.outer(row[1] * y + row[2], row[0] * x) for row in axes)
    return np.asarray(-wy / np.hypot(wx, wz), np.float32)
