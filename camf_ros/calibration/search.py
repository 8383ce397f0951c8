"""A first guess from nothing: turns and zooms on a grid, and for each all shifts at once.

A gradient (dx, dy) as the complex number (dx + i dy)^2 / |dx + i dy| forgets the sign of the edge and keeps its
direction, so that the real part of a correlation counts edges that lie over each other and run the same way. Fourier
transforms give the correlation for every shift; it is divided by the strength of the edges that overlap at that shift
(masked normalised correlation, Padfield, IEEE TIP 21, 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.features import F32, gradients
from camf_ros.calibration.motions import Matrix
from camf_ros.calibration.refine import Level, warped


class Reach(NamedTuple):
    """How far off the two pictures may be.

    Attributes:
        shift: Share of the picture's width or height.
        turn: Degrees.
        zoom: Share of 1.
    """

    shift: float = 0.10
    turn: float = 8.0
    zoom: float = 0.16


class Guess(NamedTuple):
    """One candidate: 3 x 3 matrix, fixed picture to moving picture, full-size pixels, and its correlation."""

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
    """The best candidates, different from each other, best first.

    Args:
        levels: One small level of each pair; all pairs share one mapping.
        start: What the search is around; 3 x 3, fixed to moving, full size.
        reach: How far to look.
        count: How many to return.
    """
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
    floor = 0.05 * float(np.abs(moving).__pow__(2).sum()) + 1e-9
    return np.asarray(agreement / np.sqrt(np.maximum(fixed_energy, floor) * np.maximum(moving_energy, floor)))
