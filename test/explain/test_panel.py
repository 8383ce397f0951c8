"""The panel and the numbers of a place: size, colours, and that it shows what the numbers say."""

from __future__ import annotations

import locale

import cv2
import numpy as np
import pytest
from explaining import GAIN, explain, grey, model

from camf_ros.errors import ParameterError
from camf_ros.explain.canvas import BACKGROUND, Box, Canvas, fitted
from camf_ros.explain.colours import BOTH_COLOUR, DIVERGING, INFRARED_COLOUR, VISIBLE_COLOUR, coloured, overlay
from camf_ros.explain.explainer import Explainer
from camf_ros.explain.explanation import INFRARED, VISIBLE
from camf_ros.explain.panel import DEFAULT_SIZE, LEAST_SIZE, MOST_SIZE, render
from camf_ros.explain.place import Place, PlaceNumbers, look_at, verdict_on
from camf_ros.explain.placement import (
    FULL_SHARE,
    evidence_colours,
    evidence_over_picture,
    evidence_scale,
    share_colours,
    share_over_picture,
)
from camf_ros.explain.views import channel_views, evidence_view, share_view
from camf_ros.explain.wording import NOTE, channel_title, gain_line, place_line, share_title, verdict


@pytest.mark.parametrize("size", [DEFAULT_SIZE, LEAST_SIZE, (640, 360), (640, 480), (500, 900), (1921, 1081)])
def test_has_the_size_that_is_asked_for(tmp_path, size):
    panel = render(explain(tmp_path), size)
    assert (panel.shape, panel.dtype) == ((size[1], size[0], 3), np.uint8)
    # The layout is as large as it can be, and in the middle.
    drawn = (panel != BACKGROUND).any(axis=2)
    scale = min(size[0] / 1280, size[1] / 720)
    for axis, (whole, part) in enumerate(((size[1], 720 * scale), (size[0], 1280 * scale))):
        places = np.flatnonzero(drawn.any(axis=1 - axis))
        assert (whole - part) / 2 - 1 <= places.min() <= (whole - part) / 2 + 0.05 * part
        assert (whole + part) / 2 - 0.1 * part <= places.max() <= (whole + part) / 2 + 1


@pytest.mark.parametrize("size", [(319, 720), (1280, 179), (0, 0), (MOST_SIZE[0] + 1, 720)])
def test_sizes_that_cannot_be(tmp_path, size):
    with pytest.raises(ParameterError, match="320 x 180"):
        render(explain(tmp_path), size)


@pytest.mark.parametrize(("height", "width"), [(48, 400), (400, 48), (61, 61)])
def test_any_proportions_and_grey(tmp_path, height, width):
    pictures = [grey(seed, height, width) for seed in range(3)]
    e = Explainer(model(tmp_path)).explain(*pictures, GAIN)
    assert render(e).shape == (720, 1280, 3)


def test_shows_the_three_pictures(tmp_path):
    flat = [np.full((72, 128), level, np.uint8) for level in (40, 120, 220)]
    panel = render(Explainer(model(tmp_path)).explain(*flat, GAIN))
    # The middle of the first three columns, in the upper row.
    assert [panel[120, column].tolist() for column in (165, 481, 798)] == [[level] * 3 for level in (40, 120, 220)]


def test_shows_what_is_left_without_a_source(tmp_path):
    e = explain(tmp_path)
    panel = render(e._replace(without=np.stack([np.full(e.work, level, np.uint8) for level in (30, 200)])))
    assert [panel[330, column].tolist() for column in (798, 1115)] == [[30] * 3, [200] * 3]


def test_a_place_is_ringed_in_every_picture_and_said_in_numbers(tmp_path):
    e = explain(tmp_path, 72, 128)
    plain, ringed = render(e), render(e, place=Place(64, 36))
    changed = (plain != ringed).any(axis=2)
    upper = changed[:416].reshape(2, 208, 1280)[:, :, 12:1272]
    for row in upper:
        for left in (0, 316, 633, 950):
            cell = np.argwhere(row[32:204, left : left + 306])
            assert len(cell) > 50, "a ring"
            middle = (cell.min(axis=0) + cell.max(axis=0)) / 2
            assert np.abs(middle - (86, 153)).max() <= 3, "about its place"
    assert changed[678:700].any(), "a sentence"
    outside = render(e, place=Place(128, 36))
    np.testing.assert_array_equal(outside[:675], plain[:675])


def test_numbers_of_a_place(tmp_path):
    flat = [np.full((72, 128), level, np.uint8) for level in (40, 120, 220)]
    e = Explainer(model(tmp_path)).explain(*flat, GAIN)
    without = np.zeros((2, *e.work), np.uint8)
    without[INFRARED, 30:41, 50:61], without[VISIBLE, 30:41, 50:61] = 90, 150
    e = e._replace(whole=np.full(e.work, 210, np.uint8), without=without)
    numbers = look_at(e, Place(55, 35))
    assert numbers[:6] == (40, 120, 220, 210, 90, 150)
    assert numbers.share == pytest.approx(share_over_picture(e)[33:38, 53:58].mean())
    assert numbers.both
    assert look_at(e, Place(0, 0)).without_thermal == 0
    for corner in (Place(0, 0), Place(127, 71)):
        assert look_at(e, corner).fused == 220
    alone = e._replace(both=np.zeros((72, 128), np.uint8))
    assert not look_at(alone, Place(55, 35)).both


def test_sentences_about_a_place(tmp_path):
    flat = [np.full((72, 128), level, np.uint8) for level in (40, 120, 220)]
    e = Explainer(model(tmp_path)).explain(*flat, GAIN)
    e = e._replace(without=np.stack([np.full(e.work, level, np.uint8) for level in (90, 150)]))
    e = e._replace(share_map=np.full_like(e.share_map, 0.25), whole=np.full(e.work, 215, np.uint8))
    assert place_line(e, Place(3, 70)) == (
        "At 3, 70: both cameras' doing; thermal 40, RGB 120, fused 220, without thermal 90, without RGB 150; "
        "features 25 % thermal"
    )
    assert place_line(e, Place(3, 72)) == "At 3, 72: outside of the picture, which is 128 x 72"
    alone = place_line(e._replace(both=np.zeros((72, 128), np.uint8)), Place(3, 70))
    assert "only one camera" in alone
    assert "without" not in alone
    assert NOTE.isascii()


@pytest.mark.parametrize(
    ("whole", "without_thermal", "without_rgb", "verdict"),
    [
        (175, 35, 219, "thermal's doing"),
        (11, 61, 20, "thermal's doing"),
        (180, 170, 60, "RGB's doing"),
        (246, 198, 214, "both cameras' doing"),
        (200, 190, 215, "either camera alone would do"),
    ],
)
def test_whose_doing_it_is(whole, without_thermal, without_rgb, verdict):
    assert verdict_on(PlaceNumbers(0, 0, 0, whole, without_thermal, without_rgb, share=0.5, both=True)) == verdict


def test_outlines_leave_the_colours_of_a_map_alone():
    """White in the picture is no white in the map."""
    picture = np.zeros((80, 80), np.uint8)
    picture[:, 40:] = 255
    view = overlay(picture, np.full((80, 80), 1.0)).astype(int)
    assert np.abs(view[:, :20] - view[:, 60:]).max() <= 1
    assert np.abs(view[:, 39] - view[:, 40]).max() > 20, "but edges are seen"


def test_does_not_hang_on_the_locale(tmp_path):
    e, before = explain(tmp_path), locale.setlocale(locale.LC_ALL)
    plain = render(e)
    tried = 0
    for name in ("de_DE.UTF-8", "C", "C.UTF-8"):
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
        tried += 1
        np.testing.assert_array_equal(render(e), plain)
    locale.setlocale(locale.LC_ALL, before)
    assert tried


def test_inputs_are_not_written(tmp_path):
    e = explain(tmp_path)
    copies = [array.copy() for array in (e.thermal, e.rgb, e.fused, e.share_map, e.evidence)]
    render(e)
    for copy, array in zip(copies, (e.thermal, e.rgb, e.fused, e.share_map, e.evidence), strict=True):
        np.testing.assert_array_equal(copy, array)


def test_blank_frame(tmp_path):
    blank = np.zeros((60, 60), np.uint8)
    assert render(Explainer(model(tmp_path)).explain(blank, blank, blank, GAIN)).shape == (720, 1280, 3)


def test_colours_tell_the_sources_apart():
    assert coloured(np.array([[-1.0, 0.5, 7.0]])).tolist() == [
        [list(c) for c in (VISIBLE_COLOUR, BOTH_COLOUR, INFRARED_COLOUR)]
    ]
    red, _, blue = (DIVERGING[:, part].astype(int) for part in range(3))
    assert (np.diff(red - blue) >= 0).all()  # one order, whoever looks
    grey_middle = np.ptp(np.array(BOTH_COLOUR))
    assert grey_middle < 16
    picture = np.full((2, 2), 100, np.uint8)
    assert (overlay(picture, np.zeros((2, 2)))[..., 2] > overlay(picture, np.ones((2, 2)))[..., 2]).all()


def test_colours_of_shares_and_evidence():
    shares = np.array([0, 1 - FULL_SHARE, 0.5, FULL_SHARE, 1], np.float32)
    np.testing.assert_allclose(share_colours(shares), [0, 0, 0.5, 1, 1], atol=1e-6)
    np.testing.assert_allclose(evidence_colours(np.array([-9, -3, 0, 3, 9], np.float32), 3), [0, 0, 0.5, 1, 1])


def test_share_lies_over_its_place(tmp_path):
    # Visible is flat, and thermal has something only in one corner.
    thermal, flat = np.full((80, 80), 128, np.uint8), np.full((80, 80), 128, np.uint8)
    thermal[8:28, 48:72] = grey(5, 20, 24)
    explainer = Explainer(model(tmp_path))
    plain = share_over_picture(explainer.explain(flat, flat, flat, GAIN))
    difference = np.abs(share_over_picture(explainer.explain(thermal, flat, flat, GAIN)) - plain)
    assert difference.shape == (80, 80)
    within = np.zeros((80, 80), bool)
    within[: 28 + 20, 48 - 20 :] = True
    assert difference[~within].max() < 1e-5
    row, column = np.unravel_index(np.argmax(difference), difference.shape)
    assert 4 <= row < 32
    assert 44 <= column < 76


def test_evidence_lies_over_its_place(tmp_path):
    e = explain(tmp_path, 160, 240)
    rows, columns = e.evidence.shape[1:]
    over = evidence_over_picture(e, INFRARED)
    assert over.shape == (160, 240)
    # The middle of what place (i, j) sees is the pixel (22 + 16 i, 22 + 16 j).
    at = over[22 : 22 + 16 * rows : 16, 22 : 22 + 16 * columns : 16]
    np.testing.assert_allclose(at, e.evidence[INFRARED], rtol=0, atol=1e-4 * np.abs(e.evidence).max())
    assert evidence_scale(e) >= np.log(3) - 1e-6


def test_views_have_the_working_size(tmp_path):
    e = explain(tmp_path, 60, 80)
    for view in (share_view(e), evidence_view(e, INFRARED), evidence_view(e, VISIBLE)):
        assert (view.shape, view.dtype) == ((60, 80, 3), np.uint8)
    infrared, visible = channel_views(e.strongest[0], e.work)
    assert infrared.shape == visible.shape == (60, 80, 3)
    # Orange has no more blue than red, blue no more red than blue.
    assert (infrared[..., 0] >= infrared[..., 2]).all()
    assert (visible[..., 2] >= visible[..., 0]).all()


def test_what_one_camera_sees_alone_is_not_explained(tmp_path):
    both = np.full((60, 80), 255, np.uint8)
    both[:, 60:] = 0
    e, whole = explain(tmp_path, both=both), explain(tmp_path)
    np.testing.assert_array_equal(share_view(e)[:, :60], share_view(whole)[:, :60])
    for view in (share_view(e), evidence_view(e, VISIBLE)):
        outside = view[:, 60:].astype(int)
        assert (np.ptp(outside, axis=2) == 0).all()
        assert outside.mean() < 80


def test_words(tmp_path):
    e = explain(tmp_path)._replace(mean_share=0.426, gain=1.053, log_odds=np.array([np.log(3), -np.log(3)], np.float32))
    assert share_title(e) == "Features: 43 % thermal, 57 % RGB"
    assert gain_line(e) == "gain 1.05"
    assert (verdict(e, INFRARED), verdict(e, VISIBLE)) == (
        "Classifier on thermal: 75 % infrared",
        "Classifier on RGB: 25 % infrared",
    )
    unsure = e._replace(log_odds=np.array([0.1, -1.0], np.float32))
    assert verdict(unsure, INFRARED) == "Classifier on thermal: undecided, 52 % infrared"
    assert verdict(unsure, VISIBLE) == "Classifier on RGB: undecided, 27 % infrared"
    channel = e.strongest[0]._replace(number=7, contribution=(0.03, 0.04))
    assert channel_title(channel) == "channel 7: 7 %"
    for words in (share_title(e), gain_line(e), verdict(e, 0), channel_title(channel)):
        assert words.isascii()


def test_canvas_keeps_words_to_their_width():
    canvas = Canvas((400, 100), (400, 100))
    assert canvas.text("a line that is far too long for it", (10, 50), height=30, width=120) <= 121
    columns = np.flatnonzero((canvas.picture != BACKGROUND).any(axis=(0, 2)))
    assert columns.min() >= 5
    assert columns.max() <= 135


def test_canvas_centres_its_layout():
    canvas = Canvas((300, 100), (100, 100))
    canvas.put(np.full((5, 5), 200, np.uint8), Box(0, 0, 100, 100))
    assert (canvas.picture[:, 100:200] == 200).all()
    assert (canvas.picture[:, :100] == BACKGROUND).all()
    assert (canvas.picture[:, 200:] == BACKGROUND).all()


def test_fitted_boxes():
    assert fitted(Box(10, 20, 100, 100), (50, 100)) == Box(10, 45, 100, 50)
    assert fitted(Box(0, 0, 160, 90), (90, 90)) == Box(35, 0, 90, 90)


def test_written_and_read_again(tmp_path):
    panel = render(explain(tmp_path))
    assert cv2.imwrite(str(tmp_path / "panel.png"), panel)
    assert (cv2.imread(str(tmp_path / "panel.png")) == panel).all()
