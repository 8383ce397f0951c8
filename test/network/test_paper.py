"""The paper's network against its second, plain version; its layer table; its gain."""

from __future__ import annotations

import math

import numpy as np
import plain_camf
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_model import make_small_paper
from torch import Tensor, nn

from camf_ros.errors import ImageError
from camf_ros.network.inference import PaperInference, PaperInspection
from camf_ros.network.paper import PaperNetwork, automatic_gain

SIZES = [(1, 1), (1, 7), (2, 3), (4, 4), (5, 9), (13, 11), (16, 12)]
#: What the gain of a pair is multiplied with, and its limits.
CONTRAST, LEAST, GREATEST = 1.1, 0.5, 1.5


def pair(height: int, width: int, count: int = 1) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(height * 1000 + width)
    infrared, visible = torch.randint(0, 256, (2, count, 1, height, width), generator=random).double()
    return infrared, visible


def plain_weights(network: nn.Module) -> dict[str, NDArray[np.float64]]:
    return {name: value.double().numpy() for name, value in network.state_dict().items()}


def compare(height: int, width: int, gain: float | None, hold: float | None) -> None:
    """Every row of a batch of two against the plain network, in float64."""
    network = make_small_paper()
    weights = plain_weights(network)
    infrared, visible = pair(height, width, count=2)
    given = [None if value is None else torch.full((2,), value, dtype=torch.float64) for value in (gain, hold)]
    output = network.double()(infrared, visible, network.class_activation_weights(), *given)
    assert output.fused.shape == infrared.shape
    # The automatic gain is float32, whatever the network computes in.
    exact = gain is not None and hold is None
    for row in range(2):
        pictures = infrared[row, 0].numpy(), visible[row, 0].numpy()
        plain = plain_camf.fuse_paper(weights, *pictures, gain, hold=1.0 if hold is None else hold)
        np.testing.assert_allclose(output.fused[row, 0].numpy(), plain.image, atol=1e-9 if exact else 1e-3)
        assert float(output.gain[row]) == pytest.approx(plain.gain, rel=1e-9 if exact else 1e-5)
        np.testing.assert_allclose(output.infrared[row].mean((-2, -1)).numpy(), plain.infrared, atol=1e-9)
        np.testing.assert_allclose(output.visible[row].mean((-2, -1)).numpy(), plain.visible, atol=1e-9)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_forward_pass_is_the_plain_one(height: int, width: int) -> None:
    compare(height, width, None, None)


@pytest.mark.parametrize(("gain", "hold"), [(0.7, None), (1.6, None), (0.7, 0.0), (0.7, 0.25), (0.7, 1.0)])
def test_gain_that_is_given_or_followed_slowly(gain: float, hold: float | None) -> None:
    compare(13, 11, gain, hold)


def test_what_runs_is_the_network() -> None:
    network = make_small_paper()
    infrared, visible = (each.to(torch.uint8) for each in pair(61, 55))
    gain, hold = torch.tensor([0.9]), torch.tensor([0.5])
    fused, activation, used = PaperInference(network)(infrared, visible, gain, hold)
    output = network(infrared.float(), visible.float(), network.class_activation_weights(), gain, hold)
    assert fused.dtype == torch.uint8
    assert float((fused.float() - output.fused).abs().max()) <= 0.5001
    assert torch.equal(used, output.gain)
    torch.testing.assert_close(activation[1], output.visible[0].mean((-2, -1)))
    (logits,) = PaperInspection(network)(infrared, visible)
    weights = plain_weights(network)
    expected = plain_camf.classify(weights, [plain_camf.encode(weights, visible[0, 0].double().numpy())])
    np.testing.assert_allclose(logits[1].numpy(), expected, rtol=1e-4, atol=1e-4)


def test_layer_table_of_the_paper() -> None:
    network = PaperNetwork()

    def count(module: nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    assert count(network.encoder) == 9 * (16 + 16 * 32 + 32 * 64 + 64 * 128 + 2 * 128 * 128) + 16 + 32 + 64 + 3 * 128
    assert count(network.encoder) + count(network.decoder) == 789_025
    assert count(network.classifier) == 4 * 4 * (9 + 1) * 128 + 128 * 2 + 2
    with torch.no_grad():
        features = network.encoder(torch.zeros(2, 1, 37, 51))
        assert features.shape == (2, 128, 10, 13)
        assert network.decoder(features, (37, 51)).shape == (2, 1, 33, 47)


def test_reconstruction_is_fusion_with_one_picture() -> None:
    """Weights 1 for one camera and 0 for the other."""
    network = make_small_paper()
    picture = pair(20, 23)[0].float()
    alone = torch.tensor([[1.0] * 5, [0.0] * 5])
    fused = network(picture, picture, alone, torch.ones(1)).fused
    torch.testing.assert_close(network.reconstruct(picture), fused, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("infrared", "visible"), [((1, 1, 4, 4), (1, 1, 4, 5)), ((4, 4), (4, 4)), ((1, 3, 4, 4), (1, 3, 4, 4))]
)
def test_shapes_that_make_no_pair(infrared: tuple[int, ...], visible: tuple[int, ...]) -> None:
    network = make_small_paper()
    with pytest.raises(ImageError, match="resize or register"):
        network(torch.zeros(infrared), torch.zeros(visible), network.class_activation_weights())


# The automatic gain.

ONES = torch.ones(2, 4)


def features(seed: int, count: int = 1, height: int = 16, width: int = 19) -> Tensor:
    """As after a ReLU: half of the values are 0."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, 4, height, width, generator=random).clamp_min(0)


def weights_of(seed: int) -> Tensor:
    """Rows of mean 1."""
    random = torch.rand(2, 4, generator=torch.Generator().manual_seed(seed)) + 0.1
    return random / random.mean(1, keepdim=True)


def one_gain(infrared: Tensor, visible: Tensor, factors: Tensor = ONES) -> float:
    return float(automatic_gain(infrared, visible, factors)[0])


@pytest.mark.parametrize("seed", range(3))
def test_gain_is_the_plain_one(seed: int) -> None:
    """Whether the sources go along, have nothing in common, or stand against each other."""
    infrared, visible, factors = features(seed, 3), features(seed + 50, 3), weights_of(seed)
    visible[0] += 2 * infrared[0]
    visible[2] += 2 * (infrared[2].max() - infrared[2])
    got = automatic_gain(infrared, visible, factors)
    assert (got.shape, got.dtype) == ((3,), torch.float32)
    for row in range(3):
        expected = plain_camf.automatic_gain(*(x.double().numpy() for x in (infrared[row], visible[row], factors)))
        assert float(got[row]) == pytest.approx(expected, rel=1e-4)
    assert got[0] < got[1] < got[2]


def test_gain_of_known_pairs() -> None:
    """The sum of equal pictures has twice the energy of both; unrelated and blank pictures leave it as it is."""
    x, other = features(1, 1, 100, 100), features(2, 1, 100, 100)
    assert one_gain(x, x) == pytest.approx(CONTRAST * math.sqrt(0.5), rel=1e-4)
    assert one_gain(x, other) == pytest.approx(CONTRAST, abs=0.05)
    for level in (0.0, 0.3, 2.0):
        assert one_gain(x, torch.full_like(x, level)) == pytest.approx(CONTRAST, rel=1e-3)
    assert one_gain(x, x.max() - x) == GREATEST, "nothing is left of a picture and its negative"
    silent = features(5) * torch.tensor([1.0, 0, 0, 0])[:, None, None]
    assert one_gain(silent, silent, torch.tensor([[4.0, 0, 0, 0]] * 2)) == LEAST
    for level in (0.0, 0.5, 100.0):
        blank = torch.full((1, 4, 16, 19), level)
        assert LEAST <= one_gain(blank, blank, weights_of(1)) <= GREATEST, "not infinite, nor no number"


@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 1000), level=st.floats(0, 3))
def test_what_does_not_matter_to_the_gain(seed: int, scale: float, level: float) -> None:
    """Which source is called infrared, how strong both are, and how bright."""
    one, other, factors = features(seed), features(seed + 1), weights_of(seed)
    gain = one_gain(one, other, factors)
    assert one_gain(other, one, factors.flip(0)) == pytest.approx(gain, rel=1e-5)
    assert one_gain(scale * one, scale * other, factors) == pytest.approx(gain, rel=1e-3)
    assert one_gain(one + level, other, factors) == pytest.approx(gain, rel=1e-3)


def test_half_precision_features_are_summed_in_full() -> None:
    """A picture has a million features: bfloat16 would lose most of their sum."""
    one, other = (features(seed, 1, 200, 200).bfloat16() for seed in (1, 2))
    expected = plain_camf.automatic_gain(*(x.double().numpy() for x in (one[0], other[0] + one[0], ONES)))
    assert one_gain(one, other + one) == pytest.approx(expected, rel=1e-3)
