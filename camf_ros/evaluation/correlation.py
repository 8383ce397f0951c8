"""SCD, the sum of the correlations of differences (Aslantas and Bendes, AEU 69, 2015)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.luminance import GreyImage


def correlations_of_differences(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> float:
    """SCD: corr(A, F - B) + corr(B, F - A), -2 to 2: what is not from one source should look like the other.

    Args:
        infrared: (H, W), A.
        visible: (H, W), B.
        fused: (H, W), F.
    """
    a, b, f = (image.astype(np.float64) for image in (infrared, visible, fused))
    return _correlation(a, f - b) + _correlation(b, f - a)


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    one, other = one - one.mean(), other - other.mean()
    norm = np.sqrt(np.sum(one**2) * np.sum(other**2))
    # Nothing goes along with a picture of one level.
    return float(np.sum(one * other) / norm) if norm > 0 else 0.0
