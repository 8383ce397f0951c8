"""The ONNX graph is the network's function: run by ONNX's own plain interpreter, against float64 PyTorch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from small_model import make_small_network

from camf_ros.network import CamfNetwork, save_checkpoint
from camf_ros.network.checkpoint_file import CheckpointFile, read_checkpoint_file
from camf_ros.network.onnx_graph import build_onnx

FUSED = [(6,), (2, 6), (1, 6), (1, 2, 6)]


def checkpoint_of(network: CamfNetwork, folder: Path) -> CheckpointFile:
    path = folder / "model.safetensors"
    save_checkpoint(path, network, name="small", training={})
    return read_checkpoint_file(path)


def run(
    model: onnx.ModelProto, pair: NDArray[np.uint8], gain: float = 0.0, hold: float = 0.0
) -> list[NDArray[np.generic]]:
    inputs = {name: picture[None, None] for name, picture in zip(("infrared", "visible"), pair, strict=True)}
    figures = {"gain": np.array([gain], np.float32), "hold": np.array([hold], np.float32)}
    results: list[NDArray[np.generic]] = ReferenceEvaluator(model).run(None, {**inputs, **figures})
    return results


def expected(
    network: CamfNetwork, pair: NDArray[np.uint8], gain: float = 0.0, hold: float = 0.0
) -> list[NDArray[np.float64]]:
    """Fused grey levels before rounding, activations and gain in float64."""
    double = CamfNetwork(network.architecture).double()
    double.load_state_dict({name: value.double() for name, value in network.state_dict().items()})
    infrared, visible = (torch.from_numpy((picture / 127.5 - 1)[None, None]) for picture in pair)
    given = (torch.tensor([gain]).double(), torch.tensor([hold]).double()) if gain else (None, None)
    with torch.no_grad():
        output = double.eval()(infrared, visible, double.class_activation_weights(), *given)
    activation = np.stack([output.infrared_activation[0].numpy(), output.visible_activation[0].numpy()])
    return [(output.fused[0, 0].numpy() + 1) * 127.5, activation, output.gain.numpy()]


def random_pair(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(height * width).integers(0, 256, (2, height, width)).astype(np.uint8)


def assert_rounded(levels: NDArray[np.generic], exact: NDArray[np.float64]) -> None:
    """Whole grey levels no further from the exact ones than rounding, and an error of float32, takes them."""
    assert levels.dtype == np.uint8
    assert np.abs(levels.astype(np.float64) - exact).max() < 0.5 + 1e-3


@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 8), (18, 23), (32, 24)])
def test_function_is_the_network_s(tmp_path: Path, fused: tuple[int, ...], height: int, width: int) -> None:
    network = make_small_network(fused=fused)
    model = build_onnx(checkpoint_of(network, tmp_path))
    pair = random_pair(height, width)
    fused_levels, activation, gain = run(model, pair)
    exact = expected(network, pair)
    assert fused_levels.shape == (1, 1, height, width)
    assert_rounded(fused_levels[0, 0], exact[0])
    np.testing.assert_allclose(activation, exact[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gain, exact[2], rtol=1e-4)


@pytest.mark.parametrize("fused", FUSED)
@pytest.mark.parametrize(("height", "width"), [(2, 2), (6, 4), (18, 22), (32, 24)])
def test_shortcut_for_even_sizes_is_the_same_function(
    tmp_path: Path, fused: tuple[int, ...], height: int, width: int
) -> None:
    network = make_small_network(fused=fused)
    model = build_onnx(checkpoint_of(network, tmp_path), even=True)
    assert sum(node.op_type == "Resize" for node in model.graph.node) == 1
    pair = random_pair(height, width)
    levels, activation, gain = run(model, pair)
    exact = expected(network, pair)
    assert levels.shape == (1, 1, height, width)
    assert_rounded(levels[0, 0], exact[0])
    np.testing.assert_allclose(activation, exact[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gain, exact[2], rtol=1e-4)


@pytest.mark.parametrize(("gain", "hold"), [(0.6, 1.0), (1.3, 1.0), (0.6, 0.25)])
def test_given_gain(tmp_path: Path, gain: float, hold: float) -> None:
    network = make_small_network(fused=(1, 2, 6))
    model = build_onnx(checkpoint_of(network, tmp_path))
    pair = random_pair(12, 20)
    fused, _, used = run(model, pair, gain, hold)
    exact = expected(network, pair, gain, hold)
    assert_rounded(fused[0, 0], exact[0])
    np.testing.assert_allclose(used, exact[2], rtol=1e-5)


def test_blank_pictures(tmp_path: Path) -> None:
    network = make_small_network(fused=(1, 2, 6))
    model = build_onnx(checkpoint_of(network, tmp_path))
    for pair in (np.zeros((2, 9, 11), np.uint8), np.full((2, 9, 11), 255, np.uint8)):
        fused, activation, gain = run(model, pair)
        assert_rounded(fused[0, 0], expected(network, pair)[0])
        assert np.isfinite(activation).all()
        assert np.isfinite(gain).all()


def test_weights_of_next_to_nothing(tmp_path: Path) -> None:
    """A channel that the rule leaves out: its weight is in divisors, and none may be 0."""
    network = make_small_network(fused=(1, 2, 6))
    checkpoint = checkpoint_of(network, tmp_path)
    linear = checkpoint.tensors["classifier.linear.weight"].copy()
    linear[0, ::2] = -60
    network.classifier.linear.weight = torch.nn.Parameter(torch.from_numpy(linear))
    changed = replace(checkpoint, tensors={**checkpoint.tensors, "classifier.linear.weight": linear})
    assert changed.class_activation_weights()[0, ::2].max() < 1e-20
    pair = random_pair(16, 20)
    fused, activation, _ = run(build_onnx(changed), pair)
    exact = expected(network, pair)
    # What is left of such a channel is a thousandth of what a channel has on average.
    assert np.abs(fused[0, 0] - exact[0]).max() < 2
    np.testing.assert_allclose(activation, exact[1], rtol=1e-3, atol=1e-5)


def test_half_precision(tmp_path: Path) -> None:
    network = make_small_network(fused=(1, 2, 6))
    checkpoint = checkpoint_of(network, tmp_path)
    model = build_onnx(checkpoint, half=True)
    kinds = {tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) == 4 and tensor.dims[0] > 1}
    assert kinds == {onnx.TensorProto.FLOAT16}
    pair = random_pair(20, 28)
    fused, activation, gain = run(model, pair)
    exact = expected(network, pair)
    assert np.sqrt(np.mean((fused[0, 0] - exact[0]) ** 2)) < 1.0
    np.testing.assert_allclose(activation, exact[1], rtol=2e-2, atol=1e-2)
    np.testing.assert_allclose(gain, exact[2], rtol=1e-2)


def test_model_says_what_it_is(tmp_path: Path) -> None:
    checkpoint = checkpoint_of(make_small_network(), tmp_path)
    model = build_onnx(checkpoint)
    onnx.checker.check_model(model, full_check=True)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties == {"model_name": "small", "model_hash": checkpoint.hash}
    assert [value.name for value in model.graph.input] == ["infrared", "visible", "gain", "hold"]
    assert [value.name for value in model.graph.output] == ["fused", "activation", "used_gain"]
