"""Files: written whole, and folders of picture pairs: the same name in ``infrared`` and in ``visible``."""

from __future__ import annotations

import os
from pathlib import Path

from camf_ros.errors import DataError

#: File name endings of pictures.
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
#: Subfolders of a folder of pairs.
SOURCES = ("infrared", "visible")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place and rename it there: what was there stays until the new one is complete."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def is_picture(path: Path) -> bool:
    """Whether a path is a file that is called like a picture."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def find_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """All pairs of a folder, (infrared, visible), sorted by name; the endings of a name may differ.

    Raises DataError if a subfolder is missing, there are no pictures, or a picture has no counterpart.
    """
    infrared, visible = (_by_name(folder / source) for source in SOURCES)
    alone = sorted(infrared.keys() ^ visible.keys())
    if alone:
        raise DataError(
            f"{folder}: no counterpart for {', '.join(alone[:5])}{' and others' if len(alone) > 5 else ''}",
            expected=f"pictures of equal names in {' and '.join(SOURCES)}",
        )
    if not infrared:
        raise DataError(f"{folder}: {' and '.join(SOURCES)} hold no pictures", expected=f"{sorted(SUFFIXES)}")
    return [(infrared[name], visible[name]) for name in sorted(infrared)]


def _by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", expected=f"subfolders {' and '.join(SOURCES)}")
    result: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not is_picture(path):
            continue
        if path.stem in result:
            raise DataError(
                f"{folder} has both {result[path.stem].name} and {path.name}", expected="one picture of each name"
            )
        result[path.stem] = path
    return result
