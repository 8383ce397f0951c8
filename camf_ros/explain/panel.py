"""The live panel: one picture that shows an explanation, fit to be read in RViz at half its size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ParameterError
from camf_ros.explain.canvas import DIVERGING, FAINT, INK, Box, Canvas, Colour, coloured, fitted, grey
from camf_ros.explain.channels import Channel
from camf_ros.explain.explanation import Explanation, Place, look_at, within
from camf_ros.explain.summary import AGAIN, NOTE, channel_lines, percent, place_line, verdict

#: (width, height) of the panel.
DEFAULT_SIZE = (1280, 720)
#: Letters of anything smaller could not be told apart.
LEAST_SIZE = (320, 180)
#: Nothing that anyone looks at is larger.
MOST_SIZE = (7680, 4320)
#: Channels that there is room for.
SHOWN = 6

_LAYOUT = (1280, 720)
_MARGIN, _GAP = 12.0, 10.0
_COLUMNS = 4
_COLUMN = (_LAYOUT[0] - 2 * _MARGIN - (_COLUMNS - 1) * _GAP) / _COLUMNS
_TITLE, _PICTURE = 30.0, _COLUMN * 9 / 16
_ROW = _TITLE + _PICTURE + 6
_BOTTOM = 2 * _ROW + 6
_ANSWER, _NOTE = _LAYOUT[1] - 38.0, _LAYOUT[1] - 7.0
_LETTER, _SMALL = 14.5, 11.5
_THUMBNAIL = (_LAYOUT[0] - 2 * _MARGIN - (SHOWN - 1) * _GAP) / SHOWN
_RING: Colour = (80, 255, 80)
# Light enough to be letters on a dark ground.
_ORANGE: Colour = (255, 165, 80)
_BLUE: Colour = (125, 180, 255)
#: What the channels' maps and numbers are.
CHANNELS = (
    "Channels with the largest effect: mean change of the fused picture when the channel is left out, grey levels. "
    "Maps: what it makes brighter (white) and darker (black)."
)
# Change of the picture at which a channel's map has its full colour: what so few of its pixels exceed, but not less.
_QUANTILE, _LEAST_CHANGE = 0.99, 2.0


def render(
    explanation: Explanation, size: tuple[int, int] = DEFAULT_SIZE, place: Place | None = None
) -> NDArray[np.uint8]:
    """Draw the panel of a ``size`` (width, height): (height, width, 3) red, green, blue.

    It is laid out for 16:9; other sizes get a margin. ``place`` is ringed in every picture and shown in numbers. Raises
    ParameterError if the size is below :data:`LEAST_SIZE` or above :data:`MOST_SIZE`.
    """
    if any(not least <= side <= most for least, side, most in zip(LEAST_SIZE, size, MOST_SIZE, strict=True)):
        raise ParameterError(
            f"the panel is to be {size[0]} x {size[1]}",
            expected=f"{LEAST_SIZE[0]} x {LEAST_SIZE[1]} to {MOST_SIZE[0]} x {MOST_SIZE[1]} pixels",
        )
    canvas = Canvas(size, _LAYOUT)
    for number, (title, view, ink) in enumerate(pictures(explanation)):
        # All have the fused picture's proportions: they show one field of view.
        x, y = _corner(number)
        box = fitted(Box(x, y + _TITLE, _COLUMN, _PICTURE), explanation.fused.shape)
        canvas.text(title, (x + _COLUMN / 2, y + _TITLE - 8), height=_LETTER, align=0.5, width=_COLUMN, colour=ink)
        canvas.put(view, box)
        if place is not None and within(explanation, place):
            _ring(canvas, box, place, explanation)
    _levels(canvas, _corner(6), explanation, place)
    _sum(canvas, _corner(7), explanation, place)
    scale = change_scale(explanation.channels)
    canvas.text(CHANNELS, (_MARGIN, _BOTTOM + 14), height=_SMALL, colour=FAINT, width=_LAYOUT[0] - 2 * _MARGIN)
    for number, channel in enumerate(explanation.channels[:SHOWN]):
        _channel(canvas, _MARGIN + number * (_THUMBNAIL + _GAP), channel, scale)
    width = _LAYOUT[0] - 2 * _MARGIN
    if place is not None:
        canvas.text(place_line(explanation, place), (_MARGIN, _ANSWER), height=_LETTER, width=width)
    canvas.text(NOTE if explanation.exact else NOTE + AGAIN, (_MARGIN, _NOTE), height=_SMALL, colour=FAINT, width=width)
    return canvas.picture


def pictures(explanation: Explanation) -> list[tuple[str, NDArray[np.uint8], Colour]]:
    """Title, picture and colour of the title, for panel and figure: cameras, fused, share, both parts."""
    parts = explanation.parts
    return [
        ("Thermal", explanation.thermal, INK),
        ("RGB", explanation.rgb, INK),
        ("Fused", explanation.fused, INK),
        (f"Share of thermal: {percent(explanation.share)}", coloured(explanation.share_map), INK),
        ("Fused: part from thermal", grey(parts.thermal), _ORANGE),
        ("Fused: part from RGB", grey(parts.rgb), _BLUE),
    ]


def change_scale(channels: Sequence[Channel]) -> float:
    """Grey levels at which the colours of all channels' maps have their full strength; above 0."""
    return max([_LEAST_CHANGE, *(float(np.quantile(np.abs(channel.change), _QUANTILE)) for channel in channels)])


def change_view(channel: Channel, scale: float) -> NDArray[np.uint8]:
    """Where a channel makes the fused picture brighter (white) or darker (black) than without it, (h, w)."""
    return grey(127.5 * (1 + channel.change / scale))


def level_names(explanation: Explanation) -> list[str]:
    """Of the pyramid's levels, by the size of what they hold."""
    last = len(explanation.levels) - 1
    return [*(f"{2**level}-{2 ** (level + 1)} px" for level in range(last)), f"{2**last} px up"]


def _corner(number: int) -> tuple[float, float]:
    row, column = divmod(number, _COLUMNS)
    return _MARGIN + column * (_COLUMN + _GAP), row * _ROW


def _ring(canvas: Canvas, box: Box, place: Place, explanation: Explanation) -> None:
    height, width = explanation.fused.shape[:2]
    at = box.x + (place.x + 0.5) / width * box.width, box.y + (place.y + 0.5) / height * box.height
    for radius, colour in ((14.0, (0, 0, 0)), (12.5, _RING)):  # seen on any ground
        canvas.dot(at, radius, colour, ring=True)


def _levels(canvas: Canvas, corner: tuple[float, float], explanation: Explanation, place: Place | None) -> None:
    """Bars: the share of thermal and of RGB in each level, and the amounts at the place that is asked for."""
    x, y = corner
    canvas.text("Share by size of detail", (x + _COLUMN / 2, y + _TITLE - 8), height=_LETTER, align=0.5)
    asked = place is not None and within(explanation, place)
    amounts = look_at(explanation, place).amounts if asked and place is not None else ()
    name, numbers = 74.0, 78.0 if asked else 0.0
    left, width = x + name, _COLUMN - name - numbers
    step = _PICTURE / (len(explanation.levels) + 1)
    for row, (level, words) in enumerate(zip(explanation.levels, level_names(explanation), strict=True)):
        top = y + _TITLE + row * step
        middle = top + step / 2 + 3
        canvas.text(words, (left - 8, middle), height=_SMALL, align=1, width=name - 8)
        thermal = width * level.share
        # At least a line of either colour: a canvas draws no box without width.
        for at, size, colour in ((left, thermal, DIVERGING[-1]), (left + thermal, width - thermal, DIVERGING[0])):
            if size >= 1:
                canvas.put(colour[None, None], Box(at, top + 2, size, step - 4))
        canvas.text(percent(level.share), (left + 6, middle), height=_SMALL)
        if amounts:
            there = f"{amounts[row][0]:.2f}/{amounts[row][1]:.2f}"
            canvas.text(there, (x + _COLUMN, middle), height=_SMALL, align=1, width=numbers - 6)
    foot = y + _TITLE + _PICTURE - 4
    end = canvas.text("thermal", (left, foot), height=_SMALL, colour=_ORANGE)
    canvas.text("RGB", (left + max(width, end + 40), foot), height=_SMALL, colour=_BLUE, align=1)
    if amounts:
        canvas.text("amounts", (x + _COLUMN, foot), height=_SMALL, align=1, width=numbers - 6, colour=FAINT)


def _sum(canvas: Canvas, corner: tuple[float, float], explanation: Explanation, place: Place | None) -> None:
    """The sum: of the pixel that is asked for, or of the mean over the picture."""
    x, y = corner
    parts = explanation.parts
    if place is not None and within(explanation, place):
        n = look_at(explanation, place)
        title, fused, share = f"Pixel {place.x}, {place.y}: {verdict(n)}", float(n.fused), n.share
        values = [n.from_thermal, n.from_rgb, n.clipping + n.rounding]
    else:
        title, share = "Mean over the picture", explanation.share
        fused, *values = (
            float(np.mean(part, dtype=np.float64))
            for part in (parts.fused, parts.thermal, parts.rgb, parts.clipping + parts.rounding)
        )
    canvas.text(title, (x + _COLUMN / 2, y + _TITLE - 8), height=_LETTER, align=0.5, width=_COLUMN)
    names = ("from thermal", "from RGB", "clipping, rounding")
    lines = [*zip(names, values, (_ORANGE, _BLUE, FAINT), strict=True), ("fused", fused, INK)]
    step = 24.0
    for row, (name, value, colour) in enumerate(lines):
        base = y + _TITLE + 22 + row * step + (6 if name == "fused" else 0)
        sign = "=" if name == "fused" else "+" if row else " "
        canvas.text(sign, (x + 24, base), height=_LETTER, colour=FAINT)
        canvas.text(name, (x + 46, base), height=_LETTER, colour=colour)
        canvas.text(f"{value:.1f}", (x + _COLUMN - 24, base), height=_LETTER, colour=colour, align=1)
    rule = y + _TITLE + 22 + 2.45 * step
    canvas.line((x + 20, rule), (x + _COLUMN - 20, rule), FAINT)
    scale = Box(x + 24, y + _TITLE + 128, _COLUMN - 48, 16)
    canvas.put(DIVERGING[None], scale)
    at = scale.x + share * scale.width
    canvas.line((at, scale.y - 5), (at, scale.y + 21), INK)
    foot = scale.y + 34
    canvas.text("all RGB", (scale.x, foot), height=_SMALL, colour=_BLUE)
    canvas.text(percent(share), (scale.x + scale.width / 2, foot), height=_SMALL, align=0.5)
    canvas.text("all thermal", (scale.x + scale.width, foot), height=_SMALL, colour=_ORANGE, align=1)


def _channel(canvas: Canvas, x: float, channel: Channel, scale: float) -> None:
    y, width = _BOTTOM + 24, _THUMBNAIL
    name, weights, way = channel_lines(channel)
    canvas.text(name, (x + width / 2, y + 14), height=_SMALL + 1, align=0.5, width=width)
    view = change_view(channel, scale)
    canvas.put(view, fitted(Box(x, y + 22, width, width * 9 / 16), view.shape))
    top = y + 22 + width * 9 / 16
    canvas.text(weights, (x + width / 2, top + 18), height=_SMALL, align=0.5, width=width)
    canvas.text(way, (x + width / 2, top + 36), height=_SMALL, align=0.5, width=width)
