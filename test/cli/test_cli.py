"""The camf command: whole trainings, descriptions, and errors in one line with the right exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from small_training import recipe_with, write_data, write_recipe

from camf_ros.cli.main import build_parser, main
from camf_ros.errors import CamfError
from camf_ros.network.architecture import to_dict
from camf_ros.network.checkpoint import load_checkpoint
from camf_ros.resources import version
from camf_ros.training.recipe_run import data_hash

pytestmark = pytest.mark.usefixtures("fresh_logging")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr, with nothing on stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1, err
    return err.strip()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"camf_ros {version()}\n"


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["info"], ["train"], ["train", "x.yaml"], ["info", "a", "b"], ["--no-such"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: camf" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["info"], ["train"]])
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: camf")
    assert "%(" not in out


def test_light_commands_do_not_wait_for_pytorch() -> None:
    code = (
        "import sys; from camf_ros.cli.main import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: print('torch' in sys.modules, 'rclpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"


def test_info(small_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(small_model)]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described == {
        "name": "small",
        "files": [str(small_model.with_suffix(suffix)) for suffix in (".safetensors", ".onnx", ".inspect.onnx")],
        "hash": load_checkpoint(small_model).hash,
        "architecture": to_dict(load_checkpoint(small_model).network.architecture),
        "training": {"command": "made by a test"},
    }


def test_info_about_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tmp_path / "none.safetensors")]) == 1
    assert one_line(capsys).startswith(f"camf info: there is no model file {tmp_path}")
    assert main(["info", "no-such-model"]) == 1
    assert "model 'no-such-model' is unknown" in one_line(capsys)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x" * 5000, "camf info: model 'xxxxxx"),
        (f"{'x' * 5000}.onnx", "x.onnx"),
        ("~nobody", "model '~nobody' is unknown"),
        ("~nobody-of-that-name/a.onnx", "cannot be looked up"),
        ("a\x1b[2J\0\x07.onnx", r"a\x1b[2J\x00\x07.onnx"),
        ("a\u202eb.onnx", r"there is no model file a\u202eb.onnx"),
    ],
)
def test_names_that_no_file_can_have(name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", name]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert words in line
    assert len(line) < 1500
    assert line.isprintable()


def test_wrong_usage_is_cut_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fuse", "a", "b", "-o", "c", "--engine", "\x1b" * 10_000])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("camf fuse: error: argument --engine: invalid choice: ")
    assert len(last) < 500


@pytest.mark.parametrize("output", ["full", "closed"])
def test_an_output_that_takes_no_more(output: str) -> None:
    """In one sentence; and without a word where who reads has seen enough."""
    command = [sys.executable, "-c", "import sys; from camf_ros.cli.main import main; sys.exit(main())", "info", "camf"]
    if output == "full":
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.stderr == "camf info: the output cannot be used (No space left on device)\n"
    else:
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
        os.close(writing)
        assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_that_cannot_be_written(option: str) -> None:
    command = [sys.executable, "-c", "import sys; from camf_ros.cli.main import main; sys.exit(main())", option]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    assert done.stderr == "camf: the output cannot be used (No space left on device)\n"
    assert done.returncode == 1


def test_interrupted_while_it_is_imported(tmp_path: Path) -> None:
    package = tmp_path / "camf_ros" / "cli"
    package.mkdir(parents=True)
    (package / "main.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [sys.executable, Path(__file__).parents[2] / "bin" / "camf", "info"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 130


def test_an_output_whose_name_is_too_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "b.png"):
        assert cv2.imwrite(str(tmp_path / name), np.zeros((8, 8), np.uint8))
    inputs = [str(tmp_path / name) for name in ("a.png", "b.png")]
    for command in (["fuse", *inputs], ["explain", *inputs]):
        assert main([*command, "-o", f"{'x' * 300}.png"]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "(File name too long)" in line


def test_short_forms() -> None:
    """-o wherever --output is, and -m wherever --model is."""
    commands = build_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    found = set()
    for name, parser in commands.items():  # type: ignore[union-attr]
        options = parser._option_string_actions
        for long, short in (("--output", "-o"), ("--model", "-m")):
            if long in options:
                assert options.get(short) is options[long], name
                found.add((name, short))
    assert {name for name, short in found if short == "-o"} == {
        "adapt", "bag", "calibrate", "explain", "export", "fuse", "train"
    }  # fmt: skip
    assert {name for name, short in found if short == "-m"} == {
        "adapt", "bag", "calibrate", "evaluate", "explain", "fuse"
    }  # fmt: skip


def test_a_dependency_of_a_dependency_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(arguments: Any) -> int:
        raise ModuleNotFoundError("No module named 'yaml.cyaml'", name="yaml.cyaml")

    monkeypatch.setattr("camf_ros.cli.info.run", fail)
    assert main(["info", "camf"]) == 1
    assert capsys.readouterr().err == "camf info: yaml.cyaml is not installed; pip install PyYAML\n"


def test_info_about_a_damaged_file(tmp_path: Path, small_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "half.safetensors"
    path.write_bytes(small_model.read_bytes()[:1000])
    assert main(["info", str(path)]) == 1
    assert str(path) in one_line(capsys)


def test_train(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """From a recipe and pictures to a model with its provenance, and a second call that has nothing left to do."""
    recipe = write_recipe(tmp_path / "small.yaml")
    output = tmp_path / "models" / "small.safetensors"
    arguments = ["train", str(recipe), "--data", str(data), "--run", str(tmp_path / "run"), "--output", str(output)]
    arguments += ["--device", "cpu", "--quiet"]
    assert main(arguments) == 0
    capsys.readouterr()

    assert main(["info", str(output)]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["name"] == "small"
    assert described["architecture"] == recipe_with({})["architecture"]
    training = described["training"]
    assert training["command"] == "camf train small.yaml --data DIR --device cpu"
    assert training["data_hash"] == data_hash(data, ["natural", "pairs"])
    assert training["torch"] == torch.__version__
    assert training["device"] == "cpu"
    for stage, entries in (
        ("autoencoder", recipe_with({})["autoencoder"]),
        ("classifier", recipe_with({})["classifier"]),
    ):
        assert entries.items() <= training["recipe"][stage].items()
    metrics = training["metrics"]
    assert metrics["autoencoder"]["psnr natural"] > 0
    assert metrics["autoencoder"]["psnr pairs"] > 0
    assert 0 <= metrics["classifier"]["accuracy"] <= 1
    assert len(metrics["cross_validated_accuracy"]) == 2

    # The recipe in the checkpoint trains the same weights once more.
    again = tmp_path / "again.yaml"
    again.write_text(yaml.safe_dump(training["recipe"]), encoding="utf-8")
    copy = tmp_path / "copy.safetensors"
    more = ["--run", str(tmp_path / "run2"), "--output", str(copy), "--device", "cpu", "--quiet"]
    assert main(["train", str(again), "--data", str(data), *more]) == 0
    assert load_checkpoint(copy).hash == described["hash"]

    before = (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert main(arguments) == 0
    after = (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert after[: len(before)] == before
    assert [json.loads(line)["stage"] for line in after[len(before) :]] == ["done"]
    assert load_checkpoint(output).hash == described["hash"]


def test_where_things_go_when_nothing_is_said(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_recipe(tmp_path / "some.yml", {"name": "mine", "classifier.folds": 0})
    assert main(["train", "some.yml", "--data", str(data), "--device", "cpu", "--quiet"]) == 0
    assert load_checkpoint(tmp_path / "runs" / "mine" / "mine.safetensors").name == "mine"


@pytest.mark.parametrize(
    ("recipe", "more", "message"),
    [
        ("none.yaml", [], "none.yaml cannot be opened"),
        ("no-such-recipe", [], "no-such-recipe"),
        ("../camf-paper", [], "camf-paper"),
        ("broken.yaml", [], "broken.yaml is no YAML"),
        ("small.yaml", ["--device", "tpu"], "device is 'tpu'"),
        ("small.yaml", ["--data", "elsewhere"], "elsewhere"),
        ("small.yaml", ["--run", "small.yaml"], "small.yaml"),
    ],
)
def test_train_with_a_mistake(
    tmp_path: Path,
    data: Path,
    *,
    recipe: str,
    more: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_recipe(tmp_path / "small.yaml")
    (tmp_path / "broken.yaml").write_text("name: [\n  - a\n: b\n", encoding="utf-8")
    assert main(["train", recipe, "--data", str(data), "--device", "cpu", "--quiet", *more]) == 1
    line = one_line(capsys)
    assert line.startswith("camf train: ")
    assert message in line


def test_error_and_interruption(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_arguments: object) -> int:
        raise CamfError("the file is damaged", remedy="replace it")

    def interrupt(_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("camf_ros.cli.info.run", fail)
    assert main(["info", "x"]) == 1
    assert one_line(capsys) == "camf info: the file is damaged; replace it"
    monkeypatch.setattr("camf_ros.cli.info.run", interrupt)
    assert main(["info", "x"]) == 130
    assert one_line(capsys) == "camf info: interrupted"


def test_bug_is_not_disguised(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not a CamfError is a bug, and needs its traceback."""

    def fail(_arguments: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("camf_ros.cli.info.run", fail)
    with pytest.raises(ZeroDivisionError):
        main(["info", "x"])


@pytest.mark.parametrize("command", [["info", "camf-paper", "--markdown"], ["export", "camf-paper"]])
def test_without_pytorch_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("camf_ros.network.", "camf_ros.training."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(command) == 1
    assert "torch is not installed; pip install torch" in capsys.readouterr().err
