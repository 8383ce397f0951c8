"""The source check of an adapted model: its classifier's stage, its calibration, and how it is tried."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from rigs import place
from small_training import sharp, soft

from camf_ros.network.blend import BlendNetwork
from camf_ros.network.checkpoint import weights_hash
from camf_ros.source_check.source_model import UNCALIBRATED, Calibration, CropSides, SourceModel
from camf_ros.training.adapt_frames import Frame
from camf_ros.training.adapt_sources import source_model_of, source_stage, source_task, tried
from camf_ros.training.loop import Trainer


def eyes(seeds: range, side: int = 120) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [soft(seed, side, side) for seed in seeds], [sharp(seed, side, side) for seed in seeds]


def bits(module: torch.nn.Module) -> str:
    return weights_hash({name: value.numpy() for name, value in module.state_dict().items()})


def test_the_classifier_learns_the_cameras_and_the_fusion_stays_as_it_is(small_network: BlendNetwork, tmp_path: Path):
    encoder, heads = bits(small_network.encoder), bits(small_network.heads)
    weights = small_network.class_activation_weights()
    task = source_task(small_network, eyes(range(6)), eyes(range(20, 24)), seed=1)
    assert task is not None
    before = task.accuracy()["accuracy"]
    told = Trainer(tmp_path, {}, quiet=True).run(source_stage(task, steps=60, batch=8, learning_rate=0.02))
    assert told["accuracy"] > max(0.9, before)
    assert (bits(small_network.encoder), bits(small_network.heads)) == (encoder, heads)
    assert torch.equal(small_network.class_activation_weights(), weights)


def test_of_pictures_that_are_too_small_there_is_nothing_to_learn(small_network: BlendNetwork):
    assert source_task(small_network, eyes(range(3), 100), eyes(range(3)), seed=1) is None
    frames = [Frame("", *(picture[:100, :100] for picture in place(seed)), None) for seed in range(3)]
    assert not source_model_of(small_network, frames, frames).calibrated


class _ByBrightness:
    """Calls bright crops infrared, with a score that grows with the brightness."""

    def logits(self, first: np.ndarray, second: np.ndarray, /) -> np.ndarray:
        return np.array([[float(crop.mean()) / 16 - 8, 0.0] for crop in (first, second)], np.float32)


@pytest.mark.parametrize(
    ("thermal", "rgb", "swapped", "alarms"), [(70, -70, 1.0, 0.0), (-70, 70, 0.0, 1.0), (0, 0, 0.0, 0.0)]
)
def test_pairs_are_tried_both_ways_round(thermal: int, rgb: int, swapped: float, alarms: float):
    frames = []
    for seed in range(3):
        picture = (place(seed, 160)[0].astype(np.int16) - 128) // 4 + 128
        frames.append(Frame("", (picture + thermal).astype(np.uint8), (picture + rgb).astype(np.uint8), None))
    model = SourceModel(_ByBrightness(), CropSides(16, 112), Calibration(1.5, 0.0, 1.0, 40), True, "")
    found = tried(model, frames)
    assert (found.swapped, found.alarms) == (swapped, alarms)
    assert found.right.tolist() == [swapped - alarms] * 3


def test_a_calibration_that_makes_no_sense_is_none():
    for entries in ({"slope": "steep"}, {"slope": 1, "offset": 0, "joint": math.inf, "pairs": 3}, [], None):
        assert Calibration.read(entries) is None
    for good in (Calibration(1.0, 0.5, 0.25, 40), UNCALIBRATED):
        assert Calibration.read(good.to_dict()) == good


def test_of_two_fits_the_less_sure_one_counts():
    rng = np.random.default_rng(1)
    infrared, visible = rng.normal(2, 1, 200), rng.normal(-2, 1, 200)
    fit = Calibration.fitted(infrared, visible)
    assert fit.slope == pytest.approx(4.0, rel=0.3)  # of normal scores: the distance of the means over the variance
    assert fit.infrared(3.0) > 0 > fit.infrared(-3.0)
    assert fit.swapped(-2.0, 2.0) > 0 > fit.swapped(2.0, -2.0)
    flatter = Calibration(0.5, 9.0, 0.1, 300)
    assert fit.less_sure(flatter) == flatter.less_sure(fit) == Calibration(0.5, 9.0, 0.1, 300)


def test_scores_without_any_overlap_can_be_fitted():
    fit = Calibration.fitted(np.full(30, 50.0), np.full(30, -50.0))
    assert fit.infrared(50.0) == pytest.approx(math.log(31))
