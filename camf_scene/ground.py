"""Road, kerbs and pavements: reflectance and temperature as functions of the place on the ground."""

from __future__ import annotations

import numpy as np

from .arrays import F32, sample, smooth, tile
from .camera import CANVAS, EYE, FOCAL
from .canvas import AIR, Canvas, rays
from .lamps import irradiance

#: Edges of the road and of the pavements, metres.
KERB_LEFT, KERB_RIGHT = -9.4, 1.5
WALL_LEFT, WALL_RIGHT = -12.4, 4.9
#: Middle of the road and the zebra crossing's extent along the street.
CENTRE_LINE = -4.0
ZEBRA = (9.0, 11.8)
#: The street ends here.
END = 105.0


def _band(x: F32, low: float, high: float, footprint: F32) -> F32:
    """Coverage of low < x < high by pixels that are ``footprint`` metres wide: an exact box filter."""
    into = np.clip((x - low) / footprint + 0.5, 0.0, 1.0)
    out = np.clip((high - x) / footprint + 0.5, 0.0, 1.0)
    return np.asarray(into * out, np.float32)


def _stripes(x: F32, period: float, share: float, footprint: F32) -> F32:
    """Coverage of stripes that fill the first ``share`` of every ``period`` metres."""
    phase = np.mod(x, period)
    near = _band(phase, 0.0, share * period, footprint) + _band(phase, period, period * (1 + share), footprint)
    far = np.clip(footprint / period, 0.0, 1.0)
    return np.asarray(np.clip(near, 0, 1) * (1 - far) + share * far, np.float32)


def _paint(x: F32, z: F32, across: F32, along: F32) -> F32:
    """Coverage of road paint."""
    centre = _band(x, CENTRE_LINE - 0.07, CENTRE_LINE + 0.07, across) * _stripes(z + 1.4, 6.0, 0.5, along)
    edges = _band(x, -7.25, -7.15, across) + _band(x, -0.75, -0.65, across)
    bays = (_band(x, -9.4, -7.2, across) + _band(x, -0.7, 1.5, across)) * _stripes(z - 0.3, 6.2, 0.02, along)
    clear = 1 - _band(z, ZEBRA[0] - 2.0, ZEBRA[1] + 1.2, along)
    zebra = _band(z, *ZEBRA, along) * _band(x, KERB_LEFT + 0.5, KERB_RIGHT - 0.4, across)
    stop = _band(x, -3.9, -0.9, across) * _band(z, 7.6, 8.0, along)
    stop_far = _band(x, -7.1, -4.1, across) * _band(z, 13.0, 13.4, along)
    lines = (centre + edges + bays) * clear + stop + stop_far
    return np.asarray(np.clip(lines + zebra * _stripes(x + 0.2, 1.0, 0.52, across), 0, 1), np.float32)


def draw_ground(canvas: Canvas, rng: np.random.Generator) -> None:
    """Lay the ground on the canvas, out to the END of the street."""
    top = int(np.ceil(CANVAS.cy + FOCAL * EYE / END))
    gu, gv = rays((0, top), (CANVAS.width, CANVAS.height - top))
    z = np.asarray(-EYE / gv, np.float32)
    x = gu * z
    across = np.asarray(z / FOCAL, np.float32)
    along = np.asarray(z * z / (FOCAL * EYE), np.float32)
    albedo, celsius = ground_paint(x, z, across, along, rng)
    # the road is seen ever more grazing, and what it then mirrors is the cold sky low over the street
    celsius -= 2.2 * smooth(z, 8.0, 90.0)

    light = albedo * irradiance(x, np.zeros_like(x), z, (0.0, 1.0, 0.0))
    shade = np.ones_like(x)
    for wall in (WALL_LEFT, WALL_RIGHT):
        shade *= 1 - 0.45 * np.exp(-np.abs(x - wall) / 0.35)
    shade *= 1 - 0.3 * np.exp(-np.abs(x - KERB_RIGHT + 0.06) / 0.08) * (x < KERB_RIGHT)
    light = np.asarray(light * shade[:, :, None], np.float32)
    canvas.over((0, top), np.ones_like(x), light, albedo, depth=z, celsius=celsius, normal=(0.0, 1.0, 0.0))


def ground_paint(x: F32, z: F32, across: F32, along: F32, rng: np.random.Generator) -> tuple[F32, F32]:
    """What is painted on the ground.

    Args:
        x: Places, (h, w) metres.
        z: Likewise.
        across: Metres along x that a pixel covers, (h, w).
        along: Likewise along z.
        rng: Source of wear and cracks.

    Returns:
        Reflectance (h, w, 3) and temperature (h, w) in Celsius.
    """
    coarse, fine = tile(rng, 4, 5), tile(rng, 64, 3, 0.8)
    wear = sample(coarse, x * 34 + 60, z * 34)
    stains = sample(coarse, x * 110, z * 28 + 200)
    grain = sample(fine, x * 120, z * 120) * np.clip(0.05 / along, 0, 1) + sample(fine, x * 51, z * 51) * 0.35
    gap = np.asarray(0.07 - np.abs(sample(coarse, x * 21 + 300, z * 21)), np.float32)
    cracks = smooth(gap, 0.0, 0.07) * np.clip(0.1 / along, 0, 1)

    road = _band(x, KERB_LEFT, KERB_RIGHT, across)
    kerb = _band(x, KERB_RIGHT, KERB_RIGHT + 0.16, across) + _band(x, KERB_LEFT - 0.16, KERB_LEFT, across)
    gutter = _band(x, KERB_RIGHT - 0.3, KERB_RIGHT, across) + _band(x, KERB_LEFT, KERB_LEFT + 0.3, across)
    joints = np.maximum(_stripes(x, 0.6, 0.05, across), _stripes(z, 0.9, 0.035, along))
    slabs = sample(fine, np.floor(x / 0.6) * 37, np.floor(z / 0.9) * 53)

    tracks = np.zeros_like(x)
    for lane in (-2.3, -5.7):
        for wheel in (-0.75, 0.75):
            tracks += np.exp(-(((x - lane - wheel) / 0.33) ** 2))
    asphalt = 0.098 + 0.007 * wear + 0.008 * grain - 0.02 * tracks - 0.018 * smooth(stains, 0.5, 2.0)
    asphalt *= (1 - 0.55 * cracks) * (1 - 0.35 * gutter)
    pavement = (0.19 + 0.02 * slabs * np.clip(0.4 / along, 0, 1) + 0.014 * wear + 0.010 * grain) * (1 - 0.45 * joints)
    grey = asphalt * road + pavement * (1 - road)
    grey = grey * (1 - kerb) + kerb * (0.30 + 0.03 * grain)
    albedo = grey[:, :, None] * np.asarray([1.0, 0.97, 0.93], np.float32)
    paint = _paint(x, z, across, along) * np.clip(0.86 + 0.16 * wear - 0.5 * cracks, 0.35, 1)
    albedo += paint[:, :, None] * (np.asarray([0.62, 0.61, 0.56], np.float32) * (1 + 0.05 * grain[..., None]) - albedo)
    for ox, oz, radius in ((-2.2, 14.6, 0.34), (-5.0, 8.1, 0.34), (-3.1, 26.0, 0.36)):  # manhole covers
        r = np.hypot(x - ox, z - oz)
        ring = smooth(np.asarray(radius - r, np.float32), -0.03, 0.03)
        albedo *= 1 - 0.5 * ring[:, :, None]
        albedo += (0.05 * smooth(np.asarray(0.05 - np.abs(r - radius), np.float32), 0.0, 0.03))[:, :, None]
    albedo = np.asarray(np.clip(albedo, 0.01, 0.9), np.float32)

    celsius = AIR + 2.6 * road + 0.6 * (1 - road) + 0.35 * wear * road + 0.16 * grain - 0.12 * paint + 0.5 * slabs * 0.2
    celsius += tracks * 0.55 - kerb * 0.9 - cracks * 0.6 + gutter * 0.4 - joints * (1 - road) * 0.4
    for ox, oz, radius in ((-2.2, 14.6, 0.34), (-5.0, 8.1, 0.34), (-3.1, 26.0, 0.36)):
        celsius += 2.6 * smooth(np.asarray(radius - np.hypot(x - ox, z - oz), np.float32), -0.02, 0.05)
    return albedo, np.asarray(celsius, np.float32)
