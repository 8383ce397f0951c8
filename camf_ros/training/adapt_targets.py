"""What a rig's pictures would be without its cameras' faults: noise, stripes, and a veil over the whole picture.

Losses against a picture with noise reward a network that copies the noise. So the faults of a rig are measured over the
recording, and the losses compare with pictures from which they were taken off, while the network is shown the pictures
as they are: it learns to take less of what is noise, and more of what lies under a veil.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
_Map = NDArray[np.float32]

_BLOCK = 8
# The quantile of the blocks' deviations that is taken for noise, and what it is of pure noise of deviation 1.
_QUANTILE, _OF_NOISE = 0.2, 0.87
# Below this deviation, grey levels, nothing is taken off: compression and rounding make as much.
_LEAST_NOISE, _LEAST_STRIPES = 2.0, 1.0
# A usual picture lies under a veil if its darkest grey level is at least this and its span at most that; share of the
# veil that is taken off.
_DARKEST, _SPAN, _TAKEN = 45.0, 110.0, 0.9
# Side of the blocks of the cosine transform, their distance, and the multiple of the noise below which a coefficient is
# taken for noise (Yu and Sapiro, IPOL 1, 2011).
_SIDE, _STEP, _THRESHOLD = 8, 2, 2.7


@dataclass(frozen=True)
class Faults:
    """Of one camera.

    Attributes:
        noise: Standard deviation from pixel to pixel, grey levels.
        columns: Standard deviation of the columns' offsets, grey levels.
        rows: Likewise of the rows.
        veil: Darkest grey level of the usual picture where all of it lies under a veil; 0 where it does not.
    """

    noise: float = 0.0
    columns: float = 0.0
    rows: float = 0.0
    veil: float = 0.0

    @property
    def any(self) -> bool:
        """Whether anything is taken off."""
        return self.noise > 0 or self.columns > 0 or self.rows > 0 or self.veil > 0

    def to_dict(self) -> dict[str, float]:
        """Rounded, for people and files."""
        return {name: round(value, 2) for name, value in asdict(self).items()}


def faults_of(pictures: Sequence[Grey], *, veiled: bool) -> Faults:
    """What is wrong with a camera, over all its pictures; 0 where it is too little to matter.

    Args:
        pictures: In the camera's own geometry, before any resampling.
        veiled: Whether to look for a veil: not where grey levels were stretched already.
    """
    noise = float(np.median([noise_of(picture) for picture in pictures]))
    columns, rows = (
        float(np.median([stripes_of(view) for view in views]))
        for views in (pictures, [np.ascontiguousarray(picture.T) for picture in pictures])
    )
    darkest, brightest = np.median([np.percentile(picture, (1, 99)) for picture in pictures], axis=0)
    veil = veiled and darkest >= _DARKEST and brightest - darkest <= _SPAN
    # Under a veil a little noise is much of what there is to see.
    least = _LEAST_NOISE * (_transmission(darkest, brightest) if veil else 1.0)
    return Faults(
        noise if noise >= least else 0.0,
        columns if columns >= _LEAST_STRIPES else 0.0,
        rows if rows >= _LEAST_STRIPES else 0.0,
        float(darkest) if veil else 0.0,
    )


def noise_of(picture: Grey) -> float:
    """Standard deviation of the noise from pixel to pixel, grey levels, told from the evenest parts of a picture."""
    x = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2].astype(np.float32)
    diagonal = (x[::2, ::2] - x[1::2, ::2] - x[::2, 1::2] + x[1::2, 1::2]) / 2
    height, width = (side // _BLOCK * _BLOCK for side in diagonal.shape)
    if not height or not width:
        return 0.0
    blocks = diagonal[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    # What is cut off at black or white shows no noise.
    level = x[: 2 * height, : 2 * width].reshape(height // _BLOCK, 2 * _BLOCK, width // _BLOCK, 2 * _BLOCK).mean((1, 3))
    deviations = blocks.std((1, 3))[(level > 12) & (level < 243)]
    return float(np.quantile(deviations, _QUANTILE)) / _OF_NOISE if deviations.size else 0.0


def stripes_of(picture: Grey) -> float:
    """Standard deviation of the columns' offsets, grey levels, beyond what noise alone makes."""
    profile = _profile(picture)
    spread = 1.4826 * float(np.median(np.abs(profile - np.median(profile))))
    chance = 1.25 * noise_of(picture) / np.sqrt(picture.shape[0])
    return float(np.sqrt(max(spread**2 - chance**2, 0.0)))


def _profile(picture: NDArray[np.generic]) -> _Map:
    """Offset of each column from its neighbours, (W,): the median over its pixels, in two passes."""
    x, found = picture.astype(np.float32), np.zeros(picture.shape[1], np.float32)
    for _ in range(2):
        rest = x - found
        found = found + np.median(rest - cv2.medianBlur(rest, 5), axis=0)
    return np.asarray(found, np.float32)


def without(picture: Grey, faults: Faults) -> Grey:
    """A picture from which the faults were taken off; the picture itself where there are none."""
    if not faults.any:
        return picture
    x = picture.astype(np.float32)
    if faults.columns:
        x = x - _profile(picture)
    if faults.rows:
        x = x - _profile(np.ascontiguousarray(x.T))[:, None]
    if faults.noise:
        x = _denoised(x, faults.noise)
    if faults.veil:
        # I = t J + (1 - t) A, the model of haze, with one transmission t for the picture and its white as A.
        darkest, white = (float(level) for level in np.percentile(x, (1, 99.9)))
        x = white - (white - x) / _transmission(darkest, white)
    return np.asarray(x.round().clip(0, 255), np.uint8)


def _transmission(darkest: float, white: float) -> float:
    return 1 - _TAKEN * min(max(darkest, 0.0) / max(white, 1.0), 0.85)


def _denoised(x: _Map, deviation: float) -> _Map:
    """Hard threshold of the cosine transform of overlapping blocks."""
    k = np.arange(_SIDE, dtype=np.float32)
    basis = np.sqrt(2 / _SIDE) * np.cos(np.pi * (2 * k + 1) * k[:, None] / (2 * _SIDE))
    basis[0] /= np.sqrt(2)
    padded = np.pad(x, _SIDE, mode="reflect")
    blocks = np.lib.stride_tricks.sliding_window_view(padded, (_SIDE, _SIDE))[::_STEP, ::_STEP]
    spectrum = basis @ blocks @ basis.T
    kept = np.abs(spectrum) > _THRESHOLD * deviation
    kept[..., 0, 0] = True
    # What few coefficients describe has the least noise left.
    weight = 1 / kept.sum((-2, -1), keepdims=True, dtype=np.float32)
    cleaned = (basis.T @ (spectrum * kept) @ basis) * weight
    total, weights = np.zeros_like(padded), np.zeros_like(padded)
    rows, columns = (_STEP * count for count in blocks.shape[:2])
    for down, right in np.ndindex(_SIDE, _SIDE):
        place = slice(down, down + rows, _STEP), slice(right, right + columns, _STEP)
        total[place] += cleaned[..., down, right]
        weights[place] += weight[..., 0, 0]
    inner = slice(_SIDE, -_SIDE)
    return np.asarray((total / np.maximum(weights, 1e-9))[inner, inner], np.float32)
