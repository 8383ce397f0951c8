"""The blending network: how much of each camera goes into the picture, at each place and scale.

1. Encoder, shared by both cameras: 3x3 convolutions with ReLU on the picture rearranged from 2 x 2 pixels to 4
   channels, one for each scale: 1/2, 1/4, 1/8, ... of its size.
2. Class activation weights ``w[c, k]``, read off the auxiliary classifier, over the channels of all scales:
   ``A_c[k] = w[c, k] F_c[k]``.
3. Heads, shared by both cameras, one for each scale: given ``[A_ir, A_vis]`` they give the amounts of infrared, given
   ``[A_vis, A_ir]`` those of visible. Only the pictures and ``w`` tell the cameras apart.
4. Fused luminance: the Laplacian pyramid whose level l is ``a_l L_l(ir) + b_l L_l(vis)``, collapsed. So the picture is
   the sum of a part made of infrared alone and one made of visible alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camf_ros.errors import ImageError
from camf_ros.network.architecture import BlendArchitecture
from camf_ros.network.classifier import AuxiliaryClassifier, class_activation_weights

Features = tuple[Tensor, ...]


class BlendOutput(NamedTuple):
    """What one forward pass gives."""

    infrared_part: Tensor  #: (N, 1, H, W), grey levels that come from infrared; may be outside 0 to 255
    visible_part: Tensor  #: (N, 1, H, W), likewise. Their sum, clipped, is the fused picture.
    amounts: tuple[Tensor, ...]  #: For each level, finest first, (N, 2, h, w): amounts of infrared and visible
    infrared: Features  #: Features of the infrared picture at each scale, at least 0, before weighting
    visible: Features


class BlendEncoder(nn.Module):
    """Grey picture to features at 1/2, 1/4, 1/8, ... of its size."""

    def __init__(self, architecture: BlendArchitecture) -> None:
        super().__init__()
        widths = architecture.encoder
        layers = [nn.Conv2d(4, widths[0], 3, padding=1)]
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1) for before, after in pairwise(widths)]
        self.layers = nn.ModuleList(layers)
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(cast(Tensor, layer.bias))

    def forward(self, grey: Tensor) -> Features:
        """Features of pictures (N, 1, H, W), grey levels 0 to 255; sides are multiples of ``architecture.step``.

        Returns, for each scale s from 1, (N, K_s, H / 2^s, W / 2^s), at least 0.
        """
        x = F.pixel_unshuffle(grey * (1 / 127.5) - 1, 2)
        features = []
        for layer in self.layers:
            x = F.relu(cast(Tensor, layer(x)))
            features.append(x)
        return tuple(features)


class Heads(nn.Module):
    """Amounts of one camera from the class activation features of both; one head for each scale of the encoder.

    The head of scale s gives logits for the levels 0 to s, the last one for all levels. They are enlarged and added to
    those of the next finer head: a level is decided by the features of its own scale and of all coarser ones.
    """

    def __init__(self, architecture: BlendArchitecture) -> None:
        super().__init__()
        self.limit = architecture.limit
        hidden, outputs = [], []
        for number, (width, head) in enumerate(zip(architecture.encoder, architecture.heads, strict=True)):
            hidden.append(nn.Conv2d(2 * width, head, 3, padding=1) if head else nn.Identity())
            last = number + 1 == len(architecture.encoder)
            outputs.append(nn.Conv2d(head or 2 * width, architecture.levels if last else number + 2, 1))
        self.hidden, self.outputs = nn.ModuleList(hidden), nn.ModuleList(outputs)
        for layer in hidden:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(cast(Tensor, layer.bias))
        # It begins as the average of both cameras: the detail whole, half of each low-pass rest.
        detail, rest = (torch.logit(torch.tensor(amount / self.limit)) for amount in (1.0, 0.5))
        with torch.no_grad():
            for layer in outputs:
                bias = cast(Tensor, layer.bias)
                nn.init.normal_(layer.weight, std=0.01)
                bias.zero_()
            bias += detail
            bias[-1] = rest

    def forward(self, own: Features, other: Features) -> tuple[Tensor, ...]:
        """Amounts of one camera, from its class activation features and those of the other.

        For each level, finest first, (N, 1, h, w), 0 to the limit. The first has half the size of its level, the others
        have their level's size.
        """
        said = []
        for mine, its, hidden, output in zip(own, other, self.hidden, self.outputs, strict=True):
            x = hidden(torch.cat((mine, its), dim=1))
            said.append(output(x if isinstance(hidden, nn.Identity) else F.relu(x)))
        return amounts_of(said, 1, self.limit)


def amounts_of(said: Sequence[Tensor], cameras: int, limit: float) -> tuple[Tensor, ...]:
    """Amounts of each level, 0 to ``limit``, from what the heads say.

    ``said`` has for each scale s, from 1, (N, (s + 1) * cameras, h, w), level by level; the last one speaks of all
    levels.
    """
    scales, x = len(said), said[-1]
    of_levels = torch.split(x, cameras, dim=1)
    logits = [of_levels[scales]]
    for times, level in enumerate(of_levels[scales + 1 :], start=1):
        logits.append(F.avg_pool2d(level, 2**times))
    for scale in range(scales - 1, 0, -1):
        x = said[scale - 1] + enlarged(x[:, : (scale + 1) * cameras])
        logits.insert(0, x[:, scale * cameras :])
    logits.insert(0, x[:, :cameras])
    return tuple(limit * torch.sigmoid(each) for each in logits)


class BlendNetwork(nn.Module):
    """Fuses grey infrared and visible pictures of any common size that is a multiple of ``architecture.step``."""

    def __init__(self, architecture: BlendArchitecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture or BlendArchitecture()
        self.encoder = BlendEncoder(self.architecture)
        self.heads = Heads(self.architecture)
        self.classifier = AuxiliaryClassifier(self.architecture.channels, scales=len(self.architecture.encoder))

    def class_activation_weights(self) -> Tensor:
        """Weights of the fusion rule, (2, K), rows infrared and visible, each with mean 1."""
        return class_activation_weights(self.classifier.linear.weight)

    def features(self, grey: Tensor) -> Features:
        """Features of all scales for the classifier, of pictures (N, 1, H, W), grey levels 0 to 255.

        Pictures that do not halve evenly for all scales are enlarged by repeating their border.
        """
        step = 2 ** len(self.architecture.encoder)
        below, right = (-side % step for side in grey.shape[-2:])
        features: Features = self.encoder(F.pad(grey, (0, right, 0, below), mode="replicate"))
        return features

    def forward(self, infrared: Tensor, visible: Tensor, weights: Tensor) -> BlendOutput:
        """Fuse (N, 1, H, W) grey levels 0 to 255 with weights (2, K), usually :meth:`class_activation_weights`.

        Raises ImageError if the shapes differ, or H or W is no multiple of ``architecture.step``.
        """
        self._check(infrared, visible)
        f_ir, f_vis = zip(*(f.chunk(2) for f in self.encoder(torch.cat((infrared, visible)))), strict=True)
        amounts = self.amounts(f_ir, f_vis, weights)
        infrared_part, visible_part = blend(infrared, visible, amounts)
        return BlendOutput(infrared_part, visible_part, amounts, f_ir, f_vis)

    def amounts(self, infrared: Features, visible: Features, weights: Tensor) -> tuple[Tensor, ...]:
        """For each level (N, 2, h, w), from the features of both cameras before weighting."""
        each = torch.split(weights, list(self.architecture.encoder), dim=1)
        a_ir = tuple(f * w[0, :, None, None] for f, w in zip(infrared, each, strict=True))
        a_vis = tuple(f * w[1, :, None, None] for f, w in zip(visible, each, strict=True))
        pairs = zip(self.heads(a_ir, a_vis), self.heads(a_vis, a_ir), strict=True)
        return tuple(torch.cat(pair, dim=1) for pair in pairs)

    def _check(self, infrared: Tensor, visible: Tensor) -> None:
        step = self.architecture.step
        shape = infrared.shape
        if (
            shape != visible.shape
            or len(shape) != 4
            or shape[1] != 1
            or shape[2] % step
            or shape[3] % step
            or 0 in shape
        ):
            raise ImageError(
                f"infrared has shape {tuple(shape)} and visible {tuple(visible.shape)}",
                expected=f"one shape (N, 1, H, W), H and W multiples of {step}",
                remedy="pad both pictures by repeating their border",
            )


def reduced(image: Tensor) -> Tensor:
    """Half the size: means of 2 x 2 pixels."""
    return F.avg_pool2d(image, 2)


def enlarged(image: Tensor) -> Tensor:
    """Twice the size, bilinear."""
    return F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)


def bands(image: Tensor, levels: int) -> list[Tensor]:
    """Laplacian pyramid, finest first, then the low-pass rest. Burt and Adelson, IEEE Trans. Comm. 31, 1983."""
    result = []
    for _ in range(levels - 1):
        smaller = reduced(image)
        result.append(image - enlarged(smaller))
        image = smaller
    return [*result, image]


def blend(infrared: Tensor, visible: Tensor, amounts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Parts of the fused picture made of infrared and of visible, (N, 1, H, W) each, from (N, 2, h, w) amounts."""
    parts = [
        collapse(bands(image, len(amounts)), [a[:, camera : camera + 1] for a in amounts])
        for camera, image in enumerate((infrared, visible))
    ]
    return parts[0], parts[1]


def collapse(levels: Sequence[Tensor], amounts: Sequence[Tensor]) -> Tensor:
    """Picture of the levels of :func:`bands`, multiplied with amounts; the first amount has half its level's size."""
    picture = levels[-1] * amounts[-1]
    for level, amount in zip(reversed(levels[1:-1]), reversed(amounts[1:-1]), strict=True):
        picture = enlarged(picture) + level * amount
    return enlarged(picture) + levels[0] * enlarged(amounts[0])
