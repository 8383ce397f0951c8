"""How late one camera's stamps are against the other's, from how both pictures move.

Each camera's picture is tracked from frame to frame. The sum of its shifts is a curve over time, which is known exactly
at the frames' stamps, so that no interval is too coarse. The offset is where one curve explains the other best.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
F32 = NDArray[np.float32]
Grey = NDArray[np.uint8]

# Longer side of the tracked picture, pixels.
_SIDE = 240
#: Parts of the picture, down and across, whose detail is noted.
PARTS = (3, 4)
_FEATURES, _FEWEST = 150, 12
# A longer gap between frames starts a new curve, seconds.
_GAP = 0.5
# Steps of the search, seconds.
_COARSE, _FINE = 0.01, 0.0005
#: Least correlation of the two motions that is trusted, and the largest standard error, seconds.
LEAST_CORRELATION, MOST_ERROR = 0.7, 0.012
# Motion that lasts longer is slow, seconds; and how far the offset may be off where there is no other, seconds.
_SLOW, _MISLED = 1.0, 0.01
# Offsets this far from the best one must be this much worse in correlation: else the motion repeats itself.
_APART, _WORSE = 0.15, 0.03
# An average motion that is less than this between frames is noise, pixels of the tracked picture.
_STILL = 0.15


class Track:
    """One camera's motion.

    Attributes:
        stamps: Of the frames, seconds.
        shifts: (2,) for each frame but the first: how far the picture moved since the frame before, as a share of its
            longer side; NaN where it could not be tracked.
        detail: (frames, *PARTS), how much fine detail each part of each frame has.
    """

    def __init__(self, field: float = 1.0) -> None:
        """``field``: the middle share of the picture that is tracked, across and down, 0 to 1."""
        self.stamps: list[float] = []
        self.shifts: list[Array] = []
        self.detail: list[Array] = []
        self._field = field
        self._last: NDArray[np.uint8] | None = None

    def add(self, grey: NDArray[np.uint8], stamp: float) -> None:
        """Take the next frame, (h, w); one that is not later than the last is ignored."""
        if self.stamps and stamp <= self.stamps[-1]:
            return
        scale = _SIDE / max(grey.shape)
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
        fine = np.abs(cv2.Laplacian(cv2.GaussianBlur(small, (0, 0), 1.0), cv2.CV_32F))
        self.detail.append(np.asarray(cv2.resize(fine, PARTS[::-1], interpolation=cv2.INTER_AREA), np.float64))
        height, width = small.shape
        down, across = (round(side * (1 - self._field) / 2) for side in (height, width))
        small = np.asarray(small[down : height - down, across : width - across], np.uint8)
        if self._last is not None:
            late = stamp - self.stamps[-1] > _GAP or small.shape != self._last.shape
            self.shifts.append(np.full(2, np.nan) if late else _shift(self._last, small) / max(height, width))
        self.stamps.append(stamp)
        self._last = small

    def rate(self) -> Array:
        """(frames,): how fast the picture moves at each frame, share of its longer side a second."""
        if len(self.stamps) < 2:
            return np.zeros(len(self.stamps))
        speed = np.linalg.norm(np.nan_to_num(np.array(self.shifts)), axis=1) / np.diff(self.stamps)
        return np.asarray(np.maximum(np.append(speed, speed[-1]), np.insert(speed, 0, speed[0])))


def _shift(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Array:
    """Median shift of tracked corners, pixels; NaN if there are too few."""
    corners: Any = cv2.goodFeaturesToTrack(before, _FEATURES, 0.01, 5)
    if corners is None or len(corners) < _FEWEST:
        return np.full(2, np.nan)
    found, good = followed(before, after, np.asarray(corners, np.float32))
    if good.sum() < _FEWEST:
        return np.full(2, np.nan)
    return np.asarray(np.median((found - corners)[good, 0], axis=0), np.float64)


def followed(one: Grey, other: Grey, points: F32) -> tuple[F32, NDArray[np.bool_]]:
    """Corners (n, 1, 2) of one frame in another, and which of them lead back to where they came from."""
    track: Any = cv2.calcOpticalFlowPyrLK
    found, seen, _ = track(one, other, points, None, winSize=(17, 17), maxLevel=4)
    back, again, _ = track(other, one, found, None, winSize=(17, 17), maxLevel=4)
    returned = np.abs(back - points).max(axis=(1, 2)) < 0.5
    return np.asarray(found, np.float32), (seen.ravel() == 1) & (again.ravel() == 1) & returned


class TimeOffset(NamedTuple):
    """What is to be added to thermal stamps so that they agree with RGB stamps, seconds.

    Attributes:
        error: Standard error.
        correlation: Of the two motions at this offset.
        doubt: Why it is not to be trusted; empty if it is.
    """

    seconds: float
    error: float
    correlation: float
    doubt: str = ""


def time_offset(thermal: Track, rgb: Track, reach: float = 1.0) -> TimeOffset:
    """The offset between -reach and reach seconds at which the motions agree best."""
    for name, track in (("thermal", thermal), ("RGB", rgb)):
        moved = np.array(track.shifts).reshape(-1, 2)
        known = np.isfinite(moved).all(axis=1)
        if known.sum() < 20:
            return _unknown(
                f"the {name} picture could be followed over {known.sum()} frames only (expected 20 or more)"
            )
        if float(np.abs(moved[known]).mean()) * _SIDE < _STILL:
            return _unknown(f"the {name} picture hardly moves: turn the cameras while recording")
    known = np.isfinite(np.array(thermal.shifts)).all(axis=1)
    ends = np.array([thermal.stamps[:-1], thermal.stamps[1:]])[:, known]
    moved = np.array(thermal.shifts)[known]
    curve = np.concatenate([np.zeros((1, 2)), np.nancumsum(np.array(rgb.shifts), axis=0)])
    broken = np.concatenate([[0], np.cumsum(~np.isfinite(np.array(rgb.shifts)).all(axis=1))])
    stamps = np.array(rgb.stamps)

    window = round(_SLOW / float(np.median(np.diff(ends, axis=0)))) | 1

    def fit(offset: float, *, fast: bool = False) -> tuple[float, Array, Array]:
        """Correlation, and residual and slope by the offset, (n,) each; ``fast``: of the fast motion alone."""
        at = ends + offset
        inside = (at[0] >= stamps[0]) & (at[1] <= stamps[-1])
        inside &= np.interp(at[0], stamps, broken) == np.interp(at[1], stamps, broken)
        if inside.sum() < 20:
            return -1.0, np.zeros(0), np.zeros(0)
        there = [_hermite(stamps, curve, each[inside]) for each in at]
        own, other = moved[inside], there[1][0] - there[0][0]
        slope = there[1][1] - there[0][1]
        if fast and len(own) > 2 * window:
            own, other, slope = (each - _running(each, window) for each in (own, other, slope))
        else:
            own, other = own - own.mean(axis=0), other - other.mean(axis=0)
        # One gain: both axes of a camera have the same scale.
        weight = 1 / (1 + (np.linalg.norm(own - other * _gain(own, other), axis=1) / 0.01) ** 2)[:, None]
        gain = _gain(own * weight, other)
        energy = np.sqrt(float((weight * own**2).sum() * (weight * other**2).sum()))
        residual = weight * (own - gain * other)
        return float((weight * own * other).sum()) / max(energy, 1e-12), residual.ravel(), gain * slope.ravel()

    coarse = np.arange(-reach, reach + _COARSE / 2, _COARSE)
    scores = np.array([fit(float(offset))[0] for offset in coarse])
    middle = float(coarse[scores.argmax()])
    fine = np.arange(middle - 3 * _COARSE, middle + 3 * _COARSE, _FINE)
    # What drives past moves the two pictures differently, slowly; what shakes the cameras moves both at once.
    fast = fit(middle, fast=True)[0] >= LEAST_CORRELATION
    near = np.array([fit(float(offset), fast=fast)[0] for offset in fine])
    # The top of a parabola over the finest steps.
    a, b, _ = np.polyfit(fine - middle, near, 2)
    best = float(middle - b / (2 * a)) if a < 0 else float(fine[near.argmax()])
    score, residual, slope = fit(best, fast=fast)
    error = float(np.sqrt((residual**2).mean() / max((slope**2).sum(), 1e-12))) if residual.size else float("inf")
    error = error if fast else max(error, _MISLED)
    rival = scores[np.abs(coarse - best) > _APART]
    doubt = ""
    if score < LEAST_CORRELATION:
        doubt = f"the pictures move alike by {score:.2f} at best (expected {LEAST_CORRELATION:g} or more)"
    elif abs(best) > reach - _COARSE:
        doubt = f"the motions agree best at the end of the search, {best:.2f} s"
    elif rival.size and scores.max() - rival.max() < _WORSE * (1 - min(float(scores.max()), 0.999)) ** 0.5:
        doubt = "the motion repeats itself: move the cameras less regularly"
    elif error > MOST_ERROR:
        doubt = f"its standard error is {1e3 * error:.1f} ms (expected {1e3 * MOST_ERROR:g} or less)"
    return TimeOffset(best, error, score, doubt)


def _running(values: Array, window: int) -> Array:
    """Running mean of (n, 2); as long as there is at the ends."""
    kernel = np.ones(window)
    count = np.convolve(np.ones(len(values)), kernel, mode="same")
    return np.stack([np.convolve(column, kernel, mode="same") / count for column in values.T], axis=1)


def _gain(own: Array, other: Array) -> float:
    return float((own * other).sum() / max(float((other**2).sum()), 1e-12))


def _unknown(doubt: str) -> TimeOffset:
    return TimeOffset(0.0, float("inf"), 0.0, doubt)


def _hermite(stamps: Array, curve: Array, at: Array) -> tuple[Array, Array]:
    """A smooth curve (n, 2) at other times, and its slope there, (m, 2) each."""
    slopes = np.gradient(curve, stamps, axis=0)
    left = np.clip(np.searchsorted(stamps, at, side="right") - 1, 0, len(stamps) - 2)
    step = (stamps[left + 1] - stamps[left])[:, None]
    u = (at - stamps[left])[:, None] / step
    before, after = curve[left], curve[left + 1]
    m0, m1 = slopes[left] * step, slopes[left + 1] * step
    value = before + u * m0 + u**2 * (3 * (after - before) - 2 * m0 - m1) + u**3 * (2 * (before - after) + m0 + m1)
    slope = m0 + 2 * u * (3 * (after - before) - 2 * m0 - m1) + 3 * u**2 * (2 * (before - after) + m0 + m1)
    return value, slope / step
