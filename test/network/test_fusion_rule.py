"""The class activation fusion rule against the formula."""

from __future__ import annotations

import numpy as np
import plain_camf
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from camf_ros.network import class_activation_weights, fuse_features


@given(values=st.lists(st.tuples(*[st.floats(-7, 7, width=32)] * 2), min_size=1, max_size=40))
def test_weights_are_the_formula(values: list[tuple[float, float]]) -> None:
    linear = np.array(values, np.float64).T
    got = class_activation_weights(torch.tensor(linear)).numpy()
    np.testing.assert_allclose(got, plain_camf.activation_weights(linear), rtol=1e-9)


@given(values=st.lists(st.tuples(*[st.floats(-30, 30, width=32)] * 2), min_size=1, max_size=40))
def test_mean_is_1_whatever_the_classifier_learned(values: list[tuple[float, float]]) -> None:
    """In the arithmetic of the product; rows that are negative throughout must not end in 0 / 0."""
    got = class_activation_weights(torch.tensor(values, dtype=torch.float32).T)
    assert bool((got >= 0).all())
    np.testing.assert_allclose(got.double().mean(1).numpy(), 1, rtol=1e-5)


@pytest.mark.parametrize("channels", [(4,), (2, 4), (3, 1, 4)])
def test_weighted_sum_of_each_layer(channels: tuple[int, ...]) -> None:
    """Row k of the weights belongs to the k-th channel of all layers, one after the other."""
    rng = np.random.default_rng(1)
    infrared, visible = (
        [rng.random((3, count, 5 * 2**finer, 6 * 2**finer)) for finer, count in enumerate(reversed(channels))][::-1]
        for _ in range(2)
    )
    weights, gain = rng.random((2, sum(channels))), np.array([0.5, 1.0, 1.7])
    got = fuse_features(
        [torch.tensor(layer) for layer in infrared],
        [torch.tensor(layer) for layer in visible],
        torch.tensor(weights),
        torch.tensor(gain),
    )
    assert len(got) == len(channels)
    number = 0
    for ir, vis, fused in zip(infrared, visible, got, strict=True):
        assert fused.shape == ir.shape
        for channel in range(ir.shape[1]):
            for row in range(3):
                expected = weights[0, number] * ir[row, channel] + weights[1, number] * vis[row, channel]
                np.testing.assert_allclose(fused[row, channel].numpy(), gain[row] * expected, rtol=1e-12)
            number += 1


def test_features_keep_their_precision() -> None:
    """Factors of single precision must not turn half precision features into something slower."""
    features = [torch.ones(1, 2, 3, 3, dtype=torch.bfloat16)]
    assert fuse_features(features, features, torch.ones(2, 2), torch.ones(1))[0].dtype == torch.bfloat16
