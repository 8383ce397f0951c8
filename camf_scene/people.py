"""Who walks in the street, where and when, and which sprite shows them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .arrays import F32, tile
from .camera import FOCAL, RGB_CAMERA
from .figures import Clothes, draw_body
from .paths import Way
from .skeleton import Build, Limb, cyclist, dog, walker
from .sprite import Sprite

#: Pictures of one walking cycle, of those who are seen near and of those who are only seen far away.
PHASES = (16, 10)
#: Steps of the direction in which a body is drawn, radians.
YAW_STEP = math.radians(45)
#: Finest drawing of a body, pixels per metre; nearer ones are enlarged.
FINEST = 92.0


class Box(NamedTuple):
    """Where a person is in the RGB frame.

    Attributes:
        left: First column, pixels; may lie outside of the frame, like the others.
        top: First row.
        right: Last column.
        bottom: Last row.
        distance: Metres ahead.
        name: Which actor.
    """

    left: float
    top: float
    right: float
    bottom: float
    distance: float
    name: str


@dataclass(frozen=True)
class Actor:
    """Someone in the street.

    Attributes:
        name: For people who ask where they are.
        ways: Their ways; several are walked one after the other.
        limbs: Body at a phase 0..1.
        clothes: Colours.
        cycle: Metres of one walking cycle; 0 for someone who stands.
        stands: Heading of someone who stands, radians.
        human: Whether `people` reports it.
    """

    name: str
    ways: tuple[Way, ...]
    limbs: Callable[[float], list[Limb]]
    clothes: Clothes
    cycle: float = 1.45
    stands: float = 0.0
    human: bool = True

    def where(self, t: float) -> tuple[float, float, Way] | None:
        """Place (x, z) and the way that leads there."""
        for way in self.ways:
            at = way.at(t)
            if at is not None:
                return *at, way
        return None


def _walk(build: Build) -> Callable[[float], list[Limb]]:
    return lambda phase: walker(build, phase)


def _line(*points: tuple[float, float, float]) -> Way:
    return Way(points)


ACTORS: tuple[Actor, ...] = (
    Actor(
        "crossing right",
        (_line((8.4, -8.8, 10.6), (19.6, 6.3, 10.6)), _line((23.5, -8.8, 10.4), (34.7, 6.3, 10.4))),
        _walk(Build(1.80, hood=True, bag=True)),
        Clothes(jacket=(0.022, 0.024, 0.03), trousers=(0.016, 0.017, 0.022)),
    ),
    Actor(
        "crossing left",
        (_line((10.6, 6.3, 9.8), (22.2, -8.6, 9.8)),),
        _walk(Build(1.68, 0.92, coat=0.34)),
        Clothes(jacket=(0.05, 0.02, 0.022), trousers=(0.02, 0.02, 0.024), hair=(0.05, 0.03, 0.015)),
        cycle=1.35,
    ),
    Actor(
        "dog",
        (_line((10.15, 6.3, 9.55), (21.75, -8.6, 9.55)),),
        dog,
        Clothes(other={"fur": (0.10, 0.07, 0.045), "paw": (0.10, 0.07, 0.045)}),
        cycle=0.85,
        human=False,
    ),
    Actor(
        "walking away",
        (_line((0.5, 3.25, 4.2), (36.0, 3.25, 50.0)),),
        _walk(Build(1.78, 1.05)),
        Clothes(jacket=(0.03, 0.035, 0.03), trousers=(0.03, 0.03, 0.035)),
    ),
    Actor(
        "walking near",
        (_line((2.5, 2.75, 50.0), (36.5, 2.6, 3.0)),),
        _walk(Build(1.72, 0.95, hood=True)),
        Clothes(jacket=(0.035, 0.03, 0.04), trousers=(0.025, 0.025, 0.03)),
    ),
    Actor(
        "left pavement",
        (_line((1.0, -10.8, 58.0), (35.0, -10.8, 14.6)),),
        _walk(Build(1.75, 1.1, coat=0.3)),
        Clothes(jacket=(0.04, 0.035, 0.025), trousers=(0.02, 0.02, 0.02)),
    ),
    Actor(
        "behind the car",
        (_line((4.6, -11.6, 15.2), (9.0, -9.5, 20.9), (19.6, 5.9, 21.2)),),
        _walk(Build(1.74)),
        Clothes(jacket=(0.02, 0.022, 0.03), trousers=(0.02, 0.018, 0.016)),
    ),
    Actor("in the smoke", (Way(((0.0, 2.15, 18.3),)),), _walk(Build(1.79, 1.05, stride=0.04)), Clothes(), 0.0, 2.0),
    Actor(
        "in the smoke, too",
        (Way(((0.0, 3.05, 18.7),)),),
        _walk(Build(1.66, 0.93, coat=0.3, stride=0.04)),
        Clothes(jacket=(0.04, 0.03, 0.03)),
        cycle=0.0,
        stands=-2.2,
    ),
    Actor(
        "cyclist",
        (_line((5.31, -1.25, 0.8), (19.3, -1.15, 60.0)),),
        cyclist,
        Clothes(jacket=(0.03, 0.05, 0.05)),
        cycle=5.2,
    ),
)


class Cast:
    """The sprites of all actors, drawn once."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draw every actor in every direction and phase that the ways ask for.

        Args:
            rng: Source of the folds in their clothes.
        """
        self._folds: F32 = tile(rng, 16, 4)
        self._sprites: dict[tuple[str, int, int], Sprite] = {}
        self._phases: dict[str, int] = {}
        for actor in ACTORS:
            scales = self._scales(actor)
            near = max(scales.values()) > 60.0
            phases = (PHASES[0] if near else PHASES[1]) if actor.cycle else 1
            self._phases[actor.name] = phases
            for yaw, scale in scales.items():
                for phase in range(phases):
                    limbs = actor.limbs(phase / phases)
                    sprite = draw_body(limbs, yaw * YAW_STEP, actor.clothes, scale, self._folds)
                    self._sprites[actor.name, yaw, phase] = sprite

    @staticmethod
    def _scales(actor: Actor) -> dict[int, float]:
        """Yaw steps in which an actor is seen within the frame, and the finest scale each needs."""
        found: dict[int, float] = {}
        for t in np.arange(0.0, 40.0, 0.1):
            seen = actor.where(float(t))
            if seen is None:
                continue
            x, z, way = seen
            if abs(x) > 0.68 * z + 1.0:
                continue
            yaw = _yaw_step(actor, x, z, way, float(t))
            found[yaw] = max(found.get(yaw, 0.0), min(FOCAL / z, FINEST))
        return found

    def sprite(self, actor: Actor, t: float) -> tuple[Sprite, float, float, float] | None:
        """The sprite of an actor at time ``t``, its place (x, z) and presence; None while out of the picture."""
        seen = actor.where(t)
        if seen is None:
            return None
        x, z, way = seen
        phase = 0
        if actor.cycle:
            first = way.points[0]
            gone = math.hypot(x - first[1], z - first[2])
            phases = self._phases[actor.name]
            phase = int(gone / actor.cycle * phases) % phases
        sprite = self._sprites.get((actor.name, _yaw_step(actor, x, z, way, t), phase))
        return None if sprite is None else (sprite, x, z, way.presence(t))

    def boxes(self, t: float) -> list[Box]:
        """The people whose middle is inside the RGB frame, without the sway of the cameras."""
        out = []
        for actor in ACTORS:
            seen = self.sprite(actor, t) if actor.human else None
            if seen is None:
                continue
            sprite, x, z, _ = seen
            u, v = RGB_CAMERA.project(x, 0.0, z)
            zoom = FOCAL / z / sprite.scale
            h, w = sprite.alpha.shape
            left, top = u - sprite.anchor[0] * zoom, v - sprite.anchor[1] * zoom
            box = Box(left + 3 * zoom, top + 3 * zoom, left + (w - 4) * zoom, top + (h - 3) * zoom, z, actor.name)
            if 0 <= (box.left + box.right) / 2 < RGB_CAMERA.width and box.top < RGB_CAMERA.height:
                out.append(box)
        return out


def _yaw_step(actor: Actor, x: float, z: float, way: Way, t: float) -> int:
    heading = way.heading(t) if actor.cycle else actor.stands
    return round((heading - math.atan2(x, z)) / YAW_STEP) % round(2 * math.pi / YAW_STEP)
