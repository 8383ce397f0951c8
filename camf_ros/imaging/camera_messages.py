"""Camera messages to frames, by this package's own conversion.

For any object with the fields of sensor_msgs/Image or sensor_msgs/CompressedImage: what a node receives, and what is
read from a recording.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from camf_ros.imaging.compressed_image import decode
from camf_ros.imaging.encodings import RGB_ENCODINGS, THERMAL_ENCODINGS
from camf_ros.imaging.memory_budget import UNLIMITED, MemoryBudget
from camf_ros.imaging.raw_image import Image, check, read, thermal_values, to_rgb8

#: How errors name the messages.
THERMAL, RGB = "thermal image", "RGB image"


def thermal_frame(message: Any, budget: MemoryBudget = UNLIMITED) -> Image:
    """Thermal frame of a raw message.

    Returns:
        (H, W), uint8, uint16 or float32 as the camera sent it; signed counts and doubles as float32.

    Raises:
        ImageError: If the message cannot be what it says, needs more than the budget, or its encoding is none of a
            thermal camera's.
    """
    encoding = check(message, THERMAL_ENCODINGS, THERMAL, budget)
    return thermal_values(read(message, encoding), encoding, THERMAL)


def rgb_frame(message: Any, budget: MemoryBudget = UNLIMITED) -> NDArray[np.uint8]:
    """RGB frame of a raw message.

    Returns:
        (H, W, 3) red, green, blue, or (H, W) if the camera is grey; C-contiguous.

    Raises:
        ImageError: If the message cannot be what it says, needs more than the budget, or its encoding is none of an
            RGB camera's.
    """
    encoding = check(message, RGB_ENCODINGS, RGB, budget)
    return to_rgb8(read(message, encoding), encoding)


def compressed_thermal_frame(message: Any, budget: MemoryBudget = UNLIMITED) -> Image:
    """As :func:`thermal_frame`, of a compressed message."""
    image, encoding, lossy = decode(bytes(message.data), message.format, THERMAL_ENCODINGS, THERMAL, budget)
    return thermal_values(image, encoding, THERMAL, lossy=lossy)


def compressed_rgb_frame(message: Any, budget: MemoryBudget = UNLIMITED) -> NDArray[np.uint8]:
    """As :func:`rgb_frame`, of a compressed message."""
    image, encoding, _ = decode(bytes(message.data), message.format, RGB_ENCODINGS, RGB, budget)
    return to_rgb8(image, encoding)
