"""Encoder, classifier and decoder in numpy against the network in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_model import make_small_network
from torch.nn import functional as F

from camf_ros.errors import ImageError
from camf_ros.models import find_model, shipped_models
from camf_ros.network import CamfNetwork, load_checkpoint
from camf_ros.network.classifier import MIN_FEATURE_SIZE
from camf_ros.network.numpy_decoder import NumpyDecoder
from camf_ros.network.numpy_layers import enlarged
from camf_ros.network.numpy_network import (
    MAP_FIRST,
    MAP_REACH,
    MAP_STEP,
    SMALLEST_SIDE,
    STEP,
    NumpyNetwork,
    joined,
)

FUSED = [(6,), (1, 6), (2, 6), (1, 2, 6)]


def numpy_of(network: CamfNetwork) -> NumpyNetwork:
    return NumpyNetwork(network.architecture, {name: value.numpy() for name, value in network.state_dict().items()})


def picture(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width)).astype(np.uint8)


def torch_features(network: CamfNetwork, grey: NDArray[np.uint8], border: int) -> tuple[torch.Tensor, ...]:
    x = (torch.from_numpy(grey).float()[None, None] - 127.5) / 127.5
    return network.encoder(F.pad(x, (border,) * 4, mode="replicate"))


@pytest.mark.parametrize("border", [0, 2])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (5, 9), (17, 22), (49, 50), (64, 52), (201, 67)])
@pytest.mark.parametrize("fused", FUSED)
def test_features_are_the_networks(fused, size, border):
    network = make_small_network(fused=fused)
    expected = torch_features(network, picture(*size), border)
    features = numpy_of(network).encode(picture(*size), border)
    assert [x.shape for x in features] == [tuple(x.shape[1:]) for x in expected]
    for one, other in zip(features, expected, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other[0].numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(49, 49), (52, 64), (101, 77), (128, 96)])
@pytest.mark.parametrize("fused", FUSED)
def test_classification_is_the_networks(fused, size):
    network = make_small_network(fused=fused)
    numpy_network = numpy_of(network)
    expected = network.classifier(torch_features(network, picture(*size), 0))[0].numpy()
    classified = numpy_network.classify(numpy_network.encode(picture(*size), 0))
    np.testing.assert_allclose(classified.logits, expected, rtol=0, atol=1e-4)
    means = classified.maps.mean(axis=(1, 2))
    np.testing.assert_allclose(numpy_network.linear @ means + numpy_network.linear_bias, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", shipped_models())
def test_shipped_models(name):
    network = load_checkpoint(find_model(name)).network
    numpy_network, grey = numpy_of(network), picture(90, 121)
    expected = torch_features(network, grey, 2)
    features = numpy_network.encode(grey)
    for one, other in zip(features, expected, strict=True):
        np.testing.assert_allclose(one, other[0].numpy(), rtol=0, atol=1e-4)
    logits = network.classifier(expected)[0].numpy()
    np.testing.assert_allclose(numpy_network.classify(features).logits, logits, rtol=0, atol=1e-4)


def reconstructed(network: CamfNetwork, grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.no_grad():
        x = network.reconstruct((torch.from_numpy(grey).float()[None, None] - 127.5) / 127.5)
    return x[0, 0].numpy() * 127.5 + 127.5


def decoder_of(network: CamfNetwork) -> NumpyDecoder:
    return NumpyDecoder(network.architecture, {name: value.numpy() for name, value in network.state_dict().items()})


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (5, 9), (17, 22), (64, 52), (201, 67)])
@pytest.mark.parametrize("fused", FUSED)
def test_decoded_is_the_networks(fused, size):
    network = make_small_network(fused=fused)
    decoded = decoder_of(network).decode(numpy_of(network).encode(picture(*size)), (size[0] + 4, size[1] + 4))
    np.testing.assert_allclose(decoded, reconstructed(network, picture(*size)), rtol=0, atol=0.51)


@pytest.mark.parametrize("name", shipped_models())
def test_decoders_of_shipped_models(name):
    network, grey = load_checkpoint(find_model(name)).network, picture(90, 121)
    decoded = decoder_of(network).decode(numpy_of(network).encode(grey), (94, 125))
    np.testing.assert_allclose(decoded, reconstructed(network, grey), rtol=0, atol=0.55)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (2, 9), (7, 7), (8, 3)])
@pytest.mark.parametrize("size", [(1, 1), (3, 10), (16, 7)])
def test_enlargement_is_the_networks(height, width, size):
    x = np.random.default_rng(1).normal(size=(3, height, width)).astype(np.float32)
    expected = F.interpolate(torch.from_numpy(x)[None], size=size, mode="bilinear", align_corners=False)[0].numpy()
    np.testing.assert_allclose(enlarged(x, *size), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(13, 14), (20, 13), (7, 5)])
def test_joining_is_adaptive_pooling(height, width):
    rng = np.random.default_rng(5)
    fine = rng.random((3, 2 * height - 1, 4 * width - 3), np.float32)
    coarse = rng.random((4, height, width), np.float32)
    pooled = F.adaptive_avg_pool2d(torch.from_numpy(fine), (height, width)).numpy()
    np.testing.assert_allclose(joined([fine, coarse]), np.concatenate([pooled, coarse]), rtol=0, atol=1e-6)


def test_places_of_the_maps_are_where_they_say():
    network = numpy_of(make_small_network())
    rng = np.random.default_rng(3)
    plain = rng.random((5, 29, 37), np.float32)
    maps = network.classify([plain]).maps
    for row in range(plain.shape[1]):
        changed = plain.copy()
        changed[:, row] += 5
        seen = np.flatnonzero(np.abs(network.classify([changed]).maps - maps).max(axis=(0, 2)) > 1e-3)
        middles = MAP_FIRST + MAP_STEP * np.arange(maps.shape[1])
        expected = np.flatnonzero(np.abs(middles - row) <= MAP_REACH // 2)
        assert set(seen) <= set(expected)
        # What lies at the very middle is seen.
        assert set(np.flatnonzero(middles == row)) <= set(seen)


def test_constants_fit_the_network():
    assert MAP_REACH == MIN_FEATURE_SIZE
    network = make_small_network()
    assert torch_features(network, picture(SMALLEST_SIDE, SMALLEST_SIDE), 0)[-1].shape[-2:] == (MAP_REACH, MAP_REACH)
    assert torch_features(network, picture(STEP * 9, STEP * 8), 0)[-1].shape[-2:] == (9, 8)


def test_too_small_for_the_classifier():
    network = numpy_of(make_small_network())
    with pytest.raises(ImageError, match=f"at least {SMALLEST_SIDE} pixels"):
        network.classify(network.encode(picture(SMALLEST_SIDE - 1, 90), 0))


@pytest.mark.parametrize("shape", [(0, 5), (4, 5, 3), (5,)])
def test_no_picture(shape):
    with pytest.raises(ImageError, match="has shape"):
        numpy_of(make_small_network()).encode(np.zeros(shape, np.uint8))


def test_arguments_are_not_written():
    network, grey = numpy_of(make_small_network(fused=(1, 2, 6))), picture(60, 64)
    before = grey.copy()
    features = network.encode(grey)
    copies = [x.copy() for x in features]
    network.classify(features)
    assert (grey == before).all()
    assert all((one == other).all() for one, other in zip(features, copies, strict=True))
