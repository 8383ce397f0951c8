"""Raw image buffers, as ROS image messages carry them, to arrays.

Knows encodings, row padding and byte order; knows no ROS. Arrays that leave are in this machine's byte order.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import EncodingError, ImageError

#: An image as a camera sends it.
Image = NDArray[np.uint8 | np.uint16 | np.float32]

# A picture beyond this is a corrupt header, and believing it would exhaust the memory.
_MAX_PIXELS = 2**27


@dataclass(frozen=True)
class Encoding:
    """How one encoding lies in memory.

    Attributes:
        dtype: Type of one value, in this machine's byte order.
        channels: Values a pixel; 1 for grey.
        to_rgb: OpenCV's code for the conversion to red, green, blue; None where there is nothing to convert.
    """

    dtype: type[np.uint8] | type[np.uint16] | type[np.float32]
    channels: int
    to_rgb: int | None = None


#: Every encoding that is understood, by the name in sensor_msgs/image_encodings.
ENCODINGS = {
    "mono8": Encoding(np.uint8, 1),
    "mono16": Encoding(np.uint16, 1),
    "8UC1": Encoding(np.uint8, 1),
    "16UC1": Encoding(np.uint16, 1),
    "32FC1": Encoding(np.float32, 1),
    "rgb8": Encoding(np.uint8, 3),
    "bgr8": Encoding(np.uint8, 3, cv2.COLOR_BGR2RGB),
    "rgba8": Encoding(np.uint8, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": Encoding(np.uint8, 4, cv2.COLOR_BGRA2RGB),
    "rgb16": Encoding(np.uint16, 3),
    "bgr16": Encoding(np.uint16, 3, cv2.COLOR_BGR2RGB),
    "rgba16": Encoding(np.uint16, 4, cv2.COLOR_RGBA2RGB),
    "bgra16": Encoding(np.uint16, 4, cv2.COLOR_BGRA2RGB),
}


class RawImage(Protocol):
    """The fields of sensor_msgs/Image that matter here; any object that has them will do."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: bytes | bytearray | memoryview


def check(message: RawImage, accepted: frozenset[str], topic: str) -> Encoding:
    """Refuse a message that cannot be what it says.

    Args:
        message: The image message.
        accepted: Encodings that make sense on this topic.
        topic: Names the source in errors.

    Returns:
        The layout of its encoding.

    Raises:
        EncodingError: If the encoding is unknown or not accepted.
        ImageError: If a side is 0 or the size absurd, if the step is too small, or the data too short.
    """
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None or message.encoding not in accepted:
        raise EncodingError(
            f"{topic}: encoding is {message.encoding[:40]!r}",
            expected=f"one of {', '.join(sorted(accepted))}",
            remedy="convert it upstream or check which topic is remapped here",
        )
    height, width = message.height, message.width
    if height < 1 or width < 1 or height * width > _MAX_PIXELS:
        raise ImageError(f"{topic}: size is {width} x {height}", expected=f"1 to {_MAX_PIXELS} pixels")
    row = width * encoding.channels * np.dtype(encoding.dtype).itemsize
    if message.step < row:
        raise ImageError(
            f"{topic}: step is {message.step} bytes",
            expected=f"at least {row} for {width} pixels of {message.encoding}",
        )
    # The padding of the last row may be left out.
    needed = message.step * (height - 1) + row
    if len(message.data) < needed:
        raise ImageError(f"{topic}: data has {len(message.data)} bytes", expected=f"at least {needed}")
    return encoding


def read(message: RawImage, encoding: Encoding) -> Image:
    """Array of a message that :func:`check` let pass.

    Args:
        message: The image message.
        encoding: What :func:`check` returned.

    Returns:
        (H, W) for one channel, (H, W, channels) for more, channels in the order of the message. A view of the
        message where its byte order is this machine's: treat it as read-only.
    """
    dtype = np.dtype(encoding.dtype)
    swapped = dtype.itemsize > 1 and bool(message.is_bigendian) != (sys.byteorder == "big")
    stored = dtype.newbyteorder() if swapped else dtype
    pixel = dtype.itemsize * encoding.channels
    view: NDArray[np.generic] = np.ndarray(
        (message.height, message.width, encoding.channels),
        stored,
        buffer=memoryview(message.data),
        strides=(message.step, pixel, dtype.itemsize),
    )
    if encoding.channels == 1:
        view = view[:, :, 0]
    result: Image = view.astype(dtype) if swapped else view  # type: ignore[assignment]
    return result


def to_rgb8(image: Image, encoding: Encoding) -> NDArray[np.uint8]:
    """Eight-bit colour or grey of an RGB camera's frame.

    Args:
        image: (H, W) or (H, W, channels) from :func:`read`; 8 or 16 bit.
        encoding: Its encoding.

    Returns:
        (H, W, 3) in the order red, green, blue, or (H, W) for grey; C-contiguous. 16-bit values are scaled by
        255 / 65535 and rounded, as cv_bridge does.
    """
    image = np.ascontiguousarray(image)
    if encoding.to_rgb is not None:
        image = np.asarray(cv2.cvtColor(image, encoding.to_rgb), encoding.dtype)
    if image.dtype == np.uint16:
        # v * 255 / 65535 is v / 257, and at least 1 / 514 away from half way between two whole numbers: the rounding of
        # float arithmetic changes nothing.
        return np.asarray(cv2.convertScaleAbs(image, alpha=1 / 257), np.uint8)
    return np.asarray(image, np.uint8)


def grey_in_colour(image: Image) -> Image | None:
    """The picture itself, where a camera sends grey as colour.

    Args:
        image: (H, W, 3) from :func:`read`.

    Returns:
        (H, W), C-contiguous; None if the three channels differ anywhere.
    """
    first: Image
    first, second, third = cv2.split(image)  # type: ignore[assignment]
    # Compared packed: several times faster than in steps of three.
    return first if np.array_equal(first, second) and np.array_equal(first, third) else None
