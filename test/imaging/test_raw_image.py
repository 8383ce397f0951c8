"""Image messages to arrays: every encoding, row padding, byte order, kind of buffer, and what must be refused."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_messages import LAYOUTS, Message, pack, pixels

from camf_ros.errors import EncodingError, ImageError
from camf_ros.imaging.raw_image import ENCODINGS, check, grey_in_colour, read, to_rgb8

ALL = frozenset(ENCODINGS)
COLOURS = [name for name, (_, channels) in LAYOUTS.items() if channels > 1]


def test_these_are_all_encodings() -> None:
    assert set(ENCODINGS) == set(LAYOUTS)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "last padding missing"])
@pytest.mark.parametrize("padding", [0, 1, 5, 64])
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("encoding", LAYOUTS)
def test_read(encoding: str, big: bool, padding: int, whole: bool) -> None:
    picture = pixels(encoding, 5, 7)
    message = pack(picture, encoding, big=big, padding=padding, whole=whole)
    got = read(message, check(message, ALL, "topic"))
    assert got.dtype == picture.dtype
    assert got.dtype.isnative
    np.testing.assert_array_equal(got, picture)


@given(
    encoding=st.sampled_from(sorted(LAYOUTS)),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    big=st.booleans(),
    padding=st.integers(0, 9),
    whole=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_round_trip(*, encoding: str, height: int, width: int, big: bool, padding: int, whole: bool, seed: int) -> None:
    picture = pixels(encoding, height, width, seed)
    message = pack(picture, encoding, big=big, padding=padding, whole=whole)
    np.testing.assert_array_equal(read(message, check(message, ALL, "topic")), picture)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: array("B", data), np.frombuffer])
@pytest.mark.parametrize("encoding", ["mono8", "mono16", "bgra16", "32FC1"])
def test_kinds_of_buffers(encoding: str, kind: Callable[[bytes], Any]) -> None:
    picture = pixels(encoding, 4, 3)
    for big in (False, True):
        message = pack(picture, encoding, big=big, padding=3)
        message.data = kind(message.data) if kind is not np.frombuffer else np.frombuffer(message.data, np.uint8)
        np.testing.assert_array_equal(read(message, check(message, ALL, "topic")), picture)


def test_more_data_than_needed_is_fine() -> None:
    picture = pixels("rgb8", 3, 4)
    message = pack(picture, "rgb8")
    message.data += b"more"
    np.testing.assert_array_equal(read(message, check(message, ALL, "topic")), picture)


@pytest.mark.parametrize("encoding", LAYOUTS)
def test_every_missing_byte_is_noticed(encoding: str) -> None:
    for padding in (0, 3):
        message = pack(pixels(encoding, 3, 4), encoding, padding=padding, whole=False)
        check(message, ALL, "topic")
        for data in (message.data[:-1], message.data[: len(message.data) // 2], b""):
            message.data = data
            with pytest.raises(ImageError, match=rf"^topic: data has {len(data)} bytes; expected at least"):
                check(message, ALL, "topic")


@pytest.mark.parametrize("encoding", LAYOUTS)
def test_step_too_small(encoding: str) -> None:
    message = pack(pixels(encoding, 3, 4), encoding)
    for step in (message.step - 1, 1, 0, -1):
        message.step = step
        with pytest.raises(ImageError, match=rf"^topic: step is {step} bytes; expected at least"):
            check(message, ALL, "topic")


@pytest.mark.parametrize(
    ("height", "width"), [(0, 4), (4, 0), (0, 0), (-1, 4), (4, -1), (2**32 - 1, 2**32 - 1), (1, 2**31), (2**14, 2**14)]
)
def test_impossible_size(height: int, width: int) -> None:
    message = Message(height, width, "mono8", 0, max(width, 0), b"\0" * 64)
    with pytest.raises(ImageError, match=rf"^topic: size is {width} x {height}; expected 1 to"):
        check(message, ALL, "topic")


def test_absurd_step_does_not_read_beyond_the_data() -> None:
    for step in (2**32 - 1, 100):
        with pytest.raises(ImageError, match="data has"):
            check(Message(2, 4, "mono8", 0, step, b"\0" * 64), ALL, "topic")


@pytest.mark.parametrize(
    "encoding", ["", "MONO8", "rgb", "8UC3", "16SC1", "64FC1", "yuv422", "bayer_rggb8", "rgb8 ", "x" * 10_000, "\0\n"]
)
def test_unknown_encoding(encoding: str) -> None:
    with pytest.raises(EncodingError, match=r"^topic: encoding is .*expected one of .*mono16") as caught:
        check(Message(1, 1, encoding, 0, 8, b"\0" * 8), ALL, "topic")
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_encoding_that_makes_no_sense_on_a_topic() -> None:
    message = pack(pixels("rgb8", 2, 2), "rgb8")
    with pytest.raises(EncodingError, match=r"'rgb8'; expected one of 16UC1, mono16; convert it"):
        check(message, frozenset({"mono16", "16UC1"}), "topic")


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", [name for name in LAYOUTS if name != "32FC1"])
def test_to_rgb8_is_plain_arithmetic(encoding: str, padding: int, big: bool) -> None:
    picture = pixels(encoding, 6, 5)
    message = pack(picture, encoding, padding=padding, big=big)
    layout = check(message, ALL, "topic")
    got = to_rgb8(read(message, layout), layout)
    expected = picture.astype(np.float64)
    if encoding in COLOURS:
        channels = (2, 1, 0) if encoding.startswith("bgr") else (0, 1, 2)
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


@pytest.mark.parametrize("padding", [0, 1, 3, 64])
def test_grey_in_colour(padding: int) -> None:
    grey = pixels("mono8", 6, 5)
    message = pack(np.dstack([grey] * 3), "rgb8", padding=padding)
    got = grey_in_colour(read(message, ENCODINGS["rgb8"]))
    assert got is not None
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, grey)


@pytest.mark.parametrize("channel", range(3))
def test_one_coloured_pixel_is_colour(channel: int) -> None:
    picture = np.dstack([pixels("mono8", 6, 5)] * 3)
    picture[4, 2, channel] ^= 1
    assert grey_in_colour(picture) is None
