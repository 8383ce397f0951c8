"""The recording that is written: beside its final name until it is complete, so that a run may end at any time."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag2 import StoragePlugin, Writer

from camf_ros.bag.message_types import MessageTypes
from camf_ros.bag.reader import BagError, check_name

_PLUGINS = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}

# The newest layout of metadata.yaml that every distribution from Humble on reads.
_VERSION = 8
# Marks a folder as one of ours, and while it is locked a run as going on.
_MARK = "camf-bag.lock"
# Where a recording that is replaced lies until the new one has its place.
_REPLACED = "replaced"


class BagWriter:
    """Writes ``OUT.part/OUT`` and renames it to ``OUT`` at the end. What is there at ``OUT`` stays until then.

    An error, Ctrl-C included, removes ``OUT.part``; what a killed run has left of it the next one removes.
    """

    def __init__(self, path: Path, storage: str, types: MessageTypes, *, overwrite: bool, source: Path | None) -> None:
        """Look whether it can be written, in one of :data:`STORAGES`; raises BagError if it cannot.

        Neither ``source``, which is read, nor anything in it may be written to; None where nothing is.
        """
        if path.name in ("", ".."):
            raise BagError(f"the output is {path}", expected="the name of a folder that is to be made")
        check_name(path, storage)
        self._path, self._types, self._storage, self._overwrite = path, types, storage, overwrite
        self._part = path.with_name(f"{path.name}.part")
        if source is not None:
            _check_apart(source, (path, self._part))
        self._check_free()
        self._connections: dict[tuple[str, str, str], Connection] = {}

    def __enter__(self) -> BagWriter:
        """Begin.

        Raises:
            BagError: If another run writes there, the folder cannot be made, or one of its name is not ours.
        """
        self._lock = self._begin()
        try:
            with self._told():
                self._check_free()  # again: what a killed run was about to replace is there again
                self._writer = Writer(
                    self._part / self._path.name, version=_VERSION, storage_plugin=_PLUGINS[self._storage]
                )
                self._writer.open()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._told():
                if kind is None:
                    self._finish()
                else:
                    self._writer.abort()
        finally:
            self._discard()

    def topic(self, name: str, kind: str) -> Connection:
        """A topic of ours."""
        text, digest = self._types.definition(kind)
        return self._writer.add_connection(name, kind, msgdef=text, rihs01=digest)

    def like(self, connection: Connection) -> Connection:
        """The topic that a recorded one is copied to."""
        extension = connection.ext
        assert isinstance(extension, ConnectionExtRosbag2)
        # A topic with several publishers may be there several times.
        key = (connection.topic, connection.msgtype, repr(extension))
        if key not in self._connections:
            text, digest = self._types.definition_of(connection)
            self._connections[key] = self._writer.add_connection(
                connection.topic,
                connection.msgtype,
                msgdef=text,
                rihs01=digest,
                serialization_format=extension.serialization_format,
                offered_qos_profiles=extension.offered_qos_profiles,
            )
        return self._connections[key]

    def write(self, connection: Connection, time: int, data: bytes | memoryview) -> None:
        """Write a message; raises BagError if the disk is full, for example."""
        with self._told():
            self._writer.write(connection, time, data)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """An error of the operating system, of rosbags or of SQLite becomes one that the user is told."""
        try:
            yield
        except BagError:
            raise
        except Exception as error:
            raise BagError(f"{self._path} cannot be written ({error})", remedy="is the disk full?") from error

    def _check_free(self) -> None:
        """Refuse to replace what may not be; raises BagError."""
        if not self._path.exists():
            return
        if not self._overwrite:
            raise BagError(f"{self._path} exists", remedy="name another output, or say --overwrite")
        if not (self._path / "metadata.yaml").is_file():
            raise BagError(f"{self._path} is to be overwritten and is no recording", remedy="name another output")

    def _begin(self) -> IO[bytes]:
        mark = self._part / _MARK
        try:
            if self._part.exists() and not mark.is_file() and (not self._part.is_dir() or any(self._part.iterdir())):
                raise BagError(f"{self._part} exists and is not ours", remedy="move it, or name another output")
            self._part.mkdir(parents=True, exist_ok=True)
            lock = mark.open("wb")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                raise BagError(f"{self._path} is being written by another run") from None
            self._restore()
            for left in self._part.iterdir():
                if left != mark:
                    shutil.rmtree(left)
        except OSError as error:
            raise BagError(f"{self._part} cannot be made ({error.strerror})", remedy="name another output") from error
        return lock

    def _finish(self) -> None:
        try:
            self._writer.close()
        except BaseException:
            with contextlib.suppress(Exception):  # what is left in the buffer does not fit either
                self._writer.abort()
            raise
        self._check_free()  # again: somebody else may have put something there meanwhile
        if self._path.exists():
            self._path.rename(self._part / _REPLACED)
        (self._part / self._path.name).rename(self._path)

    def _restore(self) -> None:
        """Where an end came between the two renamings, the recording that was to be replaced gets its place again."""
        replaced = self._part / _REPLACED
        if replaced.exists() and not self._path.exists():
            replaced.rename(self._path)

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            self._restore()
            for left in self._part.iterdir():
                if left.name != _MARK:
                    shutil.rmtree(left, ignore_errors=True)
            # The mark last: a folder without it would not be ours for the next run.
            shutil.rmtree(self._part, ignore_errors=True)
        self._lock.close()


def _check_apart(source: Path, outputs: Iterable[Path]) -> None:
    """Refuse outputs that are the input, hold it, or lie in it, whatever links lead there; raises BagError."""
    read = source.resolve()
    # One file of a folder stands for the folder.
    read = read.parent if read.is_file() and (read.parent / "metadata.yaml").is_file() else read
    for output in outputs:
        written = output.resolve()
        if read == written or read in written.parents or written in read.parents:
            raise BagError(
                f"the output {output} and the input {source} lie in each other", remedy="name another output"
            )
