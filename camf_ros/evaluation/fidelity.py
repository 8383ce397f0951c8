"""VIF, visual information fidelity in the pixel domain (Sheikh and Bovik, IEEE TIP 15, 2006; their pixel version)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.luminance import GreyImage

#: Shortest side of a picture whose four scales all have pixels.
SMALLEST = 41

_WINDOWS = (17, 9, 5, 3)
# Variance of the noise in the eye.
_NOISE = 2.0
# Variances of whole grey values that are smaller are rounding errors of the filter.
_NOTHING = 1e-8

_Array = NDArray[np.float64]


def information_fidelity(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> float:
    """VIF: fidelity of the fused picture to the infrared one plus that to the visible one, each 1 for a copy.

    More than 1 is possible: contrast that is enhanced without noise counts as information gained.

    Args:
        infrared: (H, W), both sides at least :data:`SMALLEST`.
        visible: (H, W).
        fused: (H, W).
    """
    return _fidelity(infrared, fused) + _fidelity(visible, fused)


def _fidelity(source: GreyImage, fused: GreyImage) -> float:
    # Grey levels about zero keep the rounding errors of the squares small; variances do not depend on it.
    reference, image = (picture.astype(np.float64) - 128 for picture in (source, fused))
    kept = available = 0.0
    for scale, size in enumerate(_WINDOWS):
        if scale > 0:
            reference, image = _filter(reference, size)[::2, ::2], _filter(image, size)[::2, ::2]
        mean_r, mean_i = _filter(reference, size), _filter(image, size)
        var_r = np.maximum(_filter(reference**2, size) - mean_r**2, 0)
        var_i = np.maximum(_filter(image**2, size) - mean_i**2, 0)
        covariance = _filter(reference * image, size) - mean_r * mean_i
        # The image as the reference times a gain plus noise. A gain below zero carries no information.
        gain = np.where(var_r > _NOTHING, np.maximum(covariance, 0) / np.maximum(var_r, _NOTHING), 0)
        noise = np.maximum(var_i - gain * covariance, 0)
        kept += float(np.sum(np.log10(1 + gain**2 * var_r / (noise + _NOISE))))
        available += float(np.sum(np.log10(1 + np.where(var_r > _NOTHING, var_r, 0) / _NOISE)))
    # A source of one level has no information that could be lost.
    return kept / available if available > 0 else 1.0


def _filter(image: _Array, size: int) -> _Array:
    """Gaussian window with sigma size / 5, where it lies inside the picture as a whole."""
    kernel = cv2.getGaussianKernel(size, size / 5)
    half = size // 2
    filtered = cv2.sepFilter2D(np.ascontiguousarray(image), cv2.CV_64F, kernel, kernel)
    return np.asarray(filtered[half:-half, half:-half], np.float64)
