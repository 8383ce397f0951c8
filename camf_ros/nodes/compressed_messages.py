"""Arrays to sensor_msgs/CompressedImage, as compressed_image_transport writes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from camf_ros.imaging.compressed_image import JPEG_QUALITY, encode, layout_of
from camf_ros.nodes.image_messages import byte_array


def compressed_message(
    image: NDArray[np.uint8], encoding: str, header: Header, *, format: str = "jpeg", quality: int = JPEG_QUALITY
) -> CompressedImage:
    """Message of an array.

    Args:
        image: (H, W, 3) red, green, blue, or (H, W) grey.
        encoding: ``rgb8`` or ``mono8``.
        header: Stamp and frame.
        format: ``jpeg`` or ``png``.
        quality: Of JPEG, 1 to 100.

    Raises:
        ImageError: If the image is larger than the format allows.
    """
    message = CompressedImage()
    message.header = header
    message.format = layout_of(encoding, format)
    message.data = byte_array(encode(image, format, quality))
    return message
