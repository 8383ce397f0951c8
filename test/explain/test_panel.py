"""The panel: its size, and that it shows what the numbers say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from explaining import explain, explainer, grey, pipeline

from camf_ros.errors import ParameterError
from camf_ros.explain.canvas import BACKGROUND, DIVERGING, Box, Canvas, coloured, fitted
from camf_ros.explain.canvas import grey as as_picture
from camf_ros.explain.explanation import Explanation, Place
from camf_ros.explain.panel import (
    CHANNELS,
    DEFAULT_SIZE,
    LEAST_SIZE,
    MOST_SIZE,
    change_scale,
    change_view,
    level_names,
    pictures,
    render,
)
from camf_ros.explain.summary import AGAIN, NOTE, channel_lines, percent

ORANGE, BLUE = DIVERGING[-1], DIVERGING[0]


@pytest.fixture(scope="module")
def e(tmp_path_factory) -> Explanation:
    return explain(tmp_path_factory.mktemp("explained"), 72, 128)


@pytest.mark.parametrize("size", [DEFAULT_SIZE, LEAST_SIZE, (640, 480), (500, 900), (1921, 1081)])
def test_has_the_size_that_is_asked_for(e, size):
    panel = render(e, size)
    assert (panel.shape, panel.dtype) == ((size[1], size[0], 3), np.uint8)
    # The layout is as large as it can be, and in the middle.
    drawn = (panel != BACKGROUND).any(axis=2)
    scale = min(size[0] / 1280, size[1] / 720)
    for axis, (whole, part) in enumerate(((size[1], 720 * scale), (size[0], 1280 * scale))):
        places = np.flatnonzero(drawn.any(axis=1 - axis))
        assert (whole - part) / 2 - 1 <= places.min() <= (whole - part) / 2 + 0.05 * part
        assert (whole + part) / 2 - 0.1 * part <= places.max() <= (whole + part) / 2 + 1


@pytest.mark.parametrize("size", [(319, 720), (1280, 179), (0, 0), (MOST_SIZE[0] + 1, 720)])
def test_sizes_that_cannot_be(e, size):
    with pytest.raises(ParameterError, match="320 x 180"):
        render(e, size)


@pytest.mark.parametrize(("height", "width"), [(48, 400), (400, 48), (61, 61)])
def test_any_proportions_and_grey(tmp_path, height, width):
    frame = pipeline(tmp_path).fuse(grey(1, height, width), grey(2, height, width), 0.0)
    panel = render(explainer(tmp_path).explain(frame))
    box = fitted(Box(12 + 2 * 316.5, 30, 306.5, 306.5 * 9 / 16), (height, width))
    middle = panel[int(box.y + box.height / 2), int(box.x + 1) : int(box.x + box.width - 1)]
    assert len(np.unique(middle)) > 5, "the fused picture"


def test_shows_cameras_fused_and_both_parts(e):
    flat = np.ones((72, 128), np.float32)
    levels = [40, 120, 220, 70, 150]
    shown = e._replace(
        thermal=np.uint8(flat * levels[0]),
        rgb=np.uint8(flat * levels[1]),
        fused=np.uint8(flat * levels[2]),
        parts=e.parts._replace(thermal=flat * levels[3], rgb=flat * levels[4]),
        share_map=flat * 0.25,
    )
    panel = render(shown)
    middles = [(120, 165), (120, 481), (120, 798), (330, 165), (330, 481)]
    assert [panel[at].tolist() for at in middles] == [[level] * 3 for level in levels]
    assert panel[120, 1115].tolist() == coloured(np.array([[0.25]]))[0, 0].tolist()
    assert [title for title, *_ in pictures(e)] == [
        "Thermal",
        "RGB",
        "Fused",
        f"Share of thermal: {percent(e.share)}",
        "Fused: part from thermal",
        "Fused: part from RGB",
    ]


def test_bars_are_the_shares_of_the_levels(e):
    shares = (0.9, 0.5, 0.2, 0.0, 1.0)
    levels = tuple(level._replace(share=share) for level, share in zip(e.levels, shares, strict=True))
    corner = render(e._replace(levels=levels))[238:412, 645:952]
    widths = []
    for row in range(5):
        # Along the lower edge of the bar, below its letters.
        line = corner[round((row + 1) * 172.4 / 6) - 4]
        orange, blue = ((line == colour).all(axis=1).sum() for colour in (ORANGE, BLUE))
        widths.append(orange / (orange + blue))
    np.testing.assert_allclose(widths, shares, atol=0.02)
    assert level_names(e) == ["1-2 px", "2-4 px", "4-8 px", "8-16 px", "16 px up"]


def test_a_place_is_ringed_in_every_picture_and_said_in_numbers(e):
    plain, ringed = render(e), render(e, place=Place(64, 36))
    changed = (plain != ringed).any(axis=2)
    corners = [(0, column) for column in range(4)] + [(1, 0), (1, 1)]
    for row, column in corners:
        top, left = round(row * 208.4 + 30), round(12 + column * 316.5)
        cell = np.argwhere(changed[top : top + 172, left : left + 306])
        assert len(cell) > 50, "a ring"
        middle = (cell.min(axis=0) + cell.max(axis=0)) / 2
        assert np.abs(middle - (86, 153)).max() <= 3, "about its place"
    assert changed[660:690].any(), "a sentence"
    assert changed[240:400, 870:952].any(), "the amounts"
    assert changed[240:350, 970:].any(), "the sum"
    assert not changed[425:640].any(), "the channels are those of the whole picture"
    outside = render(e, place=Place(128, 36))
    np.testing.assert_array_equal(outside[:655], plain[:655])
    assert (outside[660:690] != plain[660:690]).any()


def test_channels_are_shown_with_what_they_change(e):
    panel = render(e)
    assert len(e.channels) == 6
    for number in range(6):
        left = round(12 + number * 211)
        thumbnail = panel[475:575, left + 5 : left + 195]
        assert np.ptp(thumbnail) > 0
    fewer = render(e._replace(channels=e.channels[:2]))
    assert (fewer[470:640, 440:] == BACKGROUND).all()
    # The maps have one scale of colours, which those left out may have set; the words below them stay.
    np.testing.assert_array_equal(fewer[604:640, :430], panel[604:640, :430])
    channel = e.channels[0]._replace(
        number=7, scale=4, weights=(1.5, 0.25), effect=3.2, towards_thermal=2, towards_rgb=1.2
    )
    assert channel_lines(channel) == (
        "channel 7 (1/4): 3.20 levels",
        "weights: thermal 1.50, RGB 0.25",
        "to thermal 2.00, to RGB 1.20",
    )


def test_views_of_changes(e):
    change = np.float32([[-10, -5, 0, 5, 10]])
    channels = [e.channels[0]._replace(change=change), e.channels[0]._replace(change=change / 100)]
    assert change_scale(channels) == pytest.approx(10)
    assert change_scale(channels[1:]) == 2, "what changes little looks little"
    assert change_scale([]) == 2
    assert change_view(channels[0], 10).tolist() == [[0, 64, 128, 191, 255]]


def test_says_when_the_amounts_are_not_those_of_the_picture(e):
    last = render(e)[705:], render(e._replace(exact=False))[705:]
    assert (last[0] != last[1]).any()
    for words in (NOTE, AGAIN, CHANNELS):
        assert words.isascii()


def test_colours():
    assert coloured(np.array([[0.0, 1.0, -3.0, 7.0]]))[0].tolist() == [x.tolist() for x in (BLUE, ORANGE, BLUE, ORANGE)]
    middle = coloured(np.array([[0.5]]))[0, 0].astype(int)
    assert np.ptp(middle) <= 1
    assert as_picture(np.float32([[-40, 0.4, 99.6, 300]])).tolist() == [[0, 0, 100, 255]]


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


def test_written_and_read_again(e, tmp_path: Path):
    panel = render(e)
    assert cv2.imwrite(str(tmp_path / "panel.png"), panel)
    assert (cv2.imread(str(tmp_path / "panel.png")) == panel).all()
