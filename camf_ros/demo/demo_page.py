"""The demo as one HTML page: pictures, rates, channel weights and the summary, without scripts or other files."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.compressed_image import encode

# Size of the charts, pixels, and the space for their labels.
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 760, 180, 44, 22
_COLOURS = ("#c0392b", "#2471a3", "#1e8449")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; color: #222; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 12px; }
figure { margin: 0; } img, svg { width: 100%; height: auto; } figcaption { color: #555; }
.pictures img { aspect-ratio: 16 / 9; object-fit: contain; background: #181818; }
line { stroke: #ccc; }
td, th { text-align: left; padding: 2px 16px 2px 0; vertical-align: top; }
text { font: 12px system-ui, sans-serif; fill: #555; }
"""


def demo_page(
    summary: Mapping[str, object],
    pictures: Mapping[str, NDArray[np.uint8]],
    rates: Mapping[str, Sequence[float]],
    weights: Mapping[str, Sequence[float]],
    explanation: NDArray[np.uint8] | None = None,
) -> str:
    """The page.

    Args:
        summary: Figures of the run by name.
        pictures: (h, w) grey or (h, w, 3) red, green, blue, by caption; two side by side.
        rates: Frames a second, one value for each second of the run, by topic.
        weights: Class activation weights, one for each channel, by camera.
        explanation: Picture of the explanation, (h, w, 3), shown as wide as the page.
    """
    figures = "\n".join(_figure(name, picture) for name, picture in pictures.items())
    explained = (
        "" if explanation is None else f"<h2>Explanation</h2>\n{_figure('Of the last explained image', explanation)}"
    )
    rows = "\n".join(
        f"<tr><th>{_text(name)}</th><td>{_text(_value(value))}</td></tr>" for name, value in summary.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>camf_ros demo</title><style>{_STYLE}</style></head>
<body>
<h1>camf_ros demo</h1>
<div class="pictures">
{figures}
</div>
{explained}
<h2>Rates (frames a second)</h2>
{_chart(rates, "seconds")}
<h2>Class activation weights</h2>
<p>The weight of each channel of the encoder for both cameras, read off the trained classifier.</p>
{_chart(weights, "channels")}
<h2>Summary</h2>
<table>
{rows}
</table>
</body>
</html>
"""


def _text(text: object) -> str:
    return html.escape(str(text))


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return value if isinstance(value, str) else json.dumps(value)


def _figure(caption: str, picture: NDArray[np.uint8]) -> str:
    text = _text(caption)
    return f'<figure><img src="{_data(picture)}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def _data(picture: NDArray[np.uint8]) -> str:
    """A picture as the address of itself."""
    encoded = encode(picture, "jpeg").tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(encoded).decode('ascii')}"


def _chart(lines: Mapping[str, Sequence[float]], axis: str) -> str:
    """Lines over their index, which is ``axis``, as SVG."""
    values = [value for line in lines.values() for value in line]
    if not values:
        return "<p>No data.</p>"
    low, high = min(0.0, *values), max(0.0, *values)
    span = high - low or 1.0
    longest = max(len(line) for line in lines.values())
    step = (_WIDTH - _LEFT) / max(longest - 1, 1)

    def height(value: float) -> str:
        return f"{(_HEIGHT - _BOTTOM) * (1 - (value - low) / span) + 6:.1f}"

    def point(index: int, value: float) -> str:
        return f"{_LEFT + index * step:.1f},{height(value)}"

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 20}" role="img">',
        f'<text x="0" y="14">{high:.3g}</text><text x="0" y="{_HEIGHT - _BOTTOM + 8}">{low:.3g}</text>',
        f'<text x="{_WIDTH}" y="{_HEIGHT + 14}" text-anchor="end">{_text(axis)} 0 to {longest - 1}</text>',
        *(f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{height(each)}" y2="{height(each)}"/>' for each in (low, high)),
    ]
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(point(index, value) for index, value in enumerate(line))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{_LEFT + 110 * number}" y="{_HEIGHT + 14}" style="fill:{colour}">{_text(name)}</text>')
    return "\n".join([*parts, "</svg>"])
