"""Compressed images: what is read, what is refused, and that no bytes at all do harm."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_bytes import chunk, jpeg, png, png_of, rotated, smooth, with_size

from camf_ros.errors import EncodingError, ImageError
from camf_ros.imaging.compressed_image import decode, encode, layout_of
from camf_ros.imaging.encodings import ENCODINGS, RGB_ENCODINGS, THERMAL_ENCODINGS
from camf_ros.imaging.raw_image import MAX_PIXELS, thermal_values, to_rgb8

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


@pytest.mark.parametrize(
    "layout",
    [
        "rgb8; jpeg compressed bgr8",
        "bgr8; jpeg compressed bgr8",
        "bgra8; jpeg compressed bgr8",
        "rgb16; jpeg compressed bgr8",
        "yuv422; jpeg compressed bgr8",
        "yuv422_yuy2; jpeg compressed bgr8",
        "bayer_rggb8; jpeg compressed bgr8",
        "8UC3; jpeg compressed ",
        "jpeg",
        "jpg",
        "",
        "something; jpeg",
    ],
)
def test_jpeg_in_colour(layout: str) -> None:
    got = rgb(jpeg(BGR), layout)
    assert got.flags.c_contiguous
    assert np.abs(got.astype(int) - RGB).max() <= JPEG_ERROR


@pytest.mark.parametrize(
    "layout", ["rgb8; jpeg compressed rgb8", "bgr8; jpeg compressed rgb8", "rgba8; jpeg compressed "]
)
def test_colours_that_went_in_the_wrong_way_round_come_out_right(layout: str) -> None:
    assert np.abs(rgb(jpeg(np.ascontiguousarray(RGB)), layout).astype(int) - RGB).max() <= JPEG_ERROR


@pytest.mark.parametrize("layout", ["mono8; jpeg compressed mono8", "jpeg", "bayer_gbrg8; jpeg compressed mono8"])
def test_jpeg_in_grey(layout: str) -> None:
    got = rgb(jpeg(GREY), layout)
    assert got.shape == GREY.shape
    assert np.abs(got.astype(int) - GREY).max() <= JPEG_ERROR


@pytest.mark.parametrize(
    "layout", ["rgb8; png compressed bgr8", "bgr8; png compressed bgr8", "8UC3; png compressed ", "png"]
)
def test_png_in_colour(layout: str) -> None:
    np.testing.assert_array_equal(rgb(png(BGR), layout), RGB)


@pytest.mark.parametrize("layout", ["bgra8; png compressed bgr8", "8UC4; png compressed ", "png"])
def test_png_with_alpha(layout: str) -> None:
    np.testing.assert_array_equal(rgb(png(np.dstack([BGR, GREY])), layout), RGB)


def test_png_of_16_bit_colour() -> None:
    got = rgb(png(BGR.astype(np.uint16) * 257), "rgb16; png compressed bgr16")
    np.testing.assert_array_equal(got, RGB)
    swapped = rgb(png(np.ascontiguousarray(RGB).astype(np.uint16) * 257), "rgb16; png compressed rgb16")
    np.testing.assert_array_equal(swapped, RGB)


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


def test_16_bit_grey_of_an_rgb_camera() -> None:
    np.testing.assert_array_equal(rgb(png(GREY.astype(np.uint16) * 257), "mono16; png compressed "), GREY)


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
        ("16UC1; compressedDepth png", "compressedDepth is for depth images"),
        ("32FC1; compressedDepth rvl", "compressedDepth"),
        ("32FC1; tiff compressed ", "neither JPEG nor PNG holds such values"),
        ("16SC1; png compressed ", "without sign"),
    ],
)
def test_refused_by_format(layout: str, message: str) -> None:
    with pytest.raises(EncodingError, match=rf"^topic: format is '{layout}'; expected .*{message}"):
        thermal(png(COUNTS), layout)


def test_depth_on_the_topic_of_an_rgb_camera() -> None:
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
        try:
            got = rgb(file, "png")
        except ImageError:
            continue
        assert got.shape[:2] == (4, 4)


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
    for read in (rgb, thermal):
        try:
            got = read(file, layout)
        except ImageError:
            continue
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
    for read in (rgb, thermal):
        try:
            got = read(file, "png")
        except ImageError:
            continue
        assert got.shape[1::-1] == size


@pytest.mark.parametrize("encoding", ["rgb8", "mono8"])
@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_round_trip(codec: str, encoding: str) -> None:
    picture = np.ascontiguousarray(RGB) if encoding == "rgb8" else GREY
    got = rgb(encode(picture, codec).tobytes(), layout_of(encoding, codec))
    assert got.shape == picture.shape
    assert np.abs(got.astype(int) - picture).max() <= (0 if codec == "png" else JPEG_ERROR)


def test_formats_are_those_of_the_transport() -> None:
    assert layout_of("rgb8", "jpeg") == "rgb8; jpeg compressed bgr8"
    assert layout_of("mono8", "jpeg") == "mono8; jpeg compressed mono8"
    assert layout_of("rgb8", "png") == "rgb8; png compressed bgr8"
    assert layout_of("mono8", "png") == "mono8; png compressed "


def test_quality_makes_files_smaller() -> None:
    sizes = [encode(GREY, "jpeg", quality).size for quality in (20, 60, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


def test_a_side_beyond_the_format() -> None:
    with pytest.raises(ImageError, match=r"^jpeg of \(1, 70000\) cannot be written"):
        encode(np.zeros((1, 70000), np.uint8), "jpeg")
