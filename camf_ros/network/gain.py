"""The automatic gain of the fusion rule: as much contrast in the fused features as both sources have together.

The rule adds the sources up. Where they show different things, their contrasts add up like those of independent signals
and gain 1 keeps all of it. Where they show the same, the sum is stronger than that, and where one is the negative of
the other (a warm road under a bright sky), much of it cancels. So the gain is set such that the energy of the fused
features, their variance over the picture, is the sum of the energies of both sources. This needs no constant for a
data set: equal pictures give 0.71 and unrelated ones 1, which are about the two constants that the paper's authors set
by hand.
"""

from __future__ import annotations

from torch import Tensor

from camf_ros.network.constants import FAINT, GAIN_RANGE, NOTHING


def automatic_gain(infrared: Tensor, visible: Tensor, weights: Tensor, contrast: float = 1.0) -> Tensor:
    """Gain of each pair from the features of the deepest encoder layer.

    ``gain² = contrast² sum_k (var F_ir[k] + var F_vis[k])
    / sum_k var(w[infrared, k] F_ir[k] + w[visible, k] F_vis[k])`` with variances over the pixels.

    Args:
        infrared: (N, K, h, w), at least 0.
        visible: (N, K, h, w), at least 0.
        weights: (2, K), class activation weights of these channels.
        contrast: Of the fused features in proportion to the rule, above 0.

    Returns:
        (N,), float32, within :data:`~camf_ros.network.constants.GAIN_RANGE`.
    """
    a, b = infrared.float(), visible.float()
    mean_a, mean_b = a.mean((-2, -1)), b.mean((-2, -1))
    var_a = (a * a).mean((-2, -1)) - mean_a**2
    var_b = (b * b).mean((-2, -1)) - mean_b**2
    covariance = (a * b).mean((-2, -1)) - mean_a * mean_b
    apart = (var_a + var_b).sum(1)
    summed = (weights[0] ** 2 * var_a + weights[1] ** 2 * var_b + 2 * weights[0] * weights[1] * covariance).sum(1)
    faint = FAINT * (mean_a**2 + mean_b**2).sum(1) + NOTHING
    ratio = (apart.clamp_min(0) + faint) / (summed.clamp_min(0) + faint)
    return (contrast * ratio.sqrt()).clamp(*GAIN_RANGE)
