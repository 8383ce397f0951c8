"""Raw image buffers, as ROS image messages carry them, to arrays, and these to frames for the pipeline.

Knows row padding, planes and byte order; knows no ROS. Arrays are in this machine's byte order.
"""

from __future__ import annotations

import sys
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import EncodingError, ImageError
from camf_ros.imaging.encodings import ENCODINGS, Encoding, Kind, why_not
from camf_ros.imaging.memory_budget import RGB_PIXEL, THERMAL_PIXEL, UNLIMITED, MemoryBudget

__all__ = ["ENCODINGS", "MAX_PIXELS", "Image", "RawImage", "check", "check_size", "read", "to_rgb8"]

#: A picture beyond this is a corrupt header, and believing it would exhaust the memory.
MAX_PIXELS = 2**27
#: A thermal image as the front end takes it.
Image = NDArray[np.uint8 | np.uint16 | np.float32]
# Chroma of grey is 128; converters that cut instead of rounding give 127.
_NEUTRAL = (127, 129)
# Grey levels between the channels of one pixel that lossy compression alone explains, where chroma was such a 127.
_TINT = 4


class RawImage(Protocol):
    """The fields of sensor_msgs/Image that matter here; any object that has them will do."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: bytes | bytearray | memoryview


def check(message: RawImage, accepted: frozenset[str], topic: str, budget: MemoryBudget = UNLIMITED) -> Encoding:
    """The layout of a message's encoding; refuses a message that cannot be what it says.

    Raises EncodingError if the encoding is unknown or not accepted on this topic, and ImageError for a wrong size, a
    step that is too small, or too few data.
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
    """Raise ImageError for a size that no picture of an encoding has, or that needs too much memory."""
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
    """The array of a message that :func:`check` let pass: (H, W), or (H, W, channels) in the order of the message.

    Planes lie one below the other as OpenCV wants them: (H * 3 / 2, W), or (3 H, W) for nv24. Where nothing had to be
    moved it is a view of the message: treat it as read-only.
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

    For planes no standard says what ``step`` is: drivers send that of the luma, twice the width (two values a pixel, as
    sensor_msgs counts them), or 0. Data that are just as long as unpadded planes leave no doubt.
    """
    if encoding.planes:
        spans = _planes(message.height, message.width, message.width, encoding)
        if len(message.data) == sum(rows * row for rows, row, _ in spans):
            return message.width
    return message.step


def to_rgb8(image: NDArray[Any], encoding: Encoding) -> NDArray[np.uint8]:
    """An RGB camera's frame, 8 or 16 bit, as (H, W, 3) red, green, blue, or (H, W) for grey; uint8, C-contiguous.

    As cv_bridge does it with OpenCV: Bayer mosaics are interpolated bilinearly, YUV is ITU-R BT.601 in the range 16 to
    235 with the nearest chroma sample, 16-bit values are scaled by 255 / 65535 and rounded.
    """
    if encoding.name == "nv24":
        return _nv24_to_rgb8(image)
    if encoding.to_rgb is None or not image.flags.aligned:
        image = np.ascontiguousarray(image)
    if encoding.to_rgb is not None:
        image = np.asarray(cv2.cvtColor(image, encoding.to_rgb))
    if image.dtype == np.uint16:
        # v * 255 / 65535 is v / 257. It is 1 / 514 or more from any half, so rounding in float is exact.
        return np.asarray(cv2.convertScaleAbs(image, alpha=1 / 257), np.uint8)
    return np.asarray(image, np.uint8)


def thermal_values(image: NDArray[Any], encoding: Encoding, topic: str, *, lossy: bool = False) -> Image:
    """A thermal camera's frame as (H, W) uint8, uint16 or float32; signed counts and doubles become float32.

    ``lossy``: compression may have tinted a grey picture a little. Raises EncodingError if the picture has colours.
    """
    if encoding.kind is Kind.GREY:
        if image.dtype in (np.int16, np.float64):
            with np.errstate(over="ignore"):  # beyond float32 is infinite, which the front end knows
                return image.astype(np.float32)
        return image
    grey = grey_in_colour(image, _TINT if lossy else 0) if encoding.kind is Kind.COLOUR else _luma(image, encoding)
    if grey is not None:
        return grey
    raise EncodingError(
        f"{topic}: {encoding.name} with colours",
        expected="grey values or counts: colours of a palette do not say what is hot",
        remedy="switch the camera's palette to white-hot (or its output to 16 bit, if it packs counts into yuv), "
        "or check which topic is remapped here",
    )


def grey_in_colour(image: NDArray[Any], tolerance: int = 0) -> Image | None:
    """The (H, W) grey of a picture of 3 or 4 channels; None if the first three differ anywhere by more levels."""
    channels: Any = cv2.split(image)
    first, second, third = channels[:3]
    # Contiguous channels compare several times faster than interleaved ones.
    if np.array_equal(first, second) and np.array_equal(first, third):
        return np.asarray(first)
    if tolerance and all(cv2.absdiff(one, second).max() <= tolerance for one in (first, third)):
        return np.asarray(second)
    return None


def _luma(image: NDArray[np.uint8], encoding: Encoding) -> Image | None:
    """Luma as it is, where all chroma is neutral."""
    if encoding.kind is Kind.PLANES:
        rows = len(image) * 2 // (6 if encoding.name == "nv24" else 3)
        luma, chroma = image[:rows], image[rows:]
    else:
        chroma, luma = cv2.split(image)[:: 1 if encoding.kind is Kind.CHROMA_FIRST else -1]  # type: ignore[assignment]
    return luma if chroma.min() >= _NEUTRAL[0] and chroma.max() <= _NEUTRAL[1] else None


def _nv24_to_rgb8(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """OpenCV has no code for it: each pixel becomes two alike of 4:2:2, for the very same arithmetic."""
    height, width = len(image) // 3, image.shape[1]
    luma, chroma = image[:height], image[height:].reshape(height, width, 2)
    twice = np.empty((height, width, 4), np.uint8)
    twice[:, :, 1] = twice[:, :, 3] = luma
    twice[:, :, 0], twice[:, :, 2] = chroma[:, :, 0], chroma[:, :, 1]
    colour = cv2.cvtColor(twice.reshape(height, 2 * width, 2), cv2.COLOR_YUV2RGB_UYVY)
    return np.ascontiguousarray(colour[:, ::2], dtype=np.uint8)


def check_thermal(image: Image) -> None:
    """Raise ImageError for what the front end does not take."""
    if image.size == 0 or image.ndim != 2 or image.dtype not in (np.uint8, np.uint16, np.float32):
        raise ImageError(
            f"thermal frame has shape {image.shape} and type {image.dtype}",
            expected="(H, W) with pixels, of uint8, uint16 or float32",
        )


def check_rgb(image: Image) -> NDArray[np.uint8]:
    """The picture itself; raises ImageError where it is not 8-bit colour or grey."""
    if image.size == 0 or image.ndim < 2 or image.shape[2:] not in ((), (3,)) or image.dtype != np.uint8:
        raise ImageError(
            f"RGB frame has shape {image.shape} and type {image.dtype}",
            expected="(H, W, 3) or (H, W) with pixels, of uint8",
        )
    return np.asarray(image, np.uint8)
