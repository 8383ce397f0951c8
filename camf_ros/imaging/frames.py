"""What the pipeline is given of each camera, from arrays in the encodings that cameras send."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import EncodingError, ImageError
from camf_ros.imaging.encodings import Encoding, Kind

#: A thermal image as the front end takes it.
Image = NDArray[np.uint8 | np.uint16 | np.float32]

# Chroma of grey is 128; converters that cut instead of rounding give 127.
_NEUTRAL = (127, 129)
# Grey levels between the channels of one pixel that lossy compression alone explains, where chroma was such a 127.
_TINT = 4


def to_rgb8(image: NDArray[Any], encoding: Encoding) -> NDArray[np.uint8]:
    """Eight-bit colour or grey of an RGB camera's frame.

    Bayer mosaics are interpolated bilinearly; luma and chroma are those of ITU-R BT.601 in the range 16 to 235, and
    chroma is that of the nearest sample: all as cv_bridge has it from OpenCV.

    Args:
        image: As :func:`camf_ros.imaging.raw_image.read` gives it; 8 or 16 bit.
        encoding: Its encoding.

    Returns:
        (H, W, 3) in the order red, green, blue, or (H, W) for grey; C-contiguous. 16-bit values are scaled by
        255 / 65535 and rounded, as cv_bridge does.
    """
    if encoding.name == "nv24":
        return _nv24_to_rgb8(image)
    if encoding.to_rgb is None or not image.flags.aligned:
        image = np.ascontiguousarray(image)
    if encoding.to_rgb is not None:
        image = np.asarray(cv2.cvtColor(image, encoding.to_rgb))
    if image.dtype == np.uint16:
        # v * 255 / 65535 is v / 257, and at least 1 / 514 away from half way between two whole numbers: the rounding of
        # float arithmetic changes nothing.
        return np.asarray(cv2.convertScaleAbs(image, alpha=1 / 257), np.uint8)
    return np.asarray(image, np.uint8)


def thermal_values(image: NDArray[Any], encoding: Encoding, topic: str, *, lossy: bool = False) -> Image:
    """Grey, counts or temperatures of a thermal camera's frame.

    Args:
        image: As :func:`camf_ros.imaging.raw_image.read` gives it.
        encoding: Its encoding.
        topic: Names the source in errors.
        lossy: Whether lossy compression may have tinted a grey picture a little.

    Returns:
        (H, W), uint8, uint16 or float32; signed counts and doubles as float32, their values unchanged (to 7 digits).

    Raises:
        EncodingError: If the picture has colours.
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
    """The picture itself, where a camera sends grey as colour.

    Args:
        image: (H, W, 3 or 4); a fourth channel is alpha.
        tolerance: Levels that the three channels of a pixel may be apart.

    Returns:
        (H, W), C-contiguous; None if the three channels differ anywhere by more.
    """
    channels: Any = cv2.split(image)
    first, second, third = channels[:3]
    # Compared packed: several times faster than in steps of three.
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
    """Refuse what the front end does not take; raises ImageError."""
    if image.size == 0 or image.ndim != 2 or image.dtype not in (np.uint8, np.uint16, np.float32):
        raise ImageError(
            f"thermal frame has shape {image.shape} and type {image.dtype}",
            expected="(H, W) with pixels, of uint8, uint16 or float32",
        )


def check_rgb(image: Image) -> NDArray[np.uint8]:
    """The picture itself where it is 8-bit colour or grey; raises ImageError where it is not."""
    if image.size == 0 or image.ndim < 2 or image.shape[2:] not in ((), (3,)) or image.dtype != np.uint8:
        raise ImageError(
            f"RGB frame has shape {image.shape} and type {image.dtype}",
            expected="(H, W, 3) or (H, W) with pixels, of uint8",
        )
    return np.asarray(image, np.uint8)
