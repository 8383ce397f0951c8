"""camf export: files that other programs can run, and clear words where TensorRT is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest

from camf_ros.cli.main import main
from camf_ros.engines.create import open_engine
from camf_ros.models import find_model


def inputs(height: int, width: int) -> dict[str, np.ndarray]:
    pair = np.random.default_rng(3).integers(0, 256, (2, 1, 1, height, width)).astype(np.uint8)
    return {"infrared": pair[0], "visible": pair[1], "gain": np.zeros(1, np.float32), "hold": np.zeros(1, np.float32)}


def test_files_give_the_engine_s_pictures(tmp_path: Path) -> None:
    graph, model = tmp_path / "new" / "lite.onnx", tmp_path / "ir" / "lite.xml"
    assert main(["export", "camf-lite", "--onnx", str(graph), "--openvino", str(model)]) == 0
    onnx.checker.check_model(graph, full_check=True)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    engine = open_engine("onnxruntime", find_model("camf-lite"), device="cpu", precision="float32")
    for size in ((24, 33), (40, 28)):
        given = inputs(*size)
        expected = engine.fuse(given["infrared"][0, 0], given["visible"][0, 0]).fused
        assert np.array_equal(session.run(["fused"], given)[0][0, 0], expected)
        difference = np.abs(compiled(given)[0][0, 0].astype(int) - expected)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-2, "ties alone may be rounded otherwise"


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    for name, more in (("full", []), ("half", ["--half"])):
        assert main(["export", "camf-lite", "--onnx", str(tmp_path / f"{name}.onnx"), *more]) == 0
    full, half = ((tmp_path / f"{name}.onnx").stat().st_size for name in ("full", "half"))
    assert 0.4 < half / full < 0.75


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "there is nothing to do; expected --onnx FILE"),
        (["--onnx", "x.xml"], "x.xml does not end in .onnx; name it x.onnx"),
        (["--openvino", "x"], "x does not end in .xml; name it x.xml"),
        (["none", "--onnx", "x.onnx"], "model 'none' is unknown"),
        (["--onnx", "file/x.onnx"], "cannot be written"),
        (["--build-only", "--sizes", "640"], "--sizes has '640'; expected WIDTHxHEIGHT"),
    ],
)
def test_mistakes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["export", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("camf export: ")
    assert words in line


def test_tensorrt_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("TensorRT is there")
    assert main(["export", "camf-lite", "--build-only"]) == 1
    assert "ONNX Runtime has no TensorrtExecutionProvider here" in capsys.readouterr().err
