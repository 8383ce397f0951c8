"""Both networks written a second time, from their description and in plain float64 NumPy.

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


def layers(weights: Weights, part: str, x: Array, strides: Sequence[int], pads: Sequence[int]) -> Array:
    """3x3 convolutions with ReLU, one after another."""
    for index, (stride, pad) in enumerate(zip(strides, pads, strict=True)):
        name = f"{part}.layers.{index}"
        x = relu(convolve(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride, pad))
    return x


def encode(weights: Weights, image: Array) -> Array:
    """Features (K, h, w) of the paper's encoder for one picture (H, W), grey levels 0 to 255."""
    return layers(weights, "encoder", image[None] / 127.5 - 1, ENCODER_STRIDES, [1] * 6)


def decode(weights: Weights, features: Array, height: int, width: int) -> Array:
    """Picture of features; ``height`` and ``width`` are of the padded picture that the encoder was given."""

    def layer(x: Array, index: int, pad: int) -> Array:
        name = f"decoder.layers.{index}"
        return relu(convolve(x, weights[f"{name}.weight"], weights[f"{name}.bias"], pad=pad))

    x = layer(layer(features, 0, 1), 1, 1)
    x = layer(resize(x, (height + 1) // 2, (width + 1) // 2), 2, 1)
    x = layer(layer(resize(x, height, width), 3, 0), 4, 0)
    return (np.tanh(convolve(x, weights["decoder.head.weight"], weights["decoder.head.bias"]))[0] + 1) * 127.5


def activation_weights(linear: NDArray[np.floating]) -> Array:
    """w = 0.5 + 0.5 tanh(v), then scaled so that the mean of each row is 1."""
    w = 0.5 + 0.5 * np.tanh(linear.astype(np.float64))
    return np.stack([row / row.mean() for row in w])


def automatic_gain(infrared: Array, visible: Array, w: Array, contrast: float = 1.1) -> float:
    """As much energy (variance over the picture) in the weighted sum of features (K, h, w) as in both together."""
    # Times 1.1, for the contrast that the decoder loses. 1 % of the brightness is as good as no contrast; the rest, so
    # that two silent pictures have a gain, which is 1.
    apart = summed = 1e-12 + 1e-4 * sum(float(np.sum(x.mean((1, 2)) ** 2)) for x in (infrared, visible))
    for channel in range(infrared.shape[0]):
        apart += float(infrared[channel].var() + visible[channel].var())
        summed += float((w[0, channel] * infrared[channel] + w[1, channel] * visible[channel]).var())
    return float(np.clip(contrast * np.sqrt(apart / summed), 0.5, 1.5))


class Fused(NamedTuple):
    """Fused picture (H, W), the mean activations (K,) of both sources, and the gain."""

    image: Array
    infrared: Array
    visible: Array
    gain: float


def fuse_paper(
    weights: Weights, infrared: Array, visible: Array, gain: float | None = None, *, hold: float = 1.0
) -> Fused:
    """The paper's network for one pair (H, W), grey levels 0 to 255.

    Without a gain that of the pair is taken; with one, ``hold`` of it and the rest of the pair's.
    """
    pair = [np.pad(image, 2, mode="edge") for image in (infrared, visible)]
    ir, vis = (encode(weights, image) for image in pair)
    w = activation_weights(weights["classifier.linear.weight"])
    own = automatic_gain(ir, vis, w)
    used = own if gain is None else hold * gain + (1 - hold) * own
    summed = used * (w[0, :, None, None] * ir + w[1, :, None, None] * vis)
    return Fused(decode(weights, summed, *pair[0].shape), ir.mean(axis=(1, 2)), vis.mean(axis=(1, 2)), used)


def rearrange(picture: Array) -> Array:
    """2 x 2 pixels (H, W) as four channels: row by row within each square."""
    return np.stack([picture[row::2, column::2] for row in (0, 1) for column in (0, 1)])


def encode_scales(weights: Weights, image: Array) -> list[Array]:
    """Features of the blending network at 1/2, 1/4, 1/8, ... for one picture (H, W), grey levels 0 to 255."""
    x, features = rearrange(image / 127.5 - 1), []
    while f"encoder.layers.{len(features)}.weight" in weights:
        weight, bias = (weights[f"encoder.layers.{len(features)}.{kind}"] for kind in ("weight", "bias"))
        x = relu(convolve(x, weight, bias, 2 if features else 1, 1))
        features.append(x)
    return features


def amounts_of_one(weights: Weights, own: Sequence[Array], other: Sequence[Array], limit: float) -> list[Array]:
    """Amounts (h, w) of a camera for each level, from weighted features of both."""
    said = []
    for scale in range(len(own)):
        x = np.concatenate([own[scale], other[scale]])
        if f"heads.hidden.{scale}.weight" in weights:
            x = relu(convolve(x, weights[f"heads.hidden.{scale}.weight"], weights[f"heads.hidden.{scale}.bias"], pad=1))
        said.append(convolve(x, weights[f"heads.outputs.{scale}.weight"], weights[f"heads.outputs.{scale}.bias"]))
    logits = []
    for level in range(len(said[-1])):
        # The finest head that speaks of this level, and all coarser ones, enlarged from scale to scale.
        total = said[-1][level]
        if level > len(own):  # smaller than the last scale
            by = 2 ** (level - len(own))
            total = shrink(total[None], total.shape[0] // by, total.shape[1] // by)[0]
        for x in reversed(said[max(level, 1) - 1 : -1]):
            total = x[level] + enlarge(total[None])[0]
        logits.append(total)
    return [limit / (1 + np.exp(-x)) for x in logits]


def enlarge(x: Array) -> Array:
    """Twice the size, x (C, h, w)."""
    return resize(x, 2 * x.shape[1], 2 * x.shape[2])


class Blended(NamedTuple):
    """Parts (H, W) of the picture before it is clipped, amounts (2, h, w) of each level, and mean activations (K,)."""

    parts: tuple[Array, Array]
    amounts: list[Array]
    infrared: Array
    visible: Array


def blend(infrared: Array, visible: Array, amounts: Sequence[NDArray[np.floating]]) -> tuple[Array, Array]:
    """Parts of two pictures (H, W) whose Laplacian pyramids are multiplied with amounts (2, h, w)."""
    parts = []
    for camera, picture in enumerate((infrared, visible)):
        gaussian = [picture.astype(np.float64)[None]]
        for _ in amounts[1:]:
            gaussian.append(shrink(gaussian[-1], gaussian[-1].shape[1] // 2, gaussian[-1].shape[2] // 2))
        result = gaussian[-1] * amounts[-1][camera]
        for level in reversed(range(len(amounts) - 1)):
            detail = gaussian[level] - enlarge(gaussian[level + 1])
            amount = amounts[level][camera : camera + 1].astype(np.float64)
            result = enlarge(result) + detail * (enlarge(amount) if level == 0 else amount)
        parts.append(result[0])
    return parts[0], parts[1]


def fuse_blend(weights: Weights, infrared: Array, visible: Array, *, limit: float = 1.5) -> Blended:
    """The blending network for one pair (H, W), grey levels 0 to 255; sides fit the pyramid."""
    w = activation_weights(weights["classifier.linear.weight"])
    scales = [encode_scales(weights, image) for image in (infrared, visible)]
    weighted, means = [], []
    for camera in range(2):
        start, each = 0, []
        for features in scales[camera]:
            each.append(w[camera, start : start + len(features), None, None] * features)
            start += len(features)
        weighted.append(each)
        # Places 16 pixels apart: every 8th at half size, and so on; all places where there are no more.
        steps = [max(1, 8 >> scale) for scale in range(len(scales[camera]))]
        grids = [features[:, ::step, ::step] for step, features in zip(steps, scales[camera], strict=True)]
        means.append(np.concatenate([grid.mean(axis=(1, 2)) for grid in grids]))
    one = amounts_of_one(weights, weighted[0], weighted[1], limit)
    other = amounts_of_one(weights, weighted[1], weighted[0], limit)
    amounts = [np.stack(pair) for pair in zip(one, other, strict=True)]
    return Blended(blend(infrared, visible, amounts), amounts, means[0], means[1])


def shrink(x: Array, height: int, width: int) -> Array:
    """Means over the equal boxes that divide x (C, H, W) into height x width."""
    return x.reshape(x.shape[0], height, x.shape[1] // height, width, x.shape[2] // width).mean(axis=(2, 4))


def classify(weights: Weights, features: Sequence[Array]) -> Array:
    """Scores (infrared, visible) of the features (K, h, w) of each scale, finest first."""
    height, width = features[:3][-1].shape[1:]  # 1/8 of the picture, or the coarsest there is
    sized = []
    for layer in features:
        if layer.shape[1] >= height:
            sized.append(shrink(layer, height, width))
        else:
            by = height // layer.shape[1]
            sized.append(np.kron(layer, np.ones((1, by, by))))
    x = np.concatenate(sized)
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
