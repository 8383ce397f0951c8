"""The CAMF network written a second time, from the paper's description and in plain float64 NumPy.

Slow and obvious on purpose: what the package computes is held against this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

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


def decode(weights: Weights, features: Mapping[int, Array], second: tuple[int, int], first: tuple[int, int]) -> Array:
    """Image of features (K, h, w) by their encoder layer; ``second`` and ``first`` are the sizes of layers 2 and 1."""

    def layer(x: Array, index: int, pad: int) -> Array:
        name = f"decoder.layers.{index}"
        return relu(convolve(x, weights[f"{name}.weight"], weights[f"{name}.bias"], pad=pad))

    def with_finer(x: Array, number: int) -> Array:
        return np.concatenate([x, features[number]]) if number in features else x

    x = layer(layer(features[6], 0, 1), 1, 1)
    x = layer(with_finer(resize(x, *second), 2), 2, 1)
    x = layer(layer(with_finer(resize(x, *first), 1), 3, 0), 4, 0)
    return np.tanh(convolve(x, weights["decoder.head.weight"], weights["decoder.head.bias"]))[0]


def activation_weights(linear: NDArray[np.floating]) -> Array:
    """w = 0.5 + 0.5 tanh(v), then scaled so that the mean of each row is 1."""
    w = 0.5 + 0.5 * np.tanh(linear.astype(np.float64))
    return np.stack([row / row.mean() for row in w])


def automatic_gain(infrared: Array, visible: Array, w: Array, contrast: float = 1.0) -> float:
    """As much energy (variance over the picture) in the weighted sum of features (K, h, w) as in both together."""
    # 1 % of the brightness is as good as no contrast; the rest, so that two silent pictures have a gain, which is 1.
    apart = summed = 1e-12 + 1e-4 * sum(float(np.sum(x.mean((1, 2)) ** 2)) for x in (infrared, visible))
    for channel in range(infrared.shape[0]):
        apart += float(infrared[channel].var() + visible[channel].var())
        summed += float((w[0, channel] * infrared[channel] + w[1, channel] * visible[channel]).var())
    return float(np.clip(contrast * np.sqrt(apart / summed), 0.5, 1.5))


class Fused(NamedTuple):
    """Fused image (H, W), the mean activations (K,) of both sources, and the gain."""

    image: Array
    infrared: Array
    visible: Array
    gain: float


def fuse(
    weights: Weights,
    infrared: Array,
    visible: Array,
    gain: float | None = None,
    *,
    hold: float = 1.0,
    layers: Sequence[int] = (6,),
) -> Fused:
    """The whole network for one pair (H, W) in -1 to 1.

    Without a gain that of the pair is taken; with one, ``hold`` of it and the rest of the pair's. ``layers`` are the
    encoder layers that are fused.
    """
    encoded = [encode_layers(weights, np.pad(image, 2, mode="edge")) for image in (infrared, visible)]
    w = activation_weights(weights["classifier.linear.weight"])
    own = automatic_gain(encoded[0][5], encoded[1][5], w[:, w.shape[1] - encoded[0][5].shape[0] :], contrast=1.1)
    used = own if gain is None else hold * gain + (1 - hold) * own
    fused, start = {}, 0
    for number in layers:
        ir, vis = (outputs[number - 1] for outputs in encoded)
        fused[number] = np.zeros_like(ir)
        for channel in range(ir.shape[0]):
            factors = w[:, start + channel]
            fused[number][channel] = used * (factors[0] * ir[channel] + factors[1] * vis[channel])
        start += ir.shape[0]
    sizes = [(output.shape[1], output.shape[2]) for output in encoded[0]]
    activations = [np.concatenate([outputs[number - 1].mean(axis=(1, 2)) for number in layers]) for outputs in encoded]
    return Fused(decode(weights, fused, sizes[1], sizes[0]), *activations, used)


def shrink(x: Array, height: int, width: int) -> Array:
    """Means over the boxes that divide x (C, H, W) into height x width, each as wide as whole pixels need."""

    def ends(index: int, new: int, old: int) -> slice:
        return slice(index * old // new, -(-(index + 1) * old // new))

    return np.array(
        [
            [
                [
                    plane[ends(row, height, x.shape[1]), ends(column, width, x.shape[2])].mean()
                    for column in range(width)
                ]
                for row in range(height)
            ]
            for plane in x
        ]
    )


def classify(weights: Weights, features: Sequence[Array]) -> Array:
    """Scores (infrared, visible) of the features (K, h, w) of each fused layer, finest first."""
    *fine, deepest = features
    x = np.concatenate([*(shrink(layer, *deepest.shape[1:]) for layer in fine), deepest])
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
