"""Camera messages to frames, and arrays to the fields of an image message.

For any object with the fields of sensor_msgs/Image or sensor_msgs/CompressedImage: what a node receives, and what is
read from a recording.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ImageError
from camf_ros.imaging.compressed_image import decode
from camf_ros.imaging.encodings import RGB_ENCODINGS, THERMAL_ENCODINGS, Encoding, Kind
from camf_ros.imaging.memory_budget import UNLIMITED, MemoryBudget
from camf_ros.imaging.raw_image import Image, check, read, thermal_values, to_rgb8

#: How errors name the messages.
_THERMAL, _RGB = "thermal image", "RGB image"

# Characters: it goes into every message that is made of a frame.
_LONGEST_FRAME_ID = 255


class ImageConversion:
    """Turns messages into arrays: by a cv_bridge, or by our own conversion, which gives the same bits.

    What cv_bridge does not know as a colour (see :mod:`camf_ros.imaging.encodings`) and compressed images are always
    converted here.

    Attributes:
        backend: ``cv_bridge`` or ``own``.
    """

    def __init__(self, bridge: Any = None) -> None:
        """``bridge``: a ``cv_bridge.CvBridge``, where one works."""
        self._bridge = bridge
        self.backend = "own" if bridge is None else "cv_bridge"

    def thermal(self, message: Any, budget: MemoryBudget = UNLIMITED) -> Image:
        """Thermal frame of a message.

        Returns:
            (H, W), uint8, uint16 or float32 as the camera sent it; signed counts and doubles as float32.

        Raises:
            ImageError: If the message cannot be what it says, needs more than the budget, or its encoding is none of a
                thermal camera's.
        """
        _check_frame_id(message)
        if _compressed(message):
            image, encoding, lossy = decode(bytes(message.data), message.format, THERMAL_ENCODINGS, _THERMAL, budget)
            return thermal_values(image, encoding, _THERMAL, lossy=lossy)
        encoding = check(message, THERMAL_ENCODINGS, _THERMAL, budget)
        if self._bridge is not None and encoding.kind is Kind.GREY and _suits_cv_bridge(message, encoding):
            return thermal_values(self._bridge.imgmsg_to_cv2(message, "passthrough"), encoding, _THERMAL)
        return thermal_values(read(message, encoding), encoding, _THERMAL)

    def rgb(self, message: Any, budget: MemoryBudget = UNLIMITED) -> NDArray[np.uint8]:
        """RGB frame of a message.

        Returns:
            (H, W, 3) red, green, blue, or (H, W) if the camera is grey; C-contiguous.

        Raises:
            ImageError: If the message cannot be what it says, needs more than the budget, or its encoding is none of an
                RGB camera's.
        """
        _check_frame_id(message)
        if _compressed(message):
            image, encoding, _ = decode(bytes(message.data), message.format, RGB_ENCODINGS, _RGB, budget)
            return to_rgb8(image, encoding)
        encoding = check(message, RGB_ENCODINGS, _RGB, budget)
        if self._bridge is not None and encoding.bridged and _suits_cv_bridge(message, encoding):
            wanted = "mono8" if encoding.kind is Kind.GREY else "rgb8"
            return np.ascontiguousarray(self._bridge.imgmsg_to_cv2(message, wanted), dtype=np.uint8)
        return to_rgb8(read(message, encoding), encoding)


def _check_frame_id(message: Any) -> None:
    length = len(message.header.frame_id) if hasattr(message, "header") else 0
    if length > _LONGEST_FRAME_ID:
        raise ImageError(
            f"the frame_id has {length} characters", expected=f"at most {_LONGEST_FRAME_ID}", remedy="check the driver"
        )


def image_fields(image: NDArray[Any], encoding: str) -> dict[str, Any]:
    """Fields of a sensor_msgs/Image but its header; ``data`` is an array of bytes.

    Args:
        image: (H, W) or (H, W, channels), C-contiguous or not.
        encoding: Name of its layout in sensor_msgs/image_encodings.
    """
    return {
        "height": image.shape[0],
        "width": image.shape[1],
        "encoding": encoding,
        "is_bigendian": 0 if np.little_endian else 1,
        "step": image.itemsize * image[0].size,
        "data": np.ascontiguousarray(image).reshape(-1).view(np.uint8),
    }


def encoding_of(picture: Image) -> str:
    """How this package publishes a picture.

    (H, W, 3) as ``rgb8``, (H, W) as ``mono8``, ``16UC1`` or ``32FC1`` by its type.
    """
    if picture.ndim == 3:
        return "rgb8"
    return {"uint8": "mono8", "uint16": "16UC1", "float32": "32FC1"}[picture.dtype.name]


def _compressed(message: Any) -> bool:
    return hasattr(message, "format")


def _suits_cv_bridge(message: Any, encoding: Encoding) -> bool:
    """Whether cv_bridge reads this layout right: whole pixels a row, full last row, this machine's byte order."""
    size = np.dtype(encoding.dtype).itemsize
    return (
        message.step % (encoding.channels * size) == 0
        and len(message.data) == message.step * message.height
        and (size == 1 or bool(message.is_bigendian) == (sys.byteorder == "big"))
        and not (size == 1 and message.is_bigendian)
    )
