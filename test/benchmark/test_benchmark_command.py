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
    """No engine could be opened: the table says why, and the status that something is wrong; and there is a bar."""
    options = ["--models", tiny_model, "--engines", "torch", "--sizes", "40x32", "--seconds", "0.02", "--threads", "1"]
    options += ["--precisions", "float16", "--device", "cpu", "--reference", "tiny/onnxruntime/float16"]
    assert main([*map(str, ["benchmark", *options])]) == 1
    out, err = capsys.readouterr()
    assert "skipped torch (tiny float16)" in out
    assert "skipped onnxruntime (tiny float16)" in out
    assert "2/2" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "no-such-model"], "model 'no-such-model' is unknown"),
        (["--models", "tiny.safetensors,./tiny.safetensors"], "the name 'tiny' is there twice"),
        (["--engines", "torch,abacus"], "--engines has 'abacus'; expected some of torch"),
        (["--precisions", "float31"], "--precisions has 'float31'; expected some of auto"),
        (["--sizes", "640"], "--sizes has '640'; expected WIDTHxHEIGHT"),
        (["--sizes", "0x5"], "--sizes has '0x5'"),
        (["--sizes", "640x480x3"], "--sizes has '640x480x3'"),
        (["--sizes", "640x480,,1x1"], "--sizes has ''"),
        (["--sizes", "99999x5"], "each from 1 to"),
        (["--seconds", "0"], "--seconds is 0.0"),
        (["--seconds", "nan"], "--seconds is nan"),
        (["--threads=-1"], "--threads is -1"),
        (["--device", "abacus"], "device is 'abacus'"),
        (["--reference", "tiny"], "--reference is 'tiny'; expected MODEL/ENGINE/PRECISION"),
        (["--reference", "tiny/abacus/auto"], "the engine one of torch"),
        (["--reference", "tiny/torch/float31"], "--reference has 'float31'"),
        (["--reference", "tony/torch/auto"], "model 'tony' is unknown"),
        (["--peers", "no.yaml"], "no.yaml cannot be opened"),
        (["--json", "."], ". cannot be written"),
        (["--json", "tiny.safetensors/x.json"], "cannot be made"),
        (["--json", "tiny.safetensors"], "is an input"),
        (["--plot", "x.bmp"], "the plot is x.bmp; expected a name ending in .png"),
        (["--plot", "x.png", "--json", "./x.png"], "--json and --plot are both x.png"),
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
    # Nothing is left of having looked whether a file can be written.
    assert [path.name for path in folder.iterdir()] == ["tiny.safetensors"]


def test_help_has_the_format_of_peers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["benchmark", "--help"])
    out = capsys.readouterr().out
    assert "- name: FusionNet" in out
    assert "range is what black and white are given as" in out


def test_without_matplotlib(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert benchmark("--models", tiny_model, "--plot", tmp_path / "x.png") == 1
    assert "pip install matplotlib" in capsys.readouterr().err


def test_mistakes_are_told_without_a_runtime() -> None:
    code = (
        "import sys; from camf_ros.cli.main import main\n"
        "status = main(['benchmark', '--sizes', '5'])\n"
        "print(status, 'torch' in sys.modules, 'onnxruntime' in sys.modules, 'matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1 False False False"
