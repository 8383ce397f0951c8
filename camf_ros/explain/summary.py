"""An explanation in words, for the panel and the figure, and as plain numbers for a file."""

from __future__ import annotations

from typing import Any

import numpy as np

from camf_ros.explain.channels import Channel
from camf_ros.explain.explanation import Explanation, Place, PlaceNumbers, look_at, within

#: What every reader should know who sees the pictures for the first time. ASCII: OpenCV's letters have no more.
NOTE = (
    "Fused = from thermal + from RGB + clipping and rounding, at each pixel, in grey levels. Orange and blue say from "
    "which camera a level comes, not how bright it is."
)
#: Added where the amounts that made the picture were not kept.
AGAIN = " Amounts computed again in float32: rounding includes the difference."
# A share from this on is most of a pixel.
_MOST = 2 / 3


def percent(share: float) -> str:
    """A share as whole per cent."""
    return f"{100 * share:.0f} %"


def verdict(numbers: PlaceNumbers) -> str:
    """Which camera a pixel's level comes from."""
    if numbers.both == 0:
        return "only one camera sees this place"
    if numbers.share >= _MOST:
        return "mostly thermal"
    return "mostly RGB" if numbers.share <= 1 - _MOST else "both cameras"


def place_line(explanation: Explanation, place: Place) -> str:
    """Why a pixel is as bright as it is."""
    where = f"At {place.x}, {place.y}"
    if not within(explanation, place):
        height, width = explanation.parts.fused.shape
        return f"{where}: outside of the picture, which is {width} x {height}"
    n = look_at(explanation, place)
    return (
        f"{where} the fused level is {n.fused}: {n.from_thermal:.1f} from thermal (which shows {n.thermal}), "
        f"{n.from_rgb:.1f} from RGB (which shows {n.rgb}), {n.clipping + n.rounding:.1f} clipping and rounding"
    )


def amounts_line(explanation: Explanation, place: Place) -> str:
    """What the network decided at a pixel; empty where it decided nothing."""
    if not within(explanation, place) or not (n := look_at(explanation, place)).both:
        return ""
    amounts = ", ".join(f"{thermal:.2f} / {rgb:.2f}" for thermal, rgb in n.amounts)
    return f"{verdict(n)} (share of thermal {percent(n.share)}); amounts of thermal / RGB, fine to coarse: {amounts}"


def channel_lines(channel: Channel) -> tuple[str, str, str]:
    """Name and effect of a channel, its weights, and which way it works."""
    return (
        f"channel {channel.number} (1/{channel.scale}): {channel.effect:.2f} levels",
        f"weights: thermal {channel.weights[0]:.2f}, RGB {channel.weights[1]:.2f}",
        f"to thermal {channel.towards_thermal:.2f}, to RGB {channel.towards_rgb:.2f}",
    )


def content(explanation: Explanation, place: Place | None = None) -> dict[str, Any]:
    """The numbers of an explanation, as lists and numbers that JSON holds; maps are left out.

    Pixels are as of :class:`~camf_ros.explain.parts.Parts`, grey levels; a channel's numbers are those of
    :class:`~camf_ros.explain.channels.Channel`. A pixel that is asked for is under ``place``, if it is in the picture.
    """
    e = explanation
    height, width = e.parts.fused.shape
    means = {
        name: float(np.mean(getattr(e.parts, name), dtype=np.float64))
        for name in ("thermal", "rgb", "clipping", "rounding", "fused")
    }
    at = {}
    if place is not None and within(e, place):
        at["place"] = {**place._asdict(), **look_at(e, place)._asdict()}
    return {
        **at,
        "model": e.model,
        "model_hash": e.model_hash,
        "exact": e.exact,
        "width": width,
        "height": height,
        "mean": means,
        "share": e.share,
        "seen_by_both": 1.0 if e.both is None else float(e.both.mean(dtype=np.float64)),
        "levels": [
            {
                "share": level.share,
                "mean_amount": dict(zip(("thermal", "rgb"), map(float, level.amounts.mean(axis=(1, 2))), strict=True)),
            }
            for level in e.levels
        ],
        "channels_size": dict(zip(("height", "width"), e.channels_size, strict=True)),
        "channels": [
            {name: value for name, value in channel._asdict().items() if name != "change"} for channel in e.channels
        ],
        "weights": {"thermal": e.weights[0].tolist(), "rgb": e.weights[1].tolist()},
        "activation": {"thermal": e.activation[0].tolist(), "rgb": e.activation[1].tolist()},
    }
