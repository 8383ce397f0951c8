"""Files that are written: whole or not at all, and never over an input."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from camf_ros.errors import DataError

# Characters of a file's name that its temporary name keeps, so that this is not too long where that is not.
_KEPT = 60


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside a file, to be written by the caller; then renamed to the file's.

    After an error, or if nothing was written, the earlier file is as it was, and the temporary one is gone. Links are
    followed. What is no regular file, such as /dev/stdout or a FIFO, is written directly.

    Raises:
        DataError: If the file cannot be written.
    """
    temporary: Path | None = None
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            yield target
            return
        # With the same ending: some libraries choose the format by it.
        temporary = target.with_name(f".{target.stem[:_KEPT]}.{os.getpid()}.tmp{target.suffix}")
        yield temporary
        if temporary.exists():
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror or error})", remedy="free some space, or name another output"
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file as :func:`replacing` does; raises DataError."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, content: object) -> None:
    """Write a file for programs as :func:`replacing` does, numbers of NumPy as plain ones; raises DataError."""
    write_whole(path, f"{json.dumps(content, indent=1, default=float)}\n".encode())


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; raises DataError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made ({error.strerror})", remedy="name another output") from error


class Guard:
    """Knows the inputs of a run as the file system does, so that links and spellings are seen through."""

    def __init__(self, inputs: Iterable[Path]) -> None:
        self._inputs = {(status.st_dev, status.st_ino) for path in inputs if path.exists() for status in [path.stat()]}

    def check(self, output: Path) -> Path:
        """The output, which may exist already; raises DataError if it is an input."""
        if output.exists():
            status = output.stat()
            if (status.st_dev, status.st_ino) in self._inputs:
                raise DataError(f"the output {output} is an input", remedy="name another output")
        return output
