"""Image messages to arrays: every encoding, row padding, byte order, kind of buffer, and what must be refused."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from raw_messages import LAYOUTS, PLANES, Message, pack, pack_planes, pixels, planes, size_of

from camf_ros.errors import EncodingError, ImageError
from camf_ros.imaging.camera_messages import check, read
from camf_ros.imaging.encodings import ENCODINGS, NOT_UNDERSTOOD, RGB_ENCODINGS, THERMAL_ENCODINGS
from camf_ros.imaging.memory_budget import MAX_PIXELS

ALL = frozenset(ENCODINGS)


def read_checked(message: Message) -> NDArray[Any]:
    return read(message, check(message, ALL, "topic"))


def test_these_are_all_encodings() -> None:
    assert set(ENCODINGS) == {*LAYOUTS, *PLANES} == RGB_ENCODINGS | THERMAL_ENCODINGS


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "last padding missing"])
@pytest.mark.parametrize("padding", [0, 1, 5, 64])
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("encoding", LAYOUTS)
def test_read(encoding: str, big: bool, padding: int, whole: bool) -> None:
    picture = pixels(encoding, *size_of(encoding))
    got = read_checked(pack(picture, encoding, big=big, padding=padding, whole=whole))
    assert got.dtype == picture.dtype
    assert got.dtype.isnative
    np.testing.assert_array_equal(got, picture)


@given(
    encoding=st.sampled_from(sorted(LAYOUTS)),
    height=st.integers(3, 9),
    width=st.integers(1, 4).map(lambda half: 2 * half + 2),
    big=st.booleans(),
    padding=st.integers(0, 9),
    whole=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_round_trip(*, encoding: str, height: int, width: int, big: bool, padding: int, whole: bool, seed: int) -> None:
    picture = pixels(encoding, height, width, seed)
    np.testing.assert_array_equal(read_checked(pack(picture, encoding, big=big, padding=padding, whole=whole)), picture)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: array("B", data), np.frombuffer])
@pytest.mark.parametrize("encoding", ["mono8", "mono16", "bgra16", "32FC1"])
def test_kinds_of_buffers(encoding: str, kind: Callable[[bytes], Any]) -> None:
    picture = pixels(encoding, 4, 3)
    for big in (False, True):
        message = pack(picture, encoding, big=big, padding=3)
        message.data = kind(message.data) if kind is not np.frombuffer else np.frombuffer(message.data, np.uint8)
        np.testing.assert_array_equal(read_checked(message), picture)


def test_more_data_than_needed_is_fine() -> None:
    picture = pixels("rgb8", 3, 4)
    message = pack(picture, "rgb8")
    message.data += b"more"
    np.testing.assert_array_equal(read_checked(message), picture)


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
    "encoding", ["", "MONO8", "rgb", "8UC2", "16UC3", "NV12", "bayer", "rgb8 ", "x" * 10_000, "\0\n", *NOT_UNDERSTOOD]
)
def test_unknown_encoding(encoding: str) -> None:
    with pytest.raises(EncodingError, match=r"^topic: encoding is .*expected one of .*mono16") as caught:
        check(Message(1, 1, encoding, 0, 8, b"\0" * 8), ALL, "topic")
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_encoding_that_makes_no_sense_on_a_topic() -> None:
    message = pack(pixels("rgb8", 2, 2), "rgb8")
    with pytest.raises(EncodingError, match=r"'rgb8'; expected one of 16UC1, mono16; convert it"):
        check(message, frozenset({"mono16", "16UC1"}), "topic")


@pytest.mark.parametrize(("encoding", "accepted"), [("16UC1", RGB_ENCODINGS), ("bayer_rggb8", THERMAL_ENCODINGS)])
def test_the_reason_is_given(encoding: str, accepted: frozenset[str]) -> None:
    with pytest.raises(EncodingError, match=r"the wrong topic is remapped here"):
        check(pack(pixels(encoding, 4, 4), encoding), accepted, "topic")


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "last padding missing"])
@pytest.mark.parametrize("padding", [0, 2, 64])
@pytest.mark.parametrize("encoding", PLANES)
def test_planes(encoding: str, padding: int, whole: bool) -> None:
    parts = planes(encoding, 6, 8)
    got = read_checked(pack_planes(parts, encoding, padding=padding, whole=whole))
    assert got.shape[1] == 8
    assert got.flags.c_contiguous
    assert got.tobytes() == b"".join(part.tobytes() for part in parts)


@pytest.mark.parametrize("step", [8, 16, 0], ids=["luma", "two values a pixel", "left out"])
@pytest.mark.parametrize("encoding", PLANES)
def test_step_of_unpadded_planes_is_what_the_driver_likes(encoding: str, step: int) -> None:
    parts = planes(encoding, 6, 8)
    message = pack_planes(parts, encoding)
    message.step = step
    assert read_checked(message).tobytes() == b"".join(part.tobytes() for part in parts)


@pytest.mark.parametrize("encoding", PLANES)
def test_every_missing_byte_of_planes_is_noticed(encoding: str) -> None:
    for padding in (0, 4):
        message = pack_planes(planes(encoding, 6, 8), encoding, padding=padding, whole=False)
        message.data = message.data[:-1]
        with pytest.raises(ImageError, match=r"^topic: data has \d+ bytes; expected at least \d+; height is that of"):
            check(message, ALL, "topic")


def test_height_that_counts_chroma_is_refused() -> None:
    message = pack_planes(planes("nv12", 8, 8), "nv12")
    message.height = 12
    with pytest.raises(ImageError, match="data has 96 bytes; expected at least 144; height is that of the picture"):
        check(message, ALL, "topic")


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_sides_that_cannot_be(encoding: str) -> None:
    data = b"\0" * 1000
    odd_width, odd_height, small = (Message(h, w, encoding, 0, 8 * w, data) for h, w in ((4, 5), (5, 4), (2, 4)))
    layout = ENCODINGS[encoding]
    for message, refused in (
        (odd_width, layout.even_width),
        (odd_height, layout.even_height),
        (small, encoding.startswith("bayer")),
    ):
        if refused:
            with pytest.raises(
                ImageError, match=rf"topic: size is {message.width} x {message.height}; expected .*even|3 or"
            ):
                check(message, ALL, "topic")
        else:
            check(message, ALL, "topic")


@given(
    encoding=st.sampled_from(sorted(ENCODINGS)),
    height=st.one_of(st.integers(-1, 12), st.integers(0, 2**32 - 1)),
    width=st.one_of(st.integers(-1, 12), st.integers(0, 2**32 - 1)),
    step=st.one_of(st.integers(-1, 64), st.integers(0, 2**32 - 1)),
    big=st.integers(0, 255),
    data=st.binary(max_size=600),
)
def test_any_message_is_read_or_refused(
    *, encoding: str, height: int, width: int, step: int, big: int, data: bytes
) -> None:
    message = Message(height, width, encoding, big, step, data)
    try:
        layout = check(message, ALL, "topic")
    except ImageError:
        return
    got = read(message, layout)
    assert got.shape[1] == width
    assert got.nbytes <= len(data)
    assert height * width <= MAX_PIXELS
