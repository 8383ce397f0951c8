"""Information: how much a fused picture has (EN), and how much of it is the sources' (MI). 256 grey levels each."""

from __future__ import annotations

import numpy as np

from camf_ros.evaluation.library import scikit_image
from camf_ros.imaging.luminance import GreyImage

_LEVELS = 256


def entropy(fused: GreyImage) -> float:
    """EN: entropy of the histogram, bits, 0 to 8.

    Args:
        fused: (H, W).
    """
    return float(scikit_image("measure").shannon_entropy(fused, base=2))


def mutual_information(infrared: GreyImage, visible: GreyImage, fused: GreyImage) -> float:
    """MI: information that the fused picture shares with the infrared one, plus that with the visible one; nats.

    Args:
        infrared: (H, W).
        visible: (H, W).
        fused: (H, W).
    """
    return _shared(fused, infrared) + _shared(fused, visible)


def _shared(one: GreyImage, other: GreyImage) -> float:
    pairs = one.astype(np.intp).ravel() * _LEVELS + other.ravel()
    joint = np.bincount(pairs, minlength=_LEVELS * _LEVELS).reshape(_LEVELS, _LEVELS) / one.size
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / independent[seen])))
