"""The class activation weights: how much each encoder channel counts for each source.

Tang et al., "CAMF: An Interpretable Infrared and Visible Image Fusion Network Based on Class Activation Mapping",
IEEE Transactions on Multimedia 26 (2024), doi 10.1109/TMM.2023.3326296.
"""

from __future__ import annotations

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
