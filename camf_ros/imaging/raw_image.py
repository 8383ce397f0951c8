"""Raw image buffers, as ROS image messages carry them, to arrays.

Knows row padding, planes and byte order; knows no ROS. Arrays that leave are in this machine's byte order.
"""

from __future__ import annotations

import sys
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import EncodingError, ImageError
from camf_ros.imaging.encodings import ENCODINGS, Encoding, why_not
from camf_ros.imaging.frames import Image, to_rgb8
from camf_ros.imaging.memory_budget import RGB_PIXEL, THERMAL_PIXEL, UNLIMITED, MemoryBudget

__all__ = ["ENCODINGS", "MAX_PIXELS", "Image", "RawImage", "check", "check_size", "read", "to_rgb8"]

#: A picture beyond this is a corrupt header, and believing it would exhaust the memory.
MAX_PIXELS = 2**27


class RawImage(Protocol):
    """The fields of sensor_msgs/Image that matter here; any object that has them will do."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: bytes | bytearray | memoryview


def check(message: RawImage, accepted: frozenset[str], topic: str, budget: MemoryBudget = UNLIMITED) -> Encoding:
    """Refuse a message that cannot be what it says.

    Args:
        message: The image message.
        accepted: Encodings that make sense on this topic.
        topic: Names the source in errors.
        budget: Memory that a frame may need.

    Returns:
        The layout of its encoding.

    Raises:
        EncodingError: If the encoding is unknown or not accepted.
        ImageError: If a side is 0, odd where it cannot be, or the size absurd, if the step is too small, or the data
            too short.
    """
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None or message.encoding not in accepted:
        raise EncodingError(
            f"{topic}: encoding is {message.encoding[:40]!r}",
            expected=f"one of {', '.join(sorted(accepted))}",
            remedy=why_not(message.encoding, accepted),
        )
    height, width = message.height, message.width
    check_size(height, width, encoding, topic, budget)
    step = _step(message, encoding)
    row = width * encoding.channels * np.dtype(encoding.dtype).itemsize
    if step < row:
        raise ImageError(
            f"{topic}: step is {message.step} bytes",
            expected=f"at least {row} for {width} pixels of {message.encoding}",
        )
    # The padding of the last row may be left out.
    spans = _planes(height, width, step, encoding)
    needed = sum(rows * stride for rows, _, stride in spans) - spans[-1][2] + spans[-1][1]
    if len(message.data) < needed:
        raise ImageError(
            f"{topic}: data has {len(message.data)} bytes",
            expected=f"at least {needed}",
            remedy="height is that of the picture, without the rows of chroma" if encoding.planes else "",
        )
    return encoding


def check_size(height: int, width: int, encoding: Encoding, topic: str, budget: MemoryBudget = UNLIMITED) -> None:
    """Refuse a size that no picture of an encoding has, or that needs more memory than there may be.

    Raises:
        ImageError: If a side is 0, too short to be demosaiced, or odd where two pixels share their chroma, or if the
            size is absurd.
    """
    size = f"{topic}: size is {width} x {height}"
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise ImageError(size, expected=f"1 to {MAX_PIXELS} pixels")
    pixel = max(THERMAL_PIXEL, RGB_PIXEL) + encoding.channels * np.dtype(encoding.dtype).itemsize
    budget.check(height * width * pixel, size, "send smaller pictures")
    if min(height, width) < encoding.smallest:
        raise ImageError(size, expected=f"sides of {encoding.smallest} or more in {encoding.name}")
    if (encoding.even_height and height % 2) or (encoding.even_width and width % 2):
        sides = "even width and height" if encoding.even_height else "an even width"
        raise ImageError(size, expected=f"{sides} in {encoding.name}: two pixels share their chroma")


def read(message: RawImage, encoding: Encoding) -> NDArray[Any]:
    """Array of a message that :func:`check` let pass.

    Args:
        message: The image message.
        encoding: What :func:`check` returned.

    Returns:
        (H, W) for one channel, (H, W, channels) for more, channels in the order of the message; planes one below the
        other as OpenCV wants them, (H * 3 / 2, W) or for nv24 (3 H, W). A view of the message where its byte order is
        this machine's and its planes are not padded: treat it as read-only.
    """
    if encoding.planes:
        return _read_planes(message, encoding)
    dtype = np.dtype(encoding.dtype)
    swapped = dtype.itemsize > 1 and bool(message.is_bigendian) != (sys.byteorder == "big")
    view: NDArray[Any] = np.ndarray(
        (message.height, message.width, encoding.channels),
        dtype.newbyteorder() if swapped else dtype,
        buffer=memoryview(message.data),
        strides=(message.step, dtype.itemsize * encoding.channels, dtype.itemsize),
    )
    if encoding.channels == 1:
        view = view[:, :, 0]
    return view.astype(dtype) if swapped else view


def _read_planes(message: RawImage, encoding: Encoding) -> NDArray[np.uint8]:
    data = np.frombuffer(memoryview(message.data), np.uint8)
    height, width = message.height, message.width
    step = _step(message, encoding)
    spans = _planes(height, width, step, encoding)
    if step == width:
        return data[: sum(rows * row for rows, row, _ in spans)].reshape(-1, width)
    packed, start = [], 0
    for rows, row, stride in spans:
        plane = np.ndarray((rows, row), np.uint8, buffer=data, offset=start, strides=(stride, 1))
        packed.append(plane.ravel())
        start += rows * stride
    return np.concatenate(packed).reshape(-1, width)


def _planes(height: int, width: int, step: int, encoding: Encoding) -> list[tuple[int, int, int]]:
    """Rows, bytes of a row, and bytes from one row to the next, of each plane."""
    if not encoding.planes:
        return [(height, width * encoding.channels * np.dtype(encoding.dtype).itemsize, step)]
    return [(height // plane.down, width * plane.halves // 2, step * plane.halves // 2) for plane in encoding.planes]


def _step(message: RawImage, encoding: Encoding) -> int:
    """Bytes from one row to the next, of the luma where there are planes.

    What the step of a picture in planes is, nobody has laid down: drivers send that of the luma, twice the width (two
    values a pixel, as sensor_msgs counts them), or 0. Data that are just as long as unpadded planes leave no doubt.
    """
    if encoding.planes:
        spans = _planes(message.height, message.width, message.width, encoding)
        if len(message.data) == sum(rows * row for rows, row, _ in spans):
            return message.width
    return message.step
