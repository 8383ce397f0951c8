"""One mapping for many pairs: aligned together, judged one by one, outliers left out, aligned again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from camf_ros.calibration.align import Pair, align, levels_of
from camf_ros.calibration.motions import Motion
from camf_ros.calibration.refine import refine
from camf_ros.calibration.search import Reach
from camf_ros.calibration.trust import LEAST_AGREEMENT, Evidence, Verdict, evidence, verdict

# A pair is left out if it is this many times as far from the others as they are from each other.
_FAR = 3.0


class Result(NamedTuple):
    """A mapping and what is to be said of it.

    Attributes:
        motion: The mapping.
        verdict: Whether to trust it.
        used: Names of the pairs that it rests on.
        left_out: Names of the others.
        best: Which pair shows it best, an index into the pairs.
    """

    motion: Motion
    verdict: Verdict
    used: tuple[str, ...]
    left_out: tuple[str, ...]
    best: int


def agree(
    pairs: Sequence[Pair], motion: Motion, reach: Reach, *, tick: Callable[[str], None] = lambda _: None
) -> Result:
    """Find the mapping that the pairs share.

    Args:
        pairs: All of one size, at least one.
        motion: Family, and where to start.
        reach: How far to search.
        tick: Called as the work proceeds, with what is being done.
    """
    size = (pairs[0].visible.shape[0], pairs[0].visible.shape[1])
    start = motion.matrix()
    motion = align(pairs, motion, reach, tick=tick)
    finest = []
    for pair in pairs:
        finest.append(levels_of(pair, start)[-1])
        tick("judging")
    gathered = [evidence(level, motion, size) for level in finest]
    good = _good(gathered, 0.002 * float(np.hypot(*size)))
    if 0 < sum(good) < len(pairs):
        chosen = [level for level, keep in zip(finest, good, strict=True) if keep]
        motion = refine(chosen, motion, [1.0] * len(chosen))
        gathered = [evidence(level, motion, size) for level in finest]
        tick("judging")
    else:
        good = [True] * len(pairs)
    kept = [one for one, keep in zip(gathered, good, strict=True) if keep]
    best = int(np.argmax([one.agreement * keep for one, keep in zip(gathered, good, strict=True)]))
    names = [pair.name for pair in pairs]
    return Result(
        motion,
        verdict(kept, size, len(kept), len(pairs)),
        tuple(name for name, keep in zip(names, good, strict=True) if keep),
        tuple(name for name, keep in zip(names, good, strict=True) if not keep),
        best,
    )


def _good(gathered: Sequence[Evidence], least: float) -> list[bool]:
    """Which pairs are with the others; ``least``, pixels, is never far."""
    distances = np.array([one.distance for one in gathered])
    far = _FAR * max(float(np.median(distances)), least)
    return [one.distance <= far and one.agreement >= 0.5 * LEAST_AGREEMENT for one in gathered]
