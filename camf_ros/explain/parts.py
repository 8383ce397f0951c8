"""The two parts of a fused picture: what came from thermal and what came from RGB, in grey levels, exactly.

A blending network's picture is ``collapse(a_l L_l(thermal)) + collapse(b_l L_l(RGB))``: with the amounts a and b that
made it, either of the two is one camera's part.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ImageError
from camf_ros.fused_frame import FusedFrame
from camf_ros.imaging.blending import Amounts, Blender
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.imaging.registration import Aligned
from camf_ros.imaging.warp import resized

Picture = NDArray[np.uint8]
Map = NDArray[np.float32]


class Parts(NamedTuple):
    """What a fused luminance is made of, (H, W) each, grey levels: the first four add up to the last."""

    thermal: Map  #: From the thermal camera. May be below 0 or above 255, as may all but the last.
    rgb: Map  #: From the RGB camera. Detail that is put back after fusion at a smaller size is RGB's.
    clipping: Map  #: What the limits 0 and 255 took away or added
    rounding: Map  #: To whole grey levels
    fused: Picture  #: The fused luminance before colour


class Level(NamedTuple):
    """One level of the pyramid."""

    amounts: Map  #: (2, h, w), what thermal and RGB are multiplied with
    #: (h, w), share of thermal: ``|a L(thermal)| / (|a L(thermal)| + |b L(RGB)|)``, 0 to 1; 0.5 where both are 0.
    share_map: Map
    share: float  #: The same of the sums over the picture, as far as both cameras see it


def fused_pictures(frame: FusedFrame) -> tuple[Aligned, Picture, Picture]:
    """Both pictures registered, the RGB luminance in full size and as it was fused; raises ImageError without them."""
    aligned = frame.aligned
    if aligned is None or frame.luminance is None:
        raise ImageError("the frame does not say what it was fused from")
    luminance = RgbPicture(aligned.rgb).luminance
    size = aligned.thermal.shape[0], aligned.thermal.shape[1]
    return aligned, luminance, resized(luminance, size)


def parts_of(frame: FusedFrame, amounts: Amounts) -> Parts:
    """The parts of a frame, with the amounts that it was fused with; raises ImageError as :func:`fused_pictures`."""
    aligned, luminance, small = fused_pictures(frame)
    assert frame.luminance is not None
    thermal, rgb = Blender(small.shape[0], small.shape[1], len(amounts)).parts(aligned.thermal, small, amounts)
    clipping = _clipping(thermal + rgb)
    if small.shape != luminance.shape:
        # As camf_ros.imaging.luminance.with_detail: Y + up(fused - small), of which Y - up(small) is RGB's.
        thermal, rgb, clipping = (_enlarged(each, luminance) for each in (thermal, rgb, clipping))
        rgb += luminance - _enlarged(small.astype(np.float32), luminance)
        clipping += _clipping(thermal + rgb + clipping)
    fused = frame.luminance
    if aligned.coverage is not None:
        others = aligned.full_thermal, luminance
        thermal, rgb, clipping = aligned.coverage.fill_parts((thermal, rgb, clipping), *others)
        fused = aligned.coverage.fill(fused, *others)
    return Parts(thermal, rgb, clipping, fused - (thermal + rgb + clipping), fused)


def levels_of(frame: FusedFrame, amounts: Amounts) -> tuple[Level, ...]:
    """What each level of the pyramid takes from which camera, finest first; the last is the low-pass rest."""
    aligned, _, small = fused_pictures(frame)
    seen = seen_by_both(aligned, small.shape)
    levels = []
    bands = Blender(small.shape[0], small.shape[1], len(amounts)).bands(aligned.thermal, small, amounts)
    for (thermal, rgb), amount in zip(bands, amounts, strict=True):
        sums = [np.abs(each) for each in (thermal, rgb)]
        weight = 1.0 if seen is None else cv2.resize(seen, thermal.shape[::-1], interpolation=cv2.INTER_AREA)
        totals = [float((weight * each).sum(dtype=np.float64)) for each in sums]
        share = totals[0] / sum(totals) if sum(totals) > 0 else 0.5
        levels.append(Level(np.asarray(amount, np.float32), share_of(thermal, rgb), share))
    return tuple(levels)


def share_of(thermal: Map, rgb: Map) -> Map:
    """Share of thermal, ``|thermal| / (|thermal| + |rgb|)``, 0 to 1; 0.5 where both are 0."""
    one, total = np.abs(thermal), np.abs(thermal) + np.abs(rgb)
    share = np.full(one.shape, 0.5, np.float32)
    np.divide(one, total, out=share, where=total > 0)
    return share


def seen_by_both(aligned: Aligned, size: tuple[int, int]) -> Map | None:
    """How much of each place is fused and not one camera's picture as it is, at (h, w), 0 to 1; None: everything is."""
    if aligned.coverage is None:
        return None
    fused = aligned.coverage.shares().fused
    return np.asarray(cv2.resize(fused, size[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _clipping(values: Map) -> Map:
    return np.asarray(np.clip(values, 0, 255) - values, np.float32)


def _enlarged(values: Map, like: Picture) -> Map:
    return np.asarray(cv2.resize(values, like.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
