"""Every image encoding that is understood: its memory layout, and on which camera's topic it makes sense.

The names are those of sensor_msgs/image_encodings, and two that drivers send although no distribution defines them:
``nv12`` and ``i420``. The checks, conversions, errors and docs/encodings.md come from this one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import cv2
import numpy as np


class Kind(Enum):
    """What the values of an encoding are."""

    GREY = "grey"
    COLOUR = "colour"
    MOSAIC = "mosaic"
    LUMA_FIRST = "luma before chroma in each pair of bytes"
    CHROMA_FIRST = "chroma before luma in each pair of bytes"
    PLANES = "luma, then chroma"


@dataclass(frozen=True)
class Plane:
    """One plane of a picture that is stored plane by plane.

    Attributes:
        down: Rows of the picture that share one row of the plane.
        halves: Bytes of a row for every two pixels; its step is that of the message times half of this.
    """

    down: int
    halves: int


_LUMA = Plane(1, 2)


@dataclass(frozen=True)
class Encoding:
    """How one encoding lies in memory.

    Attributes:
        dtype: Type of one value, in this machine's byte order.
        channels: Values a pixel that lie together; 1 for grey, mosaics and planes.
        to_rgb: OpenCV's code for the conversion to red, green, blue; None where there is nothing to convert.
        planes: Luma and chroma planes in their order; empty where the values of a pixel lie together.
        even_height: Whether two rows share their chroma; ``even_width``: two columns.
        smallest: Shortest side that can be converted, pixels.
        layout: How a YUV picture lies in memory, for the documentation; empty for others.
    """

    name: str
    kind: Kind
    dtype: type[np.uint8 | np.uint16 | np.int16 | np.float32 | np.float64] = np.uint8
    channels: int = 1
    to_rgb: int | None = None
    planes: tuple[Plane, ...] = field(default=())
    even_height: bool = False
    even_width: bool = False
    smallest: int = 1
    layout: str = ""

    @property
    def bits(self) -> int:
        """Bits of one value."""
        return 8 * np.dtype(self.dtype).itemsize

    @property
    def bridged(self) -> bool:
        """Whether cv_bridge converts it to rgb8 or mono8 on every distribution."""
        return self.kind is not Kind.PLANES and self.name not in _NOT_BRIDGED


# Generic types are no colours for cv_bridge; the new names of the two yuv422 came after it.
_NOT_BRIDGED = frozenset({"8UC1", "8UC3", "8UC4", "16UC1", "16SC1", "32FC1", "64FC1", "uyvy", "yuyv"})


def _colour(name: str, channels: int, to_rgb: int | None) -> Encoding:
    dtype = np.uint16 if name.endswith("16") else np.uint8
    return Encoding(name, Kind.COLOUR, dtype, channels, to_rgb)


def _packed(name: str, kind: Kind, to_rgb: int, layout: str) -> Encoding:
    return Encoding(name, kind, channels=2, to_rgb=to_rgb, even_width=True, layout=layout)


def _halved(name: str, to_rgb: int, chroma: tuple[Plane, ...], layout: str) -> Encoding:
    return Encoding(
        name, Kind.PLANES, to_rgb=to_rgb, planes=(_LUMA, *chroma), even_height=True, even_width=True, layout=layout
    )


def _mosaic(pattern: str, bits: int, to_rgb: int) -> Encoding:
    dtype = np.uint8 if bits == 8 else np.uint16
    # OpenCV makes a smaller mosaic black: its border rows are copies of inner ones.
    return Encoding(f"bayer_{pattern}{bits}", Kind.MOSAIC, dtype, to_rgb=to_rgb, smallest=3)


# OpenCV names a mosaic after the second pixels of the second row; cv_bridge pairs the names the same way.
_MOSAICS = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}

_ALL = (
    Encoding("mono8", Kind.GREY, np.uint8),
    Encoding("mono16", Kind.GREY, np.uint16),
    Encoding("8UC1", Kind.GREY, np.uint8),
    Encoding("16UC1", Kind.GREY, np.uint16),
    Encoding("16SC1", Kind.GREY, np.int16),
    Encoding("32FC1", Kind.GREY, np.float32),
    Encoding("64FC1", Kind.GREY, np.float64),
    _colour("rgb8", 3, None),
    _colour("bgr8", 3, cv2.COLOR_BGR2RGB),
    _colour("rgba8", 4, cv2.COLOR_RGBA2RGB),
    _colour("bgra8", 4, cv2.COLOR_BGRA2RGB),
    _colour("rgb16", 3, None),
    _colour("bgr16", 3, cv2.COLOR_BGR2RGB),
    _colour("rgba16", 4, cv2.COLOR_RGBA2RGB),
    _colour("bgra16", 4, cv2.COLOR_BGRA2RGB),
    _colour("8UC3", 3, cv2.COLOR_BGR2RGB),
    _colour("8UC4", 4, cv2.COLOR_BGRA2RGB),
    _packed("uyvy", Kind.CHROMA_FIRST, cv2.COLOR_YUV2RGB_UYVY, "4:2:2, bytes U Y V Y"),
    _packed("yuv422", Kind.CHROMA_FIRST, cv2.COLOR_YUV2RGB_UYVY, "old name of `uyvy`"),
    _packed("yuyv", Kind.LUMA_FIRST, cv2.COLOR_YUV2RGB_YUY2, "4:2:2, bytes Y U Y V"),
    _packed("yuv422_yuy2", Kind.LUMA_FIRST, cv2.COLOR_YUV2RGB_YUY2, "old name of `yuyv`"),
    _halved("nv12", cv2.COLOR_YUV2RGB_NV12, (Plane(2, 2),), "4:2:0, Y plane, then a plane of U V pairs"),
    _halved("nv21", cv2.COLOR_YUV2RGB_NV21, (Plane(2, 2),), "4:2:0, Y plane, then a plane of V U pairs"),
    _halved("i420", cv2.COLOR_YUV2RGB_I420, (Plane(2, 1), Plane(2, 1)), "4:2:0, Y, U and V planes"),
    Encoding(
        "nv24",
        Kind.PLANES,
        to_rgb=cv2.COLOR_YUV2RGB_UYVY,
        planes=(_LUMA, Plane(1, 4)),
        layout="4:4:4, Y plane, then a plane of U V pairs",
    ),
    *(_mosaic(pattern, bits, code) for bits in (8, 16) for pattern, code in _MOSAICS.items()),
)

#: Every encoding that is understood, by name.
ENCODINGS: Mapping[str, Encoding] = {encoding.name: encoding for encoding in _ALL}

#: What is refused on the topic of an RGB camera, and why.
NOT_FROM_RGB: Mapping[str, str] = {
    "16UC1": "depth or thermal counts: the wrong topic is remapped here, or the driver should say mono16",
    "16SC1": "depth or thermal counts: the wrong topic is remapped here",
    "32FC1": "depth or temperatures: the wrong topic is remapped here",
    "64FC1": "depth or temperatures: the wrong topic is remapped here",
}
#: What is refused on the topic of a thermal camera, and why.
NOT_FROM_THERMAL: Mapping[str, str] = {
    name: "a mosaic of colour filters is no thermal picture: the wrong topic is remapped here"
    for name, encoding in ENCODINGS.items()
    if encoding.kind is Kind.MOSAIC
}
#: What is refused everywhere, and why; every other name is unknown.
NOT_UNDERSTOOD: Mapping[str, str] = {
    "8UC2": "two values per pixel do not define a colour: use uyvy or yuyv",
    "16UC3": "the type does not define the order of colours: use rgb16 or bgr16",
    "16UC4": "the type does not define the order of colours: use rgba16 or bgra16",
    "32FC3": "the range of float colours is not defined: use rgb8",
    "32SC1": "not a camera image, usually labels",
}

#: Encodings of an RGB camera.
RGB_ENCODINGS = frozenset(ENCODINGS) - set(NOT_FROM_RGB)
#: Encodings of a thermal camera: grey, counts, temperatures, or a grey picture sent as colour.
THERMAL_ENCODINGS = frozenset(ENCODINGS) - set(NOT_FROM_THERMAL)


def why_not(name: str, accepted: frozenset[str]) -> str:
    """What to tell someone who sends an encoding that is not accepted on a topic."""
    general = "convert it upstream or check which topic is remapped here"
    if name in NOT_UNDERSTOOD:
        return NOT_UNDERSTOOD[name]
    if accepted == RGB_ENCODINGS:
        return NOT_FROM_RGB.get(name, general)
    if accepted == THERMAL_ENCODINGS:
        return NOT_FROM_THERMAL.get(name, general)
    return general
