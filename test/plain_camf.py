"""The CAMF network written a second time, from the paper's description and in plain float64 NumPy.

Slow and obvious on purpose: what the package computes is held against this.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, NDArray[np.floating]]

ENCODER_STRIDES = (1, 2, 2, 1, 1, 1)
CLASSIFIER_STRIDES = (1, 2, 1, 2)
BRANCHES = 4


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def convolve(
    x: Array, weight: NDArray[np.floating], bias: NDArray[np.floating], stride: int = 1, pad: int = 0
) -> Array:
    """x (C, H, W), weight (O, C, h, w): sum of products at every place, zeros beyond the border."""
    weight = weight.astype(np.float64)
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    rows = (x.shape[1] - weight.shape[2]) // stride + 1
    columns = (x.shape[2] - weight.shape[3]) // stride + 1
    out = np.zeros((weight.shape[0], rows, columns))
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            patch = x[:, top : top + weight.shape[2], left : left + weight.shape[3]]
            out[:, row, column] = np.sum(weight * patch, axis=(1, 2, 3))
    return out + bias.astype(np.float64)[:, None, None]


def resize(x: Array, height: int, width: int) -> Array:
    """Bilinear with pixel centres at half coordinates: output i lies at (i + 0.5) * old / new - 0.5, clamped."""

    def places(new: int, old: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.floor(at).astype(np.intp)
        return low, np.minimum(low + 1, old - 1), at - low

    top, bottom, down = places(height, x.shape[1])
    left, right, across = places(width, x.shape[2])
    upper = x[:, top][:, :, left] * (1 - across) + x[:, top][:, :, right] * across
    lower = x[:, bottom][:, :, left] * (1 - across) + x[:, bottom][:, :, right] * across
    return upper * (1 - down)[:, None] + lower * down[:, None]


def encode_layers(weights: Weights, image: Array) -> list[Array]:
    """Output of each of the six encoder layers for one image (H, W)."""
    x, outputs = image[None], []
    for index, stride in enumerate(ENCODER_STRIDES):
        layer = f"encoder.layers.{index}"
        x = relu(convolve(x, weights[f"{layer}.weight"], weights[f"{layer}.bias"], stride, pad=1))
        outputs.append(x)
    return outputs


def decode(weights: Weights, features: Array, second: tuple[int, int], first: tuple[int, int]) -> Array:
    """Image of features (K, h, w); ``second`` and ``first`` are the sizes of encoder layers 2 and 1."""

    def layer(x: Array, index: int, pad: int) -> Array:
        name = f"decoder.layers.{index}"
        return relu(convolve(x, weights[f"{name}.weight"], weights[f"{name}.bias"], pad=pad))

    x = layer(layer(features, 0, 1), 1, 1)
    x = layer(resize(x, *second), 2, 1)
    x = layer(layer(resize(x, *first), 3, 0), 4, 0)
    return np.tanh(convolve(x, weights["decoder.head.weight"], weights["decoder.head.bias"]))[0]


def activation_weights(linear: NDArray[np.floating], gain: float) -> Array:
    """w = 0.5 + 0.5 tanh(v), then scaled so that the mean of each row is the gain."""
    w = 0.5 + 0.5 * np.tanh(linear.astype(np.float64))
    return np.stack([gain * row / row.mean() for row in w])


def fuse(weights: Weights, infrared: Array, visible: Array, gain: float) -> tuple[Array, Array, Array]:
    """The whole network for one pair (H, W) in -1 to 1: fused image and the mean activations of both sources."""
    layers = [encode_layers(weights, np.pad(image, 2, mode="edge")) for image in (infrared, visible)]
    infrared_features, visible_features = layers[0][-1], layers[1][-1]
    w = activation_weights(weights["classifier.linear.weight"], gain)
    fused = np.zeros_like(infrared_features)
    for channel in range(fused.shape[0]):
        fused[channel] = w[0, channel] * infrared_features[channel] + w[1, channel] * visible_features[channel]
    sizes = [(layer.shape[1], layer.shape[2]) for layer in layers[0]]
    image = decode(weights, fused, sizes[1], sizes[0])
    return image, infrared_features.mean(axis=(1, 2)), visible_features.mean(axis=(1, 2))


def classify(weights: Weights, features: Array) -> Array:
    """Scores (infrared, visible) of features (K, h, w)."""
    x = features
    for index, stride in enumerate(CLASSIFIER_STRIDES):
        weight, bias = (weights[f"classifier.stages.{index}.branches.{kind}"] for kind in ("weight", "bias"))
        channels = []
        for channel in range(x.shape[0]):
            branches = [
                relu(convolve(x[channel : channel + 1], weight[row : row + 1], bias[row : row + 1], stride))
                for row in range(channel * BRANCHES, (channel + 1) * BRANCHES)
            ]
            channels.append(sum(branches)[0])
        x = np.stack(channels)
    return weights["classifier.linear.weight"].astype(np.float64) @ x.mean(axis=(1, 2)) + weights[
        "classifier.linear.bias"
    ].astype(np.float64)
