"""The whole CAMF network: encoder, auxiliary classifier, class activation fusion rule, decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from camf_ros.errors import ImageError
from camf_ros.network.architecture import Architecture
from camf_ros.network.classifier import AuxiliaryClassifier
from camf_ros.network.constants import BORDER, CONTRAST
from camf_ros.network.decoder import Decoder
from camf_ros.network.encoder import Encoder
from camf_ros.network.fusion_rule import class_activation_weights, fuse_features
from camf_ros.network.gain import automatic_gain


class FusionOutput(NamedTuple):
    """What one forward pass gives.

    Attributes:
        fused: (N, 1, H, W), range -1 to 1.
        infrared_activation: (N, K), mean of each channel over the picture, at least 0, before weighting.
        visible_activation: (N, K), likewise.
        gain: (N,), the gain that was used.
    """

    fused: Tensor
    infrared_activation: Tensor
    visible_activation: Tensor
    gain: Tensor


class CamfNetwork(nn.Module):
    """Fuses grey infrared and visible images of any common size, in batches."""

    def __init__(self, architecture: Architecture | None = None) -> None:
        """Build the network with freshly initialised weights.

        Args:
            architecture: Layer widths; the paper's when left out.
        """
        super().__init__()
        self.architecture = architecture or Architecture()
        self.encoder = Encoder(self.architecture)
        self.decoder = Decoder(self.architecture)
        self.classifier = AuxiliaryClassifier(self.architecture)
        self.initialise("he")

    def initialise(self, method: str) -> None:
        """Draw new weights for encoder and decoder.

        Args:
            method: ``he`` (He et al., 2015) keeps the variance through eleven layers of ReLU; ``glorot`` (Glorot and
                Bengio, 2010; uniform) is the default of the framework that the paper's authors used.
        """
        for part in (self.encoder, self.decoder):
            for layer in part.modules():
                if isinstance(layer, nn.Conv2d):
                    if method == "he":
                        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                    else:
                        nn.init.xavier_uniform_(layer.weight)
                    if layer.bias is not None:
                        nn.init.zeros_(layer.bias)

    def class_activation_weights(self) -> Tensor:
        """Weights of the fusion rule before the gain, (2, K), rows infrared and visible, each with mean 1."""
        return class_activation_weights(self.classifier.linear.weight)

    def forward(
        self,
        infrared: Tensor,
        visible: Tensor,
        weights: Tensor,
        gain: Tensor | None = None,
        hold: Tensor | None = None,
        *,
        contrast: float = CONTRAST,
    ) -> FusionOutput:
        """Fuse.

        Args:
            infrared: (N, 1, H, W), grey, range -1 to 1.
            visible: (N, 1, H, W), grey, range -1 to 1.
            weights: (2, K), usually :meth:`class_activation_weights`.
            gain: (N,), the gain of the fusion rule so far; automatic for each pair when left out.
            hold: (N,), from 0 (automatic gain of this pair) to 1 (``gain`` as it is): what lies between follows slowly.
                1 when left out.
            contrast: Factor of the automatic gain; training goes without.

        Raises:
            ImageError: If the shapes differ or are not (N, 1, H, W).
        """
        _check_pair(infrared, visible)
        # One batch of both sources through the shared encoder is faster than two passes.
        images = _pad(torch.cat((infrared, visible)))
        features = self.encoder(images)
        size = (images.shape[-2], images.shape[-1])
        if gain is None or hold is not None:
            own = self.own_gain(features, weights, contrast)
            gain = own if gain is None or hold is None else own + hold * (gain - own)
        fused = self.fuse_encoded(features, size, weights, gain)
        infrared_activation, visible_activation = _activation(features).chunk(2)
        return FusionOutput(fused, infrared_activation, visible_activation, gain)

    def own_gain(self, features: Sequence[Tensor], weights: Tensor, contrast: float = 1.0) -> Tensor:
        """Automatic gain of each pair, (N,), from what the encoder gave; see :mod:`camf_ros.network.gain`.

        Args:
            features: As for :meth:`fuse_encoded`.
            weights: (2, K).
            contrast: Of the fused features in proportion to the rule.
        """
        # Not a way for gradients: the rule is not what is being trained.
        infrared, visible = features[-1].detach().chunk(2)
        return automatic_gain(infrared, visible, weights[:, -infrared.shape[1] :], contrast)

    def fuse_encoded(self, features: Sequence[Tensor], size: tuple[int, int], weights: Tensor, gain: Tensor) -> Tensor:
        """Fusion rule and decoder on what the encoder gave.

        Args:
            features: Of each fused layer, first N infrared pictures, then the N visible ones.
            size: (H, W) of the pictures.
            weights: (2, K), as for :meth:`forward`.
            gain: (N,).

        Returns:
            A fused picture that lacks the outer 2 pixels, as the decoder's; (N, 1, H - 4, W - 4).
        """
        infrared, visible = zip(*(f.chunk(2) for f in features), strict=True)
        fused: Tensor = self.decoder(fuse_features(infrared, visible, weights, gain), size)
        return fused

    def reconstruct(self, image: Tensor) -> Tensor:
        """The auto-encoder alone, without fusion.

        Args:
            image: (N, 1, H, W), range -1 to 1.

        Returns:
            (N, 1, H, W), range -1 to 1.
        """
        _check_image("image", image)
        padded = _pad(image)
        reconstruction: Tensor = self.decoder(self.encoder(padded), (padded.shape[-2], padded.shape[-1]))
        return reconstruction


def _activation(features: Sequence[Tensor]) -> Tensor:
    return torch.cat([x.mean((-2, -1), dtype=torch.float32) for x in features], dim=1)


def _pad(image: Tensor) -> Tensor:
    """Repeat the border pixels so that what the decoder's 'valid' layers take is not missed."""
    return F.pad(image, (BORDER, BORDER, BORDER, BORDER), mode="replicate")


def _check_image(name: str, image: Tensor) -> None:
    if image.ndim != 4 or image.shape[1] != 1 or 0 in image.shape:
        raise ImageError(f"{name} has shape {tuple(image.shape)}", expected="(N, 1, H, W) with no side of length 0")


def _check_pair(infrared: Tensor, visible: Tensor) -> None:
    _check_image("infrared", infrared)
    _check_image("visible", visible)
    if infrared.shape != visible.shape:
        raise ImageError(
            f"infrared has shape {tuple(infrared.shape)} and visible {tuple(visible.shape)}",
            expected="equal shapes",
            remedy="resize or register one image to the other first",
        )
