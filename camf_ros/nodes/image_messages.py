"""Arrays to sensor_msgs/Image, and other fields of messages, at the price of one copy."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from camf_ros.imaging.raw_image import Image as ImageArray


def image_message(image: ImageArray, encoding: str, header: Header) -> Image:
    """Message of an array.

    Args:
        image: (H, W) or (H, W, channels), C-contiguous or not.
        encoding: Name of its layout in sensor_msgs/image_encodings.
        header: Stamp and frame.
    """
    message = Image()
    message.header = header
    message.height, message.width = image.shape[:2]
    message.encoding = encoding
    message.is_bigendian = 0 if np.little_endian else 1
    message.step = image.itemsize * image[0].size
    message.data = byte_array(image)
    return message


def byte_array(image: NDArray[np.generic]) -> array[int]:
    """Bytes in the one type that messages take without looking at every element, whatever their checks are set to."""
    data = array("B")
    data.frombytes(np.ascontiguousarray(image).data.cast("B"))
    return data


def float_array(values: NDArray[np.float32] | Sequence[float]) -> array[float]:
    """The same for a float32[] field."""
    data = array("f")
    data.frombytes(np.ascontiguousarray(values, dtype=np.float32).data.cast("B"))
    return data
