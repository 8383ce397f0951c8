"""The single pictures of an explanation, which both the live panel and the printed figure show."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.explain.colours import INFRARED_COLOUR, VISIBLE_COLOUR, overlay
from camf_ros.explain.explanation import INFRARED, Channel, Explanation
from camf_ros.explain.placement import (
    evidence_colours,
    evidence_over_picture,
    evidence_scale,
    share_colours,
    share_over_picture,
    without_border,
)
from camf_ros.explain.working_size import shrunk_to
from camf_ros.imaging.luminance import Visible

Picture = NDArray[np.uint8]

# Brightest features of a channel that may be beyond white.
_BRIGHT = 0.995
# What the pictures are darkened by where not both cameras see.
_OUTSIDE = 0.35


def share_view(explanation: Explanation) -> Picture:
    """Where the fused features come from, over the fused picture: (H, W, 3) at the working size."""
    fused = shrunk_to(Visible(explanation.fused).luminance, explanation.work)
    return _where_both(overlay(fused, share_colours(share_over_picture(explanation))), fused, explanation)


def evidence_view(explanation: Explanation, source: int) -> Picture:
    """What the classifier sees in a source's picture, over that picture: (H, W, 3) at the working size."""
    picture = explanation.thermal if source == INFRARED else Visible(explanation.rgb).luminance
    grey = shrunk_to(picture, explanation.work)
    evidence = evidence_over_picture(explanation, source)
    return _where_both(overlay(grey, evidence_colours(evidence, evidence_scale(explanation))), grey, explanation)


def without_view(explanation: Explanation, source: int) -> Picture:
    """What is left of the fused picture without the features of a source: (H, W, 3) at the working size."""
    grey = explanation.without[source]
    return _where_both(np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8), grey, explanation)


def channel_views(channel: Channel, work: tuple[int, int]) -> tuple[Picture, Picture]:
    """What a channel adds to the fused features, from infrared and from visible, on one scale of brightness.

    Args:
        channel: The channel.
        work: Working size of its explanation.

    Returns:
        Two (H, W, 3): black is nothing, orange or blue some, white the most.
    """
    weighted = [w * x for w, x in zip(channel.weights, (channel.infrared, channel.visible), strict=True)]
    most = max(float(np.quantile(x, _BRIGHT)) for x in weighted)
    scale = 1 / most if most > 0 else 0.0
    infrared, visible = (without_border(x, work) * scale for x in weighted)
    return _tinted(infrared, INFRARED_COLOUR), _tinted(visible, VISIBLE_COLOUR)


def _tinted(values: NDArray[np.float32], colour: tuple[int, ...]) -> Picture:
    levels = np.linspace(0, 1, 256)
    table = np.stack([np.interp(levels, (0, 0.55, 1), (0, part, 255)) for part in colour], axis=1)
    return np.asarray(np.rint(table).astype(np.uint8)[np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)])


def _where_both(view: Picture, grey: Picture, explanation: Explanation) -> Picture:
    if explanation.both is None:
        return view
    seen = shrunk_to(explanation.both, explanation.work) > 127
    dark = np.asarray(cv2.cvtColor(cv2.convertScaleAbs(grey, alpha=_OUTSIDE), cv2.COLOR_GRAY2RGB), np.uint8)
    return np.where(seen[:, :, None], view, dark)
