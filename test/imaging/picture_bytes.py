"""JPEG and PNG files made or spoilt byte by byte."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

PNG = b"\x89PNG\r\n\x1a\n"


def jpeg(picture: NDArray[Any], *parameters: int) -> bytes:
    """A JPEG of (H, W) or of (H, W, 3) in the order blue, green, red."""
    return cv2.imencode(".jpg", picture, list(parameters))[1].tobytes()


def png(picture: NDArray[Any]) -> bytes:
    """A PNG of (H, W) or of (H, W, 3 or 4) in the order blue, green, red, alpha."""
    return cv2.imencode(".png", picture)[1].tobytes()


def chunk(kind: bytes, content: bytes) -> bytes:
    """One part of a PNG, its checksum right."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(
    width: int,
    height: int,
    depth: int,
    colour: int,
    pixels: bytes = b"",
    *,
    before: bytes = b"",
    rest: bytes = b"\0\0\0",
) -> bytes:
    """A PNG with any header, its checksums right.

    Args:
        width: As the header says.
        height: As the header says.
        depth: Bits a value.
        colour: Colour type.
        pixels: Rows with their filter bytes, not yet deflated.
        before: Chunks between the header and the data.
        rest: Compression, filter and interlace methods.
    """
    head = struct.pack(">IIBB", width, height, depth, colour) + rest
    return PNG + chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")


def with_size(file: bytes, width: int, height: int) -> bytes:
    """A JPEG whose frame says another size."""
    at = next(file.find(bytes((0xFF, mark))) for mark in (0xC0, 0xC2) if file.find(bytes((0xFF, mark))) > 0)
    return file[: at + 5] + struct.pack(">HH", height, width) + file[at + 9 :]


def with_segment(file: bytes, marker: int, content: bytes) -> bytes:
    """A JPEG with a segment more, at its beginning."""
    return file[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content + file[2:]


def rotated(file: bytes, orientation: int) -> bytes:
    """A JPEG with an EXIF note that asks for a rotation."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + struct.pack("<I", 0)
    return with_segment(file, 0xE1, b"Exif\0\0" + tiff)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """A colour picture without edges, (H, W, 3), that JPEG hardly changes."""
    rows, columns = np.indices((height, width))
    return np.stack([40 + rows, 90 + columns, 200 - rows - columns], axis=2).astype(np.uint8)
