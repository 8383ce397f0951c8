"""Messages to arrays and back; with cv_bridge where it is installed, bit-equal to our own conversion."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from camf_ros.errors import EncodingError
from camf_ros.imaging.camera_messages import ImageConversion, thermal_values, to_rgb8
from camf_ros.imaging.encodings import ENCODINGS, RGB_ENCODINGS, THERMAL_ENCODINGS, Kind
from camf_ros.nodes.inputs import best_conversion, cv_bridge_works
from camf_ros.nodes.publishers import image_message

# Tried in a process of its own, as the node does: a cv_bridge for another NumPy would end this one.
needs_cv_bridge = pytest.mark.skipif(not cv_bridge_works(), reason="cv_bridge is not installed, or does not work")


TOGETHER = sorted(name for name, encoding in ENCODINGS.items() if not encoding.planes)
IN_PLANES = sorted(name for name, encoding in ENCODINGS.items() if encoding.planes)
GREY = sorted(name for name in THERMAL_ENCODINGS if ENCODINGS[name].kind is Kind.GREY)


def picture(encoding: str, seed: int = 0, size: tuple[int, int] = (7, 6)) -> np.ndarray:
    layout = ENCODINGS[encoding]
    rng = np.random.default_rng(seed)
    shape = size if layout.channels == 1 else (*size, layout.channels)
    if np.issubdtype(layout.dtype, np.floating):
        return rng.normal(300, 20, shape).astype(layout.dtype)
    limits = np.iinfo(layout.dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=layout.dtype, endpoint=True)


def padded(array: np.ndarray, encoding: str, padding: int, big: bool) -> Image:
    """A message as drivers make them: bytes behind each row, either byte order."""
    message = image_message(array, encoding, Header())
    stored = array.astype(array.dtype.newbyteorder(">" if big else "<"))
    rows = [stored[row].tobytes() + bytes([0xA5]) * padding for row in range(array.shape[0])]
    message.step += padding
    message.is_bigendian = int(big)
    message.data = b"".join(rows)
    return message


@pytest.mark.parametrize("encoding", TOGETHER)
def test_message_of_an_array_is_complete(encoding):
    array = picture(encoding)
    message = image_message(array[:, ::-1], encoding, Header(frame_id="f"))
    assert (message.height, message.width, message.encoding, message.header.frame_id) == (7, 6, encoding, "f")
    assert message.step * message.height == len(message.data)
    assert message.is_bigendian == int(sys.byteorder == "big")
    assert bytes(message.data) == array[:, ::-1].tobytes()


@pytest.mark.parametrize("padding", [0, 1, 12])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", GREY)
def test_thermal_round_trip(encoding, padding, big):
    array = picture(encoding)
    got = ImageConversion().thermal(padded(array, encoding, padding, big))
    assert got.dtype in (np.uint8, np.uint16, np.float32)
    np.testing.assert_array_equal(got, thermal_values(array, ENCODINGS[encoding], "topic"))


@pytest.mark.parametrize("padding", [0, 1, 12])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", sorted(RGB_ENCODINGS - set(IN_PLANES)))
def test_rgb_round_trip(encoding, padding, big):
    array = picture(encoding)
    got = ImageConversion().rgb(padded(array, encoding, padding, big))
    np.testing.assert_array_equal(got, to_rgb8(array, ENCODINGS[encoding]))
    assert got.flags.c_contiguous


@pytest.mark.parametrize("encoding", IN_PLANES)
def test_planes(encoding):
    height = 24 if encoding == "nv24" else 12
    stored = np.random.default_rng(1).integers(0, 256, (height, 6), np.uint8)
    message = Image(height=8, width=6, encoding=encoding, step=6, data=stored.tobytes())
    got = ImageConversion().rgb(message)
    np.testing.assert_array_equal(got, to_rgb8(stored, ENCODINGS[encoding]))
    stored[8:] = 128
    message.data = stored.tobytes()
    np.testing.assert_array_equal(ImageConversion().thermal(message), stored[:8])


def test_a_grey_picture_sent_as_colour_is_a_thermal_picture_and_a_palette_is_not():
    grey = picture("mono8")
    conversion = ImageConversion()
    np.testing.assert_array_equal(conversion.thermal(padded(np.dstack([grey] * 3), "bgr8", 2, False)), grey)
    with pytest.raises(EncodingError, match="white-hot"):
        conversion.thermal(padded(picture("rgb8"), "rgb8", 0, False))


@needs_cv_bridge
@pytest.mark.parametrize("padding", [0, 1, 12])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", TOGETHER)
def test_both_ways_give_the_same_bits(encoding, padding, big):
    message = padded(picture(encoding), encoding, padding, big)
    own, bridge = ImageConversion(), best_conversion()
    assert bridge.backend == "cv_bridge"
    if encoding in RGB_ENCODINGS:
        np.testing.assert_array_equal(own.rgb(message), bridge.rgb(message))
    if encoding in GREY:
        np.testing.assert_array_equal(own.thermal(message), bridge.thermal(message))


@needs_cv_bridge
@pytest.mark.parametrize("encoding", sorted(name for name in RGB_ENCODINGS if ENCODINGS[name].bridged))
def test_cv_bridge_itself_gives_the_same_bits(encoding):
    from cv_bridge import CvBridge  # noqa: PLC0415 (not on every machine)

    for seed, size in enumerate([(3, 4), (31, 34), (120, 128), (97, 322)]):
        message = image_message(picture(encoding, seed, size), encoding, Header())
        wanted = "mono8" if ENCODINGS[encoding].kind is Kind.GREY else "rgb8"
        expected = CvBridge().imgmsg_to_cv2(message, wanted)
        np.testing.assert_array_equal(ImageConversion().rgb(message), expected)


@needs_cv_bridge
@pytest.mark.parametrize("encoding", ["8UC1", "8UC3", "8UC4", "16UC1", "16SC1", "32FC1", "64FC1"])
def test_what_cv_bridge_does_not_convert_is_known(encoding):
    from cv_bridge import CvBridge, CvBridgeError  # noqa: PLC0415 (not on every machine)

    assert not ENCODINGS[encoding].bridged
    with pytest.raises((CvBridgeError, RuntimeError)):
        CvBridge().imgmsg_to_cv2(image_message(picture(encoding), encoding, Header()), "rgb8")


@needs_cv_bridge
def test_every_sixteen_bit_value_becomes_the_same_grey_level_either_way():
    message = image_message(np.arange(65536, dtype=np.uint16).reshape(256, 256), "mono16", Header())
    own, bridge = ImageConversion(), best_conversion()
    np.testing.assert_array_equal(own.rgb(message), bridge.rgb(message))


@needs_cv_bridge
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8", "mono16", "32FC1"])
def test_cv_bridge_reads_our_messages_and_we_read_its(encoding):
    from cv_bridge import CvBridge  # noqa: PLC0415 (not on every machine)

    array = picture(encoding)
    ours, theirs = image_message(array, encoding, Header()), CvBridge().cv2_to_imgmsg(array, encoding)
    np.testing.assert_array_equal(CvBridge().imgmsg_to_cv2(ours, "passthrough"), array)
    for name in ("height", "width", "encoding", "is_bigendian", "step"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert bytes(ours.data) == bytes(theirs.data)
