"""The live panel: one picture that shows an explanation, fit to be read in RViz at half its size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ParameterError
from camf_ros.explain.canvas import FAINT, INK, Box, Canvas, fitted
from camf_ros.explain.colours import DIVERGING, INFRARED_COLOUR, VISIBLE_COLOUR, coloured
from camf_ros.explain.explanation import INFRARED, VISIBLE, Channel, Explanation
from camf_ros.explain.place import Place, within
from camf_ros.explain.placement import FULL_SHARE
from camf_ros.explain.views import channel_views, evidence_view, share_view, without_view
from camf_ros.explain.wording import (
    NOTE,
    WITHOUT,
    channel_title,
    gain_line,
    percent,
    place_line,
    share_title,
    verdict,
)

#: (width, height) of the panel.
DEFAULT_SIZE = (1280, 720)
#: Letters of anything smaller could not be told apart.
LEAST_SIZE = (320, 180)
#: Nothing that anyone looks at is larger.
MOST_SIZE = (7680, 4320)
#: Channels that there is room for.
SHOWN = 5

_LAYOUT = (1280, 720)
_MARGIN, _GAP = 12.0, 10.0
_COLUMNS = 4
_COLUMN = (_LAYOUT[0] - 2 * _MARGIN - (_COLUMNS - 1) * _GAP) / _COLUMNS
_TITLE, _PICTURE = 32.0, _COLUMN * 9 / 16
_ROW = _TITLE + _PICTURE + 4
_LEGEND, _BOTTOM = 2 * _ROW + 2, 2 * _ROW + 31
_ANSWER, _NOTE = _LAYOUT[1] - 26.0, _LAYOUT[1] - 6.0
_LETTER, _SMALL = 14.5, 12.0
_THUMBNAIL = 158.0
# Room around the dots, as part of the largest weight.
_MARGIN_OF_WEIGHTS = 0.06
# Of no map and of no picture.
_RING = (80, 255, 80)
# Light enough to be letters on a dark ground.
_ORANGE, _BLUE = (255, 165, 80), (125, 180, 255)


def render(
    explanation: Explanation, size: tuple[int, int] = DEFAULT_SIZE, place: Place | None = None
) -> NDArray[np.uint8]:
    """Draw the panel.

    Args:
        explanation: What to show.
        size: (width, height), pixels; laid out for 16:9, others get a margin.
        place: Of the fused picture, to be ringed in every picture and shown in numbers.

    Returns:
        (height, width, 3) red, green, blue.

    Raises:
        ParameterError: If the size is below :data:`LEAST_SIZE` or above :data:`MOST_SIZE`.
    """
    if any(not least <= side <= most for least, side, most in zip(LEAST_SIZE, size, MOST_SIZE, strict=True)):
        raise ParameterError(
            f"the panel is to be {size[0]} x {size[1]}",
            expected=f"{LEAST_SIZE[0]} x {LEAST_SIZE[1]} to {MOST_SIZE[0]} x {MOST_SIZE[1]} pixels",
        )
    canvas = Canvas(size, _LAYOUT)
    views = (
        ("Thermal", explanation.thermal),
        ("RGB", explanation.rgb),
        ("Fused", explanation.fused),
        (share_title(explanation), share_view(explanation)),
        (verdict(explanation, INFRARED), evidence_view(explanation, INFRARED)),
        (verdict(explanation, VISIBLE), evidence_view(explanation, VISIBLE)),
        (WITHOUT[INFRARED], without_view(explanation, INFRARED)),
        (WITHOUT[VISIBLE], without_view(explanation, VISIBLE)),
    )
    for number, (title, view) in enumerate(views):
        row, column = divmod(number, _COLUMNS)
        x, y = _MARGIN + column * (_COLUMN + _GAP), row * _ROW
        # All have the fused picture's proportions: they show one field of view.
        box = fitted(Box(x, y + _TITLE, _COLUMN, _PICTURE), explanation.fused.shape)
        canvas.text(title, (x + _COLUMN / 2, y + _TITLE - 8), height=_LETTER, align=0.5, width=_COLUMN)
        canvas.put(view, box)
        if place is not None and within(explanation, place):
            _ring(canvas, box, place, explanation)
    _legend(canvas)
    for number, channel in enumerate(explanation.strongest[:SHOWN]):
        _channel(canvas, _MARGIN + number * (_THUMBNAIL + 8), channel, explanation)
    _weights(canvas, _MARGIN + SHOWN * (_THUMBNAIL + 8) + 14, explanation)
    width = _LAYOUT[0] - 2 * _MARGIN
    if place is not None:
        canvas.text(place_line(explanation, place), (_MARGIN, _ANSWER), height=_LETTER, width=width)
    canvas.text(NOTE, (_MARGIN, _NOTE), height=_SMALL, colour=FAINT, width=width)
    return canvas.picture


def _ring(canvas: Canvas, box: Box, place: Place, explanation: Explanation) -> None:
    height, width = explanation.fused.shape[:2]
    at = box.x + (place.x + 0.5) / width * box.width, box.y + (place.y + 0.5) / height * box.height
    for radius, colour in ((14.0, (0, 0, 0)), (12.5, _RING)):  # seen on any ground
        canvas.dot(at, radius, colour, ring=True)


def _legend(canvas: Canvas) -> None:
    middle, half, y = _LAYOUT[0] / 2, 150.0, _LEGEND
    canvas.put(DIVERGING[None], Box(middle - half, y, 2 * half, 24))
    canvas.text("both alike", (middle, y + 18), height=_SMALL, align=0.5, colour=(30, 30, 30))
    strong = percent(FULL_SHARE)
    canvas.text(strong, (middle - half + 6, y + 18), height=_SMALL - 1)
    canvas.text(strong, (middle + half - 6, y + 18), height=_SMALL - 1, align=1)
    canvas.text("from RGB / looks visible", (middle - half - 12, y + 19), height=_LETTER, align=1, colour=_BLUE)
    canvas.text("from thermal / looks infrared", (middle + half + 12, y + 19), height=_LETTER, colour=_ORANGE)


def _channel(canvas: Canvas, x: float, channel: Channel, explanation: Explanation) -> None:
    y = _BOTTOM
    canvas.text(channel_title(channel), (x + _THUMBNAIL / 2, y + 13), height=_SMALL, align=0.5, width=_THUMBNAIL)
    lines = (("thermal", _ORANGE, INFRARED_COLOUR), ("RGB", _BLUE, VISIBLE_COLOUR))
    views = channel_views(channel, explanation.work)
    for row, (view, weight, (name, ink, edge)) in enumerate(zip(views, channel.weights, lines, strict=True)):
        top = y + 20 + row * 102
        box = fitted(Box(x, top, _THUMBNAIL, 84), view.shape)
        canvas.put(view, box)
        canvas.frame(box, edge)
        words = f"{name} x {weight:.2f}"
        canvas.text(words, (x + _THUMBNAIL / 2, top + 98), height=_SMALL - 1, align=0.5, colour=ink, width=_THUMBNAIL)


def _weights(canvas: Canvas, x: float, explanation: Explanation) -> None:
    """The model's weights as dots, infrared upwards and visible to the right, and the gain."""
    side, y = 168.0, _BOTTOM + 20
    x += 22
    right = x
    for words, ink in (("weights: ", INK), ("thermal up, ", _ORANGE), ("RGB right", _BLUE)):
        right += canvas.text(words, (right, y - 7), height=_SMALL, colour=ink)
    canvas.frame(Box(x, y, side, side), FAINT, 1)
    weights = explanation.weights
    margin = _MARGIN_OF_WEIGHTS * max(float(weights.max()), 1.0)
    low = max(0.0, min(1.0, float(weights.min())) - margin)
    span = max(1.0, float(weights.max())) + margin - low

    def place(infrared: float, visible: float) -> tuple[float, float]:
        return x + (visible - low) / span * side, y + side - (infrared - low) / span * side

    canvas.line(place(low, low), place(low + span, low + span), FAINT)
    hues = coloured(0.5 + (weights[INFRARED] - weights[VISIBLE]) / 2)
    for infrared, visible, hue in zip(*weights, hues, strict=True):
        canvas.dot(place(infrared, visible), 3.2, tuple(map(int, hue)))
    for channel in explanation.strongest[:SHOWN]:
        canvas.dot(place(*channel.weights), 7.5, INK, ring=True)
    at = place(1, 1)
    canvas.line((at[0], y + side), (at[0], y + side - 5), INK)
    canvas.line((x, at[1]), (x + 5, at[1]), INK)
    canvas.text("1", (at[0], y + side + 15), height=_SMALL - 1, align=0.5, colour=FAINT)
    canvas.text("1", (x - 6, at[1] + 5), height=_SMALL - 1, align=1, colour=FAINT)
    left = x + side + 14
    width = _LAYOUT[0] - _MARGIN - left
    lines = (
        (gain_line(explanation), INK, _LETTER),
        ("automatic" if explanation.automatic else "constant", INK, _SMALL),
        ("", INK, _SMALL),
        (f"model {explanation.model}", INK, _SMALL),
        ("weights are the", FAINT, _SMALL),
        ("model's constants", FAINT, _SMALL),
        ("ring: shown left", FAINT, _SMALL),
    )
    for row, (words, colour, height) in enumerate(lines):
        canvas.text(words, (left, y + 16 + row * 25), height=height, colour=colour, width=width)
