"""The size that a picture file claims, read without decoding it: decoders allocate what a header asks for.

PNG, JPEG, TIFF (also BigTIFF) and BMP, of which a few bytes may stand for gigabytes or be a plain mistake.
"""

from __future__ import annotations

import struct

# TIFF's tags of width and height, and struct's letters for its types of whole numbers.
_WIDTH, _HEIGHT = 256, 257
_TIFF_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
# JPEG's markers of a frame's header; those between are tables.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def claimed_size(content: bytes | memoryview) -> tuple[int, int] | None:
    """(height, width) by the header of the first picture in a file; None where it names none that is understood.

    Args:
        content: The file, or its beginning; of a TIFF the whole file.
    """
    head = bytes(content[:64])
    try:
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack(">II", head[16:24])
            return height, width
        if head.startswith(b"BM"):
            width, height = struct.unpack("<ii", head[18:26])
            return abs(height), abs(width)
        if head.startswith(b"\xff\xd8"):
            return _jpeg(content)
        if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _tiff(content, "<" if head[:2] == b"II" else ">", big=b"+" in head[:4])
    except (struct.error, IndexError, KeyError):
        pass  # the decoder says what is wrong
    return None


def _jpeg(content: bytes | memoryview) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(content):
        if content[place] != 0xFF:
            return None
        marker = content[place + 1]
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", content[place + 5 : place + 9])
            return height, width
        if marker == 0xFF:  # filling
            place += 1
        else:
            place += 2 + struct.unpack(">H", content[place + 2 : place + 4])[0]
    return None


def _tiff(content: bytes | memoryview, order: str, *, big: bool) -> tuple[int, int]:
    """BigTIFF has numbers of 8 bytes where TIFF has 4, and 8 instead of 2 for the number of entries."""
    offset_type, count_type, entry = ("Q", "Q", 20) if big else ("I", "H", 12)

    def number(kind: str, place: int) -> int:
        return int(struct.unpack_from(order + kind, content, place)[0])

    first = number(offset_type, 8 if big else 4)
    found: dict[int, int] = {}
    for index in range(min(number(count_type, first), 4096)):
        place = first + struct.calcsize(order + count_type) + entry * index
        if (tag := number("H", place)) in (_WIDTH, _HEIGHT):
            found[tag] = number(_TIFF_TYPES[number("H", place + 2)], place + entry - (8 if big else 4))
    return found[_HEIGHT], found[_WIDTH]
