"""camf export: files that other programs can run, and clear words where something is not there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
import pytest
from small_model import open_small

from camf_ros.cli.main import main
from camf_ros.engines import choose
from camf_ros.engines.engine import Engine
from camf_ros.engines.onnxruntime import tensorrt_cache
from camf_ros.models import find_model

pytestmark = pytest.mark.usefixtures("fresh_logging")


def export(*arguments: object) -> int:
    return main(["export", *map(str, arguments)])


@pytest.fixture
def checkpoint(small_model: Path, tmp_path: Path) -> Path:
    """A checkpoint as it comes from another's training: without graphs."""
    return Path(shutil.copy(small_model, tmp_path / "mine.safetensors"))


def test_graphs_go_beside_the_checkpoint(checkpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert export(checkpoint) == 0
    assert f"wrote {checkpoint.with_suffix('.onnx')} and mine.inspect.onnx" in caplog.text
    assert {path.name for path in checkpoint.parent.iterdir()} == {
        "mine.safetensors",
        "mine.onnx",
        "mine.inspect.onnx",
    }
    model = find_model(str(checkpoint))
    assert model.read_graph().info.hash == model.read_inspection().info.hash == model.info().hash


def test_graphs_under_another_name(checkpoint: Path, small_model: Path, tmp_path: Path) -> None:
    assert export(checkpoint, "--output", tmp_path / "new" / "x.onnx") == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"x.onnx", "x.inspect.onnx"}
    for suffix in (".onnx", ".inspect.onnx"):
        assert (tmp_path / "new" / f"x{suffix}").read_bytes() == small_model.with_suffix(suffix).read_bytes()


def test_half_precision(checkpoint: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.onnx"
    assert export(checkpoint, "--half", "--output", half) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"mine.safetensors", "half.onnx"}
    (picture,) = np.random.default_rng(3).integers(0, 256, (1, 32, 48)).astype(np.uint8)
    session = onnxruntime.InferenceSession(half, providers=["CPUExecutionProvider"])
    given = {"infrared": picture[None, None], "visible": picture[::-1].copy()[None, None]}
    expected = open_small(checkpoint).fuse(picture, picture[::-1].copy(), keep_amounts=True).amounts
    assert expected is not None
    for level, amounts in enumerate(expected):
        np.testing.assert_allclose(session.run([f"amounts_{level}"], given)[0][0], amounts, atol=0.02)


@pytest.mark.parametrize("more", [[], ["--half"]])
def test_openvino_files(small_model: Path, tmp_path: Path, more: list[str]) -> None:
    """From the graph alone: no PyTorch is asked."""
    graph = Path(shutil.copy(small_model.with_suffix(".onnx"), tmp_path / "mine.onnx"))
    path = tmp_path / "ir" / "mine.xml"
    assert export(graph, "--openvino", path, *more) == 0
    assert {each.name for each in path.parent.iterdir()} == {"mine.xml", "mine.bin"}
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    (picture,) = np.random.default_rng(3).integers(0, 256, (1, 32, 48)).astype(np.uint8)
    result = compiled({"infrared": picture[None, None], "visible": picture[None, None]})
    expected = open_small(small_model).fuse(picture, picture, keep_amounts=True).amounts
    assert expected is not None
    for level, amounts in enumerate(expected):
        np.testing.assert_allclose(result[f"amounts_{level}"][0], amounts, atol=0.02 if more else 1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--output", "x.xml"], "x.xml does not end in .onnx; name it x.onnx"),
        (["--openvino", "x"], "x does not end in .xml; name it x.xml"),
        (["none", "--output", "x.onnx"], "model 'none' is unknown"),
        (["--output", "file/x.onnx"], "cannot be made"),
        (["--openvino", "file/x.xml"], "cannot be made"),
        (["--half"], "--half is given without a file; name it with --output FILE.onnx"),
        (["camf-paper", "--half", "--output", "x.onnx"], "model camf-paper does not compute in float16"),
        (["graph.onnx"], "model graph.onnx has no .safetensors file to export"),
        (["--build-only", "--sizes", "640"], "--sizes has '640'; expected WIDTHxHEIGHT"),
    ],
)
def test_mistakes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    small_model: Path,
    *,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    shutil.copy(small_model.with_suffix(".onnx"), "graph.onnx")
    assert export(*arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("camf export: ")
    assert words in line
    assert {path.name for path in tmp_path.iterdir()} == {"file", "graph.onnx"}


def test_tensorrt_that_is_not_there(small_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("TensorRT is there")
    assert export(small_model, "--build-only") == 1
    assert "ONNX Runtime has no TensorrtExecutionProvider here" in capsys.readouterr().err


@pytest.mark.parametrize(("more", "precision"), [([], "float32"), (["--half"], "float16")])
def test_tensorrt_engines_are_built_for_each_size(
    small_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    more: list[str],
    precision: str,
) -> None:
    """With a stand-in that leaves a file, or does not."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked: list[Any] = []

    def open_fake(name: str, model: Any, **options: Any) -> Engine:
        engine = open_small(small_model)
        fuse = engine.fuse

        def build(infrared: Any, visible: Any) -> Any:
            asked.append((name, options, infrared.shape))
            if len(asked) > 2:
                tensorrt_cache(engine.model_hash).mkdir(parents=True)
                (tensorrt_cache(engine.model_hash) / "x.engine").touch()
            return fuse(infrared, visible)

        monkeypatch.setattr(engine, "fuse", build)
        return engine

    monkeypatch.setattr(choose, "open_engine", open_fake)
    assert export(small_model, "--build-only", "--sizes", "48x32,64x48", *more) == 1
    assert "TensorRT left no engine in" in capsys.readouterr().err
    assert [shape for _, _, shape in asked] == [(32, 48), (48, 64)]
    assert asked[0][:2] == ("tensorrt", {"device": "cuda", "precision": precision})
    assert export(small_model, "--build-only", "--sizes", "48x32", *more) == 0
