"""The numbers of an explanation against the network in PyTorch and against their own formulas."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from explaining import GAIN, colour, explain, grey, model, network
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from camf_ros.errors import CamfError, CheckpointError, ImageError, ParameterError
from camf_ros.explain.explainer import DEFAULT_CHANNELS, Explainer
from camf_ros.explain.explanation import INFRARED, VISIBLE, Explanation
from camf_ros.explain.working_size import LEAST, working_size
from camf_ros.imaging.luminance import Visible


def numbers(explanation: Explanation) -> list[np.ndarray]:
    e = explanation
    maps = [view for channel in e.strongest for view in (channel.infrared, channel.visible)]
    return [e.activation, e.infrared_share, e.contribution, e.share_map, e.evidence, e.log_odds, *maps]


@pytest.mark.parametrize("fused", [(6,), (1, 2, 6), (2, 6)])
def test_against_the_network(tmp_path, fused):
    # Both sides are multiples of 4 below the limit: nothing is resized.
    thermal, rgb = grey(1, 60, 80), colour(2, 60, 80)
    e = Explainer(model(tmp_path, fused)).explain(thermal, rgb, rgb, GAIN, channels=[0, 4])
    net = network(fused)
    w = net.class_activation_weights().numpy()
    maps, logits, raw = [], [], []
    for picture in (thermal, Visible(rgb).luminance):
        x = F.pad((torch.from_numpy(picture).float()[None, None] - 127.5) / 127.5, (2,) * 4, mode="replicate")
        features = net.encoder(x)
        raw.append([layer[0].numpy() for layer in features])
        cells = features[-1].shape[-2:]
        maps.append(torch.cat([F.adaptive_avg_pool2d(layer, cells) for layer in features], 1)[0].double().numpy())
        logits.append(net.classifier(features)[0].numpy())
    np.testing.assert_allclose(e.weights, w, rtol=1e-6)
    sums = [np.einsum("k,kyx->yx", w[row], maps[row]) for row in (INFRARED, VISIBLE)]
    total = sums[0] + sums[1]
    share = np.where(total > 0, sums[0] / np.where(total > 0, total, 1), 0.5)
    np.testing.assert_allclose(e.share_map, share, rtol=0, atol=1e-4)
    np.testing.assert_allclose(e.log_odds, [scores[0] - scores[1] for scores in logits], rtol=0, atol=1e-4)
    # The means are those of the layers themselves, as an engine reports them.
    for row in (INFRARED, VISIBLE):
        means = np.concatenate([layer.mean(axis=(1, 2)) for layer in raw[row]])
        np.testing.assert_allclose(e.activation[row], means, rtol=1e-4, atol=1e-6)
    first = e.strongest[0]
    np.testing.assert_allclose(first.infrared, raw[INFRARED][0][0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(first.visible, raw[VISIBLE][0][0], rtol=0, atol=1e-4)
    assert (first.number, first.layer) == (0, fused[0])


@pytest.mark.parametrize("fused", [(6,), (1, 2, 6), (2, 6)])
def test_without_a_source_against_the_network(tmp_path, fused):
    thermal, rgb = grey(1, 60, 80), colour(2, 60, 80)
    e = Explainer(model(tmp_path, fused)).explain(thermal, rgb, rgb, GAIN)
    net = network(fused)
    both = torch.from_numpy(np.stack([thermal, Visible(rgb).luminance])).float()[:, None] / 127.5 - 1
    features = net.encoder(F.pad(both, (2,) * 4, mode="replicate"))
    assert e.without.shape == (2, 60, 80)
    for source, picture in ((INFRARED, e.without[INFRARED]), (VISIBLE, e.without[VISIBLE]), (None, e.whole)):
        weights = net.class_activation_weights()
        if source is not None:
            weights[source] = 0
        expected = net.fuse_encoded(features, (64, 84), weights, torch.tensor([GAIN]))[0, 0].numpy() * 127.5 + 127.5
        np.testing.assert_allclose(picture, expected, rtol=0, atol=0.51)
        assert np.ptp(picture) > 5, "else nothing is compared"


def test_parts_add_up(tmp_path):
    e = explain(tmp_path)
    assert e.contribution.sum() == pytest.approx(1, abs=1e-5)
    parts = e.weights * e.activation
    assert e.total_share == pytest.approx(parts[INFRARED].sum() / parts.sum(), rel=1e-5)
    assert e.mean_share == pytest.approx(e.share_map.mean(), rel=1e-5)
    both = parts.sum(axis=0)
    np.testing.assert_allclose(e.infrared_share, np.where(both > 0, parts[0] / np.where(both > 0, both, 1), 0.5), 1e-5)
    # The classifier's verdict is the mean of its evidence.
    np.testing.assert_allclose(e.evidence.mean(axis=(1, 2)) + e.bias, e.log_odds, rtol=0, atol=1e-4)
    for source in (INFRARED, VISIBLE):
        odds = e.probability(source) / (1 - e.probability(source))
        assert np.log(odds) == pytest.approx(e.log_odds[source], rel=1e-5)


def test_strongest_channels(tmp_path):
    e = explain(tmp_path)
    totals = e.contribution.sum(axis=0)
    assert [channel.number for channel in e.strongest] == list(np.argsort(-totals, kind="stable")[:DEFAULT_CHANNELS])
    for channel in e.strongest:
        k = channel.number
        assert channel.weights == tuple(map(float, e.weights[:, k]))
        assert channel.activation == tuple(map(float, e.activation[:, k]))
        np.testing.assert_allclose(channel.contribution, e.contribution[:, k], rtol=1e-6)
    few = Explainer(model(tmp_path), channels=2).explain(e.thermal, e.rgb, e.fused, GAIN)
    assert [channel.number for channel in few.strongest] == [channel.number for channel in e.strongest[:2]]
    many = Explainer(model(tmp_path), channels=999).explain(e.thermal, e.rgb, e.fused, GAIN)
    assert len(many.strongest) == e.weights.shape[1]


def test_infrared_and_visible_change_places(tmp_path):
    explainer = Explainer(model(tmp_path))
    one, other = grey(1, 64, 64), grey(2, 64, 64)
    first, second = explainer.explain(one, other, one, GAIN), explainer.explain(other, one, one, GAIN)
    np.testing.assert_array_equal(first.evidence, second.evidence[::-1])
    np.testing.assert_array_equal(first.activation, second.activation[::-1])
    same = explainer.explain(one, one, one, GAIN)
    np.testing.assert_array_equal(same.evidence[0], same.evidence[1])


@pytest.mark.parametrize("level", [0, 127, 128, 255])
def test_blank_pictures(tmp_path, level):
    blank = np.full((50, 70), level, np.uint8)
    e = Explainer(model(tmp_path)).explain(blank, blank, blank, GAIN)
    assert all(np.isfinite(values).all() for values in numbers(e))
    assert 0 <= e.share_map.min() <= e.share_map.max() <= 1


def test_equal_calls_are_equal(tmp_path):
    for one, other in zip(numbers(explain(tmp_path)), numbers(explain(tmp_path)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_inputs_are_not_written(tmp_path):
    pictures = [grey(1, 70, 90), colour(2, 70, 90), colour(3, 70, 90)]
    for picture in pictures:
        picture.flags.writeable = False
    e = Explainer(model(tmp_path)).explain(*pictures, GAIN)
    assert e.thermal is pictures[0]
    assert e.fused is pictures[2]


def test_gain_is_told_and_changes_nothing_else(tmp_path):
    explainer, pictures = Explainer(model(tmp_path)), (grey(1, 60, 60), grey(2, 60, 60), grey(3, 60, 60))
    one, other = explainer.explain(*pictures, 0.7, automatic=False), explainer.explain(*pictures, 1.3)
    assert (one.gain, one.automatic, other.gain, other.automatic) == (0.7, False, 1.3, True)
    for a, b in zip(numbers(one), numbers(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_thermal_of_another_size(tmp_path):
    # As from a pipeline that processes at less than the size of the result.
    thermal, rgb = grey(1, 60, 80), colour(2, 240, 320)
    small = cv2.resize(rgb, (160, 120), interpolation=cv2.INTER_AREA)
    explainer = Explainer(model(tmp_path), limit=160)
    one, other = explainer.explain(thermal, rgb, rgb, GAIN), explainer.explain(thermal, small, small, GAIN)
    assert one.work == other.work == (120, 160)
    np.testing.assert_array_equal(one.evidence[INFRARED], other.evidence[INFRARED])
    assert np.corrcoef(one.share_map.ravel(), other.share_map.ravel())[0, 1] > 0.9


def test_only_what_both_see_counts_in_the_mean(tmp_path):
    whole = explain(tmp_path)
    both = np.zeros((60, 80), np.uint8)
    both[:, :40] = 255
    e = explain(tmp_path, both=both)
    # The border of 2 pixels is half a cell: the left half has ten cells and a half.
    left = np.concatenate([whole.share_map[:, :10], whole.share_map[:, 10:11]], axis=1)
    weights = np.ones(11)
    weights[10] = 0.5
    assert e.mean_share == pytest.approx(np.average(left, axis=1, weights=weights).mean(), rel=1e-5)
    np.testing.assert_array_equal(e.share_map, whole.share_map)
    assert explain(tmp_path, both=np.zeros((60, 80), np.uint8)).mean_share == 0.5


@given(st.integers(LEAST, 5000), st.integers(LEAST, 5000), st.integers(LEAST, 2000))
def test_working_size(height, width, limit):
    work = working_size((height, width), limit)
    assert all(side % 4 == 0 and side >= LEAST for side in work)
    # Within rounding, or as small as the narrow side allows.
    assert max(work) <= max(limit, LEAST * max(height, width) / min(height, width)) + 2
    assert all(new <= old + 2 for new, old in zip(work, (height, width), strict=True))
    if max(height, width) <= limit:
        assert all(abs(new - old) <= 2 for new, old in zip(work, (height, width), strict=True))


@pytest.mark.parametrize(("height", "width"), [(48, 48), (49, 51), (61, 203), (48, 700), (333, 50)])
def test_odd_sizes(tmp_path, height, width):
    e = explain(tmp_path, height, width)
    assert all(np.isfinite(values).all() for values in numbers(e))
    assert e.share_map.shape == tuple(side // 4 + 1 for side in e.work)


@pytest.mark.parametrize(
    ("thermal", "rgb", "fused"),
    [
        ((47, 90), (47, 90, 3), (47, 90, 3)),
        ((1, 1), (1, 1), (1, 1)),
        ((60, 60, 3), (60, 60, 3), (60, 60)),
        ((60, 60), (60, 60, 4), (60, 60)),
        ((60, 60), (60, 60), (0, 60)),
        ((60,), (60, 60), (60, 60)),
    ],
)
def test_pictures_that_cannot_be_explained(tmp_path, thermal, rgb, fused):
    pictures = [np.zeros(shape, np.uint8) for shape in (thermal, rgb, fused)]
    with pytest.raises(ImageError):
        Explainer(model(tmp_path)).explain(*pictures, GAIN)


def test_counts_are_no_grey_levels(tmp_path):
    with pytest.raises(ImageError, match="uint16"):
        Explainer(model(tmp_path)).explain(grey(1, 60, 60).astype(np.uint16), grey(1, 60, 60), grey(1, 60, 60), GAIN)


@pytest.mark.parametrize("gain", [0.0, -1.0, float("nan"), float("inf")])
def test_gains_that_cannot_be(tmp_path, gain):
    with pytest.raises(ParameterError, match="gain"):
        Explainer(model(tmp_path)).explain(grey(1, 60, 60), grey(1, 60, 60), grey(1, 60, 60), gain)


@pytest.mark.parametrize("options", [{"limit": LEAST - 1}, {"channels": 0}])
def test_options_that_cannot_be(tmp_path, options):
    with pytest.raises(ParameterError):
        Explainer(model(tmp_path), **options)


def test_channels_that_are_not_there(tmp_path):
    for channel in (-1, network().architecture.channels):
        with pytest.raises(ParameterError, match="numbers from 0 to 9"):
            explain(tmp_path, channels=[channel])


def test_model_that_is_not_there():
    with pytest.raises(CheckpointError) as caught:
        Explainer(Path("nowhere.safetensors"))
    assert isinstance(caught.value, CamfError)
