"""The gain of the paper's fusion rule over time: constant, automatic, and what a failed frame leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pipeline_frames import RGB, colour, counts
from small_model import SMALL_GAIN, open_small

from camf_ros.engines.engine import EngineOutput, FusionEngine
from camf_ros.errors import EngineError
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.imaging.warp import resized
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.thermal_settings import ThermalSettings


@pytest.fixture
def paper(small_paper_model: Path) -> FusionEngine:
    """The paper's network, which has a gain."""
    return open_small(small_paper_model)


def test_constant_gain(paper: FusionEngine) -> None:
    """Whatever came before, and whatever the time constant: the picture is the paper's with this gain."""
    pipeline = FusionPipeline(paper)
    infrared = resized(ThermalFrontEnd(ThermalSettings()).apply(counts(), 1.0), RGB)
    visible = RgbPicture(colour())
    for number, gain in enumerate((SMALL_GAIN, 2.0, 0.25, SMALL_GAIN)):
        pipeline.configure(FusionSettings(gain=gain, gain_time_constant=10.0))
        frame = pipeline.fuse(counts(), colour(), 1.0 + 0.1 * number)
        assert frame.gain == pytest.approx(gain, rel=1e-6)
        np.testing.assert_allclose(frame.weights, gain * paper.channel_weights(), rtol=1e-6)
        np.testing.assert_allclose(frame.weights.mean(axis=1), gain, rtol=1e-6)
        expected = paper.fuse(infrared, visible.luminance, gain=gain)
        np.testing.assert_array_equal(frame.image, visible.with_luminance(expected.fused))


def flickering(number: int) -> NDArray[np.uint8]:
    """An RGB frame of its own, then one that shows what the thermal frame shows, and so on."""
    if number % 2 == 0:
        return colour()
    same = ThermalFrontEnd(ThermalSettings()).apply(counts(), 0.0)
    return np.dstack([resized(same, RGB)] * 3)


def gains(engine: FusionEngine, stamps: list[float], settings: FusionSettings | None = None) -> list[float]:
    pipeline = FusionPipeline(engine, settings)
    return [pipeline.fuse(counts(), flickering(number), stamp).gain for number, stamp in enumerate(stamps)]


def alone(engine: FusionEngine) -> list[float]:
    """Automatic gains of the two kinds of frame."""
    return [FusionPipeline(engine).fuse(counts(), flickering(number), 0.0).gain for number in range(2)]


def test_automatic_gain_does_not_flicker(paper: FusionEngine) -> None:
    one, two = alone(paper)
    assert abs(one - two) > 0.1, "the pictures ask for different gains"
    got = gains(paper, [10 + number / 30 for number in range(40)])
    assert got[0] == one
    swing = np.abs(np.diff(got)).max()
    assert 0 < swing <= abs(one - two) * (1 - np.exp(-1 / 30)) + 1e-6


def test_time_constant_of_the_gain(paper: FusionEngine) -> None:
    one, two = alone(paper)
    stamps = [10.0, 10.5]
    for time_constant in (0.2, 1.0, 5.0):
        settings = FusionSettings(gain_time_constant=time_constant)
        left = np.exp(-0.5 / time_constant)
        assert gains(paper, stamps, settings) == pytest.approx([one, two + left * (one - two)], rel=1e-5)
    assert gains(paper, stamps, FusionSettings(gain_time_constant=0.0)) == [one, two]


def test_automatic_gain_starts_anew_when_the_clock_does(paper: FusionEngine) -> None:
    one, two = alone(paper)
    assert gains(paper, [10.0, 10.0, 9.0]) == [one, two, one]


def test_between_constant_and_automatic_gain(paper: FusionEngine) -> None:
    """After a constant the automatic gain is at once that of the frame: neither the constant nor what was before it."""
    one, two = alone(paper)
    pipeline = FusionPipeline(paper)
    assert pipeline.fuse(counts(), flickering(0), 1.0).gain == one
    pipeline.configure(FusionSettings(gain=2.0))
    assert pipeline.fuse(counts(), flickering(1), 1.1).gain == 2.0
    pipeline.configure(FusionSettings())
    assert pipeline.fuse(counts(), flickering(1), 1.2).gain == two


def test_failed_frame_leaves_all_as_it_was(paper: FusionEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, other = FusionPipeline(paper), FusionPipeline(paper)
    for each in (pipeline, other):
        each.fuse(counts(), flickering(0), 1.0)
    expected = other.fuse(counts(), flickering(1), 1.2)

    def fail(*_arguments: object, **_more: object) -> EngineOutput:
        raise EngineError("the runtime failed")

    with monkeypatch.context() as patch:
        patch.setattr(paper, "fuse", fail)
        with pytest.raises(EngineError, match="the runtime failed"):
            pipeline.fuse(counts(), flickering(0), 1.1)
    after = pipeline.fuse(counts(), flickering(1), 1.2)
    assert after.gain == pytest.approx(expected.gain, rel=1e-6)
    np.testing.assert_array_equal(after.image, expected.image)


def test_frames_that_left_do_not_change_with_the_gain(paper: FusionEngine) -> None:
    pipeline = FusionPipeline(paper)
    first = pipeline.fuse(counts(), colour(), 1.0)
    assert first.aligned is not None
    values = [*(v for v in first if isinstance(v, np.ndarray)), first.aligned.thermal, first.aligned.rgb]
    kept = [np.copy(value) for value in values]
    pipeline.configure(FusionSettings(gain=3.0))
    pipeline.fuse(counts(5), colour(6), 2.0)
    for value, before in zip(values, kept, strict=True):
        np.testing.assert_array_equal(value, before)
