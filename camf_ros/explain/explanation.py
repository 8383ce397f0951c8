"""What an explanation holds: numbers alone, which a panel or a figure can show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Map = NDArray[np.float32]

#: Rows of everything that has one for each source.
INFRARED, VISIBLE = 0, 1


class Channel(NamedTuple):
    """One fused channel in this frame.

    Attributes:
        number: From 0, as in ChannelWeights.
        layer: Encoder layer that it comes from, from 1.
        weights: Class activation weights (infrared, visible) before the gain, constants of the model with mean 1 over
            the channels.
        activation: Mean activation (infrared, visible) in this frame, at least 0.
        contribution: Part of all fused features of this frame that is infrared's, and visible's, through this channel;
            0 to 1.
        infrared: (h, w), features of the thermal picture, at least 0, before weighting.
        visible: (h, w), those of the RGB picture.
    """

    number: int
    layer: int
    weights: tuple[float, float]
    activation: tuple[float, float]
    contribution: tuple[float, float]
    infrared: Map
    visible: Map


class Explanation(NamedTuple):
    """Why one fused picture looks as it does.

    Maps are about pictures at the working size (:attr:`work`), the rows and columns of both after shrinking. Rows of
    all that has two are infrared and visible, in this order.

    Attributes:
        model: Name of the model.
        thermal: (H, W), grey, in the geometry of the fused picture; 0 to 255.
        rgb: (H, W, 3) red, green, blue, or (H, W).
        fused: (H, W, 3) red, green, blue, or (H, W).
        gain: Gain of the fusion rule that made the fused picture.
        automatic: Whether the gain came from the frames, or is a constant that someone set.
        work: (height, width) at which the network was asked.
        weights: (2, K), class activation weights before the gain, each row with mean 1: constants of the model.
        activation: (2, K), mean activation of each channel over the working picture, at least 0.
        infrared_share: (K,), share of each fused channel that comes from infrared
            (:func:`camf_ros.explain.shares.infrared_share`).
        contribution: (2, K), ``w a`` as parts of their sum over all: adds up to 1. 0 everywhere if all is silent.
        share_map: (h, w), share of the fused features that comes from infrared, by place, 0 to 1:
            ``sum_k w_ir F_ir / (sum_k w_ir F_ir + sum_k w_vis F_vis)``. Exact for the sum over all channels, finer ones
            averaged over a cell; the gain cancels. 0.5 where all is silent. A cell is 4 x 4 pixels of the working
            picture with its border of 2.
        mean_share: Mean of the map, 0 to 1; over the part that both cameras see, where that is known.
        total_share: Share of the sum over channels and places, 0 to 1: ``contribution[0].sum()``; 0.5 if silent.
        evidence: (2, h', w'), for each source's picture what each place says to the classifier in favour of infrared,
            in log-odds: ``sum_k (v[infrared, k] - v[visible, k]) A_k``, the difference of both classes' activation
            maps (Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016) with the
            classifier's last feature maps A and its linear weights v.
        bias: Difference of the linear layer's biases, infrared minus visible: log-odds before anything is seen.
        log_odds: (2,), what the classifier says of each picture as a whole: mean evidence plus bias, exactly. Above
            0: more like infrared.
        whole: (H, W), 0 to 255, at the working size: luminance of what the decoder makes of all features. As the fused
            picture but for the size, and so what ``without`` is to be compared with.
        without: (2, H, W), likewise, without the features of infrared, and without those of visible; the gain stays.
        strongest: Channels with the largest contribution of both sources together, largest first.
        both: (H, W), 255 where both cameras see something, 0 where the fused picture shows one of them as it is (or
            nothing), and the explanation has nothing to say; between them in the transition. None: everywhere.
    """

    model: str
    thermal: Picture
    rgb: Picture
    fused: Picture
    gain: float
    automatic: bool
    work: tuple[int, int]
    weights: Map
    activation: Map
    infrared_share: Map
    contribution: Map
    share_map: Map
    mean_share: float
    total_share: float
    evidence: Map
    bias: float
    log_odds: Map
    whole: Picture
    without: Picture
    strongest: tuple[Channel, ...]
    both: Picture | None = None

    def probability(self, source: int) -> float:
        """What the classifier takes the picture of a source for: probability of infrared, 0 to 1 (softmax)."""
        return float(1 / (1 + np.exp(-np.clip(np.float64(self.log_odds[source]), -700, 700))))
