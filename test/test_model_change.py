"""One model takes over from another in mid-sequence: the picture's brightness goes on as it was."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from streets import night_street

from camf_ros.adaptation import CANDIDATES, smaller_size
from camf_ros.engines.choose import open_engine
from camf_ros.imaging.luminance import Fade, mean_luminance
from camf_ros.models import find_model
from camf_ros.pipeline import FusionPipeline

# Levels beyond what neighbouring frames differ by anyway.
ALLOWED = 2.0
PERIOD = 0.1
# Number of the frame from which on the other one runs.
CHANGE = 6


@pytest.fixture(scope="module")
def engines():
    return {model: open_engine("torch", find_model(model), device="cpu", threads=1) for model in ("camf", "camf-lite")}


@pytest.fixture(scope="module")
def street():
    """Frames of the simulated scene, at an eighth of their size."""
    night = night_street()
    times = PERIOD * np.arange(CHANGE + 22)
    size = (160, 90)
    return [
        (cv2.resize(night.thermal(t), size, interpolation=cv2.INTER_AREA), cv2.resize(night.rgb(t), size))
        for t in times
    ]


def processing(candidate, image):
    return smaller_size(image.shape[:2]) if candidate.small else None


@pytest.mark.parametrize(
    ("before", "after", "kind"), [(0, 2, "colour"), (2, 0, "colour"), (0, 2, "grey"), (0, 1, "grey"), (3, 1, "colour")]
)
def test_mean_luminance_goes_on(engines, street, before, after, kind):
    frames = [(thermal, rgb if kind == "colour" else rgb[:, :, 1].copy()) for thermal, rgb in street]
    pipeline = FusionPipeline(engines["camf"])
    means, images = [], []
    for number, (thermal, rgb) in enumerate(frames):
        if number in (0, CHANGE):
            candidate = CANDIDATES[after if number else before]
            pipeline.use(engines[candidate.model], processing(candidate, rgb))
        images.append(pipeline.fuse(thermal, rgb, PERIOD * number).image)
        means.append(mean_luminance(images[-1]))
    # The other one, as if nothing had been before.
    other = FusionPipeline(engines[CANDIDATES[after].model])
    other.use(engines[CANDIDATES[after].model], processing(CANDIDATES[after], frames[0][1]))
    alone = [other.fuse(thermal, rgb, PERIOD * number).image for number, (thermal, rgb) in enumerate(frames)]
    steps, steps_alone = (np.abs(np.diff(x)) for x in (means, [mean_luminance(image) for image in alone]))
    assert steps[CHANGE - 1] <= steps[: CHANGE - 1].max() + ALLOWED
    assert (steps[CHANGE:] <= steps_alone[CHANGE:] + ALLOWED).all()
    # In the end it is the other one's picture, but for the automatic gain.
    np.testing.assert_allclose(images[-1].astype(int), alone[-1], atol=2)
    assert abs(means[-1] - mean_luminance(alone[-1])) < 0.5


def picture(level, shape=(4, 6, 3)):
    return np.full(shape, level, np.uint8)


@pytest.mark.parametrize("shape", [(4, 6, 3), (4, 6)])
def test_a_change_is_corrected_and_let_go_by_a_level_a_frame(shape):
    fade = Fade()
    assert mean_luminance(fade.apply(picture(100, shape))) == pytest.approx(100)
    fade.change()
    means = [mean_luminance(fade.apply(picture(95, shape))) for _ in range(8)]
    assert means == pytest.approx([100, 99, 98, 97, 96, 95, 95, 95])


def test_what_is_not_corrected_is_handed_on_as_it_is():
    fade, image = Fade(), picture(100)
    fade.change()
    assert fade.apply(image) is image, "there is nothing before the first picture"
    assert fade.apply(image) is image


@pytest.mark.parametrize(("before", "after", "expected"), [(250, 100, 132), (0, 100, 68), (10, 0, 0), (200, 1, 33)])
def test_the_correction_is_bounded(before, after, expected):
    fade = Fade()
    fade.apply(picture(before))
    fade.change()
    assert mean_luminance(fade.apply(picture(after))) == pytest.approx(expected, abs=0.5)
