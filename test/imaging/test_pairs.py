"""Folders of pairs: complete, in order, or refused with the names that are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from camf_ros.errors import DataError
from camf_ros.files import find_pairs


def fill(folder: Path, infrared: list[str], visible: list[str]) -> Path:
    for source, names in (("infrared", infrared), ("visible", visible)):
        (folder / source).mkdir()
        for name in names:
            (folder / source / name).touch()
    return folder


def test_pairs_by_name(tmp_path: Path) -> None:
    folder = fill(tmp_path, ["b.png", "a.PNG", "c.tiff", "notes.txt"], ["c.jpg", "b.bmp", "a.png", "Thumbs.db"])
    assert [
        (one.relative_to(folder).as_posix(), two.relative_to(folder).as_posix()) for one, two in find_pairs(folder)
    ] == [
        ("infrared/a.PNG", "visible/a.png"),
        ("infrared/b.png", "visible/b.bmp"),
        ("infrared/c.tiff", "visible/c.jpg"),
    ]


def test_missing_counterparts(tmp_path: Path) -> None:
    folder = fill(tmp_path, ["a.png", "b.png"], ["b.png", "c.png"])
    with pytest.raises(DataError, match=r"no counterpart for a, c;") as caught:
        find_pairs(folder)
    assert str(folder) in str(caught.value)


def test_many_missing_counterparts(tmp_path: Path) -> None:
    folder = fill(tmp_path, [f"{index:03}.png" for index in range(500)], [])
    with pytest.raises(DataError, match=r"000, 001, 002, 003, 004 and others"):
        find_pairs(folder)


def test_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="hold no pictures"):
        find_pairs(fill(tmp_path, ["a.txt"], []))


@pytest.mark.parametrize("source", ["infrared", "visible"])
def test_missing_folder(tmp_path: Path, source: str) -> None:
    folder = fill(tmp_path, [], [])
    (folder / source).rmdir()
    with pytest.raises(DataError, match=f"there is no folder .*{source}"):
        find_pairs(folder)


def test_two_pictures_of_one_name(tmp_path: Path) -> None:
    """Which of them belongs to the pair cannot be known."""
    with pytest.raises(DataError, match="a"):
        find_pairs(fill(tmp_path, ["a.png", "a.jpg"], ["a.png"]))


def test_folders_are_no_pictures(tmp_path: Path) -> None:
    folder = fill(tmp_path, ["a.png"], ["a.png"])
    for source in ("infrared", "visible"):
        (folder / source / "old.png").mkdir()
    assert len(find_pairs(folder)) == 1
