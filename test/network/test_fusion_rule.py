"""The class activation fusion rule against the formula."""

from __future__ import annotations

import numpy as np
import plain_camf
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from camf_ros.errors import ParameterError
from camf_ros.network import class_activation_weights, fuse_features


@given(
    values=st.lists(st.tuples(*[st.floats(-7, 7, width=32)] * 2), min_size=1, max_size=40),
    gain=st.floats(0.01, 4.0),
)
def test_weights_are_the_formula(values: list[tuple[float, float]], gain: float) -> None:
    linear = np.array(values, np.float64).T
    got = class_activation_weights(torch.tensor(linear), gain).numpy()
    np.testing.assert_allclose(got, plain_camf.activation_weights(linear, gain), rtol=1e-9)


@given(
    values=st.lists(st.tuples(*[st.floats(-30, 30, width=32)] * 2), min_size=1, max_size=40),
    gain=st.floats(0.01, 4.0),
)
def test_mean_is_the_gain_whatever_the_classifier_learned(values: list[tuple[float, float]], gain: float) -> None:
    """In the arithmetic of the product; rows that are negative throughout must not end in 0 / 0."""
    got = class_activation_weights(torch.tensor(values, dtype=torch.float32).T, gain)
    assert bool((got >= 0).all())
    np.testing.assert_allclose(got.double().mean(1).numpy(), gain, rtol=1e-5)


@pytest.mark.parametrize("gain", [0.0, -1.0, float("nan"), float("inf"), -float("inf")])
def test_impossible_gain(gain: float) -> None:
    with pytest.raises(ParameterError, match=r"gain is .*expected a number above 0"):
        class_activation_weights(torch.zeros(2, 3), gain)


def test_weighted_sum() -> None:
    rng = np.random.default_rng(1)
    infrared, visible = rng.random((2, 3, 4, 5, 6))
    weights = rng.random((2, 4))
    got = fuse_features(torch.tensor(infrared), torch.tensor(visible), torch.tensor(weights)).numpy()
    for image in range(3):
        for channel in range(4):
            expected = weights[0, channel] * infrared[image, channel] + weights[1, channel] * visible[image, channel]
            np.testing.assert_allclose(got[image, channel], expected, rtol=1e-12)
