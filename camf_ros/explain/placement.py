"""Maps of an explanation, laid over the whole picture and scaled to colours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.explain.explanation import Explanation
from camf_ros.network.constants import BORDER
from camf_ros.network.numpy_network import MAP_FIRST, MAP_STEP, STEP

Map = NDArray[np.float32]

#: Shares from this on, and to 1 minus it, have a colour's full strength: hardly any place is beyond.
FULL_SHARE = 0.8
# Evidence that so few of the places exceed has the colour's full strength ...
_QUANTILE = 0.95
# ... but not less than these log-odds, odds of 3 to 1: weak evidence is to look weak.
_LEAST_EVIDENCE = float(np.log(3))


def share_over_picture(explanation: Explanation) -> Map:
    """The share map at the working size, (H, W), 0 to 1."""
    return without_border(explanation.share_map, explanation.work)


def without_border(features: Map, work: tuple[int, int]) -> Map:
    """A map of features at the working size, without the border that the network adds.

    Args:
        features: (h, w), of any of the network's layers.
        work: (height, width).
    """
    height, width = work
    large = cv2.resize(features, (width + 2 * BORDER, height + 2 * BORDER), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(large[BORDER:-BORDER, BORDER:-BORDER], np.float32)


def evidence_over_picture(explanation: Explanation, source: int) -> Map:
    """The evidence of a source's picture at the working size, (H, W), log-odds.

    Each value stands at the middle of what its place sees; between them it is interpolated, and outside the outermost
    it is theirs.
    """
    height, width = explanation.work
    first, step = STEP * MAP_FIRST - BORDER, STEP * MAP_STEP
    # From pixels to places of the map.
    matrix = np.array([[1 / step, 0, -first / step], [0, 1 / step, -first / step]])
    warped = cv2.warpAffine(
        explanation.evidence[source],
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, np.float32)


def evidence_scale(explanation: Explanation) -> float:
    """Log-odds at which the colours of both sources' evidence have their full strength; above 0."""
    return max(_LEAST_EVIDENCE, float(np.quantile(np.abs(explanation.evidence), _QUANTILE)))


def share_colours(share: Map) -> Map:
    """Shares as places on the colour scale, 0 to 1 with 0.5 in the middle."""
    return np.asarray(np.clip(0.5 + (share - 0.5) / (2 * FULL_SHARE - 1), 0, 1), np.float32)


def evidence_colours(evidence: Map, scale: float) -> Map:
    """Likewise, of log-odds."""
    return np.asarray(np.clip(0.5 + evidence / (2 * scale), 0, 1), np.float32)
