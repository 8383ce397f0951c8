"""Picture files to arrays and back: 8 and 16 bit, grey and colour, thermal and visible.

Arrays as read are in OpenCV's order blue, green, red; what leaves for the pipeline is red, green, blue.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import DataError
from camf_ros.imaging.compressed_image import claimed_size
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.imaging.memory_budget import MemoryBudget
from camf_ros.imaging.raw_image import ENCODINGS, Image, check_size, to_rgb8

# Mean spread of the colours of a pixel, grey levels, up to which a picture is grey: lossy compression tints a little.
_TINT = 4.0
# OpenCV's layouts by type and channels, in the names of raw images.
_LAYOUTS = {
    (np.uint8, 1): "mono8",
    (np.uint16, 1): "mono16",
    (np.uint8, 3): "bgr8",
    (np.uint16, 3): "bgr16",
    (np.uint8, 4): "bgra8",
    (np.uint16, 4): "bgra16",
}


def read_picture(path: Path, budget: MemoryBudget | None = None) -> NDArray[Any]:
    """A picture file as it is.

    Args:
        path: The file.
        budget: Memory that the picture may need, half of what is free when left out; a few bytes of file may stand for
            a very large one.

    Returns:
        (H, W) grey, or (H, W, 3 or 4) blue, green, red (and alpha); of the file's type.

    Raises:
        DataError: If the file cannot be opened, or is no whole picture.
        ImageError: If it needs more memory than it may.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror})", remedy="check path and rights") from error
    size = claimed_size(content.data)
    if size is not None:
        check_size(*size, ENCODINGS["rgba16"], str(path), budget or MemoryBudget.of(0))
    image = None
    if content.size:
        try:
            image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
        except cv2.error:  # such as a size that is out of all reason
            image = None
    if image is None:
        raise DataError(f"{path} cannot be read as a picture", remedy="remove or replace the file")
    return np.asarray(image)


def rgb_of(image: NDArray[Any], source: str) -> NDArray[np.uint8]:
    """Eight-bit colour or grey of a picture as read; 16 bits are scaled by 255 / 65535 and rounded.

    Args:
        image: (H, W), or (H, W, 3 or 4) blue, green, red (and alpha).
        source: Names the picture in errors.

    Returns:
        (H, W, 3) red, green, blue, or (H, W) grey.

    Raises:
        DataError: If it has other than 8 or 16 bits.
    """
    channels = 1 if image.ndim == 2 else image.shape[2]
    layout = _LAYOUTS.get((image.dtype.type, channels))
    if layout is None:
        raise DataError(
            f"{source} has {channels} channels of type {image.dtype}", expected="grey or colour of 8 or 16 bits"
        )
    return to_rgb8(image, ENCODINGS[layout])


def thermal_of(image: NDArray[Any], source: str) -> Image:
    """Thermal values of a picture as read; a grey picture stored as colour becomes grey.

    Args:
        image: (H, W), or (H, W, 3 or 4) blue, green, red (and alpha).
        source: Names the picture in errors.

    Returns:
        (H, W), uint8, uint16 or float32.

    Raises:
        DataError: If it has another type, or the colours of a palette.
    """
    if image.ndim == 2:
        if image.dtype not in (np.uint8, np.uint16, np.float32):
            raise DataError(f"{source} has values of type {image.dtype}", expected="8 or 16 bits, or float32")
        return image
    colours = image[:, :, :3]
    spread = colours.max(axis=2).astype(np.float64) - colours.min(axis=2)
    if spread.mean() > _TINT * (257 if image.dtype == np.uint16 else 1):
        raise DataError(
            f"{source} is in colour",
            expected="grey values or counts: colours of a palette do not say what is hot",
            remedy="export white-hot grey, or swap the two inputs if they are in the wrong order",
        )
    if image.dtype == np.uint16:
        return np.ascontiguousarray(colours[:, :, 1])
    return RgbPicture(rgb_of(image, source)).luminance


def write_png(path: Path, image: NDArray[np.uint8 | np.uint16]) -> None:
    """Write a picture as PNG.

    Args:
        path: Its folder must exist.
        image: (H, W, 3) red, green, blue, or (H, W) grey; 8 or 16 bit.

    Raises:
        DataError: If the file cannot be written.
    """
    stored = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _write(path, cv2.imencode(".png", stored)[1])


def write_tiff(path: Path, image: NDArray[np.float32]) -> None:
    """Write float32 values, (H, W), as TIFF.

    Raises:
        DataError: If the file cannot be written.
    """
    _write(path, cv2.imencode(".tiff", image)[1])


def _write(path: Path, content: NDArray[np.uint8]) -> None:
    try:
        path.write_bytes(content.tobytes())
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror})", remedy="name another output") from error
