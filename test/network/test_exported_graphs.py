"""Exported graphs give what the modules give, in every runtime, for pictures of any size that fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from numpy.typing import NDArray
from small_model import make_small_network, make_small_paper, write_model

from camf_ros.errors import ParameterError
from camf_ros.network.checkpoint import load_checkpoint, save_checkpoint
from camf_ros.network.inference import Network, inference, inspection
from camf_ros.network.onnx_export import fusion_graph

NETWORKS: dict[str, Network] = {
    "plain": make_small_network(),
    "linear": make_small_network(encoder=(3, 4, 5), heads=(0, 0, 0)),
    "coarse": make_small_network(encoder=(3, 4, 5), heads=(2, 3, 2), coarse=2),
    "deep": make_small_network(encoder=(2, 3, 4, 3, 4, 3), heads=(2, 0, 3, 0, 2, 2)),
    "paper": make_small_paper(),
}


def run_onnxruntime(path: Path, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def run_openvino(path: Path, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {name: value for output, value in compiled(inputs).items() for name in output.names}


@pytest.fixture(scope="module", params=list(NETWORKS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Network, Path]:
    network = NETWORKS[request.param]
    return network, write_model(tmp_path_factory.mktemp(request.param) / "x.safetensors", network)


@pytest.mark.parametrize("run", [run_onnxruntime, run_openvino])
@pytest.mark.parametrize("steps", [(1, 1), (2, 3), (5, 4)])
def test_fusion_graph(model: tuple[Network, Path], run: Any, steps: tuple[int, int]) -> None:
    network, path = model
    paper = network.architecture.kind == "paper"
    side = 7 if paper else network.architecture.step  # type: ignore[union-attr]
    pair = np.random.default_rng(1).integers(0, 256, (2, 1, 1, steps[0] * side, steps[1] * side)).astype(np.uint8)
    inputs: dict[str, NDArray[Any]] = {"infrared": pair[0], "visible": pair[1]}
    if paper:
        inputs |= {"gain": np.array([0.8], np.float32), "hold": np.array([0.5], np.float32)}
    module = inference(network)
    expected = module(*(torch.from_numpy(value) for value in inputs.values()))
    got = run(path.with_suffix(".onnx"), inputs)
    assert set(module.output_names) <= set(got)
    for name, value in zip(module.output_names, expected, strict=True):
        # Grey levels may be rounded to either side.
        atol = 1 if name == "fused" else 1e-4
        np.testing.assert_allclose(got[name].astype(float), value.numpy().astype(float), atol=atol, rtol=1e-5)


@pytest.mark.parametrize("run", [run_onnxruntime, run_openvino])
def test_inspection_graph(model: tuple[Network, Path], run: Any) -> None:
    network, path = model
    pair = np.random.default_rng(2).integers(0, 256, (2, 1, 1, 128, 192)).astype(np.uint8)
    inputs: dict[str, NDArray[Any]] = {"infrared": pair[0], "visible": pair[1]}
    if network.architecture.kind == "blend":
        weights = np.random.default_rng(3).random((2, network.architecture.channels), np.float32)
        inputs["weights"] = weights
    module = inspection(network)
    expected = module(*(torch.from_numpy(value) for value in inputs.values()))
    got = run(path.with_suffix(".inspect.onnx"), inputs)
    assert set(module.output_names) <= set(got)
    for name, value in zip(module.output_names, expected, strict=True):
        np.testing.assert_allclose(got[name], value.numpy(), atol=1e-4, rtol=1e-4)


def test_files_are_whole_and_the_same_every_time(model: tuple[Network, Path], tmp_path: Path) -> None:
    network, path = model
    for suffix in (".onnx", ".inspect.onnx"):
        onnx.checker.check_model(path.with_suffix(suffix), full_check=True)
    again = write_model(tmp_path / "x.safetensors", network)
    for suffix in (".onnx", ".inspect.onnx"):
        assert again.with_suffix(suffix).read_bytes() == path.with_suffix(suffix).read_bytes()
    assert len(list(tmp_path.iterdir())) == 3


def test_half_precision(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, NETWORKS["plain"], name="x", training={})
    model = onnx.load_from_string(fusion_graph(load_checkpoint(path), half=True))
    kinds = {tensor.data_type for tensor in model.graph.initializer if tensor.name.endswith(("weight", "bias"))}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert {output.type.tensor_type.elem_type for output in model.graph.output} == {onnx.TensorProto.FLOAT}
    save_checkpoint(path, NETWORKS["paper"], name="x", training={})
    with pytest.raises(ParameterError, match="does not compute in float16"):
        fusion_graph(load_checkpoint(path), half=True)


def test_coarser_than_what_is_usually_traced_with(tmp_path: Path) -> None:
    """Pictures of a network with 8 scales have sides of 256 or more."""
    network = make_small_network(encoder=(2,) * 8, heads=(0,) * 8)
    path = write_model(tmp_path / "x.safetensors", network)
    pair = np.random.default_rng(4).integers(0, 256, (2, 1, 1, 256, 512)).astype(np.uint8)
    got = run_onnxruntime(path.with_suffix(".onnx"), {"infrared": pair[0], "visible": pair[1]})
    module = inference(network)
    for name, value in zip(module.output_names, module(*map(torch.from_numpy, pair)), strict=True):
        np.testing.assert_allclose(got[name], value.numpy(), atol=1e-4, rtol=1e-5)
