"""What a JPEG or PNG file says of itself, read without decoding it, and whether that can be true.

Decoders believe the size in the header, and allocate what it asks for. A few bytes may ask for gigabytes, so the size
is held against the length of the data first: neither format packs more than a known number of pixels into a byte.
Parts that are missing or damaged are found here as far as the formats allow it, because decoders would make a picture
of the rest, and libraries below OpenCV write to the standard error output what they think of it.

Formats: ISO/IEC 10918-1, annex B (JPEG markers), and the W3C's PNG recommendation, chapter 5 (chunks).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from camf_ros.errors import ImageError

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
# Start-of-frame markers of what is in use: baseline, extended and progressive. The rest is lossless, hierarchical or
# arithmetic coding.
_JPEG_FRAMES = (0xC0, 0xC1, 0xC2)
_JPEG_OTHER_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC, *_JPEG_FRAMES}
# Ten are usual in a progressive file; each costs a pass over the whole picture.
_JPEG_SCANS = 100


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        codec: ``jpeg`` or ``png``.
        height: Pixels, 1 or more.
        width: Pixels, 1 or more.
        bits: Bits of a value, 8 or 16, as decoded.
    """

    codec: str
    height: int
    width: int
    bits: int


def read_header(data: bytes, topic: str) -> Header:
    """Header of a compressed picture that is complete and may be decoded.

    Args:
        data: The file.
        topic: Names the source in errors.

    Raises:
        ImageError: If it is neither JPEG nor PNG, or damaged, incomplete, of an unusual kind, or larger than its data
            could hold.
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
        if marker in _JPEG_OTHER_FRAMES:
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
    # A scan writes 0xff as ff 00, so this can be nothing but the end; without it, the rest would be left grey.
    if data.rfind(b"\xff\xd9", position) < 0:
        raise _cut(data, topic, "JPEG")
    if data.count(b"\xff\xda", position) >= _JPEG_SCANS:
        raise ImageError(f"{topic}: JPEG has {_JPEG_SCANS} scans or more", expected="a picture, not a trap")
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
