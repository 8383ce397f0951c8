"""Where TensorRT engines are kept: apart for every GPU, runtime and model."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from camf_ros.engines import onnxruntime as engine
from camf_ros.engines.onnxruntime import tensorrt_cache, tensorrt_is_prepared

HASH = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(engine, "_GPU_INFORMATION", tmp_path / "gpus")
    monkeypatch.setattr(engine, "_JETSON_MODEL", tmp_path / "model")
    return tmp_path


def test_folder_names_gpu_runtime_and_model(cache: Path) -> None:
    (cache / "gpus" / "0000:01:00.0").mkdir(parents=True)
    (cache / "gpus" / "0000:01:00.0" / "information").write_text("Model: \t NVIDIA RTX (TM) 4090\nIRQ: 5\n")
    folder = tensorrt_cache(HASH)
    expected = f"NVIDIA-RTX-TM-4090-onnxruntime-{onnxruntime.__version__}"
    assert folder == cache / "camf_ros" / "tensorrt" / expected / HASH[:16]
    assert tensorrt_cache("f" * 64) != folder


def test_jetson_and_unknown(cache: Path) -> None:
    assert tensorrt_cache(HASH).parent.name.startswith("unknown-gpu-")
    (cache / "model").write_bytes(b"NVIDIA Jetson Orin Nano\0")
    assert tensorrt_cache(HASH).parent.name.startswith("NVIDIA-Jetson-Orin-Nano-")


def test_prepared_means_that_an_engine_is_there() -> None:
    assert not tensorrt_is_prepared(HASH)
    folder = tensorrt_cache(HASH)
    folder.mkdir(parents=True)
    (folder / "timing.cache").touch()
    assert not tensorrt_is_prepared(HASH)
    (folder / "TensorrtExecutionProvider_x_sm87.engine").touch()
    assert tensorrt_is_prepared(HASH)
