"""PyTorch as a runtime: devices, precisions, and one CUDA graph a size, with a stand-in where there is no GPU."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pairs import smooth_pair
from torch import Tensor

from camf_ros.engines import torch as engine_torch
from camf_ros.engines.choose import open_engine
from camf_ros.engines.engine import FusionEngine
from camf_ros.engines.torch import TorchRuntime
from camf_ros.errors import ParameterError
from camf_ros.models import find_model
from camf_ros.network.checkpoint import load_checkpoint
from camf_ros.network.inference import choose_device, has_fast_bfloat16


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_gives_the_cpu_s_picture(small_model: Path) -> None:
    model = find_model(str(small_model))
    gpu = open_engine("torch", model, device="cuda", precision="float32")
    cpu = open_engine("torch", model, device="cpu", precision="float32")
    half = open_engine("torch", model, device="cuda", precision="float16")
    for size in ((48, 64), (61, 83), (48, 64)):
        pair = smooth_pair(*size)
        expected = cpu.fuse(*pair).fused.astype(int)
        assert np.abs(gpu.fuse(*pair).fused - expected).max() <= 1
        assert np.abs(half.fuse(*pair).fused - expected).max() <= 2


class StandIn:
    """Takes the place of CUDA graphs: what is captured always reads and writes the same memory."""

    def __init__(self, module: torch.nn.Module, inputs: list[Tensor], device: torch.device) -> None:
        self.outputs = [tensor.clone() for tensor in module(*inputs)]
        self._module, self._inputs = module, [tensor.clone() for tensor in inputs]
        shapes.append(tuple(inputs[0].shape[2:]))

    def run(self, inputs: list[Tensor]) -> tuple[Tensor, ...]:
        for there, here in zip(self._inputs, inputs, strict=True):
            there.copy_(here)
        for there, here in zip(self.outputs, self._module(*self._inputs), strict=True):
            there.copy_(here)
        return tuple(self.outputs)


shapes: list[tuple[int, ...]] = []


class FakeDevice:
    """Says that it is a GPU; is none."""

    type = "cuda"


def test_one_graph_for_each_size(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes.clear()
    monkeypatch.setattr(engine_torch, "_CudaGraph", StandIn)
    monkeypatch.setattr(engine_torch, "_exact", lambda _device: nullcontext())
    checkpoint = load_checkpoint(small_model)
    runtime = TorchRuntime(checkpoint, device="cpu", precision="float32")
    monkeypatch.setattr(runtime, "_device", FakeDevice())
    monkeypatch.setattr(runtime, "_capture", lambda tensors: StandIn(runtime._module, tensors, torch.device("cpu")).run)
    on_cpu = SimpleNamespace(_module=runtime._module, _device=torch.device("cpu"))
    monkeypatch.setattr(runtime, "_uncaptured", lambda: TorchRuntime._uncaptured(on_cpu))  # type: ignore[arg-type]
    info = find_model(str(small_model)).info()
    assert info.weights is not None
    engine = FusionEngine(info, info.weights, runtime)
    plain = open_engine("torch", find_model(str(small_model)), device="cpu", precision="float32")
    outputs = []
    for seed, size in enumerate([(32, 48), (48, 64), (32, 48), (40, 60), (80, 96), (64, 32)]):
        pair = smooth_pair(*size, seed=seed)
        output = engine.fuse(*pair, keep_amounts=True)
        expected = plain.fuse(*pair, keep_amounts=True)
        outputs.append((output, expected))
    for output, expected in outputs:  # all of them are the caller's, whatever came after
        assert np.array_equal(output.fused, expected.fused)
        assert np.array_equal(output.infrared_activation, expected.infrared_activation)
        for got, wanted in zip(output.amounts or (), expected.amounts or (), strict=True):
            assert np.array_equal(got, wanted)
    assert shapes == [(32, 48), (48, 64)], "60 x 40 is padded to 64 x 48, and further sizes run without a graph"
    runtime.forget(32, 48)
    engine.fuse(*smooth_pair(48, 64))
    assert shapes[2:] == [(48, 64)], "after a failure no size is trusted"


def test_memory_of_a_gpu_that_does_not_answer(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = TorchRuntime(load_checkpoint(small_model), device="cpu")
    assert runtime.memory() is None
    monkeypatch.setattr(runtime, "_device", FakeDevice())
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (2, 3))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: 1)
    assert runtime.memory() == (1, 2, 3)

    def lost(_device: object) -> None:
        raise RuntimeError("device lost")

    monkeypatch.setattr(torch.cuda, "mem_get_info", lost)
    assert runtime.memory() is None


def test_precision_on_a_cpu(small_model: Path, small_paper_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = find_model(str(small_model))
    for fast, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(engine_torch, "has_fast_bfloat16", lambda _device, fast=fast: fast)
        assert open_engine("torch", model, device="cpu").description == f"torch cpu {expected}"
    with pytest.raises(ParameterError, match="precision is bfloat16 with engine torch and this model"):
        open_engine("torch", find_model(str(small_paper_model)), device="cpu", precision="bfloat16")


def test_threads(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", wanted.append)
    for threads in (0, 3):
        open_engine("torch", find_model(str(small_model)), device="cpu", threads=threads)
    assert wanted == [3]


def test_what_is_remembered_is_for_one_thread(small_model: Path) -> None:
    """The module itself keeps nothing: a second run of other pictures leaves the first one's outputs alone."""
    runtime = TorchRuntime(load_checkpoint(small_model), device="cpu", precision="float32")

    def inputs(seed: int) -> dict[str, Any]:
        infrared, visible = smooth_pair(32, 48, seed)
        return {"infrared": infrared[None, None], "visible": visible[None, None]}

    first = runtime.run(inputs(1))
    before = {name: value.copy() for name, value in first.items()}
    runtime.run(inputs(2))
    assert all(np.array_equal(first[name], before[name]) for name in before)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", "cuda:-1", "meta", "mps", "auto "])
def test_unknown_device(name: str) -> None:
    with pytest.raises(ParameterError, match=r"device is .*expected auto, cpu, cuda or cuda:N"):
        choose_device(name)


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    for name in ("cuda", "cuda:1"):
        with pytest.raises(ParameterError, match="no GPU"):
            choose_device(name)


def test_with_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
    assert choose_device("cuda:0") == torch.device("cuda:0")
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ParameterError, match="cuda:7"):
        choose_device("cuda:7")


def test_bfloat16_question_has_an_answer() -> None:
    assert has_fast_bfloat16(torch.device("cpu")) in (True, False)
