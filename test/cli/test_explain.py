"""camf explain: the files that it writes, and what it says about wrong input."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from fusing import load, save
from small_training import sharp, soft

from camf_ros.cli.main import main
from camf_ros.engines.choose import open_engine
from camf_ros.explain.explanation import Explainer, Place
from camf_ros.explain.panel import render
from camf_ros.explain.summary import content, place_line
from camf_ros.models import find_model
from camf_ros.pipeline import FusionPipeline

SHAPE = (60, 80)


class Explain:
    def __init__(self, model: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.thermal = save(folder / "thermal.png", soft(1, 48, 64).astype(np.uint16) * 9 + np.uint16(20000))
        grey = sharp(2, *SHAPE)
        self.rgb = save(folder / "rgb.png", np.dstack([grey // 2, grey, 255 - grey]))
        self._engine = ["--model", str(model), "--engine", "torch", "--device", "cpu", "--precision", "float32"]
        self._capsys = capsys
        self.out = ""

    def __call__(self, *options: object, pictures: tuple[Path, Path] | None = None) -> tuple[int, str]:
        """Exit status and stderr."""
        self._capsys.readouterr()
        logging.getLogger().handlers[:] = []
        inputs = pictures or (self.thermal, self.rgb)
        status = main(["explain", *map(str, inputs), *self._engine, *map(str, options)])
        self.out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return status, err


@pytest.fixture
def explain(small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fresh_logging: None) -> Explain:
    return Explain(small_model, tmp_path, capsys)


@pytest.mark.parametrize(("name", "start"), [("f.png", b"\x89PNG"), ("f.pdf", b"%PDF"), ("new/f.SVG", b"<?xml")])
def test_figure(explain, tmp_path, name, start):
    status, err = explain("--output", tmp_path / name)
    assert status == 0, err
    assert (tmp_path / name).read_bytes().startswith(start)
    assert err.splitlines()[-1] == f"{tmp_path / name} written"


def test_figure_says_it_in_words_and_alike_each_time(explain, tmp_path):
    for name in ("one.svg", "other.svg"):
        assert explain("--output", tmp_path / name, "--channel", 2, 0)[0] == 0
    text = (tmp_path / "one.svg").read_text(encoding="utf-8")
    for words in ("Thermal", "Fused: part from RGB", "Share of thermal", "channel 2 (1/2)", "towards RGB", "2-4 px"):
        assert words in text, words
    assert "channel 1 " not in text
    assert text == (tmp_path / "other.svg").read_text(encoding="utf-8")


def test_panel_and_numbers_are_those_of_the_pipeline(explain, small_model, tmp_path):
    panel, numbers = tmp_path / "p.png", tmp_path / "n.json"
    status, err = explain("--panel", panel, "--json", numbers, "--limit", 60, "--at", 40, 30)
    assert status == 0, err
    pipeline = FusionPipeline(open_engine("torch", find_model(str(small_model)), device="cpu", precision="float32"))
    pipeline.keep_amounts = True
    frame = pipeline.fuse(load(explain.thermal), np.ascontiguousarray(load(explain.rgb)[:, :, ::-1]), 0.0)
    place = Place(40, 30)
    expected = Explainer(find_model(str(small_model)), limit=60).explain(frame)
    np.testing.assert_array_equal(load(panel)[:, :, ::-1], render(expected, place=place))
    report = json.loads(numbers.read_text())
    assert report == json.loads(json.dumps(content(expected, place)))
    assert report["exact"]
    assert explain.out.splitlines()[0] == place_line(expected, place)
    assert explain.out.splitlines()[1].count(" / ") == 1 + len(expected.levels)


def test_a_pixel_from_the_parameters_of_the_node(explain, tmp_path):
    numbers = tmp_path / "n.json"
    said = []
    for pixel in (("--at", 40, 30), ("--set", "explanation_x=40", "--set", "explanation_y=30")):
        assert explain("--json", numbers, *pixel)[0] == 0
        said.append(explain.out)
    assert said[0] == said[1]
    place = json.loads(numbers.read_text())["place"]
    assert (place["x"], place["y"], place["both"]) == (40, 30, 1)
    assert said[0].startswith(
        f"At 40, 30 the fused level is {place['fused']}: {place['from_thermal']:.1f} from thermal "
    )
    assert explain("--at", 80, 30)[0] == 0
    assert explain.out == "At 80, 30: outside of the picture, which is 80 x 60\n"


def test_a_channel_that_is_not_there(explain, tmp_path):
    status, err = explain("--output", tmp_path / "g.svg", "--channel", 99)
    assert status == 1
    assert "channels [99] are asked for; expected numbers from 0 to" in err
    assert not (tmp_path / "g.svg").exists()


def test_a_model_that_does_not_blend(explain, small_paper_model, tmp_path):
    status, err = explain("--json", tmp_path / "n.json", "--model", small_paper_model)
    assert status == 1
    assert "does not blend: its picture is no sum of two parts that could be shown; use camf or camf-lite" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "n.json").exists()


def test_node_parameters(explain, tmp_path):
    parameters = tmp_path / "p.yaml"
    parameters.write_text("/**:\n  ros__parameters:\n    registration:\n      output_width: 160\n")
    numbers = tmp_path / "n.json"
    assert explain("--json", numbers, "--params-file", parameters)[0] == 0
    report = json.loads(numbers.read_text())
    assert (report["width"], report["height"]) == (160, 120)
    assert explain("--json", numbers, "--params-file", parameters, "--set", "registration.output_width=64")[0] == 0
    assert json.loads(numbers.read_text())["width"] == 64
    assert explain("--json", numbers, "--reference", "thermal")[0] == 0
    assert json.loads(numbers.read_text())["height"] == 48


def test_what_only_one_camera_sees(explain, tmp_path):
    rig, numbers = tmp_path / "rig.yaml", tmp_path / "n.json"
    rig.write_text(
        "camf_registration: 1\nthermal: {width: 64, height: 48}\nrgb: {width: 80, height: 60}\n"
        "homography: [[0.8, 0, 16], [0, 0.8, 0], [0, 0, 1]]\n"
    )
    options = ("--set", "registration.mode=homography", "--set", f"registration.file={rig}")
    status, err = explain("--json", numbers, "--at", 5, 50, *options)
    assert status == 0, err
    report = json.loads(numbers.read_text())
    # The thermal camera sees the columns from 16 to 66 and the rows to 37.
    assert 0.3 < report["seen_by_both"] < 0.42
    place = report["place"]
    assert (place["both"], place["from_thermal"], place["from_rgb"]) == (0, 0, place["fused"])


def test_grey_rgb_and_eight_bit_thermal(explain, tmp_path):
    grey = save(tmp_path / "grey.png", sharp(5, *SHAPE))
    warm = save(tmp_path / "warm.png", soft(5, *SHAPE))
    status, err = explain("--output", tmp_path / "f.png", pictures=(warm, grey))
    assert status == 0, err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "there is nothing to write; expected --output, --panel, --json or --at"),
        (("--output", "f.gif"), "--output is"),
        (("--output", "f"), "ending in .png, .svg, .pdf"),
        (("--panel", "f.svg"), "ending in .png"),
        (("--output", "f.png", "--panel", "f.png"), "two outputs are"),
        (("--output", "f.png", "--limit", 20), "the longer side for channels is 20"),
        (("--output", "f.png", "--set", "gain=-1"), "gain"),
        (("--output", "f.png", "--set", "nothing"), "expected NAME=VALUE"),
    ],
)
def test_wrong_usage(explain, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    status, err = explain(*options)
    assert status == 1
    assert message in err
    assert len(err.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_inputs_that_cannot_be_used(explain, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    for pictures, message in (
        ((explain.thermal, broken), "cannot be read as a picture"),
        ((tmp_path / "nowhere.png", explain.rgb), "cannot be opened"),
        ((explain.rgb, explain.thermal), "is in colour"),
    ):
        status, err = explain("--output", tmp_path / "f.png", pictures=pictures)
        assert status == 1
        assert message in err
        assert not (tmp_path / "f.png").exists()


def test_inputs_are_never_overwritten(explain):
    before = explain.rgb.read_bytes()
    for option in ("--output", "--panel", "--json"):
        status, err = explain(option, explain.rgb)
        assert status == 1
        assert "is an input" in err
    assert explain.rgb.read_bytes() == before


def test_unwritable(explain, tmp_path):
    folder = tmp_path / "folder.png"
    folder.mkdir()
    status, err = explain("--panel", folder)
    assert status == 1
    assert "expected the name of a file" in err
    status, err = explain("--json", explain.rgb / "n.json")
    assert status == 1
    assert "cannot be made" in err


def test_thermal_as_float(explain, tmp_path):
    kelvin = tmp_path / "kelvin.tiff"
    assert cv2.imwrite(str(kelvin), soft(1, *SHAPE).astype(np.float32) / 10 + 280)
    assert explain("--json", tmp_path / "n.json", pictures=(kelvin, explain.rgb))[0] == 0
