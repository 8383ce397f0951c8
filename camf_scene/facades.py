"""Painted house fronts: brick or render, windows dark and lit, doors, shop fronts and the lettering over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .arrays import F32, sample, tile
from .canvas import AIR
from .walls import Paint

STOREY = 3.1
GROUND_FLOOR = 3.7


@dataclass(frozen=True)
class House:
    """A house front.

    Attributes:
        near: Distance of its nearer corner, metres.
        far: Distance of its farther corner.
        height: Metres to the eaves.
        colour: Linear RGB reflectance of the wall.
        brick: Whether bricks show.
        shop: Lettering over its shop window; empty for a house without a shop.
        lit: Share of lit windows.
        warmth: Kelvin above the common wall temperature.
    """

    near: float
    far: float
    height: float
    colour: tuple[float, float, float]
    brick: bool = False
    shop: str = ""
    lit: float = 0.25
    warmth: float = 0.0


@lru_cache(maxsize=4)
def _noise(cells: int) -> F32:
    """A noise tile that all fronts share, each at a place of its own."""
    return tile(np.random.default_rng(cells), cells, 5)


class FrontPainter:
    """Paints one house front in metres from its left ground corner."""

    def __init__(self, house: House, rng: np.random.Generator, across: float, down: float) -> None:
        """Start with a bare wall.

        Args:
            house: What to paint.
            rng: Source of its accidents.
            across: Texture pixels per metre along the wall.
            down: Texture pixels per metre of height.
        """
        self.house, self.rng, self.across, self.down = house, rng, across, down
        self.length = house.far - house.near
        w, h = int(self.length * across), int(house.height * down)
        self.shape = (h, w)
        gx, gy = np.meshgrid(
            np.arange(w, dtype=np.float32) / across, house.height - np.arange(h, dtype=np.float32) / down
        )
        noise, place = _noise(4), float(rng.uniform(0, 512))
        dirt = sample(noise, gx * 40 + place, gy * 22 + place)
        streaks = sample(noise, gx * 160 + place, gy * 9 + 100)
        tone = 1 + 0.10 * dirt + 0.06 * streaks - 0.25 * np.exp(-gy / 0.5)
        if house.brick:
            tone = tone * self._bricks(gx, gy, noise)
        self.albedo = np.asarray(tone[..., None] * np.asarray(house.colour, np.float32), np.float32)
        self.glow = np.zeros((h, w, 3), np.float32)
        base = AIR + 0.9 + 2.2 * house.warmth + 0.35 * dirt + 0.3 * streaks + 1.3 * np.exp(-gy / 0.8) - 0.12 * gy
        self.celsius = np.asarray(base, np.float32)
        for level in np.arange(GROUND_FLOOR, house.height - 1, STOREY):  # warm edges of the floor slabs
            self.celsius += np.asarray(0.5 * np.exp(-(((gy - level) / 0.14) ** 2)), np.float32)

    @staticmethod
    def _bricks(x: F32, y: F32, noise: F32) -> F32:
        course = np.floor(y / 0.11)
        along = x / 0.32 + 0.5 * np.mod(course, 2)
        each = sample(noise, np.floor(along) * 57.0, course * 91.0)
        mortar = (np.mod(y, 0.11) < 0.017) | (np.mod(along, 1.0) < 0.05)
        return np.asarray((0.96 + 0.15 * each) * np.where(mortar, 1.45, 1.0), np.float32)

    def rect(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
        """Texture pixels of a rectangle in metres."""
        h, w = self.shape
        rows = slice(max(int(h - y1 * self.down), 0), max(int(h - y0 * self.down), 0))
        return rows, slice(max(int(x0 * self.across), 0), min(int(x1 * self.across), w))

    def fill(self, where: tuple[slice, slice], colour: tuple[float, float, float], celsius: float | None) -> None:
        """Paint a rectangle in one colour; ``celsius`` None leaves the wall's temperature."""
        self.albedo[where] = np.asarray(colour, np.float32)
        if celsius is not None:
            self.celsius[where] = celsius

    def window(self, x: float, y: float, width: float, height: float) -> None:
        """A window with reveal, frame, sill, glass and perhaps a light behind curtains."""
        rng = self.rng
        trim = (0.30, 0.29, 0.27)
        self.fill(self.rect(x - 0.12, y - 0.06, x + width + 0.12, y + height + 0.14), trim, None)
        self.celsius[self.rect(x - 0.12, y - 0.06, x + width + 0.12, y + height + 0.14)] += np.float32(0.7)
        self.fill(self.rect(x - 0.2, y - 0.14, x + width + 0.2, y - 0.04), (0.36, 0.35, 0.33), None)
        self.celsius[self.rect(x - 0.2, y - 0.22, x + width + 0.2, y - 0.14)] -= np.float32(0.6)
        self.albedo[self.rect(x - 0.15, y - 0.24, x + width + 0.15, y - 0.14)] *= 0.55
        self.fill(self.rect(x, y, x + width, y + height), (0.015, 0.015, 0.016), AIR + 3.0)
        glass = self.rect(x + 0.07, y + 0.07, x + width - 0.07, y + height - 0.04)
        shape = self.albedo[glass].shape[:2]
        if min(shape) < 2:
            return
        gy, gx = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        gx, gy = gx / shape[1], gy / shape[0]
        # glass mirrors the cold sky, the upper floors more of it
        cold = rng.uniform(0.5, 3.5)
        self.celsius[glass] = AIR + 1.0 - cold * (1 - 0.5 * gy)
        self.albedo[glass] = 0.02
        self.glow[glass] += np.asarray([0.004, 0.005, 0.007], np.float32) * (1.5 - gy)[..., None]
        if rng.random() < self.house.lit:
            self._light_up(glass, gx, gy)
        bar = 0.045
        mid = x + width / 2
        for frame in (
            self.rect(mid - bar / 2, y, mid + bar / 2, y + height),
            self.rect(x, y + 0.62 * height, x + width, y + 0.62 * height + bar),
        ):
            self.fill(frame, (0.3, 0.3, 0.3), AIR + 2.2)
            self.glow[frame] = 0

    def _light_up(self, glass: tuple[slice, slice], gx: F32, gy: F32) -> None:
        rng = self.rng
        tint = ((1.0, 0.68, 0.36), (1.0, 0.80, 0.55), (0.75, 0.86, 1.0))[int(rng.choice(3, p=[0.5, 0.35, 0.15]))]
        power = rng.uniform(0.15, 0.75)
        room = 0.55 + 0.45 * np.exp(-(((gx - rng.uniform(0.3, 0.7)) / 0.5) ** 2) - ((gy - 0.2) / 0.6) ** 2)
        open_to = rng.uniform(0.12, 0.34)
        curtain = (gx < open_to) | (gx > 1 - open_to)
        folds = 0.45 + 0.12 * np.sin(gx * 70 + rng.uniform(0, 6))
        light = np.where(curtain, folds, room) * np.where(gy > rng.uniform(0.7, 0.9), 0.5, 1.0)
        self.glow[glass] += np.asarray(power * light, np.float32)[..., None] * np.asarray(tint, np.float32)
        self.celsius[glass] += np.float32(rng.uniform(2.5, 4.5))

    def letters(self, text: str, where: tuple[float, float, float, float], colour: tuple[float, float, float]) -> None:
        """Glowing letters in the rectangle ``where`` (x0, y0, x1, y1); the temperature does not know of them."""
        rows, columns = self.rect(*where)
        mask = lettering(text, (columns.stop - columns.start, rows.stop - rows.start))
        ink = np.asarray(colour, np.float32)
        self.glow[rows, columns] += mask[..., None] * ink
        self.albedo[rows, columns] *= 1 - 0.7 * mask[..., None]

    def shop_front(self, text: str) -> None:
        """A wide lit window, a door and a board with letters over them."""
        length = self.length
        self.fill(self.rect(0.4, 0.0, length - 0.4, 3.45), (0.05, 0.055, 0.05), AIR + 2.4)
        for start, stop in ((0.7, length * 0.56), (length * 0.56 + 1.5, length - 0.7)):
            glass = self.rect(start, 0.65, stop, 2.65)
            shape = self.albedo[glass].shape[:2]
            gy, gx = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
            gx, gy = gx / shape[1], gy / shape[0]
            self.glow[glass] = self._interior(gx * (stop - start), gy)
            self.celsius[glass] = AIR + 3.4 - 0.8 * gy
            for post in np.linspace(start, stop, 4):
                bar = self.rect(post - 0.04, 0.6, post + 0.04, 2.7)
                self.fill(bar, (0.05, 0.05, 0.05), AIR + 2.6)
                self.glow[bar] = 0
        door = self.rect(length * 0.56 + 0.2, 0.05, length * 0.56 + 1.3, 2.6)
        self.fill(door, (0.03, 0.03, 0.03), AIR + 4.5)
        self.glow[door] = np.asarray([0.30, 0.23, 0.14], np.float32)
        board = self.rect(0.5, 2.78, length - 0.5, 3.42)
        self.fill(board, (0.035, 0.06, 0.055), AIR + 2.4)
        self.glow[board] = np.asarray([0.006, 0.012, 0.011], np.float32)
        self.letters(text, (0.9, 2.84, length - 0.9, 3.36), (1.5, 1.05, 0.5))

    def _interior(self, x: F32, y: F32) -> F32:
        """Light of a room seen through a shop window; x in metres from its left, y from 0 at the top to 1."""
        rng = self.rng
        light = 0.16 + 0.22 * np.exp(-y / 0.5)
        for at in np.arange(0.5, float(x.max()), 1.1):  # hanging lamps and the wall behind them
            light = light + 0.5 * np.exp(-(((x - at) / 0.45) ** 2) - ((y - 0.25) / 0.3) ** 2)
            light = light + 1.6 * np.exp(-(((x - at) / 0.07) ** 2) - ((y - 0.16) / 0.035) ** 2)
        noise = _noise(16)
        shelf = (np.mod(y * 7, 1.0) < 0.75) & (y > 0.3) & (y < 0.62)
        goods = sample(noise, np.floor(x * 9) * 31, np.floor(y * 7) * 47)
        light = light * np.where(shelf, 0.75 + 0.18 * goods, 1.0)
        for at in rng.uniform(0.3, float(x.max()) - 0.3, 3):  # guests and tables, dark against it
            head = np.hypot((x - at) / 0.13, (y - 0.55) / 0.07) < 1
            body = np.hypot((x - at) / 0.27, (y - 0.80) / 0.2) < 1
            table = (np.abs(x - at - 0.5) < 0.35) & (np.abs(y - 0.78) < 0.012)
            light = np.where(head | body | table, 0.05, light)
        return np.asarray(np.clip(light, 0.02, 3)[..., None] * np.asarray([1.0, 0.74, 0.44], np.float32), np.float32)

    def paint(self) -> Paint:
        """All of the front."""
        house, rng = self.house, self.rng
        bays = max(int(self.length / 2.5), 1)
        pitch = self.length / bays
        width, tall = min(1.15, pitch * 0.5), 1.55
        for y in np.arange(GROUND_FLOOR + 0.75, house.height - tall - 0.5, STOREY):
            for bay in range(bays):
                self.window((bay + 0.5) * pitch - width / 2, float(y), width, tall)
        if house.shop:
            self.shop_front(house.shop)
        else:
            at = int(rng.integers(bays))
            for bay in range(bays):
                centre = (bay + 0.5) * pitch
                if bay == at:
                    self.fill(self.rect(centre - 0.65, 0, centre + 0.65, 2.6), (0.28, 0.27, 0.25), None)
                    self.fill(self.rect(centre - 0.5, 0, centre + 0.5, 2.15), (0.05, 0.02, 0.018), AIR + 3.6)
                    self.glow[self.rect(centre - 0.45, 2.2, centre + 0.45, 2.5)] = np.asarray(
                        [0.5, 0.36, 0.2], np.float32
                    )
                else:
                    self.window(centre - width / 2, 1.0, width, 1.5)
        for y, thick in ((GROUND_FLOOR, 0.16), (house.height - 0.45, 0.45)):  # string course and cornice
            self.fill(self.rect(0, y, self.length, y + thick), (0.27, 0.26, 0.24), None)
            self.albedo[self.rect(0, y - 0.14, self.length, y)] *= 0.5
        pipe = self.rect(self.length - 0.3, 0, self.length - 0.18, house.height)
        self.fill(pipe, (0.06, 0.06, 0.06), AIR + 0.8)
        return Paint(self.albedo, self.glow, self.celsius)


def lettering(text: str, size: tuple[int, int]) -> F32:
    """``text`` filling a (height, width) mask of 0..1 from ``size`` = (width, height)."""
    (tw, th), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 4.0, 12)
    big = np.zeros((th + base + 12, tw + 24), np.uint8)
    cv2.putText(big, text, (12, th + 6), cv2.FONT_HERSHEY_DUPLEX, 4.0, 255, 12, cv2.LINE_AA)
    small = cv2.resize(big[: th + 14], (max(size[0], 1), max(size[1], 1)), interpolation=cv2.INTER_AREA)
    return np.asarray(small.astype(np.float32) / 255.0, np.float32)
