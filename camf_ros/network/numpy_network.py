"""Encoder and classifier in numpy alone, for whoever must not depend on an inference engine.

Engines give the fused picture and mean activations, and keep the features to themselves. Explaining a picture needs the
features. Nearly all of the time goes into matrix products and copies, in which numpy releases the interpreter lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ImageError
from camf_ros.network.architecture import CLASSIFIER_BRANCHES, CLASSIFIER_STRIDES, ENCODER_STRIDES, Architecture
from camf_ros.network.constants import BORDER, GREY
from camf_ros.network.numpy_layers import Features, as_rows, convolved, patches_of

#: Pixels to a cell of the deepest features.
STEP = int(np.prod(ENCODER_STRIDES))
#: Cells of the deepest features from one place of the classifier's maps to the next.
MAP_STEP = int(np.prod(CLASSIFIER_STRIDES))


def _reach() -> tuple[int, int]:
    size, first = 1, 0
    for stride in reversed(CLASSIFIER_STRIDES):
        size, first = (size - 1) * stride + 3, first * stride + 1
    return size, first


#: Rows and columns of the deepest features that one place of the classifier's maps sees, and the middle of those that
#: the first place sees.
MAP_REACH, MAP_FIRST = _reach()
#: Smallest side of a picture with its border (see :meth:`NumpyNetwork.encode`) that the classifier takes, pixels.
SMALLEST_SIDE = STEP * (MAP_REACH - 1) + 1


class Classification(NamedTuple):
    """What the classifier says about one picture.

    Attributes:
        maps: (K, h, w), the last feature maps, at least 0: place (i, j) is about the surroundings of the cell
            (MAP_FIRST + MAP_STEP i, MAP_FIRST + MAP_STEP j) of the deepest features.
        logits: (2,), in the order of :data:`~camf_ros.network.architecture.CLASSES`: the linear layer on the mean of
            the maps.
    """

    maps: Features
    logits: NDArray[np.float32]


class NumpyNetwork:
    """Encoder and classifier of one checkpoint, float32. Holds no state between calls, so threads may share it."""

    def __init__(self, architecture: Architecture, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        """Arrange the weights as matrices.

        Args:
            architecture: Of the network.
            tensors: Its weights by name; those of the decoder are not used.
        """
        self.architecture = architecture
        self._encoder = []
        for number, stride in enumerate(ENCODER_STRIDES):
            weight, bias = (tensors[f"encoder.layers.{number}.{part}"] for part in ("weight", "bias"))
            self._encoder.append((as_rows(weight), np.ascontiguousarray(bias[:, None]), stride))
        channels = architecture.channels
        self._stages = []
        for number, stride in enumerate(CLASSIFIER_STRIDES):
            name = f"classifier.stages.{number}.branches"
            weight = np.ascontiguousarray(tensors[f"{name}.weight"].reshape(channels, CLASSIFIER_BRANCHES, 9))
            bias = np.ascontiguousarray(tensors[f"{name}.bias"].reshape(channels, CLASSIFIER_BRANCHES, 1))
            self._stages.append((weight, bias, stride))
        #: v and b of the classifier's linear layer, (2, K) and (2,).
        self.linear = tensors["classifier.linear.weight"]
        self.linear_bias = tensors["classifier.linear.bias"]

    def encode(self, picture: NDArray[np.uint8], border: int = BORDER) -> tuple[Features, ...]:
        """Features of one grey picture.

        Args:
            picture: (H, W), 0 to 255, with any sides.
            border: Pixels by which each border is repeated outwards first; the network does so by 2 when it fuses, and
                trains its classifier with 0.

        Returns:
            Features of each fused encoder layer, finest first, at least 0. With H' = H + 2 border, and W' likewise,
            layer 1 is (K, H', W'), layer 2 (K, ceil(H' / 2), ceil(W' / 2)), layer 6 (K, ceil(H' / 4), ceil(W' / 4)).

        Raises:
            ImageError: If it is no grey picture.
        """
        if picture.ndim != 2 or picture.size == 0 or picture.dtype != np.uint8:
            raise ImageError(
                f"a picture has shape {picture.shape} and type {picture.dtype}", expected="(H, W) with pixels, of uint8"
            )
        x: Features = ((np.pad(picture, border, mode="edge").astype(np.float32) - np.float32(GREY)) / GREY)[None]
        x = x.astype(np.float32, copy=False)
        features = []
        for number, (weight, bias, stride) in enumerate(self._encoder, start=1):
            x = convolved(np.pad(x, ((0, 0), (1, 1), (1, 1))), weight, bias, stride)
            if number in self.architecture.fused:
                features.append(x)
        return tuple(features)

    def classify(self, features: Sequence[Features]) -> Classification:
        """The classifier on what :meth:`encode` gave.

        Args:
            features: Of each fused layer, finest first.

        Raises:
            ImageError: If the deepest are smaller than :data:`MAP_REACH` rows or columns.
        """
        height, width = features[-1].shape[1:]
        if min(height, width) < MAP_REACH:
            raise ImageError(
                f"features of {width} x {height} are too small for the classifier",
                expected=f"at least {MAP_REACH} x {MAP_REACH}",
                remedy=f"give pictures of at least {SMALLEST_SIDE} pixels a side",
            )
        x = joined(features)
        for weight, bias, stride in self._stages:
            rows, columns = ((side - 3) // stride + 1 for side in x.shape[1:])
            patches = patches_of(x, 0, rows, columns, stride).transpose(1, 0, 2, 3).reshape(len(x), 9, -1)
            branches = np.matmul(weight, patches)
            branches += bias
            np.maximum(branches, 0, out=branches)
            x = branches.sum(axis=1).reshape(-1, rows, columns)
        logits = self.linear @ x.mean(axis=(1, 2)) + self.linear_bias
        return Classification(x, np.asarray(logits, np.float32))


def joined(features: Sequence[Features]) -> Features:
    """All channels at the size of the deepest ones, as the classifier sees them: finer ones are averaged.

    Args:
        features: Of each fused layer, finest first.

    Returns:
        (K, h, w). Each cell is the mean of the fine cells that it covers in whole or in part, which keeps the mean of a
        channel where the sides of the fine layers are multiples of the deepest ones'.
    """
    height, width = features[-1].shape[1:]
    return np.concatenate([*(_averaged(layer, height, width) for layer in features[:-1]), features[-1]])


def _averaged(x: Features, height: int, width: int) -> Features:
    """Means over the boxes that divide the features into (C, height, width), each as wide as whole cells need."""
    _, fine_height, fine_width = x.shape
    if fine_height % height == 0 and fine_width % width == 0:
        boxes = x.reshape(len(x), height, fine_height // height, width, fine_width // width)
        return np.asarray(boxes.mean(axis=(2, 4)), np.float32)
    # Boxes that overlap, as PyTorch's adaptive_avg_pool2d has them.
    down, across = _averaging(fine_height, height), _averaging(fine_width, width)
    return np.asarray(np.matmul(np.matmul(down, x), across.T), np.float32)


def _averaging(fine: int, coarse: int) -> NDArray[np.float32]:
    """Matrix (coarse, fine) of the means over the boxes of one side."""
    matrix = np.zeros((coarse, fine), np.float32)
    for box in range(coarse):
        begin, end = box * fine // coarse, -(-(box + 1) * fine // coarse)
        matrix[box, begin:end] = 1 / (end - begin)
    return matrix
