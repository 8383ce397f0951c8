"""Training pictures in memory: grey, 8 bit, split into training and validation by name.

Grey is the BT.601 luminance, the Y of the YCbCr that colour pictures are fused in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import DataError
from camf_ros.files import SUFFIXES, is_picture

GreyImage = NDArray[np.uint8]


@dataclass(frozen=True)
class Split:
    """Two disjoint lists of files."""

    training: list[Path]
    validation: list[Path]


def is_validation(path: Path, share: float, held_out: Collection[str] = ()) -> bool:
    """Whether a picture belongs to the validation split.

    The choice depends on the file's name alone: it is the same on every machine and when pictures are added, and both
    pictures of a pair, bearing one name, fall on the same side.

    Args:
        path: The file.
        share: Share of the files that are for validation, 0 to 1.
        held_out: Names without ending that are for validation in any case.
    """
    if path.stem in held_out:
        return True
    digest = hashlib.sha256(path.stem.encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def find_images(root: Path, folders: Iterable[str]) -> list[Path]:
    """All picture files below ``root / folder`` for each folder, sorted.

    Raises:
        DataError: If a folder is missing or holds no picture.
    """
    found: list[Path] = []
    for folder in folders:
        base = root / folder
        if not base.is_dir():
            raise DataError(f"there is no data folder {base}", remedy="check --data and the recipe's folders")
        files = sorted(path for path in base.rglob("*") if is_picture(path))
        if not files:
            raise DataError(f"{base} holds no pictures", expected=f"files ending in {', '.join(sorted(SUFFIXES))}")
        found.extend(files)
    return found


def split(files: Sequence[Path], share: float, held_out: Collection[str] = ()) -> Split:
    """Training and validation files; see :func:`is_validation`."""
    chosen = [is_validation(path, share, held_out) for path in files]
    return Split(
        [path for path, held in zip(files, chosen, strict=True) if not held],
        [path for path, held in zip(files, chosen, strict=True) if held],
    )


def load_grey(path: Path, smallest: int = 1) -> GreyImage:
    """One picture as (H, W) luminance, 0 to 255.

    Args:
        path: The file.
        smallest: Pictures with a shorter side are enlarged to it, so that crops of that side fit.

    Raises:
        DataError: If the file cannot be read as a picture.
    """
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise DataError(f"{path} cannot be read as a picture", remedy="remove or replace the file")
    height, width = image.shape
    factor = smallest / min(height, width)
    if factor > 1:
        size = (max(smallest, round(width * factor)), max(smallest, round(height * factor)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(image, dtype=np.uint8)
