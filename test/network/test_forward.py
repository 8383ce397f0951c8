"""The whole network against its second, plain version, and what must hold for any size and batch."""

from __future__ import annotations

import numpy as np
import plain_camf
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from camf_ros.errors import ImageError, ParameterError
from camf_ros.network import CamfNetwork
from camf_ros.network.decoder import half_size

SIZES = [(1, 1), (1, 7), (2, 3), (3, 2), (4, 4), (5, 9), (13, 11), (16, 12), (17, 22)]


def plain_weights(network: CamfNetwork) -> dict[str, NDArray[np.float64]]:
    return {name: value.double().numpy() for name, value in network.state_dict().items()}


def pair(height: int, width: int, count: int = 1, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(height * 1000 + width)
    infrared, visible = torch.rand(2, count, 1, height, width, generator=random, dtype=torch.float64) * 2 - 1
    return infrared.to(dtype), visible.to(dtype)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_forward_pass_is_the_plain_one(small_network: CamfNetwork, height: int, width: int) -> None:
    weights = plain_weights(small_network)
    network = small_network.double()
    infrared, visible = pair(height, width, count=2)
    output = network(infrared, visible, network.class_activation_weights(0.7))
    assert output.fused.shape == infrared.shape
    for index in range(2):
        fused, infrared_mean, visible_mean = plain_camf.fuse(
            weights, infrared[index, 0].numpy(), visible[index, 0].numpy(), 0.7
        )
        np.testing.assert_allclose(output.fused[index, 0].numpy(), fused, rtol=0, atol=1e-12)
        # The means are float32, whatever the network computes in.
        np.testing.assert_allclose(output.infrared_activation[index].numpy(), infrared_mean, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(output.visible_activation[index].numpy(), visible_mean, rtol=1e-6, atol=1e-7)


def test_the_comparison_has_something_to_compare(small_network: CamfNetwork) -> None:
    """The small network's picture has contrast, and neither source nor any channel is idle in it."""
    weights = plain_weights(small_network)
    infrared, visible = (image[0, 0].numpy() for image in pair(16, 12))
    fused, infrared_mean, visible_mean = plain_camf.fuse(weights, infrared, visible, 0.7)
    assert fused.std() > 0.05
    assert np.abs(fused).max() < 1
    assert (infrared_mean > 0).sum() >= 4
    assert (visible_mean > 0).sum() >= 4
    for changed in ((infrared + 0.1, visible), (infrared, visible + 0.1)):
        assert np.abs(plain_camf.fuse(weights, *changed, 0.7)[0] - fused).max() > 1e-3


@pytest.mark.parametrize(("height", "width"), [(13, 13), (14, 19), (16, 16), (21, 18)])
def test_classifier_is_the_plain_one(small_network: CamfNetwork, height: int, width: int) -> None:
    weights = plain_weights(small_network)
    features = torch.rand(2, 5, height, width, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    got = small_network.double().classifier(features)
    for index in range(2):
        expected = plain_camf.classify(weights, features[index].numpy())
        np.testing.assert_allclose(got[index].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("height", "width"), [*SIZES, (100, 37), (31, 97)])
def test_fused_picture_has_the_size_of_the_pair(small_network: CamfNetwork, height: int, width: int) -> None:
    infrared, visible = pair(height, width, dtype=torch.float32)
    output = small_network(infrared, visible, small_network.class_activation_weights(1.0))
    assert output.fused.shape == (1, 1, height, width)
    assert output.infrared_activation.shape == output.visible_activation.shape == (1, 5)
    assert bool((output.fused.abs() <= 1).all())
    assert bool((output.infrared_activation >= 0).all())
    assert bool((output.visible_activation >= 0).all())


def test_paper_architecture_runs() -> None:
    network = CamfNetwork().requires_grad_(False)
    infrared, visible = pair(23, 30, dtype=torch.float32)
    output = network(infrared, visible, network.class_activation_weights(0.7))
    assert output.fused.shape == (1, 1, 23, 30)
    assert output.visible_activation.shape == (1, 128)


def test_batch_equals_single_images(small_network: CamfNetwork) -> None:
    network = small_network.double()
    infrared, visible = pair(19, 26, count=3)
    weights = network.class_activation_weights(0.7)
    together = network(infrared, visible, weights)
    for index in range(3):
        alone = network(infrared[index : index + 1], visible[index : index + 1], weights)
        for one, all_of_them in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], all_of_them[index], rtol=1e-10, atol=1e-12)


def test_weights_say_which_source_counts(small_network: CamfNetwork) -> None:
    """With all weight on one source, the other one cannot be seen in the fused picture."""
    infrared, visible = pair(20, 24, dtype=torch.float32)
    only_visible = torch.stack((torch.zeros(5), torch.ones(5)))
    fused = small_network(infrared, visible, only_visible).fused
    assert torch.equal(fused, small_network(torch.zeros_like(infrared), visible, only_visible).fused)
    torch.testing.assert_close(fused, small_network.reconstruct(visible))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (6, 9), (15, 20)])
def test_reconstruction_is_decoder_after_encoder(small_network: CamfNetwork, height: int, width: int) -> None:
    image, _ = pair(height, width, count=2, dtype=torch.float32)
    padded = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge"))
    expected = small_network.decoder(small_network.encoder(padded), (height + 4, width + 4))
    assert torch.equal(small_network.reconstruct(image), expected)
    assert torch.equal(small_network.reconstruct_inner(padded), expected)


def test_reconstruction_is_the_plain_one(small_network: CamfNetwork) -> None:
    weights = plain_weights(small_network)
    image, _ = pair(11, 14)
    layers = plain_camf.encode_layers(weights, np.pad(image[0, 0].numpy(), 2, mode="edge"))
    first, second = ((layer.shape[1], layer.shape[2]) for layer in layers[:2])
    expected = plain_camf.decode(weights, layers[-1], second, first)
    np.testing.assert_allclose(small_network.double().reconstruct(image)[0, 0].numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", range(1, 20))
def test_size_after_a_stride_of_two(size: int) -> None:
    layer = torch.nn.Conv2d(1, 1, 3, stride=2, padding=1)
    assert half_size((size, size)) == tuple(layer(torch.zeros(1, 1, size, size)).shape[-2:])


@pytest.mark.parametrize(
    ("infrared", "visible", "message"),
    [
        ((4, 4), (4, 4), "infrared has shape"),
        ((1, 4, 4), (1, 4, 4), "infrared has shape"),
        ((1, 3, 4, 4), (1, 3, 4, 4), "infrared has shape"),
        ((0, 1, 4, 4), (0, 1, 4, 4), "infrared has shape"),
        ((1, 1, 0, 4), (1, 1, 0, 4), "infrared has shape"),
        ((1, 1, 4, 4), (1, 1, 4, 0), "visible has shape"),
        ((1, 1, 4, 4), (1, 1, 4, 5), "equal shapes; resize or register"),
        ((1, 1, 4, 4), (2, 1, 4, 4), "equal shapes; resize or register"),
    ],
)
def test_shapes_that_make_no_pair(
    small_network: CamfNetwork, infrared: tuple[int, ...], visible: tuple[int, ...], message: str
) -> None:
    weights = small_network.class_activation_weights(1.0)
    with pytest.raises(ImageError, match=message):
        small_network(torch.zeros(infrared), torch.zeros(visible), weights)


def test_shapes_that_cannot_be_reconstructed(small_network: CamfNetwork) -> None:
    for shape in ((4, 4), (1, 3, 4, 4), (1, 1, 4, 0)):
        with pytest.raises(ImageError, match="image has shape"):
            small_network.reconstruct(torch.zeros(shape))


def test_impossible_gain(small_network: CamfNetwork) -> None:
    with pytest.raises(ParameterError, match="gain is 0"):
        small_network.class_activation_weights(0.0)


def test_initialisation_has_the_variance_of_its_formula() -> None:
    network = CamfNetwork()
    weight = network.encoder.layers[3].weight  # 64 to 128 channels: enough values for a statistic
    assert float(weight.var()) == pytest.approx(2 / (64 * 9), rel=0.05), "He: 2 / fan in"
    network.initialise("glorot")
    assert float(weight.var()) == pytest.approx(2 / ((64 + 128) * 9), rel=0.05), "Glorot: 2 / (fan in + fan out)"
    assert float(weight.abs().max()) <= (6 / ((64 + 128) * 9)) ** 0.5, "uniform"
