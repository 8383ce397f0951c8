"""The auxiliary classifier, and the class activation weights that are read off it.

It learns which encoder channels speak of infrared and which of visible. Channels never mix before its linear layer, so
weight k of that layer is about encoder channel k alone, as in class activation mapping.

Tang et al., "CAMF: An Interpretable Infrared and Visible Image Fusion Network Based on Class Activation Mapping",
IEEE Transactions on Multimedia 26 (2024), doi 10.1109/TMM.2023.3326296.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camf_ros.errors import ImageError
from camf_ros.network.architecture import (
    CLASSES,
    CLASSIFIER_BRANCHES,
    CLASSIFIER_SCALE,
    CLASSIFIER_STRIDES,
    MIN_FEATURE_SIZE,
)


class _Stage(nn.Module):
    """Sum of parallel depthwise 3x3 convolutions, each with ReLU.

    The branches are one grouped convolution: group k holds the branches of channel k, so one call computes all.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.branches = nn.Conv2d(
            channels, channels * CLASSIFIER_BRANCHES, 3, stride=stride, groups=channels, padding=0
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = F.relu(self.branches(x))
        return y.reshape(y.shape[0], self.channels, CLASSIFIER_BRANCHES, *y.shape[-2:]).sum(2)


class AuxiliaryClassifier(nn.Module):
    """Four depthwise stages, global average pooling and one linear layer to (infrared, visible).

    ``channels`` are those of all ``scales`` together; each scale has half the size of the one before.
    """

    def __init__(self, channels: int, scales: int = 1) -> None:
        super().__init__()
        # The scale at whose size the classifier looks at all of them, from 0.
        self.place = min(CLASSIFIER_SCALE, scales) - 1
        self.stages = nn.ModuleList(_Stage(channels, stride) for stride in CLASSIFIER_STRIDES)
        self.linear = nn.Linear(channels, len(CLASSES))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Class scores (N, 2), in the order of ``CLASSES``, of the features of all scales, finest first.

        Raises ImageError if the features of scale ``CLASSIFIER_SCALE``, or the last ones, are smaller than
        ``MIN_FEATURE_SIZE``: the four stages are 'valid'.
        """
        height, width = features[self.place].shape[-2:]
        traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if not traced and min(height, width) < MIN_FEATURE_SIZE:
            raise ImageError(
                f"features of {width} x {height} are too small for the classifier",
                expected=f"at least {MIN_FEATURE_SIZE} x {MIN_FEATURE_SIZE}",
                remedy="give larger images",
            )
        # The mean keeps channels apart, and keeps how much of a texture there is, since no feature is negative.
        sized = []
        for number, scale in enumerate(features):
            by = 2 ** abs(self.place - number)
            if number < self.place:
                scale = F.avg_pool2d(scale, by)  # noqa: PLW2901
            elif number > self.place:
                scale = F.interpolate(scale, scale_factor=by, mode="nearest")  # noqa: PLW2901
            sized.append(scale)
        x = torch.cat(sized, dim=1)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.linear(x.mean((-2, -1)))
        return logits


def class_activation_weights(linear_weight: Tensor) -> Tensor:
    """Class activation weights (2, K), each row with mean 1, from the weight of the classifier's linear layer, (2, K).

    ``w[c, k] = 0.5 + 0.5 tanh(v[c, k])``, then scaled so that the mean over the channels is 1; before the gain.
    """
    # 0.5 + 0.5 tanh(v), in the form that does not round to 0 for strongly negative v.
    weights = torch.sigmoid(2 * linear_weight)
    return weights / weights.mean(dim=1, keepdim=True)
