"""Outputs that never overwrite an input, whatever path, link or spelling leads to it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from camf_ros.errors import DataError


class Guard:
    """Knows the inputs of a run."""

    def __init__(self, inputs: Iterable[Path]) -> None:
        """Remember files and folders as the file system knows them, so that links are seen through."""
        self._inputs = {(status.st_dev, status.st_ino) for path in inputs if path.exists() for status in [path.stat()]}

    def check(self, output: Path) -> Path:
        """The output, which may exist already as long as it is no input.

        Raises:
            DataError: If it is an input.
        """
        if output.exists():
            status = output.stat()
            if (status.st_dev, status.st_ino) in self._inputs:
                raise DataError(f"the output {output} is an input", remedy="name another output")
        return output


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        DataError: If that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made ({error.strerror})", remedy="name another output") from error


def write_json(path: Path, content: object) -> None:
    """Write a file for programs.

    Raises:
        DataError: If that is not possible.
    """
    try:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror})", remedy="name another file") from error
