"""Writes docs/encodings.md from the table of encodings.

source .camf/env.sh && python3 scripts/write_encodings.py
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path

from camf_ros.files import write_whole
from camf_ros.imaging.encodings import (
    ENCODINGS,
    NOT_FROM_RGB,
    NOT_FROM_THERMAL,
    NOT_UNDERSTOOD,
    Encoding,
    Kind,
)
from camf_ros.imaging.memory_budget import MAX_PIXELS
from camf_ros.settings.fusion_settings import CompressedSettings

_WIDTH = 120

_BEGIN = """# Encodings

Encodings of the two camera topics (`sensor_msgs/image_encodings`, plus `nv12` and `i420`). Written by
`python3 scripts/write_encodings.py`.

## Raw images
"""

_RAW = """
- `8UC3` is read as `bgr8`, `8UC4` as `bgra8`.
- *16-bit values* of RGB cameras are divided by 257. If a 10 or 12-bit sensor looks dark, let the driver shift them up.
- *Bayer* is interpolated bilinearly. Run image_proc first for better quality.
- *YUV* is converted as ITU-R BT.601 with luma 16 to 235. Other cameras get slightly wrong colours.
- *Thermal in a colour encoding* must be grey: equal channels (in a JPEG: nearly equal), or YUV chroma from 127 to 129.
  Colour palettes and 16-bit counts in `yuyv` are refused. For counts set the driver to Y16 (`mono16`).
- `16SC1` is read as signed counts, `32FC1` and `64FC1` as temperatures.
- Row padding, big-endian values and extra data are accepted. Images of more than %(pixels)d pixels are refused.

%(refused)s

## YUV layouts
"""

_YUV = """
`step` is the length of a luma row in bytes. Chroma rows have this length, in `nv24` twice, in `i420` half of it. The
width must be even, except in `nv24`. In `nv12`, `nv21` and `i420` the height must be even too. If the image is green
and magenta, the driver sends `i420` under the name `nv21`.
"""

_COMPRESSED = f"""
## Compressed images

The node decodes JPEG and PNG; `compressedDepth` only for [depth images](registration.md#registration-by-depth).
`format` is that of compressed_image_transport, or the codec alone:

| `format` | file | becomes |
|---|---|---|
| with `compressed bgr8` or `bgr16`, a type such as `8UC3`, or the codec alone | colour | colour |
| a colour without `compressed bgr` | colour | red and blue swapped, as in compressed_image_transport |
| `bayer_...; png compressed ` | grey PNG | demosaiced |
| `mono16; jpeg compressed mono8`, `16UC1; ...` | grey JPEG | values * 257, the scale of the counts |
| `16SC1`, `32FC1`, `64FC1` | any | refused |
| any other | grey | grey, 8 or 16 bit |

- *Thermal cameras*: use PNG, which keeps 16 bits. JPEG keeps only the upper 8 bits.
- EXIF rotation is ignored. Damage inside JPEG pixel data cannot be detected.
- `fused/image/compressed` is `rgb8` or `mono8` as JPEG (default quality {CompressedSettings().jpeg_quality}) or PNG.
"""


def page() -> str:
    """The page, Markdown."""
    refused = (
        f"Refused on both topics: {_names(NOT_UNDERSTOOD)} and every other name. If an encoding is refused on one "
        "topic only, check which topic is remapped."
    )
    lines = [_BEGIN, "| encodings | RGB camera | thermal camera |", "|---|---|---|", *_accepted()]
    lines += [_RAW % {"pixels": MAX_PIXELS, "refused": _filled(refused)}]
    lines += ["| encoding | layout |", "|---|---|"]
    lines += [f"| `{one.name}` | {one.layout} |" for one in ENCODINGS.values() if one.layout]
    return "\n".join([*lines, _YUV]) + _COMPRESSED


def _accepted() -> list[str]:
    """Rows of a table; encodings that become the same share one."""
    shared: dict[tuple[str, str], list[str]] = {}
    for one in ENCODINGS.values():
        shared.setdefault((_rgb(one), _thermal(one)), []).append(one.name)
    return [f"| {_names(names)} | {rgb} | {thermal} |" for (rgb, thermal), names in shared.items()]


def _names(encodings: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in encodings)


def _filled(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_on_hyphens=False)


def _rgb(encoding: Encoding) -> str:
    if encoding.name in NOT_FROM_RGB:
        return "refused"
    target = "grey" if encoding.kind is Kind.GREY else "colour"
    return f"{target}, scaled to 8 bits" if encoding.bits == 16 else target


def _thermal(encoding: Encoding) -> str:
    if encoding.name in NOT_FROM_THERMAL:
        return "refused"
    if encoding.kind is Kind.COLOUR:
        return f"{encoding.bits}-bit grey, if all pixels are grey"
    if encoding.kind is not Kind.GREY:
        return "8-bit grey (luma), if chroma is neutral"
    return {"16SC1": "float32, exactly", "32FC1": "float32", "64FC1": "float32"}.get(
        encoding.name, f"{encoding.bits}-bit grey or counts"
    )


def main() -> None:
    """Write the page into the checkout that this script lies in."""
    root = Path(__file__).resolve().parents[1]
    write_whole(root / "docs" / "encodings.md", page().encode())


if __name__ == "__main__":
    main()
