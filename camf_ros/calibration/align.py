"""Alignment of recorded pairs by their edges: a search at a small size, refinement, and outliers left out.

The search has turns and zooms on a grid, and for each all shifts at once. A gradient (dx, dy) as the complex number (dx
+ i dy)^2 / |dx + i dy| forgets the sign of the edge and keeps its direction, so that the real part of a correlation
counts edges that lie over each other and run the same way. Fourier transforms give the correlation for every shift; it
is divided by the strength of the edges that overlap at that shift (masked normalised correlation, Padfield, IEEE TIP
21, 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.comparison import (
    F32,
    LEAST_AGREEMENT,
    Evidence,
    Level,
    Verdict,
    edge_directions,
    evidence,
    gradients,
    measure,
    refine,
    verdict,
    warped,
)
from camf_ros.calibration.motions import Matrix, Motion, PlaneMotion, nearest
from camf_ros.imaging.camera_model import scaling

#: Longer side of the RGB picture on each level, pixels; the last is at most the picture's own.
SIDES = (128, 192, 288, 432, 648)
# Candidates of the search that are refined.
_CANDIDATES = 6
# A pair is left out if it is this many times as far from the others as they are from each other.
_FAR = 3.0


class Reach(NamedTuple):
    """How far off the two pictures may be.

    Shift as a share of width or height, turn in degrees, zoom as a share of 1.
    """

    shift: float = 0.10
    turn: float = 8.0
    zoom: float = 0.16


class Guess(NamedTuple):
    """One candidate: (3, 3), fixed picture to moving picture, full-size pixels, and its correlation."""

    matrix: Matrix
    score: float


def doubled(grey: F32, seen: F32) -> NDArray[np.complex64]:
    """(H, W) complex: edges by strength, with twice the angle, strong ones held back."""
    dx, dy = gradients(grey)
    edges = dx + 1j * dy
    strength = np.abs(edges)
    inside = cv2.erode(seen, np.ones((5, 5), np.uint8), borderValue=1.0)
    typical = float((strength * inside).sum() / max(inside.sum(), 1.0)) + 1e-9
    return np.asarray(edges * edges / (strength + 1e-9) / (strength + typical) * inside, np.complex64)


def guesses(levels: Sequence[Level], start: Matrix, reach: Reach, *, count: int = 4) -> list[Guess]:
    """The best candidates around a (3, 3) start, best first, from one small level of each pair."""
    height, width = levels[0].fixed.shape[1:]
    padded = (cv2.getOptimalDFTSize(2 * height), cv2.getOptimalDFTSize(2 * width))
    fixed = []
    for level in levels:
        edges = doubled(level.fixed_grey, level.fixed_seen)
        fixed.append(tuple(np.fft.fft2(part, padded) for part in (edges, np.abs(edges) ** 2, level.fixed_seen)))
    most = (int(np.ceil(reach.shift * height)), int(np.ceil(reach.shift * width)))
    found: list[Guess] = []
    for turn in _grid(reach.turn, 2.0):
        for zoom in _grid(np.log1p(reach.zoom), 0.04):
            matrix = _about_middle(start, levels[0], np.radians(turn), float(np.exp(zoom)))
            total = np.zeros((2 * most[0] + 1, 2 * most[1] + 1))
            for level, spectra in zip(levels, fixed, strict=True):
                total += _correlation(level, matrix, spectra, most, padded)
            place = np.unravel_index(int(total.argmax()), total.shape)
            shift = (int(place[1]) - most[1], int(place[0]) - most[0])
            moved = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1.0]])
            to_level = levels[0].to_fixed
            found.append(Guess(matrix @ np.linalg.inv(to_level) @ moved @ to_level, float(total.max()) / len(levels)))
    found.sort(key=lambda guess: -guess.score)
    return found[:count]


def _grid(most: float, step: float) -> NDArray[np.float64]:
    count = int(np.ceil(most / step))
    return np.linspace(-most, most, 2 * count + 1)


def _about_middle(start: Matrix, level: Level, turn: float, zoom: float) -> Matrix:
    """The start after a turn (radians) and a zoom about the middle of the fixed picture."""
    height, width = level.fixed_grey.shape
    cosine, sine = zoom * np.cos(turn), zoom * np.sin(turn)
    x, y = (width - 1) / 2, (height - 1) / 2
    about = np.array(
        [[cosine, -sine, x - cosine * x + sine * y], [sine, cosine, y - sine * x - cosine * y], [0, 0, 1.0]]
    )
    return np.asarray(start @ np.linalg.inv(level.to_fixed) @ about @ level.to_fixed)


def _correlation(
    level: Level,
    matrix: Matrix,
    fixed: tuple[NDArray[np.complex128], ...],
    most: tuple[int, int],
    padded: tuple[int, int],
) -> NDArray[np.float64]:
    """Correlation for each shift from -most to most, rows and columns."""
    edges, strength, seen = fixed
    grey, moving_seen = warped(level, matrix)
    moving = doubled(grey, moving_seen)

    def over_shifts(one: NDArray[np.complex128], other: NDArray[np.generic]) -> NDArray[np.float64]:
        surface = np.fft.ifft2(np.conj(one) * np.fft.fft2(other, padded)).real
        rows, columns = (np.arange(-reach, reach + 1) for reach in most)
        return np.asarray(surface[np.ix_(rows, columns)])

    agreement = over_shifts(edges, moving)
    fixed_energy = over_shifts(strength, moving_seen)
    moving_energy = over_shifts(seen, np.abs(moving) ** 2)
    floor = 0.05 * float((np.abs(moving) ** 2).sum()) + 1e-9
    return np.asarray(agreement / np.sqrt(np.maximum(fixed_energy, floor) * np.maximum(moving_energy, floor)))


class Pair(NamedTuple):
    """One recorded pair, (h, w) thermal and (H, W) RGB luminance, uint8, and its name for messages."""

    thermal: NDArray[np.uint8]
    rgb: NDArray[np.uint8]
    name: str = ""


def levels_of(pair: Pair, start: Matrix, sides: Sequence[int] = SIDES) -> list[Level]:
    """A pair at several sizes, smallest first."""
    height, width = pair.rgb.shape
    longest = max(height, width)
    shrink = [side / longest for side in sides if side < longest]
    if longest <= sides[-1] or not shrink:
        shrink.append(min(1.0, sides[-1] / longest))
    # Thermal pixels to an RGB pixel: both pictures of a level show about the same detail.
    density = float(np.sqrt(abs(np.linalg.det(start[:2, :2]))))
    result = []
    for scale in shrink:
        fixed, to_fixed = _shrunk(pair.rgb, scale)
        moving, to_moving = _shrunk(pair.thermal, min(scale / density, 1.0))
        fixed_seen, moving_seen = seen(fixed), seen(moving)
        result.append(
            Level(edge_directions(fixed, fixed_seen), fixed, fixed_seen, moving, moving_seen, to_fixed, to_moving)
        )
    return result


def seen(grey: F32) -> F32:
    """1 where a picture shows something, 0 in the black border that rectification and warping leave."""
    black = (grey < 0.5).astype(np.uint8)
    count, labels = cv2.connectedComponents(black, connectivity=4)
    if count == 1:
        return np.ones(grey.shape, np.float32)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    border = np.isin(labels, edge[edge > 0])
    # A night sky is black too, but noisy; small black corners do no harm.
    result = (~border).astype(np.float32)
    return np.asarray(cv2.erode(result, np.ones((3, 3), np.uint8), borderValue=1.0), np.float32)


def align(
    pairs: Sequence[Pair],
    motion: Motion,
    reach: Reach,
    *,
    sides: Sequence[int] = SIDES,
    tick: Callable[[str], None] = lambda _: None,
) -> Motion:
    """The mapping that fits all pairs, of one size, best; ``tick`` is called as the work proceeds."""
    pyramids = []
    for pair in pairs:
        pyramids.append(levels_of(pair, motion.matrix(), sides))
        tick("reading")
    size = (pairs[0].rgb.shape[0], pairs[0].rgb.shape[1])
    smallest, larger = [pyramid[0] for pyramid in pyramids], [pyramid[:2][-1] for pyramid in pyramids]
    candidates: list[tuple[float, Motion]] = []
    for guess in guesses(smallest, motion.matrix(), reach, count=_CANDIDATES):
        first = refine(smallest, PlaneMotion("similarity", guess.matrix, size), steps=10)
        second = refine(larger, first, steps=8)
        candidates.append((sum(measure(level, second).score for level in larger), second))
        tick("searching")
    best = max(candidates, key=lambda candidate: candidate[0])[1]
    motion = nearest(motion, best.matrix(), size)
    for number in range(1, len(pyramids[0])):
        motion = refine([pyramid[number] for pyramid in pyramids], motion, steps=15)
        tick("refining")
    return motion


def best_start(pairs: Sequence[Pair], motions: Sequence[Motion], reach: Reach) -> Motion:
    """The one of several starts from which the search finds most."""
    if len(motions) == 1:
        return motions[0]

    def found(motion: Motion) -> float:
        smallest = [levels_of(pair, motion.matrix(), SIDES[:1])[0] for pair in pairs]
        return guesses(smallest, motion.matrix(), reach, count=1)[0].score

    return max(motions, key=found)


def _shrunk(image: NDArray[np.uint8], scale: float) -> tuple[F32, Matrix]:
    height, width = image.shape
    size = (max(round(width * scale), 16), max(round(height * scale), 16))
    small = image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32), scaling((height, width), size[::-1])


class Result(NamedTuple):
    """A mapping and what is to be said of it.

    Attributes:
        used: Names of the pairs that it rests on; ``left_out``: names of the others.
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
    """The mapping that the pairs share: aligned together, judged one by one, outliers left out, aligned again.

    The pairs are of one size; ``tick`` is called as the work proceeds, with what is being done.
    """
    size = (pairs[0].rgb.shape[0], pairs[0].rgb.shape[1])
    start = motion.matrix()
    motion = align(pairs, motion, reach, tick=tick)
    judged = [levels_of(pair, start) for pair in pairs]

    def ask() -> list[Evidence]:
        found = []
        for levels in judged:
            found.append(evidence(levels, motion, size))
            tick("judging")
        return found

    gathered = ask()
    good = _good(gathered, 0.002 * float(np.hypot(*size)))
    if 0 < sum(good) < len(pairs):
        motion = refine([levels[-1] for levels, keep in zip(judged, good, strict=True) if keep], motion)
        gathered = ask()
    else:
        good = [True] * len(pairs)
    kept = [one for one, keep in zip(gathered, good, strict=True) if keep]
    best = int(np.argmax([one.agreement * keep for one, keep in zip(gathered, good, strict=True)]))
    names = [pair.name for pair in pairs]
    return Result(
        motion,
        verdict(kept, size, len(pairs)),
        tuple(name for name, keep in zip(names, good, strict=True) if keep),
        tuple(name for name, keep in zip(names, good, strict=True) if not keep),
        best,
    )


def _good(gathered: Sequence[Evidence], least: float) -> list[bool]:
    """Which pairs are with the others; ``least``, pixels, is never far."""
    distances = np.array([one.distance for one in gathered])
    far = _FAR * max(float(np.median(distances)), least)
    return [one.distance <= far and one.agreement >= 0.5 * LEAST_AGREEMENT for one in gathered]
