"""camf evaluate: table and JSON of every kind of input, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from small_training import sharp, soft

from camf_ros.cli.main import main
from camf_ros.evaluation.metrics import METRICS, score

pytest.importorskip("skimage")

SHAPE = (48, 56)
NAMES = ["one", "three", "two"]

pytestmark = pytest.mark.usefixtures("fresh_logging")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        for folder, image in (("infrared", soft(number, *SHAPE)), ("visible", sharp(number, *SHAPE))):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"{name}.png"), image)
    return tmp_path


def pictures(data: Path, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    infrared, visible = (cv2.imread(str(data / source / f"{name}.png"), 0) for source in ("infrared", "visible"))
    return np.asarray(infrared, np.uint8), np.asarray(visible, np.uint8)


def evaluate(*arguments: object) -> int:
    return main(["evaluate", *map(str, arguments), "--quiet"])


def test_baseline_as_table_and_json(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = data / "results" / "max.json"
    assert evaluate("--data", data, "--baseline", "max", "--json", file) == 0
    out, err = capsys.readouterr()
    assert err == ""
    result = json.loads(file.read_text(encoding="utf-8"))
    assert list(result) == ["method", "mean", "images"]
    assert result["method"] == "max"
    assert list(result["images"]) == NAMES
    for name, row in result["images"].items():
        a, b = pictures(data, name)
        assert row == pytest.approx(score(a, b, np.maximum(a, b)))
    for metric in METRICS:
        assert result["mean"][metric] == pytest.approx(sum(row[metric] for row in result["images"].values()) / 3)

    title, heading, *rows = out.splitlines()
    assert title == f"max, 3 pairs of {data}"
    assert heading.split() == ["picture", *METRICS]
    assert [row.split()[0] for row in rows] == [*NAMES, "mean"]
    printed = [float(figure) for figure in rows[-1].split()[1:]]
    places = {name: metric.decimals for name, metric in METRICS.items()}
    assert printed == [round(result["mean"][name], places[name]) for name in METRICS]
    assert re.fullmatch(r"mean +\d\.\d\d +\d+\.\d +\d+\.\d( +-?\d+\.\d{3}){6}", rows[-1])


def test_pictures_made_by_anyone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scoring files equals scoring what they were made by; a coloured copy has the same luminance."""
    (data / "made").mkdir()
    for name in NAMES:
        average = ((sum(image.astype(int) for image in pictures(data, name)) + 1) // 2).astype(np.uint8)
        cv2.imwrite(str(data / "made" / f"{name}.png"), np.dstack([average] * 3))
    assert evaluate("--data", data, "--fused", data / "made") == 0
    by_file = capsys.readouterr().out.splitlines()
    assert evaluate("--data", data, "--baseline", "average") == 0
    by_baseline = capsys.readouterr().out.splitlines()
    assert by_file[0].startswith("made, 3 pairs")
    assert by_file[1:] == by_baseline[1:]


def test_model(data: Path, small_paper_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model's pictures are those of camf fuse, on the luminance, each on its own; gain and all, automatic or not."""
    colour = cv2.imread(str(data / "visible" / "two.png"))
    assert colour is not None
    colour[:, :, 0] //= 2
    cv2.imwrite(str(data / "visible" / "two.png"), colour)
    for source in ("infrared", "visible"):
        (data / source / "three.png").unlink()
    lines = {}
    for gain in ([], ["--gain", "0"], ["--gain", "1.2"]):
        assert evaluate("--data", data, "--model", small_paper_model, "--device", "cpu", *gain) == 0
        lines[gain[-1] if gain else ""] = capsys.readouterr().out.splitlines()
    assert lines[""][0].startswith("paper, 2 pairs of")
    assert lines["1.2"][0].startswith("paper, gain 1.2, 2 pairs of")
    assert lines[""] == lines["0"]
    assert lines[""][1:] != lines["1.2"][1:]

    for name in ("one", "two"):  # the luminance of the source in, so that no rounding of colours comes between
        grey = data / f"{name}.png"
        cv2.imwrite(str(grey), pictures(data, name)[1] if name == "one" else luminance(data / "visible" / "two.png"))
        more = ["--output", data / "made" / f"{name}.png", "--device", "cpu", "--precision", "float32", "--quiet"]
        given = [data / "infrared" / f"{name}.png", grey, "--model", small_paper_model]
        assert main(["fuse", *map(str, [*given, *more])]) == 0
    capsys.readouterr()
    assert evaluate("--data", data, "--fused", data / "made") == 0
    assert capsys.readouterr().out.splitlines()[1:] == lines[""][1:]


def test_engines_agree(data: Path, small_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In float32, to what a grey level at a tie can change."""
    means = []
    for engine in ("auto", "torch", "onnxruntime"):
        file = data / "figures.json"
        arguments = ["--data", data, "--model", small_model, "--device", "cpu", "--engine", engine, "--json", file]
        assert evaluate(*arguments) == 0
        means.append(list(json.loads(file.read_text(encoding="utf-8"))["mean"].values()))
    for other in means[1:]:
        assert other == pytest.approx(means[0], rel=2e-3, abs=1e-3)


def luminance(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path))
    assert image is not None
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)[:, :, 0], np.uint8)


def test_all_problems_and_no_figures(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No mean over what is left: all problems, status 1, nothing written."""
    (data / "visible" / "one.png").unlink()
    (data / "infrared" / "two.png").write_bytes(b"")
    cv2.imwrite(str(data / "infrared" / "three.png"), soft(1, 50, 56))
    file = data / "max.json"
    assert evaluate("--data", data, "--baseline", "max", "--json", file) == 1
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("camf evaluate: ") for line in lines)
    for part in ("one: no picture of this name", "two: ", "three: the sizes differ: 56 x 50, 56 x 48", "3 problems"):
        assert part in err
    assert not file.exists()


def test_other_files_are_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "visible" / "four.txt").touch()
    assert evaluate("--data", data, "--baseline", "max") == 0
    assert capsys.readouterr().err == f"not pictures, ignored: {data / 'visible' / 'four.txt'}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--baseline", "max", "--gain", "1"], "--gain is given without --model"),
        (["--model", "no-such-model"], "model 'no-such-model' is unknown"),
        (["--fused", "nowhere"], "there is no folder nowhere"),
        (["--baseline", "max", "--json", "."], "is a folder"),
        (["--baseline", "max", "--json", "infrared/one.png/x.json"], "cannot be made"),
    ],
)
def test_mistakes(
    data: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(data)
    assert evaluate("--data", ".", *arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("camf evaluate: ")
    assert message in err


def test_gain_out_of_range(
    data: Path, small_model: Path, small_paper_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for gain in ("9", "nan", "-1"):
        assert evaluate("--data", data, "--model", small_paper_model, f"--gain={gain}") == 1
        assert "parameter gain is" in capsys.readouterr().err
    assert evaluate("--data", data, "--model", small_model, "--gain=1.2") == 1
    assert f"--gain is given, and model {small_model} has none" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["--data", "."], ["--data", ".", "--baseline", "max", "--fused", "."], ["--baseline", "min"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        evaluate(*arguments)
    assert caught.value.code == 2
    assert "usage: camf evaluate" in capsys.readouterr().err


def test_without_scikit_image(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    assert evaluate("--data", data, "--baseline", "max") == 1
    assert "pip install 'scikit-image" in capsys.readouterr().err


def test_progress_bar(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--data", str(data), "--baseline", "average"]) == 0
    out, err = capsys.readouterr()
    assert "3/3" in err
    assert "3/3" not in out


def test_figures_of_files_need_no_pytorch(data: Path) -> None:
    code = (
        "import sys; from camf_ros.cli.main import main\n"
        "status = main(['evaluate', '--data', sys.argv[1], '--baseline', 'max', '--quiet'])\n"
        "print(status, 'torch' in sys.modules, 'rclpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False False"
