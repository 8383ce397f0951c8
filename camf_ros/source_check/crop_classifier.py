"""The auxiliary classifier on a few small crops, in numpy alone.

The check must not depend on which engine fuses, nor hold its arithmetic up: so it has its own copy of encoder and
classifier, which no engine knows of. Nearly all of its time goes into matrix products and copies, in which numpy
releases the interpreter lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ImageError
from camf_ros.network.architecture import CLASSIFIER_BRANCHES, CLASSIFIER_STRIDES, ENCODER_STRIDES, Architecture
from camf_ros.network.constants import GREY

_Features = NDArray[np.float32]

#: The encoder ends at this part of a crop's side, which is a multiple of it: so finer features average evenly.
STEP = 4


def _smallest_crop() -> int:
    size = 1
    for stride in reversed(CLASSIFIER_STRIDES):
        size = (size - 1) * stride + 3
    return STEP * size


#: Smallest side of a crop, pixels: the classifier's layers have no border, and something must be left of it.
SMALLEST_CROP = _smallest_crop()


class CropClassifier:
    """Encoder and classifier of one checkpoint. Holds no state between calls, so threads may share it."""

    def __init__(self, architecture: Architecture, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        """Arrange the weights as matrices.

        Args:
            architecture: Of the network.
            tensors: Its weights by name; those of the decoder are not used.
        """
        self._fused = architecture.fused
        self._encoder = []
        for number, _ in enumerate(pairwise((1, *architecture.encoder))):
            weight = tensors[f"encoder.layers.{number}.weight"]
            self._encoder.append((_rows(weight, len(weight)), _column(tensors[f"encoder.layers.{number}.bias"])))
        channels = architecture.channels
        self._stages = []
        for number, _ in enumerate(CLASSIFIER_STRIDES):
            name = f"classifier.stages.{number}.branches"
            weight = tensors[f"{name}.weight"].reshape(channels, CLASSIFIER_BRANCHES, 9)
            bias = tensors[f"{name}.bias"].reshape(channels, CLASSIFIER_BRANCHES, 1)
            self._stages.append((np.ascontiguousarray(weight), np.ascontiguousarray(bias)))
        self._linear = tensors["classifier.linear.weight"]
        self._linear_bias = tensors["classifier.linear.bias"]

    def logits(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Class scores of one crop.

        Args:
            crop: (h, w) grey, 0 to 255; sides are multiples of :data:`STEP` and at least :data:`SMALLEST_CROP`.

        Returns:
            (2,), in the order of :data:`~camf_ros.network.architecture.CLASSES`.

        Raises:
            ImageError: If the sides do not fit.
        """
        if crop.ndim != 2 or min(crop.shape) < SMALLEST_CROP or any(side % STEP for side in crop.shape):
            raise ImageError(
                f"a crop has shape {crop.shape}",
                expected=f"(h, w), multiples of {STEP} of at least {SMALLEST_CROP}",
            )
        x: _Features = ((crop.astype(np.float32) - GREY) / GREY)[None].astype(np.float32)
        height, width = (side // STEP for side in crop.shape)
        features = []
        for number, ((weight, bias), stride) in enumerate(zip(self._encoder, ENCODER_STRIDES, strict=True), start=1):
            patches = _patches(np.pad(x, ((0, 0), (1, 1), (1, 1))), stride)
            rows, columns = patches.shape[-2:]
            x = weight @ patches.reshape(-1, rows * columns)
            x += bias
            np.maximum(x, 0, out=x)
            x = x.reshape(-1, rows, columns)
            if number in self._fused:
                features.append(_averaged(x, height, width))
        x = np.concatenate(features)
        for (weight, bias), stride in zip(self._stages, CLASSIFIER_STRIDES, strict=True):
            patches = _patches(x, stride)
            rows, columns = patches.shape[-2:]
            branches = weight @ patches.reshape(len(x), 9, rows * columns)
            branches += bias
            np.maximum(branches, 0, out=branches)
            x = branches.sum(axis=1).reshape(-1, rows, columns)
        return np.asarray(self._linear @ x.mean(axis=(1, 2)) + self._linear_bias, np.float32)


def _rows(weight: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(weight.reshape(count, -1))


def _column(bias: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(bias[:, None])


def _patches(x: _Features, stride: int) -> _Features:
    """What each 3x3 window sees: (C, H, W) to (C, 9, H', W'), without a border."""
    channels, height, width = x.shape
    rows, columns = (height - 3) // stride + 1, (width - 3) // stride + 1
    patches = np.empty((channels, 9, rows, columns), np.float32)
    for place in range(9):
        top, left = divmod(place, 3)
        bottom, right = top + (rows - 1) * stride + 1, left + (columns - 1) * stride + 1
        patches[:, place] = x[:, top:bottom:stride, left:right:stride]
    return patches


def _averaged(x: _Features, height: int, width: int) -> _Features:
    """Means over equal blocks, (C, height, width)."""
    channels, fine, _ = x.shape
    factor = fine // height
    if factor == 1:
        return x
    return np.asarray(x.reshape(channels, height, factor, width, factor).mean(axis=(2, 4)), np.float32)
