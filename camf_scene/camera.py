"""Where the two cameras of the street stand and how they sway.

World: metres, x to the right, y up, z forward; the ground is y = 0 and the cameras are at (0, EYE, 0), looking along
z. Pixels: (0, 0) is the centre of the first pixel. Everything static is drawn once on a canvas a little larger than
the RGB frame, so that the sway of the cameras is a crop of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Size of the frames that are drawn; other sizes are resized from these.
RGB_SIZE = (1280, 720)
THERMAL_SIZE = (640, 512)
#: Pixels of the canvas beyond the RGB frame, left and right, above and below.
MARGIN = (32, 45)
#: Focal length of the RGB camera in pixels (65 degrees across) and the row of the horizon.
FOCAL = 1000.0
HORIZON = 340.0
#: Height of the cameras above the road, metres.
EYE = 1.65
#: Seconds after which everything but the noise is where it was.
PERIOD = 40.0


@dataclass(frozen=True)
class Pinhole:
    """A camera without distortion.

    Attributes:
        width: Columns of the frame.
        height: Rows of the frame.
        fx: Focal length across, pixels.
        fy: Focal length down, pixels.
        cx: Column of the optical axis, pixels.
        cy: Row of the optical axis, pixels.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Column and row of a world point (metres, z > 0)."""
        return self.cx + self.fx * x / z, self.cy - self.fy * (y - EYE) / z

    def resized(self, size: tuple[int, int]) -> Pinhole:
        """The same field of view on ``size`` (width, height) pixels."""
        sx, sy = size[0] / self.width, size[1] / self.height
        cx, cy = (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5
        return Pinhole(size[0], size[1], self.fx * sx, self.fy * sy, cx, cy)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """K, (3, 3)."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)

    def shifted(self, dx: float, dy: float) -> Pinhole:
        """The camera whose picture is moved by ``dx`` columns and ``dy`` rows."""
        return Pinhole(self.width, self.height, self.fx, self.fy, self.cx + dx, self.cy + dy)


RGB_CAMERA = Pinhole(*RGB_SIZE, FOCAL, FOCAL, (RGB_SIZE[0] - 1) / 2, HORIZON)
THERMAL_CAMERA = RGB_CAMERA.resized(THERMAL_SIZE)
#: The canvas as a camera: the RGB frame with its margin.
CANVAS = Pinhole(
    RGB_SIZE[0] + 2 * MARGIN[0],
    RGB_SIZE[1] + 2 * MARGIN[1],
    FOCAL,
    FOCAL,
    RGB_CAMERA.cx + MARGIN[0],
    RGB_CAMERA.cy + MARGIN[1],
)


def sway(t: float) -> tuple[float, float]:
    """Shift of both pictures at time ``t`` in RGB pixels: a slow robot on an uneven pavement."""
    turn = 2.0 * math.pi * t / PERIOD
    dx = 5.0 * math.sin(5 * turn) + 2.2 * math.sin(13 * turn + 1.0)
    dy = 2.6 * math.sin(9 * turn + 0.4) + 1.2 * math.sin(23 * turn)
    return dx, dy
