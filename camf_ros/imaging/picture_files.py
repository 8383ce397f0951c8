"""Picture files to arrays and back: the one reader of all commands, so that they accept and refuse the same files.

Pillow says what a file is, by its content, and decodes it. OpenCV decodes what Pillow would change: colours of 16 bits,
of which Pillow keeps eight, and PGM, whose counts Pillow scales. Arrays as read are in OpenCV's order blue, green, red;
what leaves for the pipeline is red, green, blue.
"""

from __future__ import annotations

import itertools
import stat
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
import PIL.Image
import PIL.TiffImagePlugin
from numpy.typing import NDArray

from camf_ros.errors import CamfError, DataError, ImageError
from camf_ros.files import write_whole
from camf_ros.imaging.camera_messages import Image, to_rgb8
from camf_ros.imaging.encodings import ENCODINGS
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.imaging.memory_budget import MAX_PIXELS, MemoryBudget, check_size

#: What can be read, for messages.
FORMATS = "PNG, JPEG, TIFF, BMP, WebP, PPM, PGM, JPEG 2000, GIF or .npy"
# As Pillow names them.
_PILLOW = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM", "JPEG2000", "GIF")
# Called like this, a file is meant as a picture, also one that is damaged.
_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pnm", ".jp2", ".gif"),
    *(".npy", ".npz"),
)
_NPY = b"\x93NUMPY"
# BigTIFF as big-endian machines write it, which Pillow takes for something else.
_TIFF = (b"II*\0", b"MM\0*", b"II+\0")
_BACKWARD = b"MM\0+"
# Bytes: up to the bits and the kind of colour of a PNG.
_HEAD = 26

# Tags of TIFF, and in the first the bits of a smaller version of the page before, and of a mask for it.
_SUBFILE, _NO_PAGE = 254, 1 | 4
_BITS, _SAMPLE_FORMAT, _PLANES, _ORIENTATION = 258, 339, 284, 274
_SIGNED, _FLOAT = 2, 3
# What Pillow can unpack and does not look for in TIFF. Bits of float16 pass as whole numbers, see _pixels().
for _order, _half, _double in ((b"II", "I;16", "F;64F"), (b"MM", "I;16B", "F;64BF")):
    PIL.TiffImagePlugin.OPEN_INFO.setdefault((_order, 1, (_FLOAT,), 1, (16,), ()), (_half, _half))
    PIL.TiffImagePlugin.OPEN_INFO.setdefault((_order, 1, (_FLOAT,), 1, (64,), ()), ("F", _double))
PIL.TiffImagePlugin.OPEN_INFO.setdefault((b"MM", 1, (1,), 1, (32,), ()), ("I", "I;32B"))

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
# From how a picture is stored to how it is seen, by the tag of its orientation.
_TURNS = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: image.swapaxes(0, 1)[::-1],
}


def is_picture(path: Path) -> bool:
    """Whether a path is a file that is a picture by its content, or is called like one."""
    if not path.is_file():
        return False
    if path.suffix.lower() in _SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            if file.read(len(_NPY)) == _NPY:
                return True
            file.seek(0)
            _opened(file).close()
            return True
    except PIL.Image.DecompressionBombError:
        return True
    except Exception:  # Pillow raises anything
        return False


def read_picture(path: Path, budget: MemoryBudget | None = None) -> NDArray[Any]:
    """A picture file, turned as its orientation tag says.

    Args:
        path: The file.
        budget: Memory that the picture may need, half of what is free when left out; a few bytes of file may stand for
            a very large one.

    Returns:
        (H, W) grey, or (H, W, 3 or 4) blue, green, red (and alpha), uint8 or uint16; grey also of other numbers.

    Raises:
        DataError: If the file cannot be opened, or is not one whole picture.
        ImageError: If it needs more memory than it may.
    """
    budget = budget or MemoryBudget.of(0)
    with _regular(path) as file:
        head = file.read(_HEAD)
        file.seek(0)
        if head.startswith(_NPY):
            return _array(path, file, budget)
        if head.startswith(_BACKWARD):
            raise DataError(f"{path} is a BigTIFF with its bytes from high to low", remedy="save it as a plain TIFF")
        try:
            with _opened(file) as picture:
                check_size(picture.height, picture.width, ENCODINGS["rgba16"], str(path), budget)
                if _is_sequence(picture):
                    raise DataError(
                        f"{path} holds several pages or frames",
                        expected="one picture",
                        remedy="save them as a folder of pictures, or as a video",
                    )
                return _decoded(picture, path, head)
        except CamfError:
            raise
        except PIL.UnidentifiedImageError as error:
            if head.startswith(_TIFF):
                raise DataError(
                    f"{path} is a TIFF that is damaged, or of values that cannot be read",
                    expected="grey integers of 8 to 32 bits, grey floats, or colours of 8 or 16 bits",
                    remedy="save it with 16 bits, or grey with 32 as floats",
                ) from error
            what = "cannot be read as a picture" if head else "is empty"
            raise DataError(f"{path} {what}", expected=FORMATS, remedy="remove or replace the file") from error
        except PIL.Image.DecompressionBombError as error:
            raise ImageError(f"{path}: size is far too large", expected=f"1 to {MAX_PIXELS} pixels") from error
        except Exception as error:  # of any kind, by what is wrong with the file
            reason = f"{path} cannot be read as a picture ({str(error) or type(error).__name__})"
            raise DataError(reason, remedy="remove or replace the file") from error


def _regular(path: Path) -> BinaryIO:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a FIFO would have us wait
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise DataError(f"{path} is {what}", expected="a picture file")
        return path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be opened ({reason})", remedy="check path and rights") from error


def _opened(file: Any) -> PIL.Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is large, or odd and of no matter here
        return PIL.Image.open(file, formats=_PILLOW)


def _is_sequence(picture: PIL.Image.Image) -> bool:
    # Phones put a small or a stereo picture behind the first one of a JPEG (MPO).
    if picture.format == "MPO" or not getattr(picture, "is_animated", False):
        return False
    if not isinstance(picture, PIL.TiffImagePlugin.TiffImageFile):
        return True
    pages = 0
    for number in itertools.count():
        try:
            picture.seek(number)
        except EOFError:
            break
        pages += not int(picture.tag_v2.get(_SUBFILE, 0)) & _NO_PAGE
        if pages > 1:
            return True
    picture.seek(0)
    return False


def _decoded(picture: PIL.Image.Image, path: Path, head: bytes) -> NDArray[Any]:
    tags = dict(getattr(picture, "tag_v2", {}))
    deep = _is_for_opencv(picture, path, head, tags)
    turn = picture.getexif().get(_ORIENTATION)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture.load()  # also where OpenCV decodes: it says less of what is damaged
    if deep:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise ValueError("colours of more than 8 bits, of a kind that OpenCV does not know")
        turned = picture.format == "TIFF"  # by OpenCV, in this format alone
        return np.asarray(image) if turned else _turned(image, turn)
    # Some versions turn TIFF while they load it, and take the tag away then.
    return _turned(_pixels(picture, tags), picture.getexif().get(_ORIENTATION))


def _is_for_opencv(picture: PIL.Image.Image, path: Path, head: bytes, tags: dict[int, Any]) -> bool:
    if picture.format == "PNG":
        return head[24] == 16 and head[25] != 0  # bits, and kind of colour
    if picture.format == "TIFF":
        deep = len(bits := tags.get(_BITS, (1,))) > 1 and max(bits) > 8
        if deep and tags.get(_PLANES, 1) != 1:
            raise DataError(
                f"{path} has colours of more than 8 bits, each in a plane of its own",
                expected="the colours of a pixel side by side",
                remedy="save it as PNG, or with planar configuration 1",
            )
        return deep
    return picture.format in ("PPM", "JPEG2000")


def _turned(image: NDArray[Any], orientation: object) -> NDArray[Any]:
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return np.ascontiguousarray(turn(image)) if turn else image


def _pixels(picture: PIL.Image.Image, tags: dict[int, Any]) -> NDArray[Any]:
    """What Pillow decoded, in its own type; colours become blue, green, red."""
    mode, sample = picture.mode, tags.get(_SAMPLE_FORMAT, (1,))[0]
    if mode == "1":
        return np.asarray(picture.convert("L"))
    if mode in ("L", "F"):
        return np.asarray(picture).view(np.int8) if mode == "L" and sample == _SIGNED else np.asarray(picture)
    if mode.startswith("I"):
        numbers = np.asarray(picture)
        bits = tags.get(_BITS, (16,))[0]
        if bits == 32:
            return numbers if sample == _SIGNED else numbers.view(np.uint32)
        numbers = numbers.astype(np.int16 if sample == _SIGNED else np.uint16)
        return numbers.view(np.float16) if sample == _FLOAT else numbers
    transparent = mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info
    colours = np.asarray(picture.convert("RGBA" if transparent else "RGB"))
    return np.ascontiguousarray(colours[:, :, [2, 1, 0, 3][: colours.shape[2]]])


def _array(path: Path, file: BinaryIO, budget: MemoryBudget) -> NDArray[Any]:
    """An array that numpy.save wrote: (H, W), or (H, W, 3 or 4) red, green, blue."""
    try:
        major, _ = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if dtype.kind not in "iuf" or len(shape) not in (2, 3) or shape[2:] not in ((), (3,), (4,)):
            raise DataError(
                f"{path} holds an array of shape {shape} and type {dtype}",
                expected="numbers, (H, W) or (H, W, 3) or (H, W, 4)",
            )
        check_size(shape[0], shape[1], ENCODINGS["rgba16"], str(path), budget)
        file.seek(0)
        image = np.load(file, allow_pickle=False)
    except CamfError:
        raise
    except Exception as error:  # of any kind, by what is wrong with the file
        raise DataError(f"{path} cannot be read as an array ({error})", remedy="save it with numpy.save") from error
    image = image.astype(dtype.newbyteorder("="), copy=False)
    return image if image.ndim == 2 else np.ascontiguousarray(image[:, :, [2, 1, 0, 3][: shape[2]]])


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
        (H, W), uint8 or uint16, or float32 of any other numbers, their values unchanged (to 7 digits).

    Raises:
        DataError: If it has colours, as those of a palette.
    """
    if image.ndim == 2:
        if image.dtype in (np.uint8, np.uint16):
            return image
        with np.errstate(over="ignore"):  # beyond float32 is infinite, which the front end knows
            return image.astype(np.float32)
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
    """Write a picture, (H, W, 3) red, green, blue, or (H, W) grey, 8 or 16 bit, as PNG; raises DataError."""
    stored = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    write_whole(path, cv2.imencode(".png", stored)[1].tobytes())


def write_tiff(path: Path, image: NDArray[np.float32]) -> None:
    """Write float32 values, (H, W), as TIFF; raises DataError."""
    write_whole(path, cv2.imencode(".tiff", image)[1].tobytes())
