"""The whole network against its second, plain version, and what must hold for any size and batch."""

from __future__ import annotations

import numpy as np
import plain_camf
import pytest
import torch
from numpy.typing import NDArray
from small_model import make_small_network
from torch import Tensor

from camf_ros.errors import ImageError
from camf_ros.network import CamfNetwork
from camf_ros.network.constants import CONTRAST
from camf_ros.network.decoder import half_size
from camf_ros.network.gain import automatic_gain

SIZES = [(1, 1), (1, 7), (2, 3), (3, 2), (4, 4), (5, 9), (13, 11), (16, 12), (17, 22)]
#: Everything that can be fused.
FUSED = [(6,), (1, 6), (2, 6), (1, 2, 6)]


def plain_weights(network: CamfNetwork) -> dict[str, NDArray[np.float64]]:
    return {name: value.double().numpy() for name, value in network.state_dict().items()}


def pair(height: int, width: int, count: int = 1, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(height * 1000 + width)
    infrared, visible = torch.rand(2, count, 1, height, width, generator=random, dtype=torch.float64) * 2 - 1
    return infrared.to(dtype), visible.to(dtype)


def compare(network: CamfNetwork, height: int, width: int, gain: float | None, hold: float | None) -> None:
    """Every row of a batch of two against the plain network, in float64."""
    weights = plain_weights(network)
    infrared, visible = pair(height, width, count=2)
    given = [None if value is None else torch.full((2,), value, dtype=torch.float64) for value in (gain, hold)]
    output = network.double()(infrared, visible, network.class_activation_weights(), *given)
    assert output.fused.shape == infrared.shape
    assert output.gain.shape == (2,)
    # The means are float32, whatever the network computes in, and so is the automatic gain, which is made of them.
    exact = gain is not None and hold is None
    for index in range(2):
        plain = plain_camf.fuse(
            weights,
            infrared[index, 0].numpy(),
            visible[index, 0].numpy(),
            gain,
            hold=1.0 if hold is None else hold,
            layers=network.architecture.fused,
        )
        np.testing.assert_allclose(output.fused[index, 0].numpy(), plain.image, rtol=0, atol=1e-12 if exact else 1e-5)
        np.testing.assert_allclose(output.gain[index].numpy(), plain.gain, rtol=1e-15 if exact else 1e-5)
        np.testing.assert_allclose(output.infrared_activation[index].numpy(), plain.infrared, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(output.visible_activation[index].numpy(), plain.visible, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_forward_pass_is_the_plain_one(fused: tuple[int, ...], height: int, width: int) -> None:
    """For any size, with the pair's own gain."""
    compare(make_small_network(fused=fused), height, width, None, None)


@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize(
    ("gain", "hold"), [(0.7, None), (1.6, None), (0.7, 0.0), (0.7, 0.25), (0.7, 1.0), (None, 0.25)]
)
def test_gain_that_is_given_or_followed_slowly(fused: tuple[int, ...], gain: float | None, hold: float | None) -> None:
    compare(make_small_network(fused=fused), 17, 22, gain, hold)


@pytest.mark.parametrize("fused", FUSED)
def test_the_comparison_has_something_to_compare(fused: tuple[int, ...]) -> None:
    """The small network's picture has contrast; no source, no fused layer and no gain is idle in it."""
    weights = plain_weights(make_small_network(fused=fused))
    infrared, visible = (image[0, 0].numpy() for image in pair(16, 12))
    plain = plain_camf.fuse(weights, infrared, visible, layers=fused)
    assert plain.image.std() > 0.05
    assert np.abs(plain.image).max() < 1
    assert abs(plain.gain - 0.7) > 0.01
    for mean in (plain.infrared, plain.visible):
        assert (mean[-5:] > 0).sum() >= 4
        start = 0
        for layer in fused[:-1]:
            assert (mean[start : start + layer + 1] > 0).any(), "layers 1 and 2 have 2 and 3 channels"
            start += layer + 1
    for changed in ((infrared + 0.1, visible), (infrared, visible + 0.1), (infrared, visible, 0.7)):
        assert np.abs(plain_camf.fuse(weights, *changed, layers=fused).image - plain.image).max() > 1e-3
    for start in range(len(plain.infrared) - 5):
        linear = weights["classifier.linear.weight"].copy()
        linear[:, start] += 1
        other = plain_camf.fuse({**weights, "classifier.linear.weight": linear}, infrared, visible, layers=fused)
        assert np.abs(other.image - plain.image).max() > 1e-4


@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize(("height", "width"), [(49, 49), (55, 76), (64, 64), (83, 70)])
def test_classifier_is_the_plain_one(fused: tuple[int, ...], height: int, width: int) -> None:
    """With features of the sizes that pictures of this size have, odd ones too."""
    network = make_small_network(fused=fused)
    weights = plain_weights(network)
    random = torch.Generator().manual_seed(5)
    sizes = {1: (height, width), 2: half_size((height, width)), 6: half_size(half_size((height, width)))}
    features = [
        torch.rand(2, channels, *sizes[layer], generator=random, dtype=torch.float64)
        for layer, channels in zip(fused, network.architecture.fused_channels, strict=True)
    ]
    got = network.double().classifier(features)
    for index in range(2):
        expected = plain_camf.classify(weights, [layer[index].numpy() for layer in features])
        np.testing.assert_allclose(got[index].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("fused", "channels"), [((6,), 5), ((1, 6), 7), ((2, 6), 8), ((1, 2, 6), 10)])
@pytest.mark.parametrize(("height", "width"), [*SIZES, (100, 37), (31, 97)])
def test_fused_picture_has_the_size_of_the_pair(fused: tuple[int, ...], channels: int, height: int, width: int) -> None:
    network = make_small_network(fused=fused)
    infrared, visible = pair(height, width, dtype=torch.float32)
    output = network(infrared, visible, network.class_activation_weights())
    assert output.fused.shape == (1, 1, height, width)
    assert output.infrared_activation.shape == output.visible_activation.shape == (1, channels)
    assert bool((output.fused.abs() <= 1).all())
    assert bool((output.infrared_activation >= 0).all())
    assert bool((output.visible_activation >= 0).all())
    assert bool((output.gain > 0).all())


def test_paper_architecture_runs() -> None:
    network = CamfNetwork().requires_grad_(False)
    infrared, visible = pair(23, 30, dtype=torch.float32)
    output = network(infrared, visible, network.class_activation_weights())
    assert output.fused.shape == (1, 1, 23, 30)
    assert output.visible_activation.shape == (1, 128)


@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize("gains", [(), ((0.5, 0.7, 1.2),), ((0.5, 0.7, 1.2), (0.0, 0.5, 1.0))])
def test_batch_equals_single_images(fused: tuple[int, ...], gains: tuple[tuple[float, ...], ...]) -> None:
    """Every pair has its own gain, found or given."""
    network = make_small_network(fused=fused).double()
    infrared, visible = pair(19, 26, count=3)
    weights = network.class_activation_weights()
    rows = [torch.tensor(values, dtype=torch.float64) for values in gains]
    together = network(infrared, visible, weights, *rows)
    for index in range(3):
        one_row = slice(index, index + 1)
        alone = network(infrared[one_row], visible[one_row], weights, *(values[one_row] for values in rows))
        for one, all_of_them in zip(alone, together, strict=True):
            # Where the gain is of single precision, sums in another order may differ in its last bit.
            close = {"rtol": 1e-10, "atol": 1e-12} if len(gains) == 1 else {"rtol": 1e-5, "atol": 1e-5}
            torch.testing.assert_close(one[0], all_of_them[index], **close)
    assert len(set(together.gain.tolist())) == 3


@pytest.mark.parametrize("fused", FUSED)
def test_weights_say_which_source_counts(fused: tuple[int, ...]) -> None:
    """With all weight on one source, the other one cannot be seen in the fused picture."""
    network = make_small_network(fused=fused)
    infrared, visible = pair(20, 24, dtype=torch.float32)
    channels, gain = network.architecture.channels, torch.ones(1)
    only_visible = torch.stack((torch.zeros(channels), torch.ones(channels)))
    picture = network(infrared, visible, only_visible, gain).fused
    assert torch.equal(picture, network(torch.zeros_like(infrared), visible, only_visible, gain).fused)
    torch.testing.assert_close(picture, network.reconstruct(visible))


@pytest.mark.parametrize("fused", FUSED)
def test_automatic_gain_is_that_of_the_deepest_features(fused: tuple[int, ...]) -> None:
    """And a given one goes into all layers alike, so the same gain by hand makes the same picture."""
    network = make_small_network(fused=fused)
    infrared, visible = (image.float() for image in pair(20, 24, count=2))
    weights = network.class_activation_weights()
    padded = torch.nn.functional.pad(torch.cat((infrared, visible)), (2, 2, 2, 2), mode="replicate")
    deepest = network.encoder(padded)[-1]
    output = network(infrared, visible, weights)
    assert torch.equal(output.gain, automatic_gain(deepest[:2], deepest[2:], weights[:, -5:], CONTRAST))
    assert torch.equal(output.fused, network(infrared, visible, weights, output.gain).fused)


def test_gradients_do_not_go_through_the_gain() -> None:
    """Else a training could turn up the picture by way of the rule."""
    network = make_small_network(fused=(1, 2, 6)).requires_grad_()
    infrared, visible = (image.float() for image in pair(20, 24))
    weights = network.class_activation_weights().detach()
    output = network(infrared, visible, weights)
    assert not output.gain.requires_grad
    found = torch.autograd.grad(output.fused.sum(), list(network.encoder.parameters()))
    constant = network(infrared, visible, weights, output.gain).fused.sum()
    for one, other in zip(found, torch.autograd.grad(constant, list(network.encoder.parameters())), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("fused", FUSED)
def test_encoded_pairs_can_be_fused_later(fused: tuple[int, ...]) -> None:
    """As in training, on crops: what the decoder's border takes is missing."""
    network = make_small_network(fused=fused)
    infrared, visible = (image.float() for image in pair(20, 24, count=2))
    padded = torch.nn.functional.pad(torch.cat((infrared, visible)), (2, 2, 2, 2), mode="replicate")
    weights = network.class_activation_weights()
    features = network.encoder(padded)
    later = network.fuse_encoded(features, (24, 28), weights, network.own_gain(features, weights, CONTRAST))
    assert torch.equal(later, network(infrared, visible, weights).fused)


@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (6, 9), (15, 20)])
def test_reconstruction_is_decoder_after_encoder(fused: tuple[int, ...], height: int, width: int) -> None:
    network = make_small_network(fused=fused)
    image, _ = pair(height, width, count=2, dtype=torch.float32)
    padded = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge"))
    expected = network.decoder(network.encoder(padded), (height + 4, width + 4))
    assert torch.equal(network.reconstruct(image), expected)


@pytest.mark.parametrize("fused", FUSED)
def test_reconstruction_is_the_plain_one(fused: tuple[int, ...]) -> None:
    network = make_small_network(fused=fused)
    weights = plain_weights(network)
    image, _ = pair(11, 14)
    layers = plain_camf.encode_layers(weights, np.pad(image[0, 0].numpy(), 2, mode="edge"))
    first, second = ((layer.shape[1], layer.shape[2]) for layer in layers[:2])
    expected = plain_camf.decode(weights, {number: layers[number - 1] for number in fused}, second, first)
    np.testing.assert_allclose(network.double().reconstruct(image)[0, 0].numpy(), expected, rtol=0, atol=1e-12)


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
    weights = small_network.class_activation_weights()
    with pytest.raises(ImageError, match=message):
        small_network(torch.zeros(infrared), torch.zeros(visible), weights)


def test_shapes_that_cannot_be_reconstructed(small_network: CamfNetwork) -> None:
    for shape in ((4, 4), (1, 3, 4, 4), (1, 1, 4, 0)):
        with pytest.raises(ImageError, match="image has shape"):
            small_network.reconstruct(torch.zeros(shape))


def test_initialisation_has_the_variance_of_its_formula() -> None:
    network = CamfNetwork()
    weight = network.encoder.layers[3].weight.detach()  # 64 to 128 channels: enough values for a statistic
    assert float(weight.var()) == pytest.approx(2 / (64 * 9), rel=0.05), "He: 2 / fan in"
    network.initialise("glorot")
    assert float(weight.var()) == pytest.approx(2 / ((64 + 128) * 9), rel=0.05), "Glorot: 2 / (fan in + fan out)"
    assert float(weight.abs().max()) <= (6 / ((64 + 128) * 9)) ** 0.5, "uniform"
