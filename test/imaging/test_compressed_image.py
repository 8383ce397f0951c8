"""Compressed images: what files say of themselves, what is read and refused, and that no bytes do harm."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_bytes import PNG, chunk, jpeg, png, png_of, rotated, smooth, with_segment, with_size

from camf_ros.errors import EncodingError, ImageError
from camf_ros.imaging.camera_messages import thermal_values, to_rgb8
from camf_ros.imaging.compressed_image import Header, decode, encode, layout_of, read_header
from camf_ros.imaging.encodings import ENCODINGS, RGB_ENCODINGS, THERMAL_ENCODINGS
from camf_ros.imaging.memory_budget import MAX_PIXELS

BGR = smooth(48, 70)
RGB = BGR[:, :, ::-1]
GREY = np.ascontiguousarray(BGR[:, :, 1])
COUNTS = np.arange(48 * 70, dtype=np.uint16).reshape(48, 70) * 19
# What JPEG of quality 95 changes in a picture without edges.
JPEG_ERROR = 4


def rgb(data: bytes, layout: str) -> np.ndarray:
    image, encoding, _ = decode(data, layout, RGB_ENCODINGS, "topic")
    return to_rgb8(image, encoding)


def thermal(data: bytes, layout: str) -> np.ndarray:
    image, encoding, lossy = decode(data, layout, THERMAL_ENCODINGS, "topic")
    return thermal_values(image, encoding, "topic", lossy=lossy)


def read_or_refused(file: bytes, layout: str) -> Iterator[np.ndarray]:
    for read in (rgb, thermal):
        with contextlib.suppress(ImageError):
            yield read(file, layout)


def wide(picture: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(picture).astype(np.uint16) * 257


# A file, the picture in it, and formats that it may come under.
READ = [
    (
        jpeg(BGR),
        RGB,
        [
            *(f"{name}; jpeg compressed bgr8" for name in ("rgb8", "bgr8", "bgra8", "rgb16", "yuv422", "yuv422_yuy2")),
            *("bayer_rggb8; jpeg compressed bgr8", "8UC3; jpeg compressed ", "jpeg", "jpg", "", "something; jpeg"),
        ],
    ),
    # Colours that went in the wrong way round.
    (
        jpeg(np.ascontiguousarray(RGB)),
        RGB,
        ["rgb8; jpeg compressed rgb8", "bgr8; jpeg compressed rgb8", "rgba8; jpeg compressed "],
    ),
    (jpeg(GREY), GREY, ["mono8; jpeg compressed mono8", "jpeg", "bayer_gbrg8; jpeg compressed mono8"]),
    (png(BGR), RGB, ["rgb8; png compressed bgr8", "bgr8; png compressed bgr8", "8UC3; png compressed ", "png"]),
    (png(np.dstack([BGR, GREY])), RGB, ["bgra8; png compressed bgr8", "8UC4; png compressed ", "png"]),
    (png(wide(BGR)), RGB, ["rgb16; png compressed bgr16"]),
    (png(wide(RGB)), RGB, ["rgb16; png compressed rgb16"]),
    (png(wide(GREY)), GREY, ["mono16; png compressed "]),
]


@pytest.mark.parametrize(
    ("file", "expected", "layout"),
    [
        pytest.param(file, expected, layout, id=f"{number}-{layout}")
        for number, (file, expected, layouts) in enumerate(READ)
        for layout in layouts
    ],
)
def test_files_of_an_rgb_camera(file: bytes, expected: np.ndarray, layout: str) -> None:
    got = rgb(file, layout)
    assert got.flags.c_contiguous
    assert got.shape == expected.shape
    assert np.abs(got.astype(int) - expected).max() <= (JPEG_ERROR if file.startswith(b"\xff\xd8") else 0)


def test_png_of_a_palette() -> None:
    palette = bytes((10, 20, 30, 200, 100, 50))
    file = png_of(2, 1, 8, 3, b"\0\0\1", before=chunk(b"PLTE", palette))
    np.testing.assert_array_equal(rgb(file, "png"), [[[10, 20, 30], [200, 100, 50]]])


@pytest.mark.parametrize("encoding", [name for name in sorted(ENCODINGS) if name.startswith("bayer")])
def test_png_of_a_mosaic(encoding: str) -> None:
    dtype = ENCODINGS[encoding].dtype
    raw = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (9, 12), dtype)
    expected = to_rgb8(raw, ENCODINGS[encoding])
    np.testing.assert_array_equal(rgb(png(raw), f"{encoding}; png compressed "), expected)
    with pytest.raises(EncodingError, match="no thermal picture"):
        thermal(png(raw), f"{encoding}; png compressed ")


def test_mosaic_that_is_too_small() -> None:
    with pytest.raises(ImageError, match="size is 2 x 9; expected sides of 3"):
        rgb(png(np.zeros((9, 2), np.uint8)), "bayer_rggb8; png compressed ")


@pytest.mark.parametrize("layout", ["mono16; png compressed ", "16UC1; png compressed ", "png"])
def test_counts_in_png(layout: str) -> None:
    got = thermal(png(COUNTS), layout)
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, COUNTS)


def test_counts_in_jpeg_keep_their_scale() -> None:
    counts = np.full((16, 16), 21000, np.uint16)
    stored = np.asarray(cv2.convertScaleAbs(counts, alpha=255 / 65535))
    got = thermal(jpeg(stored), "mono16; jpeg compressed mono8")
    assert got.dtype == np.uint16
    assert np.abs(got.astype(int) - counts).max() <= 257
    np.testing.assert_array_equal(rgb(jpeg(stored), "mono16; jpeg compressed mono8"), stored)


@pytest.mark.parametrize("quality", [10, 50, 75, 95])
@pytest.mark.parametrize("chroma", [127, 128])
def test_thermal_grey_in_a_colour_jpeg(quality: int, chroma: int) -> None:
    # 127 is what converters make of grey that cut instead of rounding.
    yuv = np.dstack([GREY, np.full_like(GREY, chroma), np.full_like(GREY, chroma)])
    picture = cv2.cvtColor(yuv, cv2.COLOR_YCrCb2BGR)
    got = thermal(jpeg(picture, cv2.IMWRITE_JPEG_QUALITY, quality), "bgr8; jpeg compressed bgr8")
    assert got.shape == GREY.shape
    assert np.abs(got.astype(int) - GREY).max() <= 130 / quality + JPEG_ERROR


@pytest.mark.parametrize("kind", [jpeg, png])
def test_thermal_palette_is_refused(kind: object) -> None:
    picture = cv2.applyColorMap(GREY, cv2.COLORMAP_INFERNO)
    with pytest.raises(EncodingError, match=r"^topic: bgr8 with colours; .* white-hot"):
        thermal(kind(picture), "jpeg")  # type: ignore[operator]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_by_exif_is_ignored(orientation: int) -> None:
    np.testing.assert_array_equal(rgb(rotated(jpeg(BGR), orientation), "jpeg"), rgb(jpeg(BGR), "jpeg"))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("16UC1; compressedDepth png", "compressedDepth is for depth/image"),
        ("32FC1; compressedDepth rvl", "compressedDepth"),
        ("32FC1; tiff compressed ", "neither JPEG nor PNG holds such values"),
        ("16SC1; png compressed ", "without sign"),
    ],
)
def test_refused_by_format(layout: str, message: str) -> None:
    with pytest.raises(EncodingError, match=rf"^topic: format is '{layout}'; expected .*{message}"):
        thermal(png(COUNTS), layout)
    with pytest.raises(EncodingError, match=r"16UC1.*wrong topic"):
        rgb(png(COUNTS), "16UC1; png compressed ")


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"II*\0" + b"\0" * 100])
def test_refused_by_content(data: bytes) -> None:
    for read in (rgb, thermal):
        with pytest.raises(ImageError, match="expected a JPEG or PNG file"):
            read(data, "mono8; tiff compressed ")


def test_decoders_never_see_a_size_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    side = 2**14
    bombs = [with_size(jpeg(BGR), side, side), png_of(side, side, 8, 6, b"\0" * 1000)]
    # Whole files beyond the limit: plausible, and still too large.
    bombs.append(png_of(side, side, 1, 0, b"\0" * (side * (1 + side // 8))))
    assert side * side > MAX_PIXELS
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    for bomb in bombs:
        with pytest.raises(ImageError, match=f"{side} x {side}"):
            rgb(bomb, "png")


def test_files_that_only_the_decoder_finds_damaged() -> None:
    for file in (png_of(4, 4, 8, 0, b"\0" * 7), png_of(4, 4, 8, 3, b"\0" * 20), png_of(4, 4, 8, 0, rest=b"\7\7\7")):
        assert all(got.shape[:2] == (4, 4) for got in read_or_refused(file, "png"))


FILES = [
    jpeg(BGR[:24, :24]),
    jpeg(GREY[:9, :11], cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    png(BGR[:6, :7]),
    png(COUNTS[:6, :7]),
    png(np.dstack([BGR[:6, :7], GREY[:6, :7]])),
]
LAYOUTS = [
    "",
    "jpeg",
    "rgb8; png compressed rgb8",
    "mono16; jpeg compressed mono8",
    "bayer_rggb8; png compressed ",
    "8UC4;",
]


@settings(max_examples=400)
@given(
    file=st.sampled_from(FILES),
    layout=st.one_of(st.sampled_from(LAYOUTS), st.text(max_size=30)),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4), st.integers(0, 4)), max_size=4),
)
def test_any_damage_is_read_or_refused(file: bytes, layout: str, changes: list[tuple[int, bytes, int]]) -> None:
    for position, new, removed in changes:
        at = position % len(file)
        file = file[:at] + new + file[at + removed :]
    for got in read_or_refused(file, layout):
        assert got.size <= 3 * 512 * 8 * len(file)


@settings(max_examples=300)
@given(
    size=st.tuples(*[st.one_of(st.integers(1, 9), st.integers(0, 2**31 - 1))] * 2),
    depth=st.sampled_from([1, 2, 4, 8, 16]),
    colour=st.integers(0, 6),
    pixels=st.binary(max_size=200),
    rest=st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 2)).map(bytes),
    before=st.tuples(st.sampled_from([b"PLTE", b"tRNS", b"gAMA", b"iCCP", b"eXIf", b"fcTL"]), st.binary(max_size=20)),
)
def test_any_png_with_right_checksums_is_read_or_refused(
    *, size: tuple[int, int], depth: int, colour: int, pixels: bytes, rest: bytes, before: tuple[bytes, bytes]
) -> None:
    file = png_of(*size, depth, colour, pixels, before=chunk(*before), rest=rest)
    for got in read_or_refused(file, "png"):
        assert got.shape[1::-1] == size


@pytest.mark.parametrize("encoding", ["rgb8", "mono8"])
@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_round_trip(codec: str, encoding: str) -> None:
    picture = np.ascontiguousarray(RGB) if encoding == "rgb8" else GREY
    got = rgb(encode(picture, codec).tobytes(), layout_of(encoding, codec))
    assert got.shape == picture.shape
    assert np.abs(got.astype(int) - picture).max() <= (0 if codec == "png" else JPEG_ERROR)


def test_formats_are_those_of_the_transport() -> None:
    formats = [layout_of(encoding, codec) for encoding in ("rgb8", "mono8") for codec in ("jpeg", "png")]
    assert formats == [
        *("rgb8; jpeg compressed bgr8", "rgb8; png compressed bgr8"),
        *("mono8; jpeg compressed mono8", "mono8; png compressed "),
    ]


def test_quality_makes_files_smaller() -> None:
    sizes = [encode(GREY, "jpeg", quality).size for quality in (20, 60, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


def test_a_side_beyond_the_format() -> None:
    with pytest.raises(ImageError, match=r"^jpeg of \(1, 70000\) cannot be written"):
        encode(np.zeros((1, 70000), np.uint8), "jpeg")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (jpeg(BGR), Header("jpeg", 48, 70, 8)),
        (jpeg(GREY), Header("jpeg", 48, 70, 8)),
        (jpeg(BGR, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), Header("jpeg", 48, 70, 8)),
        (jpeg(BGR, cv2.IMWRITE_JPEG_RST_INTERVAL, 2), Header("jpeg", 48, 70, 8)),
        (jpeg(BGR) + b"\0" * 100, Header("jpeg", 48, 70, 8)),
        (jpeg(BGR)[:2] + b"\xff\xff" + jpeg(BGR)[2:], Header("jpeg", 48, 70, 8)),
        (png(BGR), Header("png", 48, 70, 8)),
        (png(GREY), Header("png", 48, 70, 8)),
        (png(GREY.astype(np.uint16) * 256), Header("png", 48, 70, 16)),
        (png(np.dstack([BGR, GREY])) + b"more", Header("png", 48, 70, 8)),
        (png_of(9, 2, 1, 0, b"\0\1\2" * 2), Header("png", 2, 9, 8)),
    ],
)
def test_whole_files(file: bytes, expected: Header) -> None:
    assert read_header(file, "topic") == expected


SMALLEST = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_QUALITY, 1)


@pytest.mark.parametrize(
    ("kind", "shape", "parameters"),
    [
        *((kind, size, ()) for kind in (jpeg, png) for size in ((4000, 6000), (1, 65000), (65000, 1))),
        *((jpeg, shape, SMALLEST) for shape in ((4000, 6000), (4000, 6000, 3))),
    ],
)
def test_the_emptiest_pictures_are_plausible(kind: Any, shape: tuple[int, ...], parameters: tuple[int, ...]) -> None:
    for dtype in (np.uint8, np.uint16) if kind is png else (np.uint8,):
        header = read_header(kind(np.zeros(shape, dtype), *parameters), "topic")
        assert (header.height, header.width) == shape[:2]


@pytest.mark.parametrize(
    ("kind", "width", "height"),
    [
        *(("jpeg", *size) for size in ((65500, 65500), (30000, 30000), (0, 10), (10, 0))),
        *(("png", *size) for size in ((2**31 - 1, 2**31 - 1), (2**32 - 1, 1), (100_000, 100_000), (1, 2**20))),
        *(("png", *size) for size in ((0, 4), (4, 0))),
    ],
)
def test_sizes_that_cannot_be(kind: str, width: int, height: int) -> None:
    file = with_size(jpeg(BGR), width, height) if kind == "jpeg" else png_of(width, height, 8, 2, b"\0" * 4000)
    with pytest.raises(ImageError, match=rf"^topic: header of a compressed image says {width} x {height}; expected a"):
        read_header(file, "topic")


@pytest.mark.parametrize("file", [jpeg(BGR), jpeg(BGR, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), png(BGR)])
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
        (with_segment(jpeg(BGR), 0xC0, b"\x08\0\x10\0\x10\x01\x01\x11\0"), "two frames"),
        (with_segment(jpeg(BGR), 0xC9, b"\x08\0\x10\0\x10\x01\x01\x11\0"), "kind 0xc9"),
        (with_segment(jpeg(BGR), 0xC0, b"\x08\0"), "damaged"),
        (b"\xff\xd8\xff\xda\0\x02\0\0\xff\xd9", "scan before its frame"),
        (jpeg(BGR)[:-2] + b"\xff\xda" * 100 + b"\xff\xd9", "100 scans or more"),
        (jpeg(BGR).replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "3 components of 12 bits"),
    ],
)
def test_refused(file: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=rf"^topic: .*{message}"):
        read_header(file, "topic")


@given(begin=st.sampled_from([b"", PNG, b"\xff\xd8\xff", jpeg(BGR)[:160], png(BGR)[:33]]), rest=st.binary())
def test_any_bytes_are_a_header_or_refused(begin: bytes, rest: bytes) -> None:
    try:
        header = read_header(begin + rest, "topic")
    except ImageError:
        return
    assert header.height >= 1
    assert header.width >= 1
