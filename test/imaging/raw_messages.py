"""Image messages packed by hand, byte by byte, as a camera driver lays them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Name, value type and values a pixel of every encoding that the package claims to read.
LAYOUTS: dict[str, tuple[type[np.generic], int]] = {
    "mono8": (np.uint8, 1),
    "mono16": (np.uint16, 1),
    "8UC1": (np.uint8, 1),
    "16UC1": (np.uint16, 1),
    "32FC1": (np.float32, 1),
    "rgb8": (np.uint8, 3),
    "bgr8": (np.uint8, 3),
    "rgba8": (np.uint8, 4),
    "bgra8": (np.uint8, 4),
    "rgb16": (np.uint16, 3),
    "bgr16": (np.uint16, 3),
    "rgba16": (np.uint16, 4),
    "bgra16": (np.uint16, 4),
}


@dataclass
class Message:
    """The fields of sensor_msgs/Image."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


def pixels(encoding: str, height: int, width: int, seed: int = 1) -> NDArray[Any]:
    """Random picture (H, W) or (H, W, channels) of an encoding, using the type's whole range."""
    dtype, channels = LAYOUTS[encoding]
    rng = np.random.default_rng(seed)
    shape = (height, width) if channels == 1 else (height, width, channels)
    if dtype is np.float32:
        return rng.normal(300, 40, shape).astype(np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def pack(picture: NDArray[Any], encoding: str, *, big: bool = False, padding: int = 0, whole: bool = True) -> Message:
    """A message of a picture.

    Args:
        picture: (H, W) or (H, W, channels).
        encoding: Its encoding.
        big: Big-endian values.
        padding: Bytes of rubbish after each row.
        whole: Whether the last row has its padding too.
    """
    height, width = picture.shape[:2]
    order = ">" if big else "<"
    rows = [row.astype(picture.dtype.newbyteorder(order)).tobytes() for row in picture]
    rubbish = bytes((37 * index + 201) % 256 for index in range(padding))
    data = rubbish.join(rows) + (rubbish if whole else b"")
    return Message(height, width, encoding, int(big), len(rows[0]) + padding, data)
