"""The classifier: crops are what each network takes, its answers become probabilities, and a weak one is known."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_up import ByBrightness, model, textured

from camf_ros.models import find_model, shipped_models
from camf_ros.network.architecture import BlendArchitecture, PaperArchitecture
from camf_ros.network.checkpoint import load_checkpoint
from camf_ros.source_check.measured import CALIBRATIONS
from camf_ros.source_check.source_model import (
    SIDE,
    Calibration,
    CropSides,
    crop_at,
    log_odds,
    probability,
    read_source_model,
    source_model,
)

PAPER, BLEND = CropSides.of(PaperArchitecture()), CropSides.of(BlendArchitecture())


def test_sides_follow_from_the_architecture() -> None:
    assert (PAPER.step, PAPER.smallest) == (4, 52)
    assert (BLEND.step, BLEND.smallest) == (8, 104)
    assert CropSides.of(BlendArchitecture(coarse=3)) == CropSides(step=8, smallest=128)
    assert CropSides.of(BlendArchitecture((3, 4, 5), (2, 2, 2))) == CropSides(step=8, smallest=104)
    assert CropSides.of(BlendArchitecture((3, 4), (2, 2))) == CropSides(step=4, smallest=52)


@pytest.mark.parametrize(
    ("shape", "sides", "side"),
    [
        ((512, 640), BLEND, 128),
        ((720, 1280, 3), BLEND, 128),
        ((128, 160), BLEND, 128),
        ((120, 160), BLEND, 120),
        ((120, 160), PAPER, 120),
        ((60, 80), BLEND, 0),
        ((60, 80), PAPER, 60),
        ((50, 999), PAPER, 0),
    ],
)
def test_side_of_a_pictures_crops(shape: tuple[int, ...], sides: CropSides, side: int) -> None:
    assert sides.fitting(shape) == side


@given(
    height=st.integers(48, 1500),
    width=st.integers(48, 1500),
    number=st.integers(0, 10**6),
    colour=st.booleans(),
    sides=st.sampled_from([PAPER, BLEND]),
)
def test_crops_are_what_the_network_takes(height: int, width: int, number: int, colour: bool, sides: CropSides) -> None:
    image = np.zeros((height, width, 3) if colour else (height, width), np.uint8)
    side = sides.fitting(image.shape)
    if not side:
        assert min(height, width) < sides.smallest
        return
    assert sides.smallest <= side <= SIDE
    assert side % sides.step == 0
    assert crop_at(image, number, side).shape == (side, side)


def test_looks_have_crops_of_their_own_and_all_of_one_side() -> None:
    asked = model(sides=BLEND)
    bright = textured(190, (480, 640))
    first, second = asked.differences(bright, 0), asked.differences(bright, 1)
    assert first.shape == second.shape == (2,)
    assert len({*first.tolist(), *second.tolist()}) == 4
    assert isinstance(asked.classifier, ByBrightness)
    assert asked.classifier.asked == [(128, 128)] * 4


@pytest.mark.parametrize("name", ["camf-paper", "camf-lite"])
@pytest.mark.parametrize("shape", [(480, 640, 3), (128, 160)])
def test_is_the_network(name: str, shape: tuple[int, ...]) -> None:
    """With its smallest crops too: nothing of the architecture is assumed wrongly."""
    image = np.random.default_rng(3).integers(0, 256, shape).astype(np.uint8)
    found = read_source_model(name)
    checkpoint = find_model(name).checkpoint
    assert checkpoint is not None
    network = load_checkpoint(checkpoint).network
    for side in {found.sides.fitting(shape), found.sides.smallest}:
        crops = [crop_at(image, number, side) for number in (0, 1)]
        with torch.no_grad():
            pictures = torch.from_numpy(np.stack(crops))[:, None].float()
            wanted = network.classifier(network.features(pictures)).numpy()
        np.testing.assert_allclose(found.classifier.logits(*crops), wanted, rtol=0, atol=1e-3)


def test_no_runtime_is_imported() -> None:
    runtimes = {"torch", "openvino", "onnxruntime", "rclpy"}
    code = f"import sys, camf_ros.source_check.check; print(sorted({runtimes} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(value=st.floats(-1e6, 1e6), slope=st.floats(0, 100), offset=st.floats(-10, 10), pairs=st.integers(1, 10**6))
def test_probabilities_stay_between_and_no_surer_than_what_was_seen(
    value: float, slope: float, offset: float, pairs: int
) -> None:
    calibration = Calibration(slope, offset, slope, pairs)
    for odds in (calibration.infrared(value), calibration.swapped(value, -value)):
        assert 1 / (pairs + 2) <= probability(odds) * (1 + 1e-9)
        assert probability(odds) <= (pairs + 1) / (pairs + 2) * (1 + 1e-9)


@given(st.floats(-30, 30))
def test_log_odds_and_back(odds: float) -> None:
    assert log_odds(probability(odds)) == pytest.approx(odds, rel=1e-2, abs=1e-9)


@pytest.mark.parametrize("name", [name for name in shipped_models() if find_model(name).info().training])
def test_shipped_models_are_calibrated_and_strong_enough(name: str) -> None:
    """All but those whose training is not told of."""
    found = read_source_model(name)
    assert found.calibrated
    assert found.weakness == ""
    assert found.calibration.slope > 0
    assert found.calibration.joint > 0


def test_calibrations_are_of_shipped_models() -> None:
    assert set(CALIBRATIONS) <= {find_model(name).info().hash for name in shipped_models()}


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        ({}, "nobody measured"),
        ({"classifier": {"accuracy": 0.6}}, "is right in 60% of its crops"),
        ({"classifier": {"accuracy": 0.9}, "fusion": {"accuracy": 0.5}}, "is right in 50% of its crops"),
        ({"classifier": {"accuracy": float("nan")}}, "is right in nan"),
        ({"classifier": {"accuracy": 0.6}, "fusion": {"accuracy": 0.8}}, ""),
        ({"classifier": {"accuracy": 0.8}, "folds": [0.1], "fusion": {}}, ""),
    ],
)
def test_weak_classifiers_are_known_by_their_training(metrics: dict[str, object], says: str) -> None:
    info = find_model("camf-lite").info()
    training = {"metrics": metrics}
    found = source_model(ByBrightness(), replace(info, training=training, hash="another"))
    assert found.weakness.startswith(says) if not says else says in found.weakness
    assert not found.calibrated
