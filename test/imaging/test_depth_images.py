"""Depth images: the one that goes with an RGB image, and why there is none."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from camf_ros.imaging.camera_model import DepthImage
from camf_ros.imaging.depth_images import DepthImages

METRES = np.linspace(0.5, 60.0, 12, dtype=np.float32).reshape(3, 4)


def stamp(seconds: float) -> SimpleNamespace:
    nanoseconds = round(seconds * 1e9)
    return SimpleNamespace(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def image(seconds: float, values: NDArray[Any] = METRES, encoding: str = "32FC1", big: bool = False) -> SimpleNamespace:
    data = values.astype(values.dtype.newbyteorder(">" if big else "<"))
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp(seconds), frame_id="rgb"),
        height=values.shape[0],
        width=values.shape[1],
        encoding=encoding,
        is_bigendian=int(big),
        step=data[0].nbytes,
        data=data.tobytes(),
    )


def info(seconds: float, width: int = 4, height: int = 3, focal: float = 5.0) -> SimpleNamespace:
    return SimpleNamespace(
        header=SimpleNamespace(stamp=stamp(seconds), frame_id="rgb"),
        width=width,
        height=height,
        distortion_model="plumb_bob",
        d=[],
        k=[focal, 0.0, 1.5, 0.0, focal, 1.0, 0.0, 0.0, 1.0],
        roi=SimpleNamespace(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
        binning_x=0,
        binning_y=0,
    )


def with_images(*times: float) -> DepthImages:
    images = DepthImages()
    images.infos.keep(info(times[0] if times else 0.0))
    for time in times:
        images.keep(image(time, np.full((3, 4), time, np.float32)))
    return images


@pytest.mark.parametrize(
    ("times", "found"),
    [
        pytest.param((9.90, 9.95, 10.0, 10.05), 10.0, id="of the same moment"),
        pytest.param((9.90, 9.95, 10.02), 9.95, id="the newest before, also where a later one is nearer"),
        pytest.param((9.95, 9.90), 9.95, id="whatever the order"),
        pytest.param((9.9, 20.0), 9.9, id="the clock went back"),
    ],
)
def test_the_newest_that_is_not_later_goes_with_an_rgb_image(times: tuple[float, ...], found: float) -> None:
    images = with_images(*times)
    depth = images.of(stamp(10.0), 0.1)
    assert depth is not None
    assert depth.image[0, 0] == np.float32(found)
    assert (images.problem, images.missing, images.missed, images.received) == ("", False, 0, len(times))


@pytest.mark.parametrize(
    ("times", "words"),
    [
        pytest.param((), "no depth image has arrived", id="none"),
        pytest.param((9.5,), "0.5 s older than the RGB image, allowed are 0.1 s", id="lags"),
        pytest.param((10.5,), "all depth images are later", id="ahead"),
    ],
)
def test_without_one_in_time_there_is_none_and_the_reason(times: tuple[float, ...], words: str) -> None:
    images = with_images(*times)
    assert images.of(stamp(10.0), 0.1) is None
    assert words in images.problem
    assert (images.missing, images.missed) == (True, 1)
    images.keep(image(9.95))
    assert images.of(stamp(10.0), 0.1) is not None
    assert (images.missing, images.missed) == (False, 1)


def test_an_image_of_exactly_the_slop_is_taken() -> None:
    assert with_images(9.9).of(stamp(10.0), 0.1) is not None


@pytest.mark.parametrize(
    ("values", "encoding", "big"),
    [
        (METRES, "32FC1", False),
        (METRES, "32FC1", True),
        ((METRES * 1000).astype(np.uint16), "16UC1", False),
        ((METRES * 1000).astype(np.uint16), "16UC1", True),
        ((METRES * 1000).astype(np.uint16), "mono16", False),
    ],
)
def test_both_encodings_and_byte_orders_are_read(values: NDArray[Any], encoding: str, big: bool) -> None:
    images = DepthImages()
    images.infos.keep(info(1.0))
    images.keep(image(1.0, values, encoding, big))
    depth = images.of(stamp(1.0), 0.1)
    assert isinstance(depth, DepthImage)
    assert depth.image.dtype == values.dtype.newbyteorder("=")
    assert np.array_equal(depth.image, values)
    assert (depth.camera.width, depth.camera.height, depth.camera.matrix[0]) == (4, 3, 5.0)


@pytest.mark.parametrize(
    ("message", "camera_info", "words"),
    [
        pytest.param(image(1.0), None, "no camera_info of the depth images", id="no camera_info"),
        pytest.param(image(1.0), info(1.0, focal=0.0), "no camera_info of the depth images", id="not calibrated"),
        pytest.param(image(1.0), info(1.0, 8, 6), "is 4 x 3 and its camera_info for 8 x 6", id="another size"),
        pytest.param(image(1.0, METRES.astype(np.uint8), "mono8"), info(1.0), "encoding is 'mono8'", id="encoding"),
        pytest.param(
            SimpleNamespace(**{**vars(image(1.0)), "data": b"1234"}), info(1.0), "data has 4 bytes", id="too short"
        ),
    ],
)
def test_images_that_cannot_be_used_are_told_and_not_raised(message: Any, camera_info: Any, words: str) -> None:
    images = DepthImages()
    images.keep(message)
    if camera_info is not None:
        images.infos.keep(camera_info)
    assert images.of(stamp(1.0), 0.1) is None
    assert words in images.problem


MILLIMETRES = (METRES * 1000).astype(np.uint16)
# As compressed_depth_image_transport writes it with its defaults: quantization 100, greatest depth 10 m.
A, B = 100 * 101.0, 1 - 100 * 101.0 / 10


def packed(picture: NDArray[Any], layout: str, a: float = A, b: float = B, end: int | None = None) -> SimpleNamespace:
    """A message of compressed_depth_image_transport: a header of 12 bytes, and a PNG."""
    data = struct.pack("<iff", 0, a, b) + cv2.imencode(".png", picture)[1].tobytes()
    header = SimpleNamespace(stamp=stamp(1.0), frame_id="rgb")
    return SimpleNamespace(header=header, format=layout, data=data[:end])


def unpacked(message: SimpleNamespace) -> tuple[DepthImage | None, str]:
    images = DepthImages()
    images.infos.keep(info(1.0))
    images.keep(message)
    return images.of(stamp(1.0), 0.1), images.problem


@pytest.mark.parametrize("layout", ["16UC1; compressedDepth png", "16UC1; compressedDepth", "16UC1", "mono16;"])
def test_compressed_millimetres_come_back_unchanged(layout: str) -> None:
    depth, problem = unpacked(packed(MILLIMETRES, layout))
    assert depth is not None, problem
    assert depth.image.dtype == np.uint16
    np.testing.assert_array_equal(depth.image, MILLIMETRES)


def test_compressed_metres_come_back_as_exactly_as_they_were_quantised() -> None:
    metres = np.array([[0.3, 0.5, 1.0, 2.0], [4.0, 7.0, 9.9, 12.0], [np.nan, np.inf, 3.0, 6.0]], np.float32)
    with np.errstate(invalid="ignore"):
        values = np.where(metres < 10, A / metres + B, 0).astype(np.uint16)
    depth, problem = unpacked(packed(values, "32FC1; compressedDepth png"))
    assert depth is not None, problem
    assert depth.image.dtype == np.float32
    known = metres < 10
    assert np.isnan(depth.image[~known]).all()
    # One step is metres² / A, and it was rounded down.
    errors = depth.image[known] - metres[known]
    assert (errors >= -1e-6).all()
    assert (errors <= 1.02 * metres[known] ** 2 / A).all()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        pytest.param(packed(MILLIMETRES, "16UC1; compressedDepth rvl"), "set the publisher's format to png", id="rvl"),
        pytest.param(packed(MILLIMETRES, "bgr8; jpeg compressed bgr8"), "format is 'bgr8; jpeg", id="a picture"),
        pytest.param(packed(MILLIMETRES, "16UC1; compressedDepth png", end=40), "PNG ends after 28 bytes", id="cut"),
        pytest.param(packed(MILLIMETRES, "16UC1; compressedDepth png", end=7), "begin with nothing", id="no header"),
        pytest.param(packed(MILLIMETRES.astype(np.uint8), "16UC1"), "png of 8 bits; expected a PNG of 16", id="8 bits"),
        pytest.param(packed(np.dstack([MILLIMETRES] * 3), "16UC1"), "PNG has 3 channels", id="colour"),
        pytest.param(packed(MILLIMETRES, "32FC1", a=float("nan")), "depth is nan / (value", id="no number"),
        pytest.param(packed(MILLIMETRES, "32FC1", a=0.0), "depth is 0 / (value", id="no depth"),
        pytest.param(packed(MILLIMETRES[:2], "16UC1"), "is 4 x 2 and its camera_info for 4 x 3", id="another size"),
    ],
)
def test_compressed_images_that_cannot_be_used_are_told(message: SimpleNamespace, words: str) -> None:
    depth, problem = unpacked(message)
    assert depth is None
    assert words in problem


def test_one_that_goes_with_several_rgb_images_is_decoded_once() -> None:
    images = with_images()
    images.keep(packed(MILLIMETRES, "16UC1"))
    first, second = (images.of(stamp(moment), 0.5) for moment in (1.0, 1.1))
    assert first is not None
    assert second is not None
    assert first.image is second.image


def test_only_the_last_images_are_kept() -> None:
    images = with_images(*(1.0 + 0.01 * number for number in range(100)))
    assert len(images._kept) < 30
    assert images.received == 100
