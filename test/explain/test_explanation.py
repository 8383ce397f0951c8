"""An explanation of what the pipeline fused: its numbers, its pixels, its words."""

from __future__ import annotations

import json

import numpy as np
import pytest
from explaining import CHANNELS, Registered, colour, coverage, explain, explainer, grey, pipeline

from camf_ros.errors import EngineError, ImageError, ParameterError
from camf_ros.explain.explanation import Explainer, Place, look_at, within
from camf_ros.explain.summary import amounts_line, content, place_line, verdict
from camf_ros.models import find_model
from camf_ros.network.architecture import PaperArchitecture
from camf_ros.network.checkpoint import save_checkpoint
from camf_ros.network.paper import PaperNetwork

H, W = 112, 144


def frame_of(folder, *, keep_amounts=True, registration=None):
    return pipeline(folder, keep_amounts=keep_amounts, registration=registration).fuse(
        grey(1, H, W), colour(2, H, W), 0
    )


def test_it_is_about_the_frame(tmp_path):
    frame = frame_of(tmp_path)
    e = explainer(tmp_path).explain(frame)
    assert e.exact
    assert (e.model, e.model_hash) == ("small", explainer(tmp_path).model_hash)
    np.testing.assert_array_equal(e.fused, frame.image)
    np.testing.assert_array_equal(e.parts.fused, frame.luminance)
    assert np.abs(e.parts.rounding).max() <= 0.502
    one, other = np.abs(e.parts.thermal).sum(dtype=float), np.abs(e.parts.rgb).sum(dtype=float)
    assert e.share == pytest.approx(one / (one + other), rel=1e-5)
    np.testing.assert_array_equal(e.weights, frame.weights)
    np.testing.assert_array_equal(e.activation[1], frame.visible_activation)
    for level, amount in zip(e.levels, frame.amounts, strict=True):
        np.testing.assert_array_equal(level.amounts, amount)
    assert [channel.effect for channel in e.channels] == sorted((c.effect for c in e.channels), reverse=True)
    assert len(e.channels) == 6
    assert e.channels[0].activation == tuple(e.activation[:, e.channels[0].number])


def test_keeping_amounts_changes_no_picture(tmp_path):
    with_amounts, without = frame_of(tmp_path), frame_of(tmp_path, keep_amounts=False)
    np.testing.assert_array_equal(with_amounts.image, without.image)
    assert without.amounts is None


def test_amounts_that_were_not_kept_are_computed_again(tmp_path):
    again = explainer(tmp_path).explain(frame_of(tmp_path, keep_amounts=False))
    kept = explainer(tmp_path).explain(frame_of(tmp_path))
    assert not again.exact
    np.testing.assert_allclose(again.parts.thermal, kept.parts.thermal, atol=0.05)
    np.testing.assert_allclose(again.parts.rgb, kept.parts.rgb, atol=0.05)
    total = again.parts.thermal + again.parts.rgb + again.parts.clipping + again.parts.rounding
    np.testing.assert_allclose(total, again.parts.fused, atol=2e-3)


def test_channels_at_a_reduced_size(tmp_path):
    e = explainer(tmp_path, limit=72).explain(frame_of(tmp_path), [3, 1])
    assert e.channels_size == (56, 72)
    assert [channel.number for channel in e.channels] == [3, 1]
    assert e.channels[0].change.shape == (56, 72)


@pytest.mark.parametrize("work", [None, (60, 80)])
def test_pixels(tmp_path, work):
    frame = frame_of(tmp_path, registration=Registered(work, coverage(H, W, 4)))
    e = explainer(tmp_path).explain(frame)
    for place in (Place(70, 40), Place(5, 5), Place(143, 20), Place(38, 10), Place(0, 111)):
        assert within(e, place)
        n = look_at(e, place)
        assert n.from_thermal + n.from_rgb + n.clipping + n.rounding == pytest.approx(n.fused, abs=2e-3)
        assert n.fused == e.parts.fused[place.y, place.x]
        words = place_line(e, place)
        assert words.startswith(
            f"At {place.x}, {place.y} the fused level is {n.fused}: {n.from_thermal:.1f} from thermal "
        )
        assert words.isascii()
    middle = look_at(e, Place(70, 40))
    step = (1, 1) if work is None else (H / 60, W / 80)
    row, column = int(40.5 / step[0]), int(70.5 / step[1])
    assert middle.thermal == e.thermal[row, column]
    assert middle.amounts[0] == tuple(frame.amounts[0][:, row // 2, column // 2])
    assert middle.amounts[4] == tuple(frame.amounts[4][:, row // 16, column // 16])
    assert middle.both == 1
    assert f"{middle.amounts[2][0]:.2f} / {middle.amounts[2][1]:.2f}" in amounts_line(e, Place(70, 40))
    alone = look_at(e, Place(5, 5))
    assert (alone.both, alone.share, alone.from_rgb, alone.fused) == (0, 0, alone.rgb, alone.rgb)
    assert verdict(alone) == "only one camera sees this place"
    assert amounts_line(e, Place(5, 5)) == ""
    for outside in (Place(W, 0), Place(0, H), Place(-1, 3)):
        assert not within(e, outside)
        assert place_line(e, outside).endswith("outside of the picture, which is 144 x 112")
        assert amounts_line(e, outside) == ""


def test_verdict(tmp_path):
    n = look_at(explain(tmp_path), Place(3, 4))
    said = [verdict(n._replace(share=share)) for share in (0.9, 0.5, 0.1)]
    assert said == ["mostly thermal", "both cameras", "mostly RGB"]


def test_content_is_json(tmp_path):
    e = explain(tmp_path)
    report = json.loads(json.dumps(content(e, Place(7, 9))))
    mean = report["mean"]
    assert mean["thermal"] + mean["rgb"] + mean["clipping"] + mean["rounding"] == pytest.approx(mean["fused"], abs=1e-3)
    assert mean["fused"] == pytest.approx(e.parts.fused.mean())
    assert report["place"] == json.loads(json.dumps({"x": 7, "y": 9, **look_at(e, Place(7, 9))._asdict()}))
    assert [level["share"] for level in report["levels"]] == [level.share for level in e.levels]
    assert report["channels"][0]["effect"] == e.channels[0].effect
    assert "change" not in report["channels"][0]
    assert len(report["weights"]["rgb"]) == CHANNELS
    assert (report["exact"], report["seen_by_both"], report["width"], report["height"]) == (True, 1.0, W, H)
    assert "place" not in content(e, Place(W, 0))


def test_a_model_that_does_not_blend(tmp_path):
    path = tmp_path / "paper.safetensors"
    architecture = PaperArchitecture(encoder=(2, 3, 4, 5, 5, 5), decoder=(5, 5, 4, 3, 3))
    save_checkpoint(path, PaperNetwork(architecture), name="old", training={})
    with pytest.raises(EngineError, match=r"model old does not blend.*; use camf or camf-lite"):
        Explainer(find_model(str(path)))


def test_wrong_questions(tmp_path):
    frame = frame_of(tmp_path)
    with pytest.raises(ParameterError, match="expected numbers from 0 to 17"):
        explainer(tmp_path).explain(frame, [18])
    with pytest.raises(ImageError, match="does not say what it was fused from"):
        explainer(tmp_path).explain(frame._replace(aligned=None))
    with pytest.raises(ParameterError, match="expected at least 32 pixels"):
        explainer(tmp_path, limit=31)
    with pytest.raises(ParameterError, match="0 of 12 channels"):
        explainer(tmp_path, shown=0)
