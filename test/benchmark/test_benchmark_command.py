"""camf benchmark: what it refuses, and what it says when there is nothing to measure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from camf_ros.cli.main import main

pytestmark = pytest.mark.usefixtures("fresh_logging")


def benchmark(*arguments: object) -> int:
    return main(["benchmark", *map(str, arguments), "--quiet"])


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a model in it."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.safetensors").write_bytes(tiny_model.read_bytes())
    return tmp_path


def test_nothing_to_report(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No engine could be opened: the reasons are told, and the status says that something is wrong; there is a bar."""
    options = ["--models", tiny_model, "--engines", "torch", "--sizes", "40x32", "--seconds", "0.02", "--threads", "1"]
    options += ["--precisions", "float16", "--device", "cpu", "--reference", f"{tiny_model}/onnxruntime/float16"]
    assert main([*map(str, ["benchmark", *options])]) == 1
    out, err = capsys.readouterr()
    assert "skipped tiny torch float16 40x32: precision is float16 on a CPU" in out
    assert "skipped tiny onnxruntime float16 40x32: " in out
    assert "2/2" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "no-such-model"], "model 'no-such-model' is unknown"),
        (["--engines", "torch,abacus"], "one of the cases is 'tiny.safetensors/abacus/auto'"),
        (["--precisions", "float31"], "one of the cases is 'tiny.safetensors/torch/float31'"),
        (["--sizes", "640"], "--sizes has '640'; expected WIDTHxHEIGHT"),
        (["--sizes", "0x5"], "--sizes has '0x5'"),
        (["--sizes", "640x480x3"], "--sizes has '640x480x3'"),
        (["--sizes", "640x480,,1x1"], "--sizes has ''"),
        (["--sizes", "99999x5"], "each from 1 to"),
        (["--seconds", "0"], "--seconds is 0.0"),
        (["--seconds", "nan"], "--seconds is nan"),
        (["--threads=-1"], "--threads -1"),
        (["--device", "abacus"], "device is 'abacus'"),
        (["--reference", "tiny"], "one of the cases is 'tiny'; expected MODEL/ENGINE/PRECISION"),
        (["--reference", "tiny/abacus/auto"], "an engine of torch"),
        (["--reference", "tony/torch/auto"], "model 'tony' is unknown"),
        (["--json", "tiny.safetensors/x.json"], "cannot be made"),
        (["--json", "tiny.safetensors"], "is an input"),
    ],
)
def test_mistakes(folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    models = [] if "--models" in arguments else ["--models", "tiny.safetensors"]
    assert benchmark(*models, *arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("camf benchmark: ")
    assert message in err
    assert [path.name for path in folder.iterdir()] == ["tiny.safetensors"]


def test_mistakes_are_told_without_a_runtime() -> None:
    code = (
        "import sys; from camf_ros.cli.main import main\n"
        "status = main(['benchmark', '--sizes', '5'])\n"
        "print(status, 'torch' in sys.modules, 'onnxruntime' in sys.modules, 'matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1 False False False"
