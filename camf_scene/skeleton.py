"""How bodies are built and how they walk: limbs as round cones in the walker's own coordinates.

Coordinates are metres: f forwards, s to the walker's left, y up from the ground. ``phase`` runs 0..1 over two steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Vec = tuple[float, float, float]


@dataclass(frozen=True)
class Limb:
    """A round cone from ``a`` to ``b`` with radii ``ra``, ``rb``; ``lift`` brings it forward in the drawing order."""

    a: Vec
    ra: float
    b: Vec
    rb: float
    part: str
    lift: float = 0.0


@dataclass(frozen=True)
class Build:
    """A walker.

    Attributes:
        height: Metres.
        girth: Width of the limbs relative to the usual.
        coat: How far the jacket reaches below the hip, metres.
        hood: Whether the head is under a hood.
        bag: Whether there is a rucksack.
        stride: Largest angle of the thigh, radians; near 0 for someone who stands.
    """

    height: float = 1.76
    girth: float = 1.0
    coat: float = 0.12
    hood: bool = False
    bag: bool = False
    stride: float = 0.44


def _leg(phase: float, stride: float) -> tuple[float, float]:
    """Angle of the thigh forwards and bend of the knee."""
    turn = 2 * math.pi * phase
    thigh = stride * (math.sin(turn) + 0.12)
    bend = 0.10 + 1.9 * stride * max(0.0, math.cos(turn + 0.25)) ** 1.8
    return thigh, bend


def walker(build: Build, phase: float) -> list[Limb]:
    """The limbs of someone walking, from the ground up."""
    k = build.height / 1.76
    g = k * build.girth
    thigh_len, shin_len = 0.44 * k, 0.43 * k
    legs = []
    for side, shift in ((1, 0.0), (-1, 0.5)):
        thigh, bend = _leg(phase + shift, build.stride)
        knee = (thigh_len * math.sin(thigh), -thigh_len * math.cos(thigh))
        shin = thigh - bend
        ankle = (knee[0] + shin_len * math.sin(shin), knee[1] - shin_len * math.cos(shin))
        legs.append((side, knee, ankle, shin))
    hip = max(max(0.085 * k - ankle[1], 0.065 * k - ankle[1] - 0.09 * k * min(shin, 0.0)) for _, _, ankle, shin in legs)
    lean = 0.03 + 0.10 * build.stride
    out: list[Limb] = []
    for side, knee, ankle, shin in legs:
        s = side * 0.095 * g
        top = (0.0, s, hip)
        middle = (knee[0], s * 0.95, hip + knee[1])
        foot = (ankle[0], s * 0.9, hip + ankle[1])
        out.append(Limb(top, 0.098 * g, middle, 0.066 * g, "trousers"))
        out.append(Limb(middle, 0.066 * g, foot, 0.050 * g, "trousers"))
        pitch = 0.6 * min(shin, 0.0)
        toe = (foot[0] + 0.15 * k * math.cos(pitch), foot[2] - 0.045 * k + 0.15 * k * math.sin(pitch))
        heel = (foot[0] - 0.035 * k, s * 0.9, foot[2] - 0.045 * k)
        out.append(Limb(heel, 0.045 * k, (toe[0], s * 1.05, toe[1]), 0.036 * k, "shoe"))
    neck = hip + 0.50 * k
    forward = lean * 0.5 * k
    twist = 0.10 * build.stride / 0.44 * math.sin(2 * math.pi * phase)
    wide = 0.155 * g
    out.append(Limb((0, -0.055 * g, hip + 0.02), 0.115 * g, (0, 0.055 * g, hip + 0.02), 0.115 * g, "jacket", 0.02))
    if build.coat > 0.05:
        sway = 0.25 * build.stride * math.sin(2 * math.pi * phase)
        for side in (-1, 1):
            low = (sway * side * 0.4, side * 0.085 * g, hip - build.coat)
            out.append(Limb((0, side * 0.05 * g, hip + 0.1), 0.115 * g, low, 0.112 * g, "jacket", 0.03))
    out.append(Limb((0, 0, hip + 0.05), 0.135 * g, (forward * 0.8, 0, neck - 0.12 * k), 0.15 * g, "jacket", 0.03))
    for side in (-1, 1):
        chest = (forward * 0.7 - side * twist * 0.4, side * 0.07 * g, neck - 0.18 * k)
        out.append(Limb((0, side * 0.05 * g, hip + 0.14), 0.115 * g, chest, 0.125 * g, "jacket", 0.03))
        shoulder = (forward - side * twist, side * wide, neck - 0.065 * k)
        out.append(Limb((forward, 0, neck - 0.03 * k), 0.075 * g, shoulder, 0.072 * g, "jacket", 0.03))
        swing = build.stride * 0.85 * math.sin(2 * math.pi * (phase + (0.5 if side > 0 else 0.0))) + 0.04
        elbow = (
            shoulder[0] + 0.29 * k * math.sin(swing),
            shoulder[1] + side * 0.035,
            shoulder[2] - 0.29 * k * math.cos(swing),
        )
        bend = swing + 0.28 + 0.5 * max(swing, 0.0)
        hand = (elbow[0] + 0.24 * k * math.sin(bend), elbow[1] - side * 0.015, elbow[2] - 0.24 * k * math.cos(bend))
        palm = (hand[0] + 0.07 * k * math.sin(bend), hand[1], hand[2] - 0.07 * k * math.cos(bend))
        out.append(Limb(shoulder, 0.064 * g, elbow, 0.050 * g, "sleeve"))
        out.append(Limb(elbow, 0.050 * g, hand, 0.042 * g, "sleeve"))
        out.append(Limb(hand, 0.035 * k, palm, 0.034 * k, "hand"))
    if build.bag:
        out.append(
            Limb(
                (forward - 0.19 * k, 0, hip + 0.16),
                0.115 * g,
                (forward - 0.17 * k, 0, neck - 0.13),
                0.11 * g,
                "bag",
                -0.02,
            )
        )
    out += _head(build, forward, neck, k)
    return out


def _head(build: Build, forward: float, neck: float, k: float) -> list[Limb]:
    face = (forward + 0.055 * k, 0.0, neck + 0.145 * k)
    limbs = [
        Limb((forward, 0, neck - 0.04), 0.062 * k, (forward + 0.02, 0, neck + 0.06 * k), 0.056 * k, "face"),
        Limb(face, 0.086 * k, (face[0] + 0.02, 0, face[2] - 0.055 * k), 0.062 * k, "face", 0.0),
    ]
    cover = "jacket" if build.hood else "hair"
    size = 0.108 if build.hood else 0.097
    limbs.append(
        Limb(
            (forward - 0.005 * k, 0, neck + 0.165 * k),
            size * k,
            (forward + 0.025, 0, neck + 0.195 * k),
            (size - 0.012) * k,
            cover,
        )
    )
    if build.hood:
        limbs.append(
            Limb((forward - 0.03, 0, neck + 0.02), 0.095 * k, (forward - 0.02, 0, neck + 0.12 * k), 0.10 * k, "jacket")
        )
    return limbs


def cyclist(phase: float) -> list[Limb]:
    """Someone on a bicycle, pedalling; the wheels are drawn as rings of short limbs."""
    out: list[Limb] = []
    for centre in (-0.52, 0.54):
        spokes = 14
        ring = [
            (centre + 0.33 * math.cos(2 * math.pi * i / spokes), 0.0, 0.345 + 0.33 * math.sin(2 * math.pi * i / spokes))
            for i in range(spokes)
        ]
        out += [Limb(ring[i], 0.017, ring[(i + 1) % spokes], 0.017, "tyre") for i in range(spokes)]
    crank = (-0.05, 0.0, 0.30)
    seat, head, front = (-0.2, 0.0, 0.86), (0.36, 0.0, 0.86), (0.54, 0.0, 0.345)
    frame = (((-0.52, 0.0, 0.345), seat), (crank, seat), (crank, head), (seat, head), (front, (0.34, 0.0, 0.98)))
    out += [Limb(a, 0.018, b, 0.018, "frame") for a, b in frame]
    out.append(Limb((0.38, -0.26, 1.02), 0.016, (0.38, 0.26, 1.02), 0.016, "frame"))
    out.append(Limb((-0.28, 0, 0.93), 0.05, (-0.1, 0, 0.93), 0.035, "tyre"))
    hip = (-0.2, 0.0, 0.99)
    for side, shift in ((1, 0.0), (-1, 0.5)):
        turn = 2 * math.pi * (phase + shift)
        foot = (crank[0] + 0.17 * math.cos(turn), side * 0.1, crank[2] + 0.05 - 0.17 * math.sin(turn))
        top = (hip[0], side * 0.09, hip[2])
        df, dy = foot[0] - top[0], foot[2] - top[2]
        far = min(math.hypot(df, dy), 0.86)
        spread = math.acos(max(min((0.44**2 + far**2 - 0.43**2) / (2 * 0.44 * far), 1), -1))
        angle = math.atan2(df, -dy) + spread
        knee = (top[0] + 0.44 * math.sin(angle), side * 0.1, top[2] - 0.44 * math.cos(angle))
        out.append(Limb(top, 0.098, knee, 0.07, "trousers"))
        out.append(Limb(knee, 0.066, foot, 0.048, "trousers"))
        out.append(
            Limb(
                (foot[0] - 0.04, foot[1], foot[2] - 0.04),
                0.04,
                (foot[0] + 0.14, foot[1], foot[2] - 0.05),
                0.034,
                "shoe",
            )
        )
    chest = (0.13, 0.0, 1.40)
    out.append(Limb((hip[0], 0, hip[2]), 0.14, chest, 0.15, "jacket", 0.02))
    for side in (-1, 1):
        shoulder, elbow, hand = (
            (chest[0], side * 0.16, chest[2] + 0.03),
            (0.24, side * 0.24, 1.19),
            (0.37, side * 0.22, 1.05),
        )
        out.append(Limb((chest[0], 0, chest[2] + 0.04), 0.075, shoulder, 0.075, "jacket", 0.02))
        out.append(Limb(shoulder, 0.062, elbow, 0.05, "sleeve"))
        out.append(Limb(elbow, 0.05, hand, 0.04, "sleeve"))
        out.append(Limb(hand, 0.036, (0.40, side * 0.22, 1.03), 0.034, "hand"))
    out += _head(Build(), 0.18, 1.47, 1.0)
    return out


def dog(phase: float) -> list[Limb]:
    """A dog of knee height, trotting."""
    out: list[Limb] = []
    for f, side, shift in ((0.24, 1, 0.0), (0.24, -1, 0.5), (-0.24, 1, 0.5), (-0.24, -1, 0.0)):
        swing = 0.5 * math.sin(2 * math.pi * (phase + shift))
        top, knee = (f, side * 0.07, 0.36), (f + 0.15 * math.sin(swing), side * 0.07, 0.36 - 0.16 * math.cos(swing))
        lift = 0.05 * max(0.0, math.cos(2 * math.pi * (phase + shift)))
        out.append(Limb(top, 0.06, knee, 0.035, "fur"))
        out.append(Limb(knee, 0.033, (f + 0.26 * math.sin(swing) - 0.02, side * 0.07, 0.035 + lift), 0.024, "paw"))
    out.append(Limb((-0.26, 0, 0.44), 0.115, (0.20, 0, 0.43), 0.145, "fur", 0.02))
    out.append(Limb((0.24, 0, 0.50), 0.10, (0.36, 0, 0.60), 0.08, "fur"))
    out.append(Limb((0.38, 0, 0.63), 0.085, (0.53, 0, 0.58), 0.045, "snout"))
    out += [Limb((0.35, s * 0.06, 0.69), 0.035, (0.31, s * 0.085, 0.66), 0.022, "ear") for s in (-1, 1)]
    tail = 0.05 * math.sin(4 * math.pi * phase)
    out.append(Limb((-0.33, 0, 0.52), 0.03, (-0.50, tail, 0.64), 0.018, "ear"))
    return out
