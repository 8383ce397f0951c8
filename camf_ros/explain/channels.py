"""What single channels do to the fused picture, measured by leaving each out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from camf_ros.engines.engine import Inspector
from camf_ros.explain.parts import Map, Picture
from camf_ros.imaging.blending import Amounts, Blender
from camf_ros.network.architecture import BlendArchitecture


class Channel(NamedTuple):
    """One channel in one frame."""

    number: int  #: From 0, as in ChannelWeights
    scale: int  #: Its features are at one 2nd, 4th or 8th of the picture's size
    weights: tuple[float, float]  #: Class activation weights of thermal and RGB, constants of the model
    #: Mean activation over the thermal and over the RGB picture in this frame, at least 0.
    activation: tuple[float, float]
    effect: float  #: Mean absolute change of the fused picture when both of its weights are 0, grey levels
    #: The part of it by which the channel brings the fused picture nearer to the thermal picture's side: it brightens
    #: where thermal is brighter than RGB, or darkens where it is darker.
    towards_thermal: float
    towards_rgb: float  #: Likewise for RGB's side. The rest of the effect is where both pictures are equal.
    change: Map  #: (h, w), fused picture minus that without the channel, grey levels


class LeavingOut:
    """Fuses one pair (h, w), 0 to 255, at a reduced size, with and without single channels. For one thread.

    ``seen`` (h, w) is how much each place counts; None: all alike. Raises EngineError if the runtime fails.
    """

    def __init__(self, inspector: Inspector, thermal: Picture, rgb: Picture, seen: Map | None = None) -> None:
        self._inspector, self._thermal, self._rgb, self._seen = inspector, thermal, rgb, seen
        assert isinstance(inspector.info.architecture, BlendArchitecture)
        self._encoder = inspector.info.architecture.encoder
        self._weights = inspector.channel_weights()
        self._blender = Blender(thermal.shape[0], thermal.shape[1], inspector.info.architecture.levels)
        self._whole = self._fused(inspector.amounts(thermal, rgb, self._weights))
        self._side = np.sign(thermal.astype(np.float32) - rgb)

    def measure(self, number: int, activation: tuple[float, float]) -> Channel:
        """Leave one channel out; ``activation`` is only passed on."""
        weights = self._weights.copy()
        weights[:, number] = 0
        change = self._whole - self._fused(self._inspector.amounts(self._thermal, self._rgb, weights))
        size = np.abs(change) if self._seen is None else np.abs(change) * self._seen
        total = size.size if self._seen is None else max(float(self._seen.sum(dtype=np.float64)), 1.0)
        towards = np.sign(change) * self._side
        effect, thermal, rgb = (
            float(each.sum(dtype=np.float64)) / total for each in (size, size * (towards > 0), size * (towards < 0))
        )
        own = float(self._weights[0, number]), float(self._weights[1, number])
        stage = int(np.searchsorted(np.cumsum(self._encoder), number, side="right"))
        return Channel(number, 2 ** (stage + 1), own, activation, effect, thermal, rgb, change)

    def _fused(self, amounts: Amounts) -> Map:
        thermal, rgb = self._blender.parts(self._thermal, self._rgb, amounts)
        return np.asarray(np.clip(thermal + rgb, 0, 255), np.float32)


def strongest_channels(
    inspector: Inspector,
    pictures: tuple[Picture, Picture],
    activation: Map,
    *,
    seen: Map | None,
    shown: int,
    candidates: int,
    numbers: Sequence[int] | None = None,
) -> tuple[Channel, ...]:
    """The channels that change the fused picture most when they are left out, strongest first.

    Measures those ``candidates`` with the largest weighted ``activation`` (2, K), and gives as many as ``shown``. With
    ``numbers`` it gives these instead, in this order. ``pictures`` are thermal and RGB luminance, (h, w) each. Raises
    EngineError if the runtime fails.
    """
    leaving_out = LeavingOut(inspector, *pictures, seen)
    chosen = numbers
    if chosen is None:
        weighted = (inspector.channel_weights() * activation).sum(axis=0)
        chosen = [int(k) for k in np.argsort(-weighted, kind="stable")[:candidates]]
    measured = [leaving_out.measure(k, (float(activation[0, k]), float(activation[1, k]))) for k in chosen]
    return tuple(measured if numbers is not None else sorted(measured, key=lambda each: -each.effect)[:shown])


def reduced(picture: Picture, limit: int) -> Picture:
    """A picture (h, w) whose longer side is at most ``limit`` pixels: areas are averaged."""
    height, width = picture.shape
    scale = limit / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
