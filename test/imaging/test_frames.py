"""What the pipeline is given of every encoding, against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from plain_colour import bt601, demosaic, mosaic, twice
from raw_messages import LAYOUTS, PLANES, Message, pack, pack_planes, pixels, planes, size_of

from camf_ros.errors import EncodingError
from camf_ros.imaging.camera_messages import check, grey_in_colour, read, thermal_values, to_rgb8
from camf_ros.imaging.encodings import ENCODINGS, RGB_ENCODINGS, THERMAL_ENCODINGS, Kind

ALL = frozenset(ENCODINGS)
PLAIN = sorted(name for name in RGB_ENCODINGS if ENCODINGS[name].kind in (Kind.GREY, Kind.COLOUR))
COLOURS = [name for name in PLAIN if ENCODINGS[name].kind is Kind.COLOUR]
PACKED = ("uyvy", "yuv422", "yuyv", "yuv422_yuy2")
PATTERNS = ("rggb", "bggr", "gbrg", "grbg")
# OpenCV's arithmetic has fixed points and coefficients of three digits.
ROUNDING = 1.5


def converted(message: Message) -> NDArray[np.uint8]:
    layout = check(message, ALL, "topic")
    return to_rgb8(read(message, layout), layout)


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", PLAIN)
def test_to_rgb8_is_plain_arithmetic(encoding: str, padding: int, big: bool) -> None:
    picture = pixels(encoding, 6, 5)
    got = converted(pack(picture, encoding, padding=padding, big=big))
    expected = picture.astype(np.float64)
    if encoding in COLOURS:
        channels = (2, 1, 0) if encoding.startswith(("bgr", "8UC")) else (0, 1, 2)
        expected = np.stack([expected[:, :, channel] for channel in channels], axis=2)
    if picture.dtype == np.uint16:
        expected = np.round(expected * 255 / 65535)
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("encoding", ["mono16", "rgb16", "bgra16"])
def test_every_16_bit_value(encoding: str) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    channels = LAYOUTS[encoding][1]
    picture = values if channels == 1 else np.stack([values] * channels, axis=2)
    got = to_rgb8(picture, ENCODINGS[encoding])
    expected = [round(value * 255 / 65535) for value in range(65536)]
    for channel in [got] if channels == 1 else np.moveaxis(got, 2, 0):
        assert channel.ravel().tolist() == expected


@pytest.mark.parametrize("padding", [0, 1, 2, 7])
@pytest.mark.parametrize("encoding", PACKED)
def test_yuv422(encoding: str, padding: int) -> None:
    picture = pixels(encoding, 7, 12)
    message = pack(picture, encoding, padding=padding)
    layout = check(message, ALL, "topic")
    flat = picture.reshape(7, 24)
    luma_first = encoding in ("yuyv", "yuv422_yuy2")
    luma = flat[:, 0 if luma_first else 1 :: 2]
    u, v = flat[:, 1 if luma_first else 0 :: 4], flat[:, 3 if luma_first else 2 :: 4]
    got = to_rgb8(read(message, layout), layout)
    assert got.flags.c_contiguous
    expected = bt601(luma, twice(u, rows=False), twice(v, rows=False))
    assert np.abs(got - expected).max() < ROUNDING


@pytest.mark.parametrize("padding", [0, 2, 64])
@pytest.mark.parametrize("encoding", PLANES)
def test_planes(encoding: str, padding: int) -> None:
    parts = planes(encoding, 6, 12)
    got = converted(pack_planes(parts, encoding, padding=padding))
    if encoding == "i420":
        luma, u, v = parts
    else:
        luma, pairs = parts
        u, v = pairs[:, 0::2], pairs[:, 1::2]
        if encoding == "nv21":
            u, v = v, u
    if encoding != "nv24":
        u, v = twice(u, rows=True), twice(v, rows=True)
    assert got.shape == (6, 12, 3)
    assert got.flags.c_contiguous
    assert np.abs(got - bt601(luma, u, v)).max() < ROUNDING


def test_the_same_chroma_in_every_layout_gives_the_same_bits() -> None:
    rng = np.random.default_rng(3)
    luma = rng.integers(0, 256, (8, 10), np.uint8)
    u, v = rng.integers(0, 256, (2, 4, 5), np.uint8)
    wide_u, wide_v = twice(u, rows=True), twice(v, rows=True)
    uyvy = np.stack([np.where(np.arange(10) % 2 == 0, wide_u, wide_v), luma], axis=2)
    got = {
        "uyvy": uyvy,
        "yuyv": uyvy[:, :, ::-1],
        "nv12": np.vstack([luma, np.stack([u, v], axis=2).reshape(4, 10)]),
        "nv21": np.vstack([luma, np.stack([v, u], axis=2).reshape(4, 10)]),
        "i420": np.concatenate([luma.ravel(), u.ravel(), v.ravel()]).reshape(12, 10),
        "nv24": np.concatenate([luma.ravel(), np.stack([wide_u, wide_v], axis=2).ravel()]).reshape(24, 10),
    }
    pictures = {name: to_rgb8(np.ascontiguousarray(stored), ENCODINGS[name]) for name, stored in got.items()}
    for name, picture in pictures.items():
        np.testing.assert_array_equal(picture, pictures["uyvy"], err_msg=name)


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("size", [(3, 3), (4, 6), (7, 5), (8, 21)])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_mosaics(pattern: str, bits: int, size: tuple[int, int], padding: int, big: bool) -> None:
    encoding = f"bayer_{pattern}{bits}"
    raw = pixels(encoding, *size)
    got = converted(pack(raw, encoding, padding=padding, big=big))
    expected = demosaic(raw, pattern)
    if bits == 16:
        expected = np.round(expected * 255 / 65535).astype(np.int64)
    assert got.shape == (*size, 3)
    np.testing.assert_array_equal(got[1:-1, 1:-1], expected)
    np.testing.assert_array_equal(got[0], got[1])
    np.testing.assert_array_equal(got[:, -1], got[:, -2])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_smooth_picture_survives_its_mosaic(pattern: str) -> None:
    rows, columns = np.indices((32, 40), dtype=np.float64)
    picture = np.stack([40 + 2 * rows, 60 + 3 * columns, 200 - rows - columns], axis=2).astype(np.uint8)
    got = to_rgb8(mosaic(picture, pattern), ENCODINGS[f"bayer_{pattern}8"])
    assert np.abs(got[1:-1, 1:-1].astype(int) - picture[1:-1, 1:-1]).max() <= 1


@pytest.mark.parametrize("encoding", sorted(RGB_ENCODINGS))
def test_the_message_is_left_as_it_is(encoding: str) -> None:
    size = size_of(encoding)
    message = (
        pack_planes(planes(encoding, *size), encoding)
        if encoding in PLANES
        else pack(pixels(encoding, *size), encoding)
    )
    message.data = bytearray(message.data)
    before = bytes(message.data)
    got = converted(message)
    assert got.shape[:2] == size
    assert bytes(message.data) == before


@pytest.mark.parametrize("padding", [0, 1, 3, 64])
def test_grey_in_colour(padding: int) -> None:
    grey = pixels("mono8", 6, 5)
    message = pack(np.dstack([grey] * 3), "rgb8", padding=padding)
    got = grey_in_colour(read(message, ENCODINGS["rgb8"]))
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, grey)


@pytest.mark.parametrize("channel", range(3))
def test_one_coloured_pixel_is_colour(channel: int) -> None:
    picture = np.dstack([pixels("mono8", 6, 5)] * 3)
    picture[4, 2, channel] ^= 1
    assert grey_in_colour(picture) is None
    assert grey_in_colour(picture, 1) is not None
    picture[4, 2] = (10, 12, 8)
    assert grey_in_colour(picture, 1) is None


@pytest.mark.parametrize("encoding", sorted(name for name in THERMAL_ENCODINGS if ENCODINGS[name].kind is Kind.GREY))
def test_thermal_values_are_kept(encoding: str) -> None:
    picture = pixels(encoding, 6, 5)
    got = thermal_values(picture, ENCODINGS[encoding], "topic")
    assert got.dtype in (np.uint8, np.uint16, np.float32)
    np.testing.assert_array_equal(got, picture.astype(np.float32) if encoding == "64FC1" else picture)


def test_every_signed_count_is_kept() -> None:
    counts = np.arange(-(2**15), 2**15, dtype=np.int16).reshape(256, 256)
    np.testing.assert_array_equal(thermal_values(counts, ENCODINGS["16SC1"], "topic"), counts)


def test_doubles_out_of_range_are_infinite() -> None:
    got = thermal_values(np.array([[1e300, -1e300, np.nan, 300.5]]), ENCODINGS["64FC1"], "topic")
    np.testing.assert_array_equal(got, np.array([[np.inf, -np.inf, np.nan, 300.5]], np.float32))


@pytest.mark.parametrize("encoding", COLOURS)
def test_thermal_grey_sent_as_colour(encoding: str) -> None:
    dtype, channels = LAYOUTS[encoding]
    grey = pixels("mono16" if dtype is np.uint16 else "mono8", 6, 5)
    picture = np.dstack([grey] * 3 + [pixels("mono8", 6, 5, 2).astype(dtype)] * (channels - 3))
    np.testing.assert_array_equal(thermal_values(picture, ENCODINGS[encoding], "topic"), grey)
    picture[2, 3, 1] ^= 1
    with pytest.raises(EncodingError, match=rf"^topic: {encoding} with colours; expected grey .* white-hot"):
        thermal_values(picture, ENCODINGS[encoding], "topic")


@pytest.mark.parametrize("chroma", [127, 128, 129])
@pytest.mark.parametrize("encoding", [*PACKED, *PLANES])
def test_thermal_luma_of_yuv(encoding: str, chroma: int) -> None:
    luma = pixels("mono8", 6, 8)
    if encoding in PLANES:
        rows = 18 if encoding == "nv24" else 9
        stored = np.vstack([luma, np.full((rows - 6, 8), chroma, np.uint8)])
    else:
        pair = [luma, np.full_like(luma, chroma)]
        stored = np.stack(pair if encoding.startswith(("yuyv", "yuv422_")) else pair[::-1], axis=2)
    np.testing.assert_array_equal(thermal_values(stored, ENCODINGS[encoding], "topic"), luma)
    spoilt = stored.copy()
    spoilt[np.nonzero(stored == chroma)[0][-1]] = 131  # the last row has chroma in every layout
    with pytest.raises(EncodingError, match="with colours"):
        thermal_values(spoilt, ENCODINGS[encoding], "topic")
