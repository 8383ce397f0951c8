"""Camera messages to frames, and arrays to the fields of an image message.

For any object with the fields of sensor_msgs/Image or sensor_msgs/CompressedImage: what a node receives, and what is
read from a recording. Knows row padding, planes and byte order; arrays are in this machine's byte order.
"""

from __future__ import annotations

import sys
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import EncodingError, ImageError
from camf_ros.imaging.compressed_image import decode
from camf_ros.imaging.encodings import ENCODINGS, RGB_ENCODINGS, THERMAL_ENCODINGS, Encoding, Kind, why_not
from camf_ros.imaging.memory_budget import UNLIMITED, MemoryBudget, check_size

#: A thermal image as the front end takes it.
Image = NDArray[np.uint8 | np.uint16 | np.float32]
# Chroma of grey is 128; converters that cut instead of rounding give 127.
_NEUTRAL = (127, 129)
# Grey levels between the channels of one pixel that lossy compression alone explains, where chroma was such a 127.
_TINT = 4
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
