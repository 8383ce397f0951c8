"""Which source a fused channel comes from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


def infrared_share(weights: Vector, infrared_activation: Vector, visible_activation: Vector) -> Vector:
    """Share of each fused channel, summed over the picture, that comes from infrared.

    The fused channel is ``w_ir F_ir + w_vis F_vis`` and no feature is negative, so the sum over the picture splits
    exactly: ``w_ir a_ir / (w_ir a_ir + w_vis a_vis)`` with the mean activations a.

    Args:
        weights: (2, K), class activation weights, rows infrared and visible; before or after the gain, which cancels.
        infrared_activation: (K,), mean activation of each channel over the infrared picture, at least 0.
        visible_activation: (K,), likewise.

    Returns:
        (K,), 0 (all visible) to 1 (all infrared); 0.5 where the channel is silent in both.
    """
    infrared = weights[0] * infrared_activation
    total = infrared + weights[1] * visible_activation
    share = np.full(total.shape, 0.5, np.float32)
    np.divide(infrared, total, out=share, where=total > 0)
    return share
