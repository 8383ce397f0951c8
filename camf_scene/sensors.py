"""What the two sensors add to the light: grain, fixed patterns, drifting rows."""

from __future__ import annotations

import cv2
import numpy as np

from .arrays import F32, U8, U16
from .camera import RGB_SIZE, THERMAL_SIZE

#: Largest count of a 14-bit core.
TOP_COUNT = 16383
_SLACK = 96


def _moment(seed: int, t: float) -> np.random.Generator:
    """Random numbers of the frame at time ``t``."""
    micro = round(t * 1e6)
    return np.random.default_rng((seed, abs(micro), int(micro < 0)))


class RgbSensor:
    """Grain of a small colour sensor at high gain: strong in the dark, with blotches of colour."""

    def __init__(self, seed: int, size: tuple[int, int] = RGB_SIZE) -> None:
        """Fill the pool of grain.

        Args:
            seed: Seed of the whole scene.
            size: Width and height of the frames.
        """
        self._seed = seed
        rng = np.random.default_rng((seed, 11))
        h, w = size[1] + _SLACK, size[0] + _SLACK
        grey = rng.standard_normal((h, w), dtype=np.float32)
        colour = rng.standard_normal((h // 2, w // 2, 3), dtype=np.float32)
        grain = 3.0 * cv2.resize(colour, (w, h), interpolation=cv2.INTER_LINEAR)
        grain += (4.2 * cv2.GaussianBlur(grey, (0, 0), 0.6) * 1.6)[..., None]
        self._more: U8 = np.clip(grain, 0, 255).astype(np.uint8)
        self._less: U8 = np.clip(-grain, 0, 255).astype(np.uint8)

    def read(self, frame: U8, t: float) -> U8:
        """The frame with its grain; it is changed in place."""
        dx, dy = _moment(self._seed, t).integers(0, _SLACK, 2).tolist()
        part = np.s_[dy : dy + frame.shape[0], dx : dx + frame.shape[1]]
        gain = cv2.convertScaleAbs(frame, alpha=-0.75, beta=255)
        more = cv2.multiply(self._more[part], gain, scale=1 / 255)
        less = cv2.multiply(self._less[part], gain, scale=1 / 255)
        cv2.add(frame, more, dst=frame)
        cv2.subtract(frame, less, dst=frame)
        return frame


class ThermalSensor:
    """An uncooled core: soft optics, columns and pixels that differ, rows that flicker."""

    def __init__(self, seed: int, size: tuple[int, int] = THERMAL_SIZE) -> None:
        """Draw the fixed pattern and the pool of temporal noise.

        Args:
            seed: Seed of the whole scene.
            size: Width and height of the frames.
        """
        self._seed = seed
        rng = np.random.default_rng((seed, 12))
        w, h = size
        columns = rng.standard_normal((1, w), dtype=np.float32) * 2.6
        rows = rng.standard_normal((h, 1), dtype=np.float32) * 1.2
        pixels = rng.standard_normal((h, w), dtype=np.float32) * 2.2
        gx, gy = np.meshgrid(np.linspace(-1, 1, w, dtype=np.float32), np.linspace(-1, 1, h, dtype=np.float32))
        shading = -14.0 * (gx * gx + gy * gy) + 5.0 * gx
        self._fixed: F32 = np.asarray(columns + rows + pixels + shading, np.float32)
        self._pool: F32 = 3.4 * rng.standard_normal((h + _SLACK, w + _SLACK), dtype=np.float32)

    def read(self, scene: F32, t: float) -> U16:
        """Counts of the core for a scene in counts (h, w)."""
        rng = _moment(self._seed, t)
        dx, dy = rng.integers(0, _SLACK, 2).tolist()
        h, w = scene.shape
        soft = cv2.GaussianBlur(scene, (5, 5), 0.85)
        out = soft + self._fixed
        out += self._pool[dy : dy + h, dx : dx + w]
        out += rng.standard_normal((h, 1), dtype=np.float32) * np.float32(1.8)
        return np.asarray(np.clip(out, 0, TOP_COUNT), np.uint16)
