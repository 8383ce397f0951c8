"""camf adapt: from a recording or a folder to the files of a model, and its errors in one line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="needs rosbags: pip install rosbags")
pytest.importorskip("skimage", reason="needs scikit-image: pip install scikit-image")

from recordings import MS, RGB, START, THERMAL, image, write
from rigs import noisy, place
from small_model import write_model

from camf_ros.cli import adapt as command
from camf_ros.cli.main import main
from camf_ros.models import find_model
from camf_ros.network.blend import BlendNetwork
from camf_ros.training import adapt_choice, adapt_stage

pytestmark = pytest.mark.usefixtures("fresh_logging")

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def adapt(
    tmp_path: Path,
    small_network: BlendNetwork,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs the command with a small model for a few large steps; gives status and messages."""
    model = write_model(tmp_path / "small.safetensors", small_network)
    quick = replace(adapt_stage.AdaptationRecipe(), learning_rate=0.02, pull=0.0, validate_every=4, source_steps=10)
    monkeypatch.setattr(adapt_stage, "AdaptationRecipe", lambda: quick)
    monkeypatch.setattr(adapt_choice, "_loss", lambda *_: "")  # of a network that knew nothing nothing can be lost
    monkeypatch.setattr(command, "_scene", lambda: None)

    def run(recording: Path, *options: str) -> tuple[int, str]:
        given = ["--model", str(model), "--engine", "torch", "--precision", "float32", "--threads", "1", "--steps", "8"]
        output = ["--output", str(tmp_path / "out" / "rig"), "--run", str(tmp_path / "run"), "--quiet"]
        with caplog.at_level(logging.INFO):
            status = main(["adapt", str(recording), *given, *output, *options])
        return status, capsys.readouterr().err + caplog.text

    return run


def folder(path: Path, count: int, counts: bool = False) -> Path:
    """Pairs as pictures; thermal as black-hot counts of 16 bit, or grey with noise."""
    for source in ("infrared", "visible"):
        (path / source).mkdir(parents=True)
    for seed in range(count):
        thermal, rgb = place(seed)
        seen: Any = noisy(thermal, seed, 5.0)
        if counts:
            seen = (9000 - 10 * seen.astype(np.int32)).astype(np.uint16)
        cv2.imwrite(str(path / "infrared" / f"p{seed}.png"), seen)
        cv2.imwrite(str(path / "visible" / f"p{seed}.png"), np.repeat(rgb[:, :, None], 3, axis=2))
    return path


def test_a_folder_becomes_a_model(adapt: Run, tmp_path: Path):
    status, said = adapt(folder(tmp_path / "pairs", 24, counts=True), "--set", "thermal.polarity=black_hot")
    assert (status, "rose by" in said) == (0, True), said
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["rig.inspect.onnx", "rig.md", "rig.onnx", "rig.png", "rig.safetensors"]
    info = find_model(str(tmp_path / "out" / "rig.onnx")).info()
    assert info.name == "rig"
    assert info.training["pairs"]["recorded"] == 24
    card = (tmp_path / "out" / "rig.md").read_text()
    assert info.hash in card
    assert "--set thermal.polarity=black_hot" in card
    assert cv2.imread(str(tmp_path / "out" / "rig.png")) is not None


def test_a_recording_becomes_a_model(adapt: Run, tmp_path: Path):
    messages = []
    for number in range(50):
        thermal, rgb = place(number // 2)
        stamp = START + number * 700 * MS
        messages.append(image(RGB, np.repeat(rgb[:, :, None], 3, axis=2), stamp))
        messages.append(image(THERMAL, noisy(thermal, number, 5.0), stamp + 5 * MS))
    status, said = adapt(write(tmp_path / "bag", messages))
    assert (status, "rose by" in said) == (0, True), said
    pairs = find_model(str(tmp_path / "out" / "rig.safetensors")).info().training["pairs"]
    assert pairs["recorded"] == 50
    assert 18 <= pairs["trained"] + pairs["validated"] <= 25


def test_too_few_pairs(adapt: Run, tmp_path: Path):
    status, said = adapt(folder(tmp_path / "pairs", 5))
    assert status == 1
    assert said.startswith("camf adapt: 5 of 5 pairs differ from each other; expected 20 or more")
    assert not (tmp_path / "out").exists()


def test_a_recording_in_which_a_camera_was_frozen(adapt: Run, tmp_path: Path):
    messages = []
    for number in range(60):
        stamp, (thermal, rgb) = START + number * 300 * MS, place(number)
        messages.append(image(RGB, rgb, stamp))
        messages.append(image(THERMAL, thermal if number < 20 else place(20)[0], stamp + 5 * MS))
    status, said = adapt(write(tmp_path / "bag", messages))
    assert status == 1
    assert "the thermal camera was frozen: bit-identical frames in 39 of 60 pairs" in said


def test_two_topics_of_which_none_has_a_pair(adapt: Run, tmp_path: Path):
    messages = [image(topic, place(row)[row], START + row * 10**10) for row, topic in enumerate((THERMAL, RGB))]
    status, said = adapt(write(tmp_path / "bag", messages))
    assert status == 1
    assert "has no pair" in said


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--steps", "0"], "--steps is 0"),
        (["--model", "camf-paper"], "is no blending network"),
        (["--params-file", "none.yaml"], "none.yaml"),
    ],
)
def test_wrong_options(adapt: Run, tmp_path: Path, options: list[str], reason: str):
    status, said = adapt(folder(tmp_path / "pairs", 20), *options)
    assert status == 1
    assert reason in said
    assert not (tmp_path / "out").exists()


def test_there_is_no_recording(adapt: Run, tmp_path: Path):
    status, said = adapt(tmp_path / "nowhere")
    assert (status, "nowhere does not exist" in said) == (1, True)
