"""Folders of picture pairs: files of equal names, whatever their endings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from camf_ros.errors import DataError
from camf_ros.imaging.picture_files import FORMATS, is_picture

#: Subfolders of a folder of pairs.
SOURCES = ("infrared", "visible")
_SHOWN = 3


class Paired(NamedTuple):
    """What folders hold, by name without ending, sorted.

    Attributes:
        pairs: A file of each folder.
        problems: Why the pictures of a name are no pair: one is missing, or there are two.
        ignored: What is no picture, by folder.
        files: All pictures.
    """

    pairs: dict[str, tuple[Path, ...]]
    problems: dict[str, str]
    ignored: dict[Path, list[Path]]
    files: list[Path]


def paired(folders: Sequence[Path]) -> Paired:
    """The pictures of folders by their names; DataError if there is no such folder."""
    result = Paired({}, {}, {}, [])
    tables = [_by_name(folder, result) for folder in folders]
    for name in sorted({name for table in tables for name in table}):
        lacking = [str(folder) for folder, table in zip(folders, tables, strict=True) if name not in table]
        double = [table[name] for table in tables if len(table.get(name, ())) > 1]
        if double:
            first, second = double[0][:2]
            result.problems[name] = f"{first.parent} has both {first.name} and {second.name}"
        elif lacking:
            result.problems[name] = f"no picture of this name in {' and '.join(lacking)}"
        else:
            result.pairs[name] = tuple(table[name][0] for table in tables)
    return result


def _by_name(folder: Path, result: Paired) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", remedy="check the path")
    table: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if is_picture(path):
            table.setdefault(path.stem, []).append(path)
            result.files.append(path)
        else:
            result.ignored.setdefault(folder, []).append(path)
    return table


def find_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """All pairs of a folder with subfolders ``infrared`` and ``visible``, sorted by name.

    Raises:
        DataError: If a subfolder is missing, there are no pictures, or a picture has no counterpart.
    """
    found = paired([folder / source for source in SOURCES])
    if found.problems:
        lines = [f"{name}: {problem}" for name, problem in found.problems.items()]
        more = f"; and {len(lines) - _SHOWN} others" if len(lines) > _SHOWN else ""
        raise DataError(
            f"{'; '.join(lines[:_SHOWN])}{more}", expected=f"pictures of equal names in {' and '.join(SOURCES)}"
        )
    if not found.pairs:
        raise DataError(f"{folder}: {' and '.join(SOURCES)} hold no pictures", expected=FORMATS)
    return [(infrared, visible) for infrared, visible in found.pairs.values()]
