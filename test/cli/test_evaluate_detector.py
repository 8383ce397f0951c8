"""camf evaluate --detector: table and JSON of every kind of picture, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from detecting import coco, picture, write_detector, write_labels

from camf_ros.cli.main import main

pytest.importorskip("pycocotools")
pytestmark = pytest.mark.usefixtures("fresh_logging")

LAMPS = {"a": [(0, 0), (40, 24)], "b": [(16, 16)], "c": [(8, 8)]}


def save(path: Path, image: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]) if image.ndim == 3 else image)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """RGB shows the first lamp of each picture, thermal with hot as white the others; one pair has no labels."""
    for name, squares in {**LAMPS, "more": []}.items():
        save(tmp_path / "visible" / f"{name}.png", picture(*squares[:1]))
        save(tmp_path / "infrared" / f"{name}.png", picture(*squares[1:])[:, :, 0])
    content = coco(LAMPS, time="day")
    content["images"][2]["time"] = "night"
    write_labels(tmp_path / "labels.json", content)
    write_detector(tmp_path / "detector.onnx", names=True)
    return tmp_path


def evaluate(data: Path, *arguments: object) -> int:
    given = ["--data", data, "--detector", data / "detector.onnx", "--labels", data / "labels.json", "--threads", 1]
    return main(["evaluate", *map(str, [*given, "--classes", "lamp", "--draws", 20, *arguments]), "--quiet"])


def test_table_and_json(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = data / "made" / "figures.json"
    more = ["--against", "thermal", "average", "two-passes", "--json", file]
    assert evaluate(data, "--baseline", "rgb", *more) == 0
    out, err = capsys.readouterr()
    assert err == f"1 pairs of {data} have no labels, and are left out\n"
    result = json.loads(file.read_text(encoding="utf-8"))
    assert result["detector"].startswith("YOLOX of 3 classes at 64 x 64")
    assert result["classes"] == {"lamp": {"labels": ["lamp"], "detector": [0]}}
    assert {name: group["pictures"] for name, group in result["groups"].items()} == {"all": 3, "day": 2, "night": 1}
    rows = result["groups"]["all"]["rows"]
    assert list(rows) == ["rgb", "thermal", "average", "two-passes"]
    assert rows["rgb"]["lamp"]["recall"] == 75
    assert rows["thermal"]["lamp"]["recall"] == 25
    assert rows["rgb"]["mean"] == rows["rgb"]["lamp"]
    night = result["groups"]["night"]["rows"]
    assert night["rgb"]["mean"] == pytest.approx({"AP50": 100, "AP": 100, "recall": 100})
    assert night["thermal"]["mean"]["AP50"] == 0
    minus = rows["rgb"]["minus"]["thermal"]["difference"]
    assert minus["AP50"] == pytest.approx(rows["rgb"]["mean"]["AP50"] - rows["thermal"]["mean"]["AP50"])
    assert "rgb" not in rows["rgb"]["minus"]

    title, _, heading, *lines = out.splitlines()
    assert title.endswith(f", 3 pictures of {data}")
    assert heading.split() == ["pictures", "lamp", "mean", "AP", "recall", "AP50"]
    assert [line.split(",")[0] for line in lines if line.endswith("pictures")] == ["all", "day", "night"]
    assert lines[1].split()[:3] == ["rgb", *[f"{rows['rgb']['mean']['AP50']:.1f}"] * 2]
    assert f"{minus['AP50']:+.1f} [" in lines[2], lines


def test_two_passes_find_what_either_finds(data: Path) -> None:
    """RGB and inverted thermal: in this one all but a lamp is bright, so make thermal of what is black."""
    for name, squares in LAMPS.items():
        save(data / "infrared" / f"{name}.png", 255 - picture(*squares[1:])[:, :, 0])
    file = data / "figures.json"
    assert evaluate(data, "--baseline", "two-passes", "--against", "rgb", "thermal-inverted", "--json", file) == 0
    rows = json.loads(file.read_text())["groups"]["all"]["rows"]
    assert rows["two-passes"]["lamp"]["recall"] == 100
    assert rows["two-passes"]["lamp"]["AP50"] == pytest.approx(100)
    assert rows["rgb"]["lamp"]["recall"] == 75
    assert rows["thermal-inverted"]["lamp"]["recall"] == 25


def test_model_and_folder(data: Path, small_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model's pictures are those that camf fuse writes."""
    model = ["--model", small_model, "--engine", "onnxruntime", "--device", "cpu"]
    for name in LAMPS:
        pair = [data / source / f"{name}.png" for source in ("infrared", "visible")]
        more = ["--output", data / "fused" / f"{name}.png", "--precision", "float32", "--quiet"]
        assert main(["fuse", *map(str, [*pair, *model, *more])]) == 0
    file = data / "figures.json"
    assert evaluate(data, *model, "--against", data / "fused", "--json", file) == 0
    one, other = json.loads(file.read_text())["groups"]["all"]["rows"].items()
    assert (one[0], other[0]) == ("small", "fused")
    assert one[1]["mean"] == other[1]["mean"]
    assert set(one[1]["minus"]["fused"]["difference"].values()) == {0}
    assert evaluate(data, "--fused", data / "fused") == 0
    assert "fused" in capsys.readouterr().out


def test_names_by_night(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "night.txt").write_text("a\nb\n")
    assert evaluate(data, "--baseline", "rgb", "--against", "thermal", "--night", data / "night.txt") == 0
    assert "night, 2 pictures" in capsys.readouterr().out


def test_labels_that_do_not_fit(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All problems are told, and nothing is scored."""
    save(data / "infrared" / "a.png", np.zeros((40, 64), np.uint8))
    (data / "visible" / "b.png").unlink()
    save(data / "infrared" / "d.png", np.zeros((48, 64), np.uint8))
    (data / "infrared" / "notes.txt").write_text("none of the pictures")
    (data / "fused").mkdir()
    for name in ("a", "c"):
        save(data / "fused" / f"{name}.png", np.zeros((24, 32, 3), np.uint8))
    assert evaluate(data, "--fused", data / "fused", "--json", data / "figures.json") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"not pictures, ignored: {data / 'infrared' / 'notes.txt'}",
        f"camf evaluate: b: no picture of this name in {data / 'visible'}",
        f"camf evaluate: d: no picture of this name in {data / 'visible'}",
        "camf evaluate: a: the labels are for 64 x 48 pixels, not 32 x 24, 64 x 40",
        "camf evaluate: b: it is in the labels, and there is no pair of this name",
        "camf evaluate: c: the labels are for 64 x 48 pixels, not 32 x 24",
        "camf evaluate: nothing scored because of 5 problems",
    ]
    assert not (data / "figures.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--baseline", "max"], "--baseline is max; expected rgb, thermal"),
        (["--baseline", "rgb", "--against", "nowhere"], "there is no folder nowhere"),
        (["--baseline", "rgb", "--classes", "bird"], "class 'bird' is no category of the labels"),
        (["--baseline", "rgb", "--detector", "none.onnx"], "there is no detector none.onnx"),
        (["--baseline", "rgb", "--detector-size", "big"], "--detector-size has 'big'"),
        (["--baseline", "rgb", "--false-positives", "0"], "out of range"),
        (["--baseline", "rgb", "--labels", "none.json"], "none.json cannot be read"),
        (["--baseline", "rgb", "--json", "visible/a.png/x.json"], "cannot be made"),
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
    assert evaluate(data, *arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("camf evaluate: ")
    assert message in err


def test_detector_and_labels_go_together(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["evaluate", "--data", str(data), "--quiet"]
    assert main([*common, "--baseline", "rgb", "--detector", str(data / "detector.onnx")]) == 1
    assert "--detector is given without --labels" in capsys.readouterr().err
    assert main([*common, "--baseline", "average", "--labels", str(data / "labels.json")]) == 1
    assert "--labels is given without --detector" in capsys.readouterr().err
    assert main([*common, "--baseline", "rgb"]) == 1
    assert "--baseline is rgb without --detector; expected max, average" in capsys.readouterr().err


def test_progress_bars(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--data", data, "--detector", data / "detector.onnx", "--labels", data / "labels.json", "--draws", 2]
    assert main(["evaluate", *map(str, [*given, "--baseline", "average", "--against", "rgb"])]) == 0
    err = capsys.readouterr().err
    assert "rgb: 100%" in err
    assert "resampling: 100%" in err


def test_needs_no_pytorch(data: Path) -> None:
    code = (
        "import sys; from camf_ros.cli.main import main\n"
        "status = main(['evaluate', *sys.argv[1:], '--baseline', 'average', '--draws', '2', '--quiet'])\n"
        "print(status, 'torch' in sys.modules, 'rclpy' in sys.modules)"
    )
    given = ["--data", data, "--detector", data / "detector.onnx", "--labels", data / "labels.json"]
    done = subprocess.run([sys.executable, "-c", code, *map(str, given)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False False"
