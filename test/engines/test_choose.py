"""Which engine runs, why, and what is told when the one that was asked for does not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camf_ros.engines import choose
from camf_ros.engines.choose import ENGINES, choose_engine, open_engine
from camf_ros.engines.engine import EngineOutput
from camf_ros.errors import CheckpointError, EngineError, ParameterError
from camf_ros.models import Model, find_model
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.table import specs


class FakeEngine:
    """Runs, unless it is told to fail in its first inference."""

    model_name, model_hash, has_gain = "small", "0" * 64, True

    def __init__(self, description: str, failure: Exception | None = None) -> None:
        self.description = description
        self._failure = failure

    def fuse(self, infrared: Any, visible: Any, **_: Any) -> EngineOutput:
        if self._failure is not None:
            raise self._failure
        return EngineOutput(infrared, np.zeros(1, np.float32), np.zeros(1, np.float32), 1.0)

    def channel_weights(self) -> Any:
        return np.ones((2, 1), np.float32)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, str]]]:
    """A machine with or without GPU and bfloat16, where some engines fail; gives the list of what was tried."""

    def make(
        *, gpu: bool = False, bfloat16: bool = True, prepared: bool = False, **failures: Exception
    ) -> list[tuple[str, str]]:
        tried: list[tuple[str, str]] = []

        def open_fake(name: str, model: Model, *, device: str, precision: str, threads: int) -> FakeEngine:
            tried.append((name, device))
            failure = failures.get(f"{name}_{device}".replace(":", "_"), failures.get(name))
            if isinstance(failure, ArithmeticError):
                return FakeEngine(f"{name} {device}", EngineError(str(failure)))
            if isinstance(failure, ImportError):
                raise EngineError(f"engine {name} cannot be imported ({failure})") from failure
            if failure is not None:
                raise failure
            return FakeEngine(f"{name} {device}")

        monkeypatch.setattr(choose, "open_engine", open_fake)
        monkeypatch.setattr(choose, "has_nvidia_gpu", lambda: gpu)
        monkeypatch.setattr(choose, "has_bfloat16", lambda: bfloat16)
        monkeypatch.setattr(choose, "_tensorrt_is_prepared", lambda model: prepared)
        return tried

    return make


def settings(**changes: Any) -> FusionSettings:
    return FusionSettings(model="camf-lite", **changes)


NOT_THERE = ImportError("No module named x")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "openvino cpu"),
        ({"gpu": True}, "torch cuda"),
        ({"gpu": True, "prepared": True}, "tensorrt cuda"),
        ({"gpu": True, "torch_cuda": NOT_THERE}, "onnxruntime cuda"),
        ({"openvino": NOT_THERE}, "torch cpu"),
        ({"openvino": NOT_THERE, "bfloat16": False}, "onnxruntime cpu"),
        ({"openvino": NOT_THERE, "torch": NOT_THERE}, "onnxruntime cpu"),
    ],
)
def test_best_engine(machine: Callable[..., Any], facts: dict[str, Any], expected: str) -> None:
    machine(**facts)
    chosen = choose_engine(settings())
    assert chosen.engine.description == expected
    assert chosen.warnings == (), "a package that is not installed is no fault"
    for name in {name.partition("_")[0] for name, fact in facts.items() if fact is NOT_THERE}:
        assert f"not usable here: {name}" in chosen.reason or f", {name}" in chosen.reason


def test_engine_that_is_named(machine: Callable[..., Any]) -> None:
    tried = machine(gpu=True)
    chosen = choose_engine(settings(engine="onnxruntime"))
    assert tried == [("onnxruntime", "cuda")]
    assert chosen.reason == "as set"
    assert chosen.warnings == ()
    tried = machine(gpu=True)
    assert choose_engine(settings(engine="openvino")).engine.description == "openvino cpu"
    assert tried == [("openvino", "cpu")]


@pytest.mark.parametrize("failure", [NOT_THERE, EngineError("broken"), ArithmeticError("first inference")])
def test_named_engine_that_fails_is_told(machine: Callable[..., Any], failure: Exception) -> None:
    machine(onnxruntime=failure)
    chosen = choose_engine(settings(engine="onnxruntime"))
    assert chosen.engine.description == "openvino cpu"
    (warning,) = chosen.warnings
    assert warning.startswith("engine onnxruntime failed, openvino runs instead")
    assert str(failure) in warning


def test_better_engine_that_is_broken_is_told(machine: Callable[..., Any]) -> None:
    machine(openvino=EngineError("engine openvino cannot be started (illegal instruction)"))
    chosen = choose_engine(settings())
    assert chosen.engine.description == "torch cpu"
    assert "illegal instruction" in chosen.warnings[0]


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_device_that_is_not_there(machine: Callable[..., Any], device: str) -> None:
    tried = machine(**{f"{name}_{device.replace(':', '_')}": EngineError("no GPU") for name in ENGINES})
    chosen = choose_engine(settings(device=device))
    assert tried == [("torch", device), ("onnxruntime", device), ("openvino", "cpu")]
    assert len(chosen.warnings) == 2
    assert all("no GPU" in warning for warning in chosen.warnings)


def test_cpu_that_is_wanted_beside_a_gpu(machine: Callable[..., Any]) -> None:
    tried = machine(gpu=True, prepared=True)
    assert choose_engine(settings(device="cpu")).engine.description == "openvino cpu"
    assert tried == [("openvino", "cpu")]


def test_nothing_works(machine: Callable[..., Any]) -> None:
    machine(**{name: EngineError(f"{name} is broken") for name in ENGINES})
    with pytest.raises(EngineError, match=r"openvino is broken.*torch is broken.*onnxruntime is broken"):
        choose_engine(settings())
    machine(**{name: ParameterError("precision is 'float16'") for name in ENGINES})
    with pytest.raises(ParameterError, match="float16"):
        choose_engine(settings(precision="float16"))


def test_broken_model(machine: Callable[..., Any]) -> None:
    """One file may be damaged and the other not; where all are, that is the error."""
    machine(openvino=CheckpointError("camf.onnx is damaged"), onnxruntime=CheckpointError("camf.onnx is damaged"))
    chosen = choose_engine(settings())
    assert chosen.engine.description == "torch cpu"
    assert "camf.onnx is damaged" in chosen.warnings[0]
    machine(**{name: CheckpointError(f"damaged for {name}") for name in ENGINES})
    with pytest.raises(CheckpointError, match="damaged for openvino"):
        choose_engine(settings())


def test_device_that_is_none() -> None:
    with pytest.raises(ParameterError, match="device is 'tpu'"):
        choose_engine(settings(device="tpu"))


def test_real_engines(small_model: Path) -> None:
    chosen = choose_engine(FusionSettings(model=str(small_model), device="cpu", engine="onnxruntime", threads=1))
    assert chosen.engine.description == "onnxruntime cpu float32"
    assert chosen.reason == "as set"


@pytest.mark.parametrize("name", ENGINES)
def test_missing_runtime_names_its_package(name: str, monkeypatch: pytest.MonkeyPatch, small_model: Path) -> None:
    module = "onnxruntime" if name == "tensorrt" else name
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"camf_ros.engines.{module}", raising=False)
    with pytest.raises(EngineError, match=f"engine {name} cannot be imported .*pip install"):
        open_engine(name, find_model(str(small_model)))


@pytest.mark.parametrize("wanted", ["auto", "torch", "openvino"])
def test_checkpoint_alone_without_pytorch(
    wanted: str, monkeypatch: pytest.MonkeyPatch, small_model: Path, tmp_path: Path
) -> None:
    """It says what is missing, and the command that helps."""
    path = tmp_path / "mine.safetensors"
    path.write_bytes(small_model.read_bytes())
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "camf_ros.engines.torch", raising=False)
    with pytest.raises(EngineError) as caught:
        choose_engine(FusionSettings(model=str(path), engine=wanted, device="cpu"))
    message = str(caught.value)
    assert f"is there as {path} alone, which engine torch runs, and PyTorch cannot be imported" in message
    assert f"run 'camf export {path}' on a machine with PyTorch" in message


def test_checkpoint_alone_with_pytorch(small_model: Path, tmp_path: Path) -> None:
    """PyTorch runs it, and the owner is told what the faster engines lack."""
    path = tmp_path / "mine.safetensors"
    path.write_bytes(small_model.read_bytes())
    chosen = choose_engine(FusionSettings(model=str(path), device="cpu", threads=1))
    assert chosen.engine.description.startswith("torch cpu")
    assert any(f"camf export {path}" in warning for warning in chosen.warnings)
    with pytest.raises(CheckpointError, match=f"camf export {path}, on a machine with PyTorch"):
        open_engine("openvino", find_model(str(path)))


def test_graph_alone(small_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(small_model.with_suffix(".onnx").read_bytes())
    for name in ("openvino", "onnxruntime"):
        engine = open_engine(name, find_model(str(path)), device="cpu", precision="float32")
        assert engine.model_name == "small"
    with pytest.raises(EngineError, match=r"has no \.safetensors file, which engine torch runs"):
        open_engine("torch", find_model(str(path)))


def test_names_are_those_of_the_settings(small_model: Path) -> None:
    assert specs(FusionSettings)["engine"].choices == ("auto", *ENGINES)
    with pytest.raises(ParameterError, match="engine is 'tflite'"):
        open_engine("tflite", find_model(str(small_model)))
