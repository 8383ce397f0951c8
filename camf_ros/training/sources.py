"""Pairs of pictures in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camf_ros.files import find_pairs
from camf_ros.training.images import GreyImage, load_grey


@dataclass(frozen=True)
class Sources:
    """Grey pictures of both classes, in one order: entry i of both lists is one pair."""

    infrared: list[GreyImage]
    visible: list[GreyImage]
    names: list[Path]

    def choose(self, keep: Sequence[bool]) -> Sources:
        """The pairs whose entry in ``keep`` is true."""
        rows = [row for row, kept in enumerate(keep) if kept]
        return Sources(
            [self.infrared[row] for row in rows],
            [self.visible[row] for row in rows],
            [self.names[row] for row in rows],
        )

    def apart(self, held: Sequence[bool]) -> tuple[Sources, Sources]:
        """Those to train on, and those that are held."""
        return self.choose([not entry for entry in held]), self.choose(held)


def load_sources(data: Path, folders: Sequence[str], crop: int) -> Sources:
    """Load all pairs of some folders.

    Args:
        data: Folder that the folders are in.
        folders: Each with subfolders infrared and visible.
        crop: Smaller pictures are enlarged to this side.

    Raises:
        DataError: If a picture has no counterpart of the same name, or cannot be read.
    """
    pairs = [pair for folder in folders for pair in find_pairs(data / folder)]
    infrared, visible = ([load_grey(path, crop) for path in files] for files in zip(*pairs, strict=True))
    return Sources(infrared, visible, [path for path, _ in pairs])
