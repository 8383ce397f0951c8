"""JPEG and PNG, as sensor_msgs/CompressedImage carries them, to arrays and back.

The ``format`` field is read and written as compressed_image_transport does it: the encoding of the raw image, a
semicolon, the codec, and what the image was converted to before compression, such as ``rgb8; jpeg compressed bgr8``.
Others write the codec alone. Knows no ROS.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import EncodingError, ImageError
from camf_ros.imaging.compressed_header import Header, read_header
from camf_ros.imaging.encodings import ENCODINGS, Encoding, Kind, why_not
from camf_ros.imaging.memory_budget import UNLIMITED, MemoryBudget
from camf_ros.imaging.raw_image import check_size

#: Codecs that can be written.
CODECS = ("jpeg", "png")
#: Quality of JPEG, 1 to 100, where nothing else is asked for: that of compressed_image_transport.
JPEG_QUALITY = 95

# That of compressed_image_transport: beyond it files hardly get smaller, but take several times as long.
_PNG_LEVEL = 3
_GREY = {8: "mono8", 16: "mono16"}
# By channels and bits.
_BGR_NAMES = {(3, 8): "bgr8", (3, 16): "bgr16", (4, 8): "bgra8", (4, 16): "bgra16"}
_RGB_NAMES = {(3, 8): "rgb8", (3, 16): "rgb16", (4, 8): "rgba8", (4, 16): "rgba16"}
# What the publisher divides 16-bit values by.
_JPEG_SCALE = 257


def decode(
    data: bytes, layout: str, accepted: frozenset[str], topic: str, budget: MemoryBudget = UNLIMITED
) -> tuple[NDArray[Any], Encoding, bool]:
    """Array of a compressed image.

    The file says how many channels and bits it has. ``layout`` says the rest: whether a grey PNG is a Bayer mosaic,
    whether the colours are in the usual order, and whether a grey JPEG was made of 16-bit counts, which are scaled back
    (8 of 16 bits are lost). A rotation noted in the file is ignored, as compressed_image_transport and cv_bridge do.

    Args:
        data: The file.
        layout: The message's ``format``.
        accepted: Encodings that make sense on this topic.
        topic: Names the source in errors.
        budget: Memory that a frame may need; a few bytes of file may stand for a very large picture.

    Returns:
        The array as :func:`camf_ros.imaging.raw_image.read` would give it, its encoding, and whether the compression
        was lossy.

    Raises:
        EncodingError: If the encoding makes no sense on this topic, or does not fit in such a file.
        ImageError: If the data are neither JPEG nor PNG, or damaged.
    """
    named = _named(layout, accepted, topic)
    header = read_header(data, topic)
    check_size(header.height, header.width, ENCODINGS["rgba16"], topic, budget)
    image = _decompress(data, header, topic)
    lossy = header.codec == "jpeg"
    if image.ndim == 2 and named is not None:
        if named.kind is Kind.MOSAIC and not lossy and named.bits == header.bits:
            check_size(header.height, header.width, named, topic)
            return image, named, lossy
        if named.kind is Kind.GREY and lossy and named.bits == 16:
            return image.astype(np.uint16) * np.uint16(_JPEG_SCALE), ENCODINGS["mono16"], lossy
    return image, ENCODINGS[_stored(image, header, named, layout)], lossy


def encode(image: NDArray[np.uint8], codec: str, quality: int = JPEG_QUALITY) -> NDArray[np.uint8]:
    """A file of an image.

    Args:
        image: (H, W, 3) red, green, blue, or (H, W) grey.
        codec: One of :data:`CODECS`.
        quality: Of JPEG, 1 to 100; PNG loses nothing.

    Returns:
        (bytes,) of the file.

    Raises:
        ImageError: If OpenCV cannot write it, such as a side beyond 65535 pixels in JPEG.
    """
    extension, parameters = {
        "jpeg": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality]),
        "png": (".png", [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL]),
    }[codec]
    stored = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    try:
        written, content = cv2.imencode(extension, stored, parameters)
    except cv2.error as error:
        raise ImageError(f"{codec} of {image.shape} cannot be written ({error})") from error
    if not written:
        raise ImageError(f"{codec} of {image.shape} cannot be written", expected="sides that the format allows")
    return np.asarray(content, np.uint8)


def layout_of(encoding: str, codec: str) -> str:
    """The ``format`` of a message, as compressed_image_transport writes it.

    Args:
        encoding: ``rgb8`` or ``mono8``.
        codec: One of :data:`CODECS`.
    """
    target = "bgr8" if ENCODINGS[encoding].kind is Kind.COLOUR else "mono8" if codec == "jpeg" else ""
    return f"{encoding}; {codec} compressed {target}"


def _named(layout: str, accepted: frozenset[str], topic: str) -> Encoding | None:
    """Encoding of the raw image that a format names; None where it names the codec only, or something unknown."""
    if "compressedDepth" in layout:
        raise EncodingError(
            f"{topic}: format is {layout[:40]!r}",
            expected="a camera's picture",
            remedy="compressedDepth is for depth images: subscribe to the topic's raw or compressed transport",
        )
    name, semicolon, _ = layout.partition(";")
    encoding = ENCODINGS.get(name.strip()) if semicolon else None
    if encoding is None:
        return None
    if encoding.name not in accepted:
        raise EncodingError(
            f"{topic}: format is {layout[:40]!r}",
            expected="another encoding on this topic",
            remedy=why_not(encoding.name, accepted),
        )
    if encoding.dtype not in (np.uint8, np.uint16):
        raise EncodingError(
            f"{topic}: format is {layout[:40]!r}",
            expected="8 or 16 bits without sign",
            remedy="neither JPEG nor PNG holds such values: use the raw transport",
        )
    return encoding


def _decompress(data: bytes, header: Header, topic: str) -> NDArray[Any]:
    try:
        # Unchanged: without the rotation that EXIF may ask for, and with all 16 bits.
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    # What a decoder makes of a file must be what the header has promised.
    promised = (header.height, header.width), np.dtype(np.uint16 if header.bits == 16 else np.uint8)
    if image is None or (image.shape[:2], image.dtype) != promised or image.shape[2:] not in ((), (3,), (4,)):
        raise ImageError(
            f"{topic}: {header.codec} of {len(data)} bytes cannot be decoded",
            expected=f"a picture of {header.width} x {header.height}",
            remedy="look for a broken link or recording",
        )
    return np.asarray(image)


def _stored(image: NDArray[Any], header: Header, named: Encoding | None, layout: str) -> str:
    """Encoding of what was decoded, by channels, bits and the order of colours."""
    if image.ndim == 2:
        return _GREY[header.bits]
    # The transport compresses blue, green, red and says so. One that names a colour and does not say so has handed red,
    # green, blue to a function that takes the opposite; the transport's subscriber, and so RViz, reads it like that.
    generic = named is None or named.kind in (Kind.GREY, Kind.MOSAIC) or named.name in ("8UC3", "8UC4")
    names = _BGR_NAMES if generic or "compressed bgr" in layout else _RGB_NAMES
    return names[image.shape[2], header.bits]
