"""Picture files: read as they are by their content, whatever they are called; or refused in one sentence."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from camf_ros.errors import CamfError, DataError, ImageError
from camf_ros.imaging.memory_budget import MemoryBudget
from camf_ros.imaging.picture_files import is_picture, read_picture, rgb_of, thermal_of, write_png, write_tiff

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (30, 40)).astype(np.uint8)
COUNTS = RANDOM.integers(7000, 8000, (30, 40)).astype(np.uint16)
RGB = RANDOM.integers(0, 256, (30, 40, 3)).astype(np.uint8)
RGB16 = RANDOM.integers(0, 65536, (30, 40, 3)).astype(np.uint16)
MISSING = COUNTS.astype(np.float32)
MISSING[3, 4], MISSING[5, 6] = np.nan, np.inf


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def made(array: NDArray[Any], kind: str, **options: Any) -> bytes:
    return encoded(Image.fromarray(array), kind, **options)


def array(image: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, image, allow_pickle=True)
    return file.getvalue()


def tiff(
    image: NDArray[Any], *, order: str = "<", big: bool = False, more: tuple[tuple[int, int], ...] = (), at: int = 0
) -> bytes:
    """A TIFF without compression, of one page, by hand, because no library in the tests writes all of them.

    ``at``: where it lies in a file.
    """
    kind = {"u": 1, "i": 2, "f": 3}[image.dtype.kind]
    samples = image.shape[2] if image.ndim == 3 else 1
    data = image.astype(image.dtype.newbyteorder(order)).tobytes()
    place = at + (16 if big else 8)
    tags = {256: image.shape[1], 257: image.shape[0], 258: 8 * image.dtype.itemsize, 259: 1, 277: samples}
    tags |= {262: 2 if samples == 3 else 1, 273: place, 278: image.shape[0], 279: len(data), 339: kind, **dict(more)}
    number, count, offset = ("Q", "Q", "Q") if big else ("I", "H", "I")
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + "HH", 8, 0) if big else b""
    directory = place + len(data)
    table = struct.pack(order + count, len(tags))
    after = (
        directory + struct.calcsize(order + count) + len(tags) * (20 if big else 12) + struct.calcsize(order + offset)
    )
    extra = b""
    for tag, value in sorted(tags.items()):
        if samples == 3 and tag in (258, 339):  # one for each sample
            table += struct.pack(order + "HH" + number, tag, 3, 3)
            packed = struct.pack(order + "HHH", *[value] * 3)
            if big:
                table += packed.ljust(8, b"\0")
            else:
                table += struct.pack(order + "I", after + len(extra))
                extra += packed
        else:
            table += struct.pack(order + "HH" + number + number, tag, 16 if big else 4, 1, value)
    return head + struct.pack(order + offset, directory) + data + table + struct.pack(order + offset, 0) + extra


def palette(image: NDArray[Any], kind: str) -> bytes:
    return encoded(Image.fromarray(image).quantize(64), kind)


def bmp(image: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(".bmp", image)[1])


#: Thermal pictures, and the values that the pipeline gets of them.
THERMAL: dict[str, tuple[bytes, NDArray[Any]]] = {
    "grey.png": (made(GREY, "PNG"), GREY),
    "counts.png": (made(COUNTS, "PNG"), COUNTS),
    "alpha.png": (made(np.dstack([GREY, COUNTS.astype(np.uint8)]), "PNG"), GREY),
    "one_bit.png": (encoded(Image.fromarray(GREY).convert("1", dither=0), "PNG"), np.uint8(255) * (GREY >= 128)),
    "grey_in_colour.bmp": (bmp(np.dstack([GREY] * 3)), GREY),
    "grey_palette.png": (encoded(Image.fromarray(GREY).convert("P"), "PNG"), GREY),
    "grey.gif": (made(GREY, "GIF"), GREY),
    "fourteen_bits.pgm": (b"P5\n40 30\n16383\n" + COUNTS.astype(">u2").tobytes(), COUNTS),
    "deflated.tiff": (made(COUNTS, "TIFF", compression="tiff_adobe_deflate"), COUNTS),
    "lzw.tiff": (made(COUNTS, "TIFF", compression="tiff_lzw"), COUNTS),
    "nan.tiff": (tiff(MISSING), MISSING),
    "big_endian.npy": (array(COUNTS.astype(">u2")), COUNTS),
    "columns_first.npy": (array(np.asfortranarray(COUNTS)), COUNTS),
    **{
        f"{kind}{'_big' if big else ''}{'_motorola' if order == '>' else ''}.tiff": (
            tiff(values, order=order, big=big),
            values if values.dtype in (np.uint8, np.uint16) else values.astype(np.float32),
        )
        for kind, values in {
            "uint8": GREY,
            "uint16": COUNTS,
            "int16": (COUNTS.astype(np.int32) - 7500).astype(np.int16),
            "int32": COUNTS.astype(np.int32) - 100_000,
            "uint32": COUNTS.astype(np.uint32) + np.uint32(2**31),
            "float16": (COUNTS / 100).astype(np.float16),
            "float32": COUNTS.astype(np.float32),
            "float64": COUNTS / 7,
            "int8": (GREY.astype(np.int16) - 128).astype(np.int8),
        }.items()
        for order, big in (("<", False), (">", False), ("<", True))
    },
    **{
        f"{kind}.npy": (array(COUNTS.astype(kind)), COUNTS.astype(kind).astype(np.float32))
        for kind in ("f2", "f8", "i4", "i8")
    },
}
#: Pictures of an RGB camera in 8 bits, red, green, blue; the second as OpenCV scales 16 bits.
COLOUR: dict[str, tuple[bytes, NDArray[Any]]] = {
    "colour.png": (made(RGB, "PNG"), RGB),
    "deep.png": (bytes(cv2.imencode(".png", RGB16[..., ::-1])[1]), np.round(RGB16 / 257).astype(np.uint8)),
    "deep.tiff": (tiff(RGB16), np.round(RGB16 / 257).astype(np.uint8)),
    "alpha.png": (made(np.dstack([RGB, GREY]), "PNG"), RGB),
    "lossless.webp": (made(RGB, "WEBP", lossless=True), RGB),
    "colour.ppm": (made(RGB, "PPM"), RGB),
    "lossless.jp2": (made(RGB, "JPEG2000"), RGB),
    "colour.tiff": (made(RGB, "TIFF", compression="tiff_lzw"), RGB),
    "colour.npy": (array(RGB), RGB),
    "palette.png": (palette(RGB, "PNG"), np.asarray(Image.fromarray(RGB).quantize(64).convert("RGB"))),
    "palette.tiff": (palette(RGB, "TIFF"), np.asarray(Image.fromarray(RGB).quantize(64).convert("RGB"))),
    "inks.tiff": (encoded(Image.fromarray(RGB).convert("CMYK"), "TIFF"), RGB),
    "grey.jpg": (made(GREY, "JPEG"), cv2.imdecode(np.frombuffer(made(GREY, "JPEG"), np.uint8), cv2.IMREAD_UNCHANGED)),
    "counts.png": (made(COUNTS, "PNG"), np.round(COUNTS / 257).astype(np.uint8)),
}


@pytest.mark.parametrize("name", THERMAL)
@pytest.mark.parametrize("ending", ["own", ".jpg", ""])
def test_thermal_pictures(tmp_path: Path, name: str, ending: str) -> None:
    content, expected = THERMAL[name]
    path = tmp_path / (name if ending == "own" else f"picture{ending}")
    path.write_bytes(content)
    assert is_picture(path)
    values = thermal_of(read_picture(path), str(path))
    assert values.dtype == expected.dtype
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("name", COLOUR)
def test_pictures_of_an_rgb_camera(tmp_path: Path, name: str) -> None:
    content, expected = COLOUR[name]
    path = tmp_path / "picture.of_no_kind"
    path.write_bytes(content)
    assert is_picture(path)
    np.testing.assert_array_equal(rgb_of(read_picture(path), str(path)), expected)
    if expected.ndim == 3:
        with pytest.raises(DataError, match=r"is in colour; expected grey values or counts"):
            thermal_of(read_picture(path), str(path))


TURNED: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda image: image,
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image.swapaxes(0, 1), 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNED)
def test_pictures_are_turned_as_their_tag_says(tmp_path: Path, orientation: int) -> None:
    tag = Image.Exif()
    tag[274] = orientation
    for name, content, stored in (
        ("a.png", made(RGB, "PNG", exif=tag), RGB),
        ("a.webp", made(RGB, "WEBP", lossless=True, exif=tag), RGB),
        ("a.tiff", made(RGB, "TIFF", compression="tiff_lzw", tiffinfo={274: orientation}), RGB),
        ("counts.tiff", tiff(COUNTS, more=((274, orientation),)), COUNTS),
        ("deep.tiff", tiff(RGB16, more=((274, orientation),)), RGB16),
        ("a.jpg", made(RGB, "JPEG", exif=tag), np.asarray(Image.open(io.BytesIO(made(RGB, "JPEG"))))),
    ):
        (tmp_path / name).write_bytes(content)
        image = read_picture(tmp_path / name)
        np.testing.assert_array_equal(
            image[..., ::-1] if image.ndim == 3 else image, TURNED[orientation](stored), err_msg=name
        )


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def claiming(width: int, height: int) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def several(kind: str) -> bytes:
    return encoded(Image.fromarray(RGB), kind, save_all=True, append_images=[Image.fromarray(RGB[::-1])])


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


SEVERAL = "holds several pages or frames; expected one picture; save them as a folder of pictures, or as a video"
UNKNOWN = "cannot be read as a picture"
VALUES = "is a TIFF that is damaged, or of values that cannot be read; expected grey integers of 8 to 32 bits,"
REFUSED: dict[str, tuple[bytes, str]] = {
    "pages.tiff": (several("TIFF"), SEVERAL),
    "animated.gif": (several("GIF"), SEVERAL),
    "animated.webp": (several("WEBP"), SEVERAL),
    "animated.png": (several("PNG"), SEVERAL),
    "planes.tiff": (
        tiff(RGB16, more=((284, 2),)),
        "has colours of more than 8 bits, each in a plane of its own; expected the colours of a pixel side by side;",
    ),
    "float_colours.tiff": (tiff(RGB.astype(np.float32)), VALUES),
    "complex.tiff": (tiff(COUNTS, more=((339, 6),)), VALUES),
    "empty.png": (b"", "is empty; expected PNG, JPEG,"),
    "text.png": (b"hello", f"{UNKNOWN}; expected PNG, JPEG, TIFF, BMP, WebP, PPM, PGM, JPEG 2000, GIF or .npy;"),
    "table.npz": (b"PK\x03\x04" + bytes(200), UNKNOWN),
    "flipped.png": (flipped(bytes(cv2.imencode(".png", RGB16)[1]), 200), UNKNOWN),
    **{
        f"cut_{name}": (content[: len(content) * 2 // 3], VALUES if name == "lzw.tiff" else UNKNOWN)
        for name, (content, _) in {**THERMAL, **COLOUR}.items()
        if name.partition(".")[2] in ("png", "gif", "pgm", "bmp", "webp", "jp2", "jpg") or name == "lzw.tiff"
    },
    "cut.npy": (array(COUNTS)[:-7], "cannot be read as an array ("),
    "objects.npy": (
        array(np.array([[{}, 1]], object)),
        "holds an array of shape (1, 2) and type object; expected numbers,",
    ),
    "stack.npy": (array(np.stack([COUNTS] * 5)), "holds an array of shape (5, 30, 40) and type uint16"),
    "truth.npy": (array(COUNTS > 7500), "type bool"),
    "row.npy": (array(COUNTS[0]), "shape (40,)"),
    "nothing.npy": (array(COUNTS[:0]), "size is 40 x 0; expected 1 to"),
    "huge.npy": (array(COUNTS).replace(b"(30, 40)", b"(90000,90000)"), "size is 90000 x 90000; expected 1 to"),
    "bomb.png": (claiming(60000, 60000), "size is far too large; expected 1 to 134217728 pixels"),
    "large.png": (claiming(11000, 11500), "size is 11000 x 11500 would need about"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """In one sentence with the file's name, and nothing else on the terminal."""
    content, words = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content)
    assert is_picture(path)
    with pytest.raises(CamfError) as caught:
        read_picture(path, MemoryBudget(1e9))
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    """Reading a FIFO would wait for who writes it."""
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "folder.png").mkdir()
    for name, words in (
        ("fifo.png", "is no regular file; expected a picture file"),
        ("folder.png", "is a folder; expected a picture file"),
        ("none.png", "cannot be opened (No such file or directory); check path and rights"),
        ("x" * 300, "cannot be opened (File name too long)"),
        ("zero\0byte", "cannot be opened (embedded null byte)"),
    ):
        with pytest.raises(DataError) as caught:
            read_picture(tmp_path / name)
        assert words in str(caught.value)


def test_thumbnails_and_second_views_are_no_pages(tmp_path: Path) -> None:
    small = Image.fromarray(RGB[::2, ::2])
    path = tmp_path / "phone.jpg"
    path.write_bytes(encoded(Image.fromarray(RGB), "MPO", save_all=True, append_images=[small]))
    assert read_picture(path).shape == (30, 40, 3)
    for kind, pages in ((1, 1), (4, 1), (0, 2)):
        first = tiff(COUNTS)
        second = tiff(COUNTS[::2, ::2], at=len(first), more=((254, kind),))
        path.write_bytes(first[:-4] + struct.pack("<I", len(first) + 8 + COUNTS[::2, ::2].nbytes) + second)
        if pages == 1:
            np.testing.assert_array_equal(read_picture(path), COUNTS)
        else:
            with pytest.raises(DataError, match="holds several pages"):
                read_picture(path)


def test_memory_is_looked_at_before_decoding(tmp_path: Path) -> None:
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM", "JPEG2000", "GIF"):
        path = tmp_path / "picture"
        path.write_bytes(made(RGB, kind))
        assert read_picture(path, MemoryBudget(1e6)).shape == (30, 40, 3)
        with pytest.raises(ImageError, match=r"40 x 30 would need"):
            read_picture(path, MemoryBudget(1e3))


def test_other_numbers_are_refused_for_the_rgb_camera(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    path.write_bytes(tiff(COUNTS.astype(np.int32)))
    with pytest.raises(DataError, match=r"1 channels of type int32; expected grey or colour of 8 or 16 bits$"):
        rgb_of(read_picture(path), str(path))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    for image in (GREY, COUNTS):
        write_png(path, image)
        np.testing.assert_array_equal(read_picture(path), image)
    write_png(path, RGB)
    np.testing.assert_array_equal(rgb_of(read_picture(path), ""), RGB)
    write_tiff(path, MISSING)
    np.testing.assert_array_equal(read_picture(path), MISSING)
