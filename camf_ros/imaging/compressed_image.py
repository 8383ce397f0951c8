"""JPEG and PNG, as sensor_msgs/CompressedImage carries them, to arrays and back.

Decoders believe the size in a header and allocate what it asks for. So it is read first, and held against the length of
the data: neither format packs more than a known number of pixels into a byte. Damaged and missing parts are found here
too, because decoders would make a picture of the rest. Formats: ISO/IEC 10918-1, annex B (JPEG markers); W3C's PNG
recommendation, chapter 5 (chunks).

The ``format`` field is as compressed_image_transport has it: the encoding of the raw image, a semicolon, the codec, and
what the image was converted to, such as ``rgb8; jpeg compressed bgr8``. Others write the codec alone. Knows no ROS.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import EncodingError, ImageError
from camf_ros.imaging.encodings import ENCODINGS, Encoding, Kind, why_not
from camf_ros.imaging.memory_budget import UNLIMITED, MemoryBudget, check_size

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_REMEDY = "look for a broken link or recording"

# PNG samples a pixel by colour type: grey, colour, palette, grey with alpha, colour with alpha.
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# Deflate's best: two bits for a match of 258 bytes.
_DEFLATE_RATIO = 1032
# Huffman codes have one bit or more, and each block of 8 x 8 pixels has one in its first scan.
_JPEG_PIXELS_A_BYTE = 8 * 64
# Start-of-frame markers (those left out are tables), and those in use: baseline, extended and progressive. The rest is
# lossless, hierarchical or arithmetic coding.
_JPEG_ALL_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_FRAMES = (0xC0, 0xC1, 0xC2)
# Ten are usual in a progressive file; each costs a pass over the whole picture.
_JPEG_SCANS = 100
#: Quality of JPEG, 1 to 100, where nothing else is asked for: that of compressed_image_transport.
JPEG_QUALITY = 95
# That of compressed_image_transport: beyond it files hardly get smaller, but take several times as long.
_PNG_LEVEL = 3
_GREY = {8: "mono8", 16: "mono16"}
# By channels and bits.
_BGR_NAMES = {(3, 8): "bgr8", (3, 16): "bgr16", (4, 8): "bgra8", (4, 16): "bgra16"}
_RGB_NAMES = {(3, 8): "rgb8", (3, 16): "rgb16", (4, 8): "rgba8", (4, 16): "rgba16"}
#: Encodings of depth images by REP 118: millimetres, which some drivers call mono16, and metres.
DEPTH_ENCODINGS = frozenset({"16UC1", "mono16", "32FC1"})
# What comes before the PNG, and what a format of it ends with.
_DEPTH_HEADER = struct.Struct("<iff")
_DEPTH_CODECS = ("", "compressedDepth", "compressedDepth png")
# What the publisher divides 16-bit values by.
_JPEG_SCALE = 257


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        codec: ``jpeg`` or ``png``.
        bits: Bits of a value, 8 or 16, as decoded.
    """

    codec: str
    height: int
    width: int
    bits: int


def read_header(data: bytes, topic: str) -> Header:
    """Header of a JPEG or PNG that may be decoded.

    Raises ImageError if it is neither, damaged, incomplete, of an unusual kind, or larger than its data could hold.
    """
    if data.startswith(_PNG_SIGNATURE):
        return _png(data, topic)
    if data.startswith(_JPEG_SIGNATURE):
        return _jpeg(data, topic)
    begin = data[:8].hex(" ") or "nothing"
    raise ImageError(
        f"{topic}: compressed data begin with {begin} ({len(data)} bytes)",
        expected="a JPEG or PNG file",
        remedy="set the publisher's format to jpeg or png",
    )


def _png(data: bytes, topic: str) -> Header:
    head = b""
    position = len(_PNG_SIGNATURE)
    kind = b""
    while kind != b"IEND":
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            raise _cut(data, topic, "PNG")
        checked = memoryview(data)[position + 4 : end - 4]
        if zlib.crc32(checked) != int.from_bytes(data[end - 4 : end], "big"):
            raise ImageError(f"{topic}: PNG is damaged at byte {position}", expected="intact data", remedy=_REMEDY)
        if not head:
            if kind != b"IHDR" or length != 13:
                raise ImageError(
                    f"{topic}: PNG begins with part {kind!r} of {length} bytes", expected="IHDR of 13", remedy=_REMEDY
                )
            head = bytes(checked[4:])
        elif kind == b"acTL":
            raise ImageError(f"{topic}: PNG is an animation", expected="one picture", remedy="send frame by frame")
        position = end
    return _png_header(head, len(data), topic)


def _png_header(head: bytes, length: int, topic: str) -> Header:
    width, height = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big")
    depth, colour = head[8], head[9]
    if depth not in _PNG_DEPTHS.get(colour, ()):
        raise ImageError(
            f"{topic}: PNG has {depth} bits of colour type {colour}", expected="1 to 16 of types 0, 2, 3, 4 or 6"
        )
    row = 1 + (width * depth * _PNG_SAMPLES[colour] + 7) // 8
    _check_size(height, width, height * row <= _DEFLATE_RATIO * length, length, topic)
    return Header("png", height, width, 16 if depth == 16 else 8)


def _jpeg(data: bytes, topic: str) -> Header:
    frame = b""
    position = 2
    while True:
        while data[position : position + 2] == b"\xff\xff":  # filling before a marker
            position += 1
        if position + 4 > len(data):
            raise _cut(data, topic, "JPEG")
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if data[position] != 0xFF or marker < 0xC0 or 0xD0 <= marker <= 0xD9 or length < 2:
            found = data[position : position + 4].hex(" ")
            raise ImageError(f"{topic}: JPEG has {found} at byte {position}", expected="a marker", remedy=_REMEDY)
        if marker in _JPEG_ALL_FRAMES.difference(_JPEG_FRAMES):
            raise ImageError(f"{topic}: JPEG of kind {marker:#x}", expected="baseline or progressive Huffman coding")
        segment = data[position + 4 : position + 2 + length]
        position += 2 + length
        if position > len(data):
            raise _cut(data, topic, "JPEG")
        if marker in _JPEG_FRAMES:
            if frame or length < 8:
                raise ImageError(f"{topic}: JPEG has two frames or a damaged one", expected="one", remedy=_REMEDY)
            frame = segment
        elif marker == 0xDA:
            break
    # A scan writes 0xff as ff 00, so ff d9 is the end. Without it the decoder would leave the rest grey.
    if data.rfind(b"\xff\xd9", position) < 0:
        raise _cut(data, topic, "JPEG")
    if data.count(b"\xff\xda", position) >= _JPEG_SCANS:
        raise ImageError(
            f"{topic}: JPEG has {_JPEG_SCANS} scans or more", expected="fewer: each scan costs a pass over the picture"
        )
    if not frame:
        raise ImageError(f"{topic}: JPEG has a scan before its frame", expected="the frame first", remedy=_REMEDY)
    return _jpeg_header(frame, len(data), topic)


def _jpeg_header(frame: bytes, length: int, topic: str) -> Header:
    bits, components = frame[0], frame[5]
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    if bits != 8 or components not in (1, 3):
        raise ImageError(f"{topic}: JPEG has {components} components of {bits} bits", expected="1 or 3 of 8")
    _check_size(height, width, height * width <= _JPEG_PIXELS_A_BYTE * length, length, topic)
    return Header("jpeg", height, width, 8)


def _check_size(height: int, width: int, plausible: bool, length: int, topic: str) -> None:
    if height < 1 or width < 1 or not plausible:
        raise ImageError(
            f"{topic}: header of a compressed image says {width} x {height}",
            expected=f"a size that {length} bytes can hold",
            remedy=_REMEDY,
        )


def _cut(data: bytes, topic: str, name: str) -> ImageError:
    return ImageError(f"{topic}: {name} ends after {len(data)} bytes", expected="a whole file", remedy=_REMEDY)


def decode(
    data: bytes, layout: str, accepted: frozenset[str], topic: str, budget: MemoryBudget = UNLIMITED
) -> tuple[NDArray[Any], Encoding, bool]:
    """The array of a compressed image, its encoding, and whether the compression was lossy.

    The file says how many channels and bits it has. ``layout``, the message's ``format``, says the rest: whether a grey
    PNG is a Bayer mosaic, whether the colours are in the usual order, and whether a grey JPEG was made of 16-bit
    counts, which are scaled back (8 of 16 bits are lost). A rotation in the file is ignored, as in cv_bridge.

    Raises EncodingError if the encoding makes no sense on this topic or in such a file, ImageError if the data are
    damaged or neither JPEG nor PNG.
    """
    named = _named(layout, accepted, topic)
    header = read_header(data, topic)
    check_size(header.height, header.width, ENCODINGS["rgba16"], topic, budget)
    image = _decompress(data, header, topic)
    lossy = header.codec == "jpeg"
    if image.ndim == 2 and named is not None:
        if named.kind is Kind.MOSAIC and not lossy and named.bits == header.bits:
            check_size(header.height, header.width, named, topic)
            return image, named, lossy
        if named.kind is Kind.GREY and lossy and named.bits == 16:
            return image.astype(np.uint16) * np.uint16(_JPEG_SCALE), ENCODINGS["mono16"], lossy
    return image, ENCODINGS[_stored(image, header, named, layout)], lossy


def decode_depth(data: bytes, layout: str, topic: str) -> NDArray[Any]:
    """The depth image of a message of compressed_depth_image_transport: (H, W), uint16 millimetres or float32 metres.

    ``layout`` is the message's ``format``: the encoding, and ``compressedDepth png`` (older ones end earlier). A header
    of three numbers of 4 bytes comes before the PNG: a kind, which says nothing, and A and B. For 32FC1 the PNG has
    v = A / depth + B, rounded down, and 0 for no depth. That becomes NaN.

    Raises EncodingError for another encoding or codec, ImageError if the data are damaged.
    """
    name, _, codec = (part.strip() for part in layout.partition(";"))
    if name not in DEPTH_ENCODINGS or codec not in _DEPTH_CODECS:
        raise EncodingError(
            f"{topic}: format is {layout[:40]!r}",
            expected=f"one of {', '.join(sorted(DEPTH_ENCODINGS))}, then '; compressedDepth png'",
            remedy="set the publisher's format to png (parameter ...compressedDepth.format), and check the topic",
        )
    picture = data[_DEPTH_HEADER.size :]
    header = read_header(picture, topic)
    if header.codec != "png" or header.bits != 16:
        raise ImageError(f"{topic}: {header.codec} of {header.bits} bits", expected="a PNG of 16 bits", remedy=_REMEDY)
    check_size(header.height, header.width, ENCODINGS["mono16"], topic)
    image = _decompress(picture, header, topic)
    if image.ndim != 2:
        raise ImageError(f"{topic}: PNG has {image.shape[2]} channels", expected="one", remedy=_REMEDY)
    if name != "32FC1":
        return image
    _, a, b = _DEPTH_HEADER.unpack_from(data)
    if not (np.isfinite(a) and np.isfinite(b) and a > 0):
        raise ImageError(
            f"{topic}: the header says that depth is {a:g} / (value - {b:g})", expected="finite numbers", remedy=_REMEDY
        )
    with np.errstate(divide="ignore"):
        depth = np.float32(a) / (image - np.float32(b))
    depth[image == 0] = np.nan
    return np.asarray(depth, np.float32)


def encode(image: NDArray[np.uint8], codec: str, quality: int = JPEG_QUALITY) -> NDArray[np.uint8]:
    """A file of an (H, W, 3) or (H, W) image; ``quality`` is JPEG's, 1 to 100.

    Raises ImageError if OpenCV cannot write it, such as a side beyond 65535 pixels in JPEG.
    """
    extension, parameters = {
        "jpeg": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality]),
        "png": (".png", [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL]),
    }[codec]
    stored = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    try:
        written, content = cv2.imencode(extension, stored, parameters)
    except cv2.error as error:
        raise ImageError(f"{codec} of {image.shape} cannot be written ({error})") from error
    if not written:
        raise ImageError(f"{codec} of {image.shape} cannot be written", expected="sides that the format allows")
    return np.asarray(content, np.uint8)


def layout_of(encoding: str, codec: str) -> str:
    """The ``format`` of a message of ``rgb8`` or ``mono8``, as compressed_image_transport writes it."""
    target = "bgr8" if ENCODINGS[encoding].kind is Kind.COLOUR else "mono8" if codec == "jpeg" else ""
    return f"{encoding}; {codec} compressed {target}"


def _named(layout: str, accepted: frozenset[str], topic: str) -> Encoding | None:
    """Encoding of the raw image that a format names; None where it names the codec only, or something unknown."""
    if "compressedDepth" in layout:
        raise EncodingError(
            f"{topic}: format is {layout[:40]!r}",
            expected="a camera's picture",
            remedy="compressedDepth is for depth/image: subscribe to the topic's raw or compressed transport",
        )
    name, semicolon, _ = layout.partition(";")
    encoding = ENCODINGS.get(name.strip()) if semicolon else None
    if encoding is None:
        return None
    if encoding.name not in accepted:
        raise EncodingError(
            f"{topic}: format is {layout[:40]!r}",
            expected="another encoding on this topic",
            remedy=why_not(encoding.name, accepted),
        )
    if encoding.dtype not in (np.uint8, np.uint16):
        raise EncodingError(
            f"{topic}: format is {layout[:40]!r}",
            expected="8 or 16 bits without sign",
            remedy="neither JPEG nor PNG holds such values: use the raw transport",
        )
    return encoding


def _decompress(data: bytes, header: Header, topic: str) -> NDArray[Any]:
    try:
        # Unchanged: without the rotation that EXIF may ask for, and with all 16 bits.
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    # The decoded picture must be what the header says.
    promised = (header.height, header.width), np.dtype(np.uint16 if header.bits == 16 else np.uint8)
    if image is None or (image.shape[:2], image.dtype) != promised or image.shape[2:] not in ((), (3,), (4,)):
        raise ImageError(
            f"{topic}: {header.codec} of {len(data)} bytes cannot be decoded",
            expected=f"a picture of {header.width} x {header.height}",
            remedy="look for a broken link or recording",
        )
    return np.asarray(image)


def _stored(image: NDArray[Any], header: Header, named: Encoding | None, layout: str) -> str:
    """Encoding of what was decoded, by channels, bits and the order of colours."""
    if image.ndim == 2:
        return _GREY[header.bits]
    # The transport compresses blue, green, red and says so. A publisher that names a colour and does not say so passed
    # red, green, blue to a function that expects the opposite. The transport's subscriber, and so RViz, undoes it too.
    generic = named is None or named.kind in (Kind.GREY, Kind.MOSAIC) or named.name in ("8UC3", "8UC4")
    names = _BGR_NAMES if generic or "compressed bgr" in layout else _RGB_NAMES
    return names[image.shape[2], header.bits]
