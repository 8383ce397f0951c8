"""What compressed files say of themselves, and what of it is not believed."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_bytes import PNG, chunk, jpeg, png, png_of, smooth, with_segment, with_size

from camf_ros.errors import ImageError
from camf_ros.imaging.compressed_image import Header, read_header

PICTURE = smooth(48, 70)
GREY = PICTURE[:, :, 0]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (jpeg(PICTURE), Header("jpeg", 48, 70, 8)),
        (jpeg(GREY), Header("jpeg", 48, 70, 8)),
        (jpeg(PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), Header("jpeg", 48, 70, 8)),
        (jpeg(PICTURE, cv2.IMWRITE_JPEG_RST_INTERVAL, 2), Header("jpeg", 48, 70, 8)),
        (jpeg(PICTURE) + b"\0" * 100, Header("jpeg", 48, 70, 8)),
        (jpeg(PICTURE)[:2] + b"\xff\xff" + jpeg(PICTURE)[2:], Header("jpeg", 48, 70, 8)),
        (png(PICTURE), Header("png", 48, 70, 8)),
        (png(GREY), Header("png", 48, 70, 8)),
        (png(GREY.astype(np.uint16) * 256), Header("png", 48, 70, 16)),
        (png(np.dstack([PICTURE, GREY])) + b"more", Header("png", 48, 70, 8)),
        (png_of(9, 2, 1, 0, b"\0\1\2" * 2), Header("png", 2, 9, 8)),
    ],
)
def test_whole_files(file: bytes, expected: Header) -> None:
    assert read_header(file, "topic") == expected


@pytest.mark.parametrize("side", [(4000, 6000), (1, 65000), (65000, 1)])
@pytest.mark.parametrize("kind", [jpeg, png])
def test_the_emptiest_pictures_are_plausible(side: tuple[int, int], kind: object) -> None:
    for dtype in (np.uint8, np.uint16) if kind is png else (np.uint8,):
        header = read_header(kind(np.zeros(side, dtype)), "topic")  # type: ignore[operator]
        assert (header.height, header.width) == side


def test_the_emptiest_progressive_picture_is_plausible() -> None:
    flags = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_QUALITY, 1)
    for picture in (np.zeros((4000, 6000), np.uint8), np.zeros((4000, 6000, 3), np.uint8)):
        header = read_header(jpeg(picture, *flags), "topic")
        assert (header.height, header.width) == picture.shape[:2]


@pytest.mark.parametrize(("width", "height"), [(65500, 65500), (30000, 30000), (0, 10), (10, 0)])
def test_jpeg_of_a_size_that_it_cannot_have(width: int, height: int) -> None:
    with pytest.raises(
        ImageError, match=rf"^topic: header of a compressed image says {width} x {height}; expected a size"
    ):
        read_header(with_size(jpeg(PICTURE), width, height), "topic")


@pytest.mark.parametrize(
    ("width", "height"), [(2**31 - 1, 2**31 - 1), (2**32 - 1, 1), (100_000, 100_000), (1, 2**20), (0, 4), (4, 0)]
)
def test_png_of_a_size_that_it_cannot_have(width: int, height: int) -> None:
    with pytest.raises(
        ImageError, match=rf"^topic: header of a compressed image says {width} x {height}; expected a size"
    ):
        read_header(png_of(width, height, 8, 2, b"\0" * 4000), "topic")


@pytest.mark.parametrize("file", [jpeg(PICTURE), jpeg(PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), png(PICTURE)])
def test_cut_at_every_byte(file: bytes) -> None:
    for length in range(len(file)):
        with pytest.raises(ImageError, match=r"^topic: "):
            read_header(file[:length], "topic")


def test_every_flipped_byte_of_a_png_is_noticed() -> None:
    file = png(smooth(6, 6))
    for position in range(len(file)):
        spoilt = bytearray(file)
        spoilt[position] ^= 0x10
        with pytest.raises(ImageError, match=r"^topic: "):
            read_header(bytes(spoilt), "topic")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", r"begin with nothing \(0 bytes\); expected a JPEG or PNG"),
        (b"BM\x36\0\0\0\0\0\0\0", "begin with 42 4d 36"),
        (b"RIFF\0\0\0\0WEBP", "begin with 52 49"),
        (b"II*\0\0\0\0\0", "set the publisher's format to jpeg or png"),
        (PNG, "PNG ends after 8 bytes"),
        (PNG + chunk(b"IDAT", b""), "begins with part b'IDAT'"),
        (PNG + chunk(b"IHDR", b"\0" * 12), "of 12 bytes"),
        (png_of(4, 4, 3, 0, b"\0" * 8), "3 bits of colour type 0"),
        (png_of(4, 4, 8, 5, b"\0" * 8), "8 bits of colour type 5"),
        (png_of(4, 4, 8, 0, b"\0" * 20, before=chunk(b"acTL", struct.pack(">II", 2, 0))), "animation"),
        (b"\xff\xd8\xff", "JPEG ends after 3 bytes"),
        (b"\xff\xd8\xff\xd9\0\0\0\0", "has ff d9 00 00 at byte 2"),
        (b"\xff\xd8\xff\xe0\0\0\0\0", "has ff e0 00 00 at byte 2"),
        (with_segment(jpeg(PICTURE), 0xC0, b"\x08\0\x10\0\x10\x01\x01\x11\0"), "two frames"),
        (with_segment(jpeg(PICTURE), 0xC9, b"\x08\0\x10\0\x10\x01\x01\x11\0"), "kind 0xc9"),
        (with_segment(jpeg(PICTURE), 0xC0, b"\x08\0"), "damaged"),
        (b"\xff\xd8\xff\xda\0\x02\0\0\xff\xd9", "scan before its frame"),
        (jpeg(PICTURE)[:-2] + b"\xff\xda" * 100 + b"\xff\xd9", "100 scans or more"),
        (jpeg(PICTURE).replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "3 components of 12 bits"),
    ],
)
def test_refused(file: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=rf"^topic: .*{message}"):
        read_header(file, "topic")


@given(begin=st.sampled_from([b"", PNG, b"\xff\xd8\xff", jpeg(PICTURE)[:160], png(PICTURE)[:33]]), rest=st.binary())
def test_any_bytes_are_a_header_or_refused(begin: bytes, rest: bytes) -> None:
    try:
        header = read_header(begin + rest, "topic")
    except ImageError:
        return
    assert header.height >= 1
    assert header.width >= 1
