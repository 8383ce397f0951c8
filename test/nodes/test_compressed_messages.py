"""Compressed messages into arrays and arrays into compressed messages."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from camf_ros.errors import EncodingError, ImageError
from camf_ros.imaging.camera_messages import ImageConversion
from camf_ros.nodes.publishers import compressed_message

ROWS, COLUMNS = np.indices((48, 64))
RGB = np.stack([ROWS, 90 + COLUMNS, 200 - ROWS - COLUMNS], axis=2).astype(np.uint8)
COUNTS = (21000 + 40 * ROWS + COLUMNS).astype(np.uint16)
CONVERSION = ImageConversion()


def stored(extension: str, picture: np.ndarray, layout: str) -> CompressedImage:
    """As compressed_image_transport makes it."""
    return CompressedImage(format=layout, data=cv2.imencode(extension, picture)[1].tobytes())


def test_jpeg_of_an_rgb_camera() -> None:
    message = stored(".jpg", np.ascontiguousarray(RGB[:, :, ::-1]), "rgb8; jpeg compressed bgr8")
    got = CONVERSION.rgb(message)
    assert got.flags.c_contiguous
    assert np.abs(got.astype(int) - RGB).max() <= 4


def test_png_of_a_thermal_camera() -> None:
    got = CONVERSION.thermal(stored(".png", COUNTS, "mono16; png compressed "))
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, COUNTS)


def test_depth_of_another_transport() -> None:
    with pytest.raises(EncodingError, match="thermal image: format is '16UC1; compressedDepth png'"):
        CONVERSION.thermal(stored(".png", COUNTS, "16UC1; compressedDepth png"))


def test_an_empty_message() -> None:
    for read in (CONVERSION.rgb, CONVERSION.thermal):
        with pytest.raises(ImageError, match="begin with nothing"):
            read(CompressedImage(format="jpeg"))


@pytest.mark.parametrize("encoding", ["rgb8", "mono8"])
@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_round_trip(codec: str, encoding: str) -> None:
    picture = RGB if encoding == "rgb8" else np.ascontiguousarray(RGB[:, :, 1])
    header = Header(frame_id="rgb")
    header.stamp.sec = 7
    message = compressed_message(picture, encoding, header, format=codec)
    assert message.header == header
    assert message.format.startswith(f"{encoding}; {codec} compressed ")
    assert isinstance(message.data, array)
    got = CONVERSION.rgb(message)
    assert got.shape == picture.shape
    assert np.abs(got.astype(int) - picture).max() <= (0 if codec == "png" else 4)


def test_quality_is_passed_on() -> None:
    sizes = [len(compressed_message(RGB, "rgb8", Header(), quality=quality).data) for quality in (10, 95)]
    assert sizes[0] < sizes[1]


def test_raw_messages_are_still_raw() -> None:
    message = Image(height=48, width=64, encoding="rgb8", step=192, data=RGB.tobytes())
    np.testing.assert_array_equal(CONVERSION.rgb(message), RGB)
