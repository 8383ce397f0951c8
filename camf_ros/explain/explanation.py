"""The explanation of a fused frame: what came from which camera, at each place and scale, and by which channels."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from camf_ros.engines.choose import open_inspector
from camf_ros.errors import EngineError, ParameterError
from camf_ros.explain.channels import Channel, reduced, strongest_channels
from camf_ros.explain.parts import (
    Level,
    Map,
    Parts,
    Picture,
    fused_pictures,
    levels_of,
    parts_of,
    seen_by_both,
    share_of,
)
from camf_ros.fused_frame import FusedFrame
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.models import Model
from camf_ros.network.architecture import BlendArchitecture

#: Longer side of the pictures from which channels are left out, pixels.
DEFAULT_LIMIT = 320
#: Shorter pictures than this say little about channels at one eighth of the size.
LEAST_LIMIT = 32
#: Channels that are shown, and those that are measured to find them.
SHOWN, CANDIDATES = 6, 12


class Explanation(NamedTuple):
    """Why one fused picture looks as it does."""

    model: str  #: Name of the model
    model_hash: str  #: SHA-256 (hex) of its weights
    #: Whether the parts are of the very amounts that made the picture. If not, the amounts were computed again, in
    #: float32, and the rounding of :attr:`parts` includes the difference.
    exact: bool
    thermal: Picture  #: (h, w), grey, as it was fused, 0 to 255
    rgb: Picture  #: (H, W, 3) red, green, blue, or (H, W)
    fused: Picture
    parts: Parts  #: Of the fused luminance
    share_map: Map  #: (H, W), share of thermal at each pixel, ``|thermal| / (|thermal| + |rgb|)`` of the parts, 0 to 1
    share: float  #: The same of the sums over the picture
    levels: tuple[Level, ...]  #: Of the pyramid, finest first
    #: (H, W), how much of each pixel is fused and not one camera's picture as it is, 0 to 1; None: all of it.
    both: Map | None
    weights: Map  #: (2, K), class activation weights, rows thermal and RGB
    activation: Map  #: (2, K), mean activation of each channel in this frame
    channels: tuple[Channel, ...]  #: Those with the largest effect, largest first, or those that were asked for
    channels_size: tuple[int, int]  #: (height, width) at which they were left out


class Place(NamedTuple):
    """A pixel of the fused picture: column and row, from 0."""

    x: int
    y: int


class PlaceNumbers(NamedTuple):
    """One pixel in numbers: the fused luminance is the sum of the four parts."""

    fused: int  #: Fused luminance, 0 to 255
    from_thermal: float  #: Part of the thermal camera, grey levels
    from_rgb: float  #: Part of the RGB camera
    clipping: float  #: See :class:`~camf_ros.explain.parts.Parts`
    rounding: float
    share: float  #: Share of thermal, 0 to 1
    thermal: int  #: Level of the thermal picture there, 0 to 255
    rgb: int  #: Luminance of the RGB picture there
    both: float  #: How much of the pixel is fused and not one camera's picture as it is, 0 to 1
    amounts: tuple[tuple[float, float], ...]  #: Amount of thermal and of RGB at each level, finest first


class Explainer:
    """Explains frames of one blending network. Any thread may ask; one at a time is answered.

    Attributes:
        model_hash: SHA-256 (hex) of the model's weights.
        channels: Number of its channels.
    """

    def __init__(
        self, model: Model, *, limit: int = DEFAULT_LIMIT, shown: int = SHOWN, candidates: int = CANDIDATES
    ) -> None:
        """Load the model once more, for one CPU thread.

        Of the ``candidates`` that are measured, the strongest ``shown`` are given; the longer side of the pictures for
        that is at most ``limit`` pixels. Raises CheckpointError if the model cannot be used, EngineError if it does not
        blend, or no runtime works here, and ParameterError if a number is out of range.
        """
        if limit < LEAST_LIMIT:
            raise ParameterError(f"the longer side for channels is {limit}", expected=f"at least {LEAST_LIMIT} pixels")
        if not 0 < shown <= candidates:
            raise ParameterError(f"{shown} of {candidates} channels are to be shown", expected="1 or more of as many")
        info = model.info()
        if not isinstance(info.architecture, BlendArchitecture):
            raise EngineError(
                f"model {info.name} does not blend: its picture is no sum of two parts that could be shown",
                remedy="use camf or camf-lite",
            )
        self.model_hash, self.channels = info.hash, info.architecture.channels
        self._inspector = open_inspector(model)
        self._limit, self._shown, self._candidates = limit, shown, candidates
        self._lock = threading.Lock()

    def explain(self, frame: FusedFrame, channels: Sequence[int] | None = None) -> Explanation:
        """Explain a fused frame of this model, best with its amounts; ``channels`` are measured, or the strongest.

        Raises ImageError if the frame does not say what it was fused from, ParameterError if there is no such channel,
        and EngineError if the runtime fails.
        """
        if channels is not None and not all(0 <= channel < self.channels for channel in channels):
            raise ParameterError(
                f"channels {list(channels)} are asked for", expected=f"numbers from 0 to {self.channels - 1}"
            )
        aligned, _, small = fused_pictures(frame)
        activation = np.stack((frame.infrared_activation, frame.visible_activation))
        pictures = reduced(aligned.thermal, self._limit), reduced(small, self._limit)
        with self._lock:
            amounts = frame.amounts
            if amounts is None:
                amounts = self._inspector.amounts(aligned.thermal, small, self._inspector.channel_weights())
            strongest = strongest_channels(
                self._inspector,
                pictures,
                activation,
                seen=seen_by_both(aligned, pictures[0].shape),
                shown=self._shown,
                candidates=self._candidates,
                numbers=channels,
            )
        parts = parts_of(frame, amounts)
        totals = [float(np.abs(part).sum(dtype=np.float64)) for part in (parts.thermal, parts.rgb)]
        return Explanation(
            model=self._inspector.info.name,
            model_hash=self.model_hash,
            exact=frame.amounts is not None,
            thermal=aligned.thermal,
            rgb=aligned.rgb,
            fused=frame.image,
            parts=parts,
            share_map=share_of(parts.thermal, parts.rgb),
            share=totals[0] / sum(totals) if sum(totals) > 0 else 0.5,
            levels=levels_of(frame, amounts),
            both=seen_by_both(aligned, parts.fused.shape),
            weights=frame.weights,
            activation=activation,
            channels=strongest,
            channels_size=(pictures[0].shape[0], pictures[0].shape[1]),
        )


def within(explanation: Explanation, place: Place) -> bool:
    """Whether a place is in the picture."""
    height, width = explanation.parts.fused.shape
    return bool(0 <= place.x < width and 0 <= place.y < height)


def look_at(explanation: Explanation, place: Place) -> PlaceNumbers:
    """The numbers of a place that is in the picture (:func:`within`)."""
    parts, at = explanation.parts, (place.y, place.x)
    # The same place in the pictures as they were fused, which may be smaller.
    sizes = zip(at, explanation.thermal.shape, parts.fused.shape, strict=True)
    row, column = (int((x + 0.5) * own / full) for x, own, full in sizes)
    amounts = []
    for number, level in enumerate(explanation.levels):
        step = max(number, 1)  # the finest amounts are of half their level's size
        thermal, rgb = level.amounts[:, row >> step, column >> step]
        amounts.append((float(thermal), float(rgb)))
    visible = RgbPicture(explanation.rgb[place.y : place.y + 1, place.x : place.x + 1])
    return PlaceNumbers(
        fused=int(parts.fused[at]),
        from_thermal=float(parts.thermal[at]),
        from_rgb=float(parts.rgb[at]),
        clipping=float(parts.clipping[at]),
        rounding=float(parts.rounding[at]),
        share=float(explanation.share_map[at]),
        thermal=int(explanation.thermal[row, column]),
        rgb=int(visible.luminance[0, 0]),
        both=1.0 if explanation.both is None else float(explanation.both[at]),
        amounts=tuple(amounts),
    )
