"""Which pairs of a recording are worth calibrating from: sharp, textured everywhere, and of many views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.time_offset import Track

# How far a picture may move between both exposures of a pair, as a share of its longer side.
_MOST_SMEAR = 0.004


class Moment(NamedTuple):
    """A pair: both stamps and what is left between them, seconds, thermal less RGB."""

    thermal: float
    rgb: float
    skew: float


def choose(moments: Sequence[Moment], thermal: Track, rgb: Track, count: int) -> list[Moment]:
    """At most ``count`` of the pairs, by time.

    The recording is cut into parts in which the picture moves equally far; of each the best pair is taken: with little
    motion between its exposures, and with most detail where the pairs before it had little.
    """
    rows = [
        _rows(track, [getattr(moment, name) for moment in moments])
        for track, name in ((thermal, "thermal"), (rgb, "rgb"))
    ]
    skews = np.abs([moment.skew for moment in moments])
    smear = skews * rgb.rate()[rows[1]]
    limit = max(_MOST_SMEAR, float(np.sort(smear)[min(count, len(smear)) - 1]))
    # (pairs, parts): what both cameras see.
    detail = np.sqrt(
        np.prod([np.array(track.detail)[row] for track, row in zip((thermal, rgb), rows, strict=True)], axis=0)
    ).reshape(len(moments), -1)
    detail = detail / (detail.mean(axis=0) + 1e-9) / (1 + (smear / _MOST_SMEAR) ** 2)[:, None]
    travelled = np.concatenate(
        [[0.0], np.cumsum(np.linalg.norm(np.nan_to_num(np.array(rgb.shifts).reshape(-1, 2)), axis=1))]
    )
    # A camera that stands sees other things after a while, too.
    way = travelled[rows[1]] + 0.02 * (np.array([moment.rgb for moment in moments]) - moments[0].rgb)
    part = np.minimum(count * (way - way[0]) / (np.ptp(way) + 1e-9), count - 1).astype(int)
    chosen: list[int] = []
    seen = np.zeros(detail.shape[1])
    for number in range(count):
        there = np.flatnonzero((part == number) & (smear <= limit))
        if there.size:
            gains = np.sqrt(seen + detail[there]) - np.sqrt(seen)
            best = int(there[gains.sum(axis=1).argmax()])
            chosen.append(best)
            seen += detail[best]
    return [moments[index] for index in chosen]


def _rows(track: Track, stamps: Sequence[float]) -> NDArray[np.intp]:
    """The track's frames of some stamps."""
    return np.clip(np.searchsorted(np.array(track.stamps), np.array(stamps) - 1e-6), 0, len(track.stamps) - 1)
