"""The paper's network: features of both cameras are added up, and a decoder reconstructs a picture from the sum.

Kept as the paper has it (Tang et al., IEEE Transactions on Multimedia 26, 2024), with its fusion rule and its gain, to
compare with. The gain is a constant in the paper; 0 asks for the automatic one of :func:`automatic_gain`.
"""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camf_ros.errors import ImageError
from camf_ros.network.architecture import ENCODER_STRIDES, PaperArchitecture
from camf_ros.network.classifier import AuxiliaryClassifier, class_activation_weights

#: Pixels that the decoder's two 'valid' 3x3 layers take from each border; the input is padded by as many.
BORDER = 2
# What inference multiplies the automatic gain with: a decoder gives back a little less contrast than its features have.
_CONTRAST = 1.1
# Least and greatest automatic gain: what an odd pair (two blank pictures, a picture and its negative) may ask for.
_GAIN_RANGE = (0.5, 1.5)
# Contrast below this share of the brightness of the features (1 % in amplitude) is noise, and does not count in the
# gain.
_FAINT = 1e-4
_NOTHING = 1e-12


class PaperOutput(NamedTuple):
    """What one forward pass gives."""

    fused: Tensor  #: (N, 1, H, W), grey levels 0 to 255
    #: (N, K, ceil(H / 4), ceil(W / 4)), features of the infrared picture, at least 0, before weighting.
    infrared: Tensor
    visible: Tensor
    gain: Tensor  #: (N,), the gain that was used


class PaperEncoder(nn.Module):
    """Six 3x3 convolutions with ReLU; the second and third halve the size (rounding up)."""

    def __init__(self, architecture: PaperArchitecture) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
            for (inputs, outputs), stride in zip(pairwise((1, *architecture.encoder)), ENCODER_STRIDES, strict=True)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Features of pictures (N, 1, H, W), range -1 to 1: (N, K, ceil(H / 4), ceil(W / 4)), at least 0."""
        for layer in self.layers:
            image = F.relu(cast(Tensor, layer(image)))
        return image


class PaperDecoder(nn.Module):
    """Five 3x3 convolutions with ReLU, two bilinear resizes, and a 1x1 convolution with tanh."""

    def __init__(self, architecture: PaperArchitecture) -> None:
        super().__init__()
        widths = pairwise((architecture.encoder[-1], *architecture.decoder))
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=padding)
            for (before, after), padding in zip(widths, (1, 1, 1, 0, 0), strict=True)
        )
        self.head = nn.Conv2d(architecture.decoder[-1], 1, 1)

    def forward(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """Picture of features (N, K, ceil(H / 4), ceil(W / 4)); ``size`` is (H, W) of the picture that was encoded.

        Returns (N, 1, H - 4, W - 4), range -1 to 1: the 'valid' layers take BORDER pixels from each side.
        """
        first, second, third, fourth, fifth = self.layers
        x = F.relu(second(F.relu(first(features))))
        x = F.interpolate(x, size=((size[0] + 1) // 2, (size[1] + 1) // 2), mode="bilinear", align_corners=False)
        x = F.relu(third(x))
        x = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        x = F.relu(fifth(F.relu(fourth(x))))
        # bfloat16 has 8 bits, which is all of a picture: training with mixed precision ends in full precision.
        # Shapes without memory behind them have no precision at all.
        with nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False):
            return torch.tanh(cast(Tensor, self.head(x.to(self.head.weight.dtype))))


class PaperNetwork(nn.Module):
    """Fuses grey infrared and visible pictures of any common size."""

    def __init__(self, architecture: PaperArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture or PaperArchitecture()
        self.encoder = PaperEncoder(self.architecture)
        self.decoder = PaperDecoder(self.architecture)
        self.classifier = AuxiliaryClassifier(self.architecture.channels)

    def class_activation_weights(self) -> Tensor:
        """Weights of the fusion rule before the gain, (2, K), rows infrared and visible, each with mean 1."""
        return class_activation_weights(self.classifier.linear.weight)

    def features(self, grey: Tensor) -> tuple[Tensor, ...]:
        """Features for the classifier, of pictures (N, 1, H, W), grey levels 0 to 255: one scale."""
        return (self.encoder(normalised(grey)),)

    def forward(
        self, infrared: Tensor, visible: Tensor, weights: Tensor, gain: Tensor | None = None, hold: Tensor | None = None
    ) -> PaperOutput:
        """Fuse (N, 1, H, W) grey levels 0 to 255 with weights (2, K), usually :meth:`class_activation_weights`.

        ``gain`` (N,) is that of the rule; the automatic one of each pair when left out. ``hold`` (N,), 0 to 1, is the
        share of ``gain`` that is kept; the rest is the automatic gain of this pair; 1 when left out.

        Raises ImageError if the shapes differ or are not (N, 1, H, W).
        """
        if infrared.shape != visible.shape or infrared.ndim != 4 or infrared.shape[1] != 1:
            raise ImageError(
                f"infrared has shape {tuple(infrared.shape)} and visible {tuple(visible.shape)}",
                expected="one shape (N, 1, H, W)",
                remedy="resize or register one picture to the other first",
            )
        images = _padded(normalised(torch.cat((infrared, visible))))
        size = images.shape[-2], images.shape[-1]
        f_ir, f_vis = self.encoder(images).chunk(2)
        if gain is None or hold is not None:
            own = automatic_gain(f_ir, f_vis, weights)
            gain = own if gain is None or hold is None else own + hold * (gain - own)
        w = gain[:, None, None] * weights
        summed = f_ir * w[:, 0, :, None, None] + f_vis * w[:, 1, :, None, None]
        fused = (self.decoder(summed, size) + 1) * 127.5
        return PaperOutput(fused, f_ir, f_vis, gain)

    def reconstruct(self, grey: Tensor) -> Tensor:
        """The auto-encoder alone: pictures (N, 1, H, W), grey levels 0 to 255, to the same."""
        images = _padded(normalised(grey))
        decoded: Tensor = self.decoder(self.encoder(images), (images.shape[-2], images.shape[-1]))
        return (decoded + 1) * 127.5


def normalised(grey: Tensor) -> Tensor:
    """Grey levels 0 to 255 to the range -1 to 1."""
    return grey * (1 / 127.5) - 1


def _padded(image: Tensor) -> Tensor:
    return F.pad(image, (BORDER,) * 4, mode="replicate")


def automatic_gain(infrared: Tensor, visible: Tensor, weights: Tensor) -> Tensor:
    """As much contrast in the fused features as both cameras have together: (N,), float32, 0.5 to 1.5.

    ``gain² = contrast² sum_k (var F_ir[k] + var F_vis[k]) / sum_k var(w[ir, k] F_ir[k] + w[vis, k] F_vis[k])``,
    variances over the pixels of features (N, K, h, w). It needs no constant for a data set: equal pictures give 0.71
    and unrelated ones 1, about the two constants that the paper's authors set by hand.
    """
    a, b = infrared.float(), visible.float()
    mean_a, mean_b = a.mean((-2, -1)), b.mean((-2, -1))
    var_a = (a * a).mean((-2, -1)) - mean_a**2
    var_b = (b * b).mean((-2, -1)) - mean_b**2
    covariance = (a * b).mean((-2, -1)) - mean_a * mean_b
    apart = (var_a + var_b).sum(1)
    summed = (weights[0] ** 2 * var_a + weights[1] ** 2 * var_b + 2 * weights[0] * weights[1] * covariance).sum(1)
    faint = _FAINT * (mean_a**2 + mean_b**2).sum(1) + _NOTHING
    ratio = (apart.clamp_min(0) + faint) / (summed.clamp_min(0) + faint)
    return (_CONTRAST * ratio.sqrt()).clamp(*_GAIN_RANGE)
