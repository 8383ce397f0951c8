"""Writes docs/encodings.md from the table of encodings.

source .camf/env.sh && python3 scripts/write_encodings.py
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from camf_ros.imaging.compressed_image import JPEG_QUALITY
from camf_ros.imaging.encodings import (
    ENCODINGS,
    NOT_FROM_RGB,
    NOT_FROM_THERMAL,
    NOT_UNDERSTOOD,
    RGB_ENCODINGS,
    THERMAL_ENCODINGS,
    Encoding,
    Kind,
)
from camf_ros.imaging.raw_image import MAX_PIXELS

_BEGIN = f"""# Encodings

Written from the table of encodings; `python3 scripts/write_encodings.py` writes it anew.

Names are those of `sensor_msgs/image_encodings`. No distribution defines `nv12` and `i420`, but drivers send them.
"cv_bridge" says who converts where cv_bridge works: it, or this package. Both give the same bits, and where cv_bridge
is missing or broken this package converts everything. Row padding, big-endian values, a last row without its padding
and data that are longer than needed are read; a picture of more than {MAX_PIXELS} pixels is refused.

## RGB camera
"""

_YUV = """
How colours are made:

- *Bayer*: bilinear interpolation, OpenCV's, as cv_bridge has it. Green takes the shape of the mosaic at sharp edges;
  what is better (image_proc, the driver's own) can run before.
- *YUV*: ITU-R BT.601, luma 16 to 235, no interpolation of chroma: OpenCV's, as cv_bridge has it for the packed ones. A
  camera that uses BT.709 or luma 0 to 255 gets slightly wrong colours or too much contrast, with cv_bridge as well.
- *16 bit*: value * 255 / 65535, rounded. A sensor of 10 or 12 bits that leaves the upper bits empty comes out dark; let
  the driver shift its values up.
- *8UC3 and 8UC4* name a type and no colours. cv_bridge refuses to convert them, but its Python interface writes them
  unless told otherwise, and what it is given there is OpenCV's blue, green, red.

## Thermal camera
"""

_THERMAL = """
Values reach the thermal front end as they are. Colours are accepted where they are none: a picture whose three
channels are equal in every pixel (in a JPEG: nearly equal), or YUV whose chroma is 127 to 129 everywhere (its luma is
taken). A palette is refused, because its colours do not say what is hot. Some USB cores pack 16-bit counts into `yuyv`;
those have wild chroma and are refused as well: let the driver ask for Y16, which arrives as `mono16`.

## Pictures in planes

`height` and `width` are those of the picture. The luma comes first, `step` bytes a row; `nv12` and `nv21` then have
half as many rows of `step` bytes, `nv24` as many rows of twice `step`, and `i420` two planes of half as many rows of
half `step`. Sides must be even in `nv12`, `nv21` and `i420`, the width in the four packed ones. Nobody has laid down
what the step of planes is, so it is ignored where the data are just as long as planes without padding. Some drivers
call `i420` data `nv21`: such a picture has a green and magenta pattern, and only the driver can put it right.

## Refused
"""

_COMPRESSED = f"""
## Compressed images

JPEG and PNG, told apart by their first bytes. Nothing else is decoded: no TIFF, WebP or video, and no
`compressedDepth`. The `format` field is read as compressed_image_transport writes it: `rgb8; jpeg compressed bgr8`,
`mono16; png compressed `, or the codec alone.

| `format` | file | becomes |
|---|---|---|
| any, or the codec alone | grey | grey, 8 or 16 bit |
| any ending `compressed bgr8` or `bgr16`, a type such as `8UC3`, or the codec alone | colour | colour |
| a colour without `compressed bgr` | colour | red and blue exchanged, as the transport's own subscriber does |
| `bayer_...; png compressed ` | grey PNG | demosaiced |
| `bayer_...; jpeg compressed mono8` | grey JPEG | grey: the publisher had made it grey |
| `mono16; jpeg compressed mono8`, `16UC1; ...` | grey JPEG | values * 257, so that counts keep their scale |
| `16SC1`, `32FC1` or `64FC1` with any codec | any | refused: neither format holds such values |

- *Thermal cameras*: use PNG. It keeps all 16 bits. JPEG keeps the upper 8 of them (of 14-bit counts some 64 levels, of
  those of one scene a few), and its blocks of 8 x 8 pixels look like structure once the contrast is stretched.
- A rotation noted in the file (EXIF) is ignored, as by compressed_image_transport and cv_bridge: camera_info would not
  turn with it.
- A file is examined before it is decoded: it must be whole, in a PNG all checksums must be right, and its size must be
  one that its length can hold (512 pixels a byte at best in a JPEG, 8256 in a PNG), up to the limit above. What is
  broken inside the pixels of a JPEG cannot be found this way: libjpeg then decodes what it can and may write a line to
  the standard error output.
- Images out: `rgb8` and `mono8`, JPEG (quality {JPEG_QUALITY} unless set) or PNG, with the transport's own `format`, so
  that `republish` and RViz read them.
"""


def page() -> str:
    """The page, Markdown."""
    rgb = [encoding for encoding in ENCODINGS.values() if encoding.name in RGB_ENCODINGS]
    thermal = [encoding for encoding in ENCODINGS.values() if encoding.name in THERMAL_ENCODINGS]
    lines = [_BEGIN, "| encoding | bits | what it is | becomes | cv_bridge |", "|---|---|---|---|---|"]
    lines += [
        f"| `{one.name}` | {one.bits} | {one.remark} | {_rgb(one)} | {'yes' if one.bridged else 'no'} |" for one in rgb
    ]
    lines += [_YUV, "| encoding | bits | what it is | becomes |", "|---|---|---|---|"]
    lines += [f"| `{one.name}` | {one.bits} | {one.remark} | {_thermal(one)} |" for one in thermal]
    lines += [_THERMAL, "| topic | encoding | why |", "|---|---|---|"]
    lines += _refused("any", NOT_UNDERSTOOD) + _refused("RGB", NOT_FROM_RGB) + _refused("thermal", NOT_FROM_THERMAL)
    return "\n".join(lines) + "\n" + _COMPRESSED


def _rgb(encoding: Encoding) -> str:
    target = "grey" if encoding.kind is Kind.GREY else "colour"
    return f"{target}, * 255 / 65535" if encoding.bits == 16 else target


def _thermal(encoding: Encoding) -> str:
    if encoding.kind is Kind.COLOUR:
        return f"{encoding.bits}-bit grey, if all pixels are grey"
    if encoding.kind is not Kind.GREY:
        return "8-bit grey (the luma), if chroma is neutral"
    return {"16SC1": "float32, exactly", "32FC1": "float32", "64FC1": "float32"}.get(
        encoding.name, f"{encoding.bits}-bit grey or counts"
    )


def _refused(topic: str, reasons: Mapping[str, str]) -> list[str]:
    """Rows of a table; names with the same reason share one."""
    shared: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        shared.setdefault(reason, []).append(f"`{name}`")
    return [f"| {topic} | {', '.join(names)} | {reason} |" for reason, names in shared.items()]


def main() -> None:
    """Write the page into the checkout that this script lies in."""
    root = Path(__file__).resolve().parents[1]
    (root / "docs" / "encodings.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
