"""Folders of pairs: complete, in order, or refused with the names that are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from camf_ros.errors import DataError
from camf_ros.imaging.pairs import find_pairs


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


@pytest.mark.parametrize(
    ("infrared", "visible", "said"),
    [
        (
            ["a.png", "b.png"],
            ["b.png", "c.png"],
            "^a: no picture of this name in {folder}/visible; c: .* in {folder}/infrared; expected",
        ),
        ([f"{index:03}.png" for index in range(500)], [], "; and 497 others; expected"),
        (["a.txt"], [], "hold no pictures"),
        # Which of them belongs to the pair cannot be known.
        (["a.png", "a.jpg"], ["a.png"], "a: .* has both a.jpg and a.png"),
    ],
)
def test_incomplete_folders(tmp_path: Path, infrared: list[str], visible: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said.format(folder=tmp_path)):
        find_pairs(fill(tmp_path, infrared, visible))


@pytest.mark.parametrize("source", ["infrared", "visible"])
def test_missing_folder(tmp_path: Path, source: str) -> None:
    folder = fill(tmp_path, [], [])
    (folder / source).rmdir()
    with pytest.raises(DataError, match=f"there is no folder .*{source}"):
        find_pairs(folder)


def test_folders_are_no_pictures(tmp_path: Path) -> None:
    folder = fill(tmp_path, ["a.png"], ["a.png"])
    for source in ("infrared", "visible"):
        (folder / source / "old.png").mkdir()
    assert len(find_pairs(folder)) == 1
