"""A channel's effect is the difference that its weights make."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from explaining import CHANNELS, grey, model, network

from camf_ros.engines.choose import open_inspector
from camf_ros.engines.engine import Inspector
from camf_ros.explain.channels import LeavingOut, reduced, strongest_channels
from camf_ros.models import find_model

A, B = grey(1, 112, 128), grey(2, 112, 128)


@pytest.fixture(scope="module")
def inspector(tmp_path_factory) -> Inspector:
    return open_inspector(find_model(str(model(tmp_path_factory.mktemp("model")))))


def picture(weights: torch.Tensor) -> np.ndarray:
    tensors = [torch.from_numpy(x)[None, None].float() for x in (A, B)]
    output = network()(*tensors, weights)
    return (output.infrared_part + output.visible_part)[0, 0].clamp(0, 255).numpy()


@pytest.mark.parametrize(("number", "scale"), [(0, 2), (4, 4), (11, 8)])
def test_effect_is_the_change_without_its_weights(inspector, number, scale):
    weights = network().class_activation_weights()
    without = weights.clone()
    without[:, number] = 0
    change = picture(weights) - picture(without)
    channel = LeavingOut(inspector, A, B).measure(number, (0.5, 0.25))
    np.testing.assert_allclose(channel.change, change, atol=0.02)
    assert channel.effect == pytest.approx(np.abs(change).mean(), abs=0.005)
    assert channel.effect > 0.05, "no idle channel"
    side = np.sign(A.astype(int) - B)
    towards = np.sign(channel.change) * side
    assert channel.towards_thermal == pytest.approx(np.abs(channel.change)[towards > 0].sum() / A.size, rel=1e-4)
    assert channel.towards_rgb == pytest.approx(np.abs(channel.change)[towards < 0].sum() / A.size, rel=1e-4)
    assert channel.weights == pytest.approx(weights[:, number].tolist())
    assert (channel.number, channel.scale, channel.activation) == (number, scale, (0.5, 0.25))


def test_only_what_both_cameras_see_counts(inspector):
    seen = np.zeros(A.shape, np.float32)
    seen[:, 64:] = 1
    channel = LeavingOut(inspector, A, B, seen).measure(4, (1, 1))
    assert channel.effect == pytest.approx(np.abs(channel.change[:, 64:]).mean(), rel=1e-4)


def test_the_strongest_come_first(inspector):
    activation = np.ones((2, CHANNELS), np.float32)
    every = strongest_channels(inspector, (A, B), activation, seen=None, shown=CHANNELS, candidates=CHANNELS)
    assert sorted(channel.number for channel in every) == list(range(CHANNELS))
    effects = [channel.effect for channel in every]
    assert effects == sorted(effects, reverse=True)
    few = strongest_channels(inspector, (A, B), activation, seen=None, shown=2, candidates=CHANNELS)
    assert [channel.number for channel in few] == [channel.number for channel in every[:2]]


def test_only_candidates_are_measured(inspector):
    activation = np.zeros((2, CHANNELS), np.float32)
    activation[0, 3], activation[1, 8], activation[:, 5] = 10, 10, 0.01
    found = strongest_channels(inspector, (A, B), activation, seen=None, shown=2, candidates=2)
    assert {channel.number for channel in found} == {3, 8}
    asked = strongest_channels(inspector, (A, B), activation, seen=None, shown=1, candidates=1, numbers=[7, 0, 5])
    assert [channel.number for channel in asked] == [7, 0, 5]


def test_reduced():
    assert reduced(grey(1, 60, 80), 40).shape == (30, 40)
    assert reduced(grey(1, 80, 20), 40).shape == (40, 10)
    assert reduced(A, 128) is A
    assert abs(float(reduced(A, 16).mean()) - float(A.mean())) < 1
