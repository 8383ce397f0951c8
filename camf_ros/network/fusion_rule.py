"""The class activation fusion rule: how much each encoder channel of each source counts.

Tang et al., "CAMF: An Interpretable Infrared and Visible Image Fusion Network Based on Class Activation Mapping",
IEEE Transactions on Multimedia 26 (2024), doi 10.1109/TMM.2023.3326296.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def class_activation_weights(linear_weight: Tensor) -> Tensor:
    """Class activation weights from the classifier's linear layer, before the gain.

    ``w[c, k] = 0.5 + 0.5 tanh(v[c, k])``, then scaled so that the mean over the channels is 1.

    Args:
        linear_weight: v, (2, K): the weight of the classifier's linear layer, rows infrared and visible.

    Returns:
        (2, K), at least 0, each row with mean 1.
    """
    # 0.5 + 0.5 tanh(v), in the form that does not round to 0 for strongly negative v.
    weights = torch.sigmoid(2 * linear_weight)
    return weights / weights.mean(dim=1, keepdim=True)


def fuse_features(
    infrared: Sequence[Tensor], visible: Sequence[Tensor], weights: Tensor, gain: Tensor
) -> tuple[Tensor, ...]:
    """Weighted sum of both sources' features.

    Args:
        infrared: Features of each fused encoder layer, each (N, K_layer, h, w), the K_layer adding up to K.
        visible: Likewise.
        weights: (2, K) from :func:`class_activation_weights`.
        gain: (N,), above 0.

    Returns:
        For each layer (N, K_layer, h, w): ``F[k] = gain (w[infrared, k] F_ir[k] + w[visible, k] F_vis[k])``.
    """
    scaled = gain[:, None, None] * weights
    parts = torch.split(scaled, [layer.shape[1] for layer in infrared], dim=2)
    fused = []
    for ir, vis, part in zip(infrared, visible, parts, strict=True):
        factors = part.to(ir.dtype)[..., None, None]
        fused.append(ir * factors[:, 0] + vis * factors[:, 1])
    return tuple(fused)
