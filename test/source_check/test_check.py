"""What the source check concludes, with a classifier that goes by brightness: bright is infrared."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import ByBrightness, Picture, coloured, model, textured
from streets import night_street

from camf_ros.errors import CamfError
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.models import find_model, shipped_models
from camf_ros.settings.fusion_settings import SourceCheckSettings
from camf_ros.settings.thermal_settings import ThermalSettings
from camf_ros.source_check.check import DecayingMean, SourceCheck, SourceReport
from camf_ros.source_check.measured import CALIBRATIONS
from camf_ros.source_check.source_model import (
    Calibration,
    CropSides,
    log_odds,
    read_source_model,
)

INFRARED, VISIBLE = textured(190), textured(65)
BLACK = np.zeros((240, 320, 3), np.uint8)
CALIBRATED = [name for name in shipped_models() if find_model(name).info().hash in CALIBRATIONS]


def show(
    check: SourceCheck, thermal: Picture | None, rgb: Picture | None, start: float, seconds: float
) -> SourceReport:
    """Look every two seconds, from start on; the last report."""
    for number in range(int(seconds // 2) + 1):
        found = check.look(thermal, rgb, start + 2 * number)
    return found


def kinds(report: SourceReport) -> list[tuple[str, str]]:
    return [(finding.kind, finding.camera) for finding in report.findings if finding.warning]


CASES = {
    "right": (INFRARED, VISIBLE, []),
    "right, colour": (INFRARED, coloured(VISIBLE), []),
    "swapped": (VISIBLE, INFRARED, [("swapped", "")]),
    "rgb infrared": (INFRARED, INFRARED, [("rgb looks infrared", "rgb")]),
    "rgb infrared, but coloured": (INFRARED, coloured(INFRARED), []),
    "thermal visible": (VISIBLE, coloured(VISIBLE), [("thermal looks visible", "thermal")]),
    "rgb covered": (INFRARED, BLACK, [("covered", "rgb")]),
    "thermal covered": (np.full((99, 99), 128, np.uint8), VISIBLE, [("covered", "thermal")]),
    "no rgb": (INFRARED, None, []),
    "no rgb, thermal visible": (VISIBLE, None, [("thermal looks visible", "thermal")]),
}


@pytest.mark.parametrize("case", CASES)
def test_findings(case: str) -> None:
    thermal, rgb, wanted = CASES[case]
    check = SourceCheck(model())
    early = show(check, thermal, rgb, 0.0, 8.0)
    assert kinds(early) == []
    late = show(check, thermal, rgb, 10.0, 20.0)
    assert kinds(late) == wanted
    assert len(late.warnings) == len(wanted)


def test_grey_rgb_is_information_only() -> None:
    check = SourceCheck(model())
    assert [(f.kind, f.warning) for f in check.look(INFRARED, VISIBLE, 0.0).findings] == [("grey rgb", False)]
    assert check.look(INFRARED, coloured(VISIBLE), 2.0).findings == ()


def test_probabilities_are_those_of_the_calibration() -> None:
    check = SourceCheck(replace(model(), calibration=Calibration(0.1, 0.2, 0.3, 10**6)))
    report = check.look(textured(135), textured(120, seed=1), 0.0)
    assert report.thermal.probability is not None
    assert report.swapped is not None
    assert report.rgb.probability is not None
    thermal = (log_odds(report.thermal.probability) - 0.2) / 0.1
    rgb = (-log_odds(report.rgb.probability) - 0.2) / 0.1
    assert log_odds(report.swapped) == pytest.approx(0.3 * (rgb - thermal), rel=1e-6)
    assert rgb < thermal


def test_text_has_the_evidence() -> None:
    report = show(SourceCheck(model()), VISIBLE, INFRARED, 0.0, 30.0)
    assert report.warnings[0].startswith("thermal and RGB look swapped: 1.00 over 10 s (thermal visible ")
    assert "mean 0, detail 0.0, 100% black" in show(SourceCheck(model()), INFRARED, BLACK, 0.0, 30.0).warnings[0]


def test_a_fault_that_passes_is_no_warning() -> None:
    check = SourceCheck(model())
    for start in range(0, 100, 20):
        assert kinds(show(check, INFRARED, VISIBLE, start, 10.0)) == []
        assert kinds(show(check, INFRARED, BLACK, start + 12.0, 6.0)) == []


def test_a_fault_that_ends_is_forgotten() -> None:
    check = SourceCheck(model())
    assert kinds(show(check, VISIBLE, INFRARED, 0.0, 60.0)) == [("swapped", "")]
    assert kinds(show(check, INFRARED, VISIBLE, 62.0, 60.0)) == []


def test_a_clock_that_goes_back_starts_anew() -> None:
    check = SourceCheck(model())
    show(check, VISIBLE, INFRARED, 1000.0, 60.0)
    report = check.look(INFRARED, VISIBLE, 5.0)
    assert kinds(report) == []
    assert report.thermal.probability is not None
    assert report.thermal.probability > 0.9


def test_two_crops_a_look_of_each_camera() -> None:
    asked = ByBrightness()
    check = SourceCheck(replace(model(), classifier=asked))
    show(check, INFRARED, VISIBLE, 0.0, 6.0)
    assert asked.asked == [(128, 128)] * 4 * 4


@pytest.mark.parametrize("rgb", [None, np.zeros((20, 20), np.uint8), np.zeros((99, 99), np.uint16)])
def test_what_cannot_be_judged_is_said_to_be_so(rgb: np.ndarray | None) -> None:
    report = show(SourceCheck(model()), INFRARED, rgb, 0.0, 60.0)
    assert report.rgb.probability is None
    assert report.rgb.not_judged
    assert report.swapped is None
    assert report.thermal.probability is not None
    assert kinds(report) == []


def test_a_picture_that_is_too_small_for_the_classifier_is_measured_all_the_same() -> None:
    sides = CropSides(16, 112)
    small = show(SourceCheck(model(sides=sides)), textured(190, (60, 80)), VISIBLE, 0.0, 30.0)
    assert small.thermal.probability is None
    assert small.thermal.not_judged == "80 x 60 pixels are too few, 112 a side are needed"
    assert small.thermal.measures is not None
    assert kinds(small) == []
    covered = show(SourceCheck(model(sides=sides)), np.zeros((60, 80), np.uint8), VISIBLE, 0.0, 30.0)
    assert kinds(covered) == [("covered", "thermal")]


def test_a_covered_camera_is_not_judged() -> None:
    report = show(SourceCheck(model()), INFRARED, BLACK, 0.0, 4.0)
    assert report.rgb.probability is None
    assert report.rgb.not_judged == "the picture has no structure"


def test_a_weak_classifier_is_not_asked_and_the_rest_goes_on() -> None:
    weak = model("too weak")
    report = show(SourceCheck(weak), VISIBLE, BLACK, 0.0, 30.0)
    assert report.thermal.not_judged == "too weak"
    assert report.thermal.probability is None
    assert kinds(report) == [("covered", "rgb")]
    assert isinstance(weak.classifier, ByBrightness)
    assert weak.classifier.asked == []


def test_frozen_frames() -> None:
    check = SourceCheck(model())
    for number in range(100):
        now = number / 9
        check.note("thermal", INFRARED, now, now)
        check.note("rgb", np.roll(VISIBLE, number), now, now)
        if number % 18 == 0:
            report = check.look(INFRARED, coloured(VISIBLE), now)
    assert kinds(report) == [("frozen", "thermal")]
    assert report.warnings == ("thermal is frozen: bit-identical frames for 8 s or more (91 frames)",)
    assert report.rgb.frozen == 0


def test_equal_streams_give_equal_reports() -> None:
    reports = [show(SourceCheck(model()), INFRARED, coloured(VISIBLE), 0.0, 20.0) for _ in range(2)]
    assert reports[0] == reports[1]


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0, 50)), min_size=1, max_size=30), st.floats(0.1, 100))
def test_decaying_mean_is_the_weighted_mean(steps: list[tuple[float, float]], constant: float) -> None:
    mean, now, times = DecayingMean(constant), 0.0, []
    assert mean.value is None
    for value, pause in steps:
        now += pause
        times.append(now)
        mean.add(value, now)
    weights = [math.exp((time - now) / constant) for time in times]
    wanted = sum(w * value for w, (value, _) in zip(weights, steps, strict=True)) / sum(weights)
    assert mean.value == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    assert 0 <= mean.span <= constant


def test_a_classifier_that_cannot_be_opened_is_not_asked() -> None:
    with pytest.raises(CamfError) as why:
        find_model("nobody")
    found = read_source_model("nobody")
    assert found.weakness == str(why.value)
    report = show(SourceCheck(found), VISIBLE, BLACK, 0.0, 30.0)
    assert report.thermal.not_judged == found.weakness
    assert kinds(report) == [("covered", "rgb")]


@pytest.mark.parametrize("name", CALIBRATED)
def test_the_simulated_street_raises_no_alarm(name: str) -> None:
    street, front = night_street(), ThermalFrontEnd(ThermalSettings())
    settings = SourceCheckSettings(patience=0.0)
    check = SourceCheck(read_source_model(name), settings)
    for number in range(6):
        now = 4.0 * number
        raw, rgb = street.thermal(now), street.rgb(now)
        check.note("thermal", raw, now, now)
        check.note("rgb", rgb, now, now)
        report = check.look(front.apply(raw, now), rgb, now)
        assert report.warnings == ()
        assert report.thermal.probability is not None
        assert report.rgb.probability is not None
