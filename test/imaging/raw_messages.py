"""Image messages packed by hand, byte by byte, as a camera driver lays them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Name, value type and values a pixel of every encoding that the package claims to read, but for planes.
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
    "16SC1": (np.int16, 1),
    "64FC1": (np.float64, 1),
    "8UC3": (np.uint8, 3),
    "8UC4": (np.uint8, 4),
    "uyvy": (np.uint8, 2),
    "yuv422": (np.uint8, 2),
    "yuyv": (np.uint8, 2),
    "yuv422_yuy2": (np.uint8, 2),
    **{f"bayer_{pattern}8": (np.uint8, 1) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{pattern}16": (np.uint16, 1) for pattern in ("rggb", "bggr", "gbrg", "grbg")},
}
#: Encodings in planes: for each plane its rows and its bytes a row, both in halves of the picture's height and width.
PLANES: dict[str, tuple[tuple[int, int], ...]] = {
    "nv12": ((2, 2), (1, 2)),
    "nv21": ((2, 2), (1, 2)),
    "nv24": ((2, 2), (2, 4)),
    "i420": ((2, 2), (1, 1), (1, 1)),
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
    if encoding in PLANES:
        raise ValueError("planes() makes these")
    dtype, channels = LAYOUTS[encoding]
    rng = np.random.default_rng(seed)
    shape = (height, width) if channels == 1 else (height, width, channels)
    if np.issubdtype(dtype, np.floating):
        return rng.normal(300, 40, shape).astype(dtype)
    return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def size_of(encoding: str) -> tuple[int, int]:
    """A small height and width, odd where the encoding has odd ones."""
    return (6, 8) if encoding in PLANES or LAYOUTS[encoding][1] == 2 else (5, 7)


def planes(encoding: str, height: int, width: int, seed: int = 1) -> list[NDArray[np.uint8]]:
    """Random planes of a picture, (rows, bytes a row) each."""
    rng = np.random.default_rng(seed)
    return [
        rng.integers(0, 256, (height * rows // 2, width * across // 2), np.uint8) for rows, across in PLANES[encoding]
    ]


def pack_planes(parts: list[NDArray[np.uint8]], encoding: str, *, padding: int = 0, whole: bool = True) -> Message:
    """A message of planes; an even padding of luma rows, in proportion for chroma."""
    rows = []
    for part, (_, across) in zip(parts, PLANES[encoding], strict=True):
        rubbish = bytes((41 * index + 99) % 256 for index in range(padding * across // 2))
        rows += [row.tobytes() + rubbish for row in part]
    last = padding * PLANES[encoding][-1][1] // 2
    data = b"".join(rows)
    height, width = parts[0].shape
    return Message(height, width, encoding, 0, width + padding, data if whole or not last else data[:-last])


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
