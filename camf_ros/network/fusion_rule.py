"""The class activation fusion rule: how much each encoder channel of each source counts.

Tang et al., "CAMF: An Interpretable Infrared and Visible Image Fusion Network Based on Class Activation Mapping",
IEEE Transactions on Multimedia 26 (2024), doi 10.1109/TMM.2023.3326296.
"""

from __future__ import annotations

import torch
from torch import Tensor

from camf_ros.errors import ParameterError


def class_activation_weights(linear_weight: Tensor, gain: float) -> Tensor:
    """Class activation weights from the classifier's linear layer.

    ``w[c, k] = 0.5 + 0.5 tanh(v[c, k])``, then scaled so that the mean over the channels is the gain.

    Args:
        linear_weight: v, (2, K): the weight of the classifier's linear layer, rows infrared and visible.
        gain: Mean of each row of the result, above 0.

    Returns:
        (2, K), at least 0.

    Raises:
        ParameterError: If the gain is not above 0.
    """
    if not 0 < gain < float("inf"):
        raise ParameterError(f"gain is {gain!r}", expected="a number above 0")
    # 0.5 + 0.5 tanh(v), in the form that does not round to 0 for strongly negative v.
    weights = torch.sigmoid(2 * linear_weight)
    return gain * weights / weights.mean(dim=1, keepdim=True)


def fuse_features(infrared: Tensor, visible: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum of both sources' features.

    Args:
        infrared: (N, K, h, w).
        visible: (N, K, h, w).
        weights: (2, K) from :func:`class_activation_weights`.

    Returns:
        (N, K, h, w): ``F[k] = w[infrared, k] F_ir[k] + w[visible, k] F_vis[k]``.
    """
    scaled = weights.to(infrared.dtype)[:, None, :, None, None]
    return infrared * scaled[0] + visible * scaled[1]
