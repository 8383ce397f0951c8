"""The auxiliary classifier, and the class activation weights that are read off it."""

from __future__ import annotations

import numpy as np
import plain_camf
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from camf_ros.errors import ImageError
from camf_ros.network.classifier import MIN_FEATURE_SIZE, AuxiliaryClassifier, class_activation_weights


def test_every_stage_is_depthwise_with_four_branches() -> None:
    convolutions = [module for module in AuxiliaryClassifier(6).modules() if isinstance(module, nn.Conv2d)]
    assert [layer.stride for layer in convolutions] == [(1, 1), (2, 2), (1, 1), (2, 2)]
    for layer in convolutions:
        assert (layer.groups, layer.out_channels, layer.kernel_size, layer.padding) == (6, 24, (3, 3), (0, 0))


#: Channels of each scale, and its size in that of 1/8.
SCALES = [(1, 4), (2, 2), (3, 1), (1, 1 / 2), (2, 1 / 4)]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [(16, 16), (20, 16), (16, 32)])
def test_scores_are_the_plain_ones(size: tuple[int, int], count: int) -> None:
    """Whether all scales are finer than the one at whose size the classifier looks, or some are coarser."""
    torch.manual_seed(2)
    used = SCALES[:count]
    classifier = AuxiliaryClassifier(sum(width for width, _ in used), len(used)).double().requires_grad_(False)
    features = [torch.rand(2, width, *(int(by * side) for side in size)).double() for width, by in used]
    weights = {f"classifier.{name}": value.numpy() for name, value in classifier.state_dict().items()}
    got = classifier(features)
    for row in range(2):
        expected = plain_camf.classify(weights, [each[row].numpy() for each in features])
        np.testing.assert_allclose(got[row].numpy(), expected, rtol=1e-9)


def test_channels_stay_apart() -> None:
    """A change of channel k reaches the linear layer in its entry k and nowhere else."""
    torch.manual_seed(3)
    channels = sum(width for width, _ in SCALES)
    classifier = AuxiliaryClassifier(channels, len(SCALES)).requires_grad_(False)
    for parameter in classifier.stages.parameters():
        parameter.abs_()  # so that no channel is shut
    pooled: list[Tensor] = []
    classifier.linear.register_forward_pre_hook(lambda _layer, inputs: pooled.append(inputs[0]))
    features = [torch.rand(1, width, int(by * 16), int(by * 20)) for width, by in SCALES]
    classifier(features)
    number = 0
    for place, layer in enumerate(features):
        for channel in range(layer.shape[1]):
            changed = [each.clone() for each in features]
            changed[place][:, channel] += torch.rand(layer.shape[2:])
            classifier(changed)
            assert (pooled[-1][0] != pooled[0][0]).tolist() == [row == number for row in range(channels)]
            number += 1


def test_smallest_features() -> None:
    classifier = AuxiliaryClassifier(5)
    assert MIN_FEATURE_SIZE == 13
    assert classifier([torch.ones(1, 5, 13, 13)]).shape == (1, 2)
    for size in ((12, 40), (40, 12)):
        with pytest.raises(ImageError, match="too small for the classifier"):
            classifier([torch.ones(1, 5, *size)])


def test_fresh_weights_are_different_for_every_seed() -> None:
    """Folds of a cross-validation are trainings of their own."""
    first, second = (AuxiliaryClassifier(5).linear.weight for _ in range(2))
    assert not torch.equal(first, second)


@given(values=st.lists(st.tuples(*[st.floats(-7, 7, width=32)] * 2), min_size=1, max_size=40))
def test_class_activation_weights_are_the_formula(values: list[tuple[float, float]]) -> None:
    linear = np.array(values, np.float64).T
    got = class_activation_weights(torch.tensor(linear)).numpy()
    np.testing.assert_allclose(got, plain_camf.activation_weights(linear), rtol=1e-9)


@given(values=st.lists(st.tuples(*[st.floats(-30, 30, width=32)] * 2), min_size=1, max_size=40))
def test_their_mean_is_1_whatever_the_classifier_learned(values: list[tuple[float, float]]) -> None:
    """In the arithmetic of the product; rows that are negative throughout must not end in 0 / 0."""
    got = class_activation_weights(torch.tensor(values, dtype=torch.float32).T)
    assert bool((got >= 0).all())
    np.testing.assert_allclose(got.double().mean(1).numpy(), 1, rtol=1e-5)
