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
from camf_ros.engines.torch_engine import TorchEngine
from camf_ros.explain.explainer import Explainer
from camf_ros.explain.panel import render
from camf_ros.frame_explanation import explain_frame
from camf_ros.pipeline import FusionPipeline

SHAPE = (60, 80)


class Explain:
    def __init__(self, model: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.thermal = save(folder / "thermal.png", soft(1, 48, 64).astype(np.uint16) * 9 + np.uint16(20000))
        grey = sharp(2, *SHAPE)
        self.rgb = save(folder / "rgb.png", np.dstack([grey // 2, grey, 255 - grey]))
        self._engine = ["--model", str(model), "--engine", "torch", "--device", "cpu", "--precision", "float32"]
        self._capsys = capsys

    def __call__(self, *options: object, pictures: tuple[Path, Path] | None = None) -> tuple[int, str]:
        """Exit status and stderr."""
        self._capsys.readouterr()
        logging.getLogger().handlers[:] = []
        inputs = pictures or (self.thermal, self.rgb)
        status = main(["explain", *map(str, (*inputs, *options)), *self._engine])
        out, err = self._capsys.readouterr()
        assert out == ""
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
        assert explain("--output", tmp_path / name, "--gain", 0.8)[0] == 0
    text = (tmp_path / "one.svg").read_text(encoding="utf-8")
    for words in ("Thermal", "Fused", "both alike", "weight of RGB", "small, gain 0.80 (constant)", "% infrared"):
        assert words in text, words
    assert explain("--output", tmp_path / "auto.svg")[0] == 0
    assert "(automatic)" in (tmp_path / "auto.svg").read_text(encoding="utf-8")


def test_one_channel(explain, tmp_path):
    assert explain("--output", tmp_path / "f.svg", "--channel", 3)[0] == 0
    text = (tmp_path / "f.svg").read_text(encoding="utf-8")
    assert "channel 3:" in text
    assert "channel 2:" not in text
    status, err = explain("--output", tmp_path / "g.svg", "--channel", 5)
    assert status == 1
    assert "--channel is 5; expected a number from 0 to 4" in err
    assert not (tmp_path / "g.svg").exists()


def test_panel_and_numbers_are_those_of_the_pipeline(explain, small_model, tmp_path):
    panel, numbers = tmp_path / "p.png", tmp_path / "n.json"
    assert explain("--panel", panel, "--json", numbers, "--limit", 60)[0] == 0
    frame = FusionPipeline(TorchEngine(small_model, device="cpu", precision="float32")).fuse(
        load(explain.thermal), np.ascontiguousarray(load(explain.rgb)[:, :, ::-1]), 0.0
    )
    expected = explain_frame(Explainer(small_model, limit=60), frame, automatic=True)
    np.testing.assert_array_equal(load(panel)[:, :, ::-1], render(expected))
    report = json.loads(numbers.read_text())
    assert report["model"] == "small"
    assert report["model_hash"] == Explainer(small_model).model_hash
    assert report["gain"] == frame.gain
    assert report["mean_share"] == expected.mean_share
    assert report["strongest"] == [channel.number for channel in expected.strongest]
    np.testing.assert_array_equal(np.float32(report["share_map"]), expected.share_map)
    np.testing.assert_array_equal(np.float32(report["evidence"]["visible"]), expected.evidence[1])
    assert report["classifier"]["infrared"]["log_odds"] == expected.log_odds[0]
    assert report["work"] == {"height": expected.work[0], "width": expected.work[1]}


def test_one_pixel(explain, small_model, tmp_path, capsys):
    numbers, panel, plain = tmp_path / "n.json", tmp_path / "p.png", tmp_path / "plain.png"
    assert explain("--panel", plain)[0] == 0
    options = [str(explain.thermal), str(explain.rgb), "--model", str(small_model), "--engine", "torch"]
    options += ["--device", "cpu", "--precision", "float32", "--json", str(numbers), "--panel", str(panel)]
    said = []
    for pixel in (["--at", "40", "30"], ["--set", "explanation_x=40", "--set", "explanation_y=30"]):
        assert main(["explain", *options, *pixel]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1], "the node's parameters say the same"
    place = json.loads(numbers.read_text())["place"]
    assert (place["x"], place["y"], place["both"]) == (40, 30, True)
    assert said[0].startswith("At 40, 30: ")
    assert f"; thermal {place['thermal']:.0f}, RGB {place['rgb']:.0f}, fused {place['fused']:.0f}, " in said[0]
    assert not np.array_equal(load(panel), load(plain))
    assert main(["explain", *options, "--at", "80", "30"]) == 0
    assert capsys.readouterr().out == "At 80, 30: outside of the picture, which is 80 x 60\n"
    assert "place" not in json.loads(numbers.read_text())


def test_node_parameters(explain, small_model, tmp_path):
    parameters = tmp_path / "p.yaml"
    parameters.write_text("/**:\n  ros__parameters:\n    registration:\n      output_width: 160\n    gain: 0.7\n")
    numbers = tmp_path / "n.json"
    assert explain("--json", numbers, "--params-file", parameters)[0] == 0
    report = json.loads(numbers.read_text())
    assert (report["gain"], report["automatic"]) == (pytest.approx(0.7), False)
    assert report["work"] == {"height": 120, "width": 160}
    assert explain("--json", numbers, "--params-file", parameters, "--set", "registration.output_width=64")[0] == 0
    assert json.loads(numbers.read_text())["work"] == {"height": 48, "width": 64}
    assert explain("--json", numbers, "--reference", "thermal")[0] == 0
    assert json.loads(numbers.read_text())["work"] == {"height": 48, "width": 64}


def test_what_only_one_camera_sees(explain, small_model, tmp_path):
    rig, numbers = tmp_path / "rig.yaml", tmp_path / "n.json"
    rig.write_text(
        "camf_registration: 1\nthermal: {width: 64, height: 48}\nrgb: {width: 80, height: 60}\n"
        "homography: [[0.8, 0, 16], [0, 0.8, 0], [0, 0, 1]]\n"
    )
    options = ("--set", "registration.mode=homography", "--set", f"registration.file={rig}")
    status, err = explain("--json", numbers, "--panel", tmp_path / "p.png", *options)
    assert status == 0, err
    report = json.loads(numbers.read_text())
    # The thermal camera sees the columns from 16 to 66 and the rows to 37: the mean is over these.
    share = np.array(report["share_map"])
    assert report["mean_share"] != pytest.approx(share.mean(), abs=1e-6)
    assert report["mean_share"] == pytest.approx(share[:9, 5:16].mean(), abs=0.05)


def test_grey_rgb_and_eight_bit_thermal(explain, tmp_path):
    grey = save(tmp_path / "grey.png", sharp(5, *SHAPE))
    warm = save(tmp_path / "warm.png", soft(5, *SHAPE))
    status, err = explain("--output", tmp_path / "f.png", pictures=(warm, grey))
    assert status == 0, err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "there is nothing to write; expected --output, --panel, --json or --at"),
        (("--json", "n.json", "--channel", 1), "--channel is given without --output"),
        (("--output", "f.gif"), "--output is"),
        (("--output", "f"), "ending in .png, .svg, .pdf"),
        (("--panel", "f.svg"), "ending in .png"),
        (("--output", "f.png", "--panel", "f.png"), "two outputs are"),
        (("--output", "f.png", "--limit", 20), "the longer side of an explanation is 20"),
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
    small = save(tmp_path / "small.png", sharp(5, 40, 60))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    for pictures, message in (
        ((explain.thermal, small), "is too small to be explained"),
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
