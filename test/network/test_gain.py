"""The automatic gain: what it is for known pairs, what must not matter to it, and its limits."""

from __future__ import annotations

import math

import numpy as np
import plain_camf
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from camf_ros.network.constants import GAIN_RANGE
from camf_ros.network.gain import automatic_gain

ONES = torch.ones(2, 4)


def features(seed: int, count: int = 1, height: int = 16, width: int = 19) -> Tensor:
    """As after a ReLU: half of the values are 0."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, 4, height, width, generator=random).clamp_min(0)


def weights(seed: int) -> Tensor:
    """Rows of mean 1."""
    random = torch.rand(2, 4, generator=torch.Generator().manual_seed(seed)) + 0.1
    return random / random.mean(1, keepdim=True)


def one_gain(infrared: Tensor, visible: Tensor, factors: Tensor = ONES) -> float:
    return float(automatic_gain(infrared, visible, factors)[0])


@pytest.mark.parametrize("seed", range(6))
def test_gain_is_the_plain_one(seed: int) -> None:
    """Whether the sources go along, have nothing in common, or stand against each other."""
    infrared, visible, factors = features(seed, 3), features(seed + 50, 3), weights(seed)
    visible[0] += 2 * infrared[0]
    visible[2] += 2 * (infrared[2].max() - infrared[2])
    got = automatic_gain(infrared, visible, factors)
    assert (got.shape, got.dtype) == ((3,), torch.float32)
    for row in range(3):
        expected = plain_camf.automatic_gain(*(x.double().numpy() for x in (infrared[row], visible[row], factors)))
        assert float(got[row]) == pytest.approx(expected, rel=1e-4)
    assert got[0] < got[1] < got[2]


def test_energy_of_the_fused_features_is_that_of_both_sources() -> None:
    """What the rule is for, measured on what the fusion makes of it."""
    infrared, visible, factors = features(1, 1), features(2, 1) + features(1, 1), weights(3)
    summed = factors[0, :, None, None] * infrared + factors[1, :, None, None] * visible
    fused = one_gain(infrared, visible, factors) * summed
    both = sum(float(x.var((-2, -1), correction=0).sum()) for x in (infrared, visible))
    assert float(fused.var((-2, -1), correction=0).sum()) == pytest.approx(both, rel=1e-4)


def test_equal_pictures() -> None:
    """Their sum has four times the energy of one, and twice that of both."""
    assert one_gain(features(1), features(1)) == pytest.approx(math.sqrt(0.5), rel=1e-4)


def test_pictures_that_have_nothing_to_do_with_each_other() -> None:
    one, other = features(1, 1, 200, 200), features(2, 1, 200, 200)
    assert one_gain(one, other) == pytest.approx(1, abs=0.02)
    channels = (torch.arange(4) % 2)[:, None, None]
    assert one_gain(one * channels, other * (1 - channels)) == pytest.approx(1, rel=1e-5), "in channels of their own"


def test_pictures_that_stand_against_each_other_are_raised() -> None:
    """As a warm road under a bright sky: their sum is paler than either."""
    x = features(1)
    assert 1.2 < one_gain(x + features(2), x.max() - x + features(3)) < GAIN_RANGE[1]


def test_one_blank_picture_leaves_the_other_as_it_is() -> None:
    """Whatever the level of the blank one."""
    x = features(3)
    for level in (0.0, 0.3, 2.0):
        blank = torch.full_like(x, level)
        assert one_gain(x, blank) == pytest.approx(1, rel=1e-4)
        assert one_gain(blank, x) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("level", [0.0, 0.5, 3.0, 100.0])
def test_two_blank_pictures_have_a_gain(level: float) -> None:
    for other in (0.0, 0.7, level):
        gain = one_gain(torch.full((1, 4, 16, 19), level), torch.full((1, 4, 16, 19), other), weights(1))
        assert GAIN_RANGE[0] <= gain <= GAIN_RANGE[1], "not infinite, nor no number"
    assert one_gain(torch.zeros(1, 4, 16, 19), torch.zeros(1, 4, 16, 19), weights(1)) == 1


def test_picture_and_its_negative_have_a_gain() -> None:
    """Nothing is left of their sum, and no gain could bring it back."""
    x = features(4)
    assert one_gain(x, x.max() - x) == GAIN_RANGE[1]


def test_least_gain() -> None:
    """Where all weight is on channels that carry all there is."""
    x = features(5) * torch.tensor([1.0, 0, 0, 0])[:, None, None]
    assert one_gain(x, x, torch.tensor([[4.0, 0, 0, 0]] * 2)) == GAIN_RANGE[0]


@given(seed=st.integers(0, 10**6))
def test_which_source_is_called_infrared_does_not_matter(seed: int) -> None:
    one, other = features(seed), features(seed + 1)
    factors = weights(seed)
    assert one_gain(one, other, factors) == pytest.approx(one_gain(other, one, factors.flip(0)), rel=1e-5)
    assert one_gain(one, other) == pytest.approx(one_gain(other, one), rel=1e-5)


@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 1000))
def test_how_strong_both_are_does_not_matter(seed: int, scale: float) -> None:
    one, other, factors = features(seed), features(seed + 1), weights(seed)
    assert one_gain(scale * one, scale * other, factors) == pytest.approx(one_gain(one, other, factors), rel=1e-3)


@given(seed=st.integers(0, 10**6), level=st.floats(0, 3))
def test_brightness_does_not_matter(seed: int, level: float) -> None:
    one, other, factors = features(seed), features(seed + 1), weights(seed)
    assert one_gain(one + level, other, factors) == pytest.approx(one_gain(one, other, factors), rel=1e-3)


def test_each_pair_of_a_batch_has_its_own() -> None:
    infrared, visible, factors = features(5, 4), features(6, 4), weights(2)
    visible[1] = infrared[1]
    infrared[3] = 0
    together = automatic_gain(infrared, visible, factors)
    alone = [automatic_gain(infrared[row, None], visible[row, None], factors)[0] for row in range(4)]
    np.testing.assert_allclose(together.numpy(), torch.stack(alone).numpy(), rtol=1e-5)
    assert len(set(together.tolist())) == 4


def test_half_precision_features_are_summed_in_full() -> None:
    """A picture has a million features: bfloat16 would lose most of their sum."""
    one, other = (features(seed, 1, 300, 300).bfloat16() for seed in (1, 2))
    expected = plain_camf.automatic_gain(*(x.double().numpy() for x in (one[0], other[0] + one[0], ONES)))
    assert one_gain(one, other + one) == pytest.approx(expected, rel=1e-3)
