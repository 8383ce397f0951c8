"""A recording as it is read: its topics, and its messages in the order in which they were received."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.reader import DirectoryReader

from camf_ros.bag.types import COMPRESSED_IMAGE, IMAGE
from camf_ros.errors import DataError

_T = TypeVar("_T")

_SUFFIXES = {".mcap": "mcap", ".db3": "sqlite3"}
_METADATA = "metadata.yaml"
# What the name of a database may not have: it is opened by an address, in which these mean something.
_SPECIAL = "#?%"


class BagError(DataError):
    """A recording that cannot be read or written."""


class Recorded(NamedTuple):
    """A message as it was recorded.

    Attributes:
        connection: Its topic.
        time: When it was received, nanoseconds since 1970.
        data: The message, encoded.
    """

    connection: Connection
    time: int
    data: bytes


class BagReader:
    """Reads a recording and never writes to it. Open inside ``with`` only.

    Attributes:
        path: Of the recording.
        storage: ``mcap`` or ``sqlite3``.
        connections: Its topics; one may come more than once.
        count: Messages in it.
        start: When its first message was received, nanoseconds since 1970; 0 in an empty one.
        distro: Which distribution wrote it, where it says so.
        silent: Whether it has neither definitions nor hashes of its messages' types.
    """

    def __init__(self, path: Path) -> None:
        """Look at the files.

        Args:
            path: A folder with its metadata.yaml, or a single .mcap or .db3 file.

        Raises:
            BagError: If there is no recording.
        """
        self.path = path
        files = _storage_files(path)
        self.storage = _SUFFIXES[files[0].suffix if files[0].suffix in _SUFFIXES else files[0].with_suffix("").suffix]
        check_name(path, self.storage)
        for file in files:
            journal = file.with_name(f"{file.name}-wal")
            if journal.exists() and journal.stat().st_size:
                raise BagError(
                    f"{file} was not closed: {journal.name} holds messages that are not in it yet",
                    remedy=f"in a copy, run: sqlite3 {file.name} 'PRAGMA wal_checkpoint(TRUNCATE)'",
                )
        self._reader = self._try(lambda: Reader(path))

    def __enter__(self) -> BagReader:
        """Open.

        Raises:
            BagError: If the files are damaged.
        """
        self._try(self._reader.open)
        reader = self._reader
        if unlisted := _unlisted(reader):
            reader.close()
            raise BagError(
                f"{self.path}: {_METADATA} does not list {', '.join(unlisted)} as the files have it (type, type hash "
                "or offered QoS differ), and its messages would be left out",
                remedy=f"let 'ros2 bag reindex' write {_METADATA} anew in a copy, or name a file itself",
            )
        self.connections: list[Connection] = list(reader.connections)
        self.count = int(reader.message_count)
        self.start = int(reader.start_time) if self.count else 0
        self.distro: str | None = reader.ros_distro
        self.silent = not any(
            connection.digest or connection.msgdef.format is not MessageDefinitionFormat.NONE
            for connection in self.connections
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

    def on(self, topic: str) -> list[Connection]:
        """The connections of a topic; none where the recording does not have it."""
        return [connection for connection in self.connections if connection.topic == topic]

    def messages(self, connections: Collection[Connection] | None = None) -> Iterator[Recorded]:
        """Messages in the order of the times at which they were received.

        Args:
            connections: Whose; of all when left out.

        Raises:
            BagError: If the recording is damaged.
        """
        if connections is not None and not connections:
            return
        found = self._reader.messages(connections or ())
        while (each := self._try(lambda: next(found, None))) is not None:
            connection, time, data = each
            yield Recorded(connection, int(time), data)

    def images(self) -> list[str]:
        """The image topics, each with its type and number of messages, for people."""
        return [
            f"{each.topic} ({each.msgtype.rpartition('/')[2]}, {each.msgcount} messages)"
            for each in sorted(self.connections, key=lambda each: each.topic)
            if each.msgtype in (IMAGE, COMPRESSED_IMAGE)
        ]

    def _try(self, do: Callable[[], _T]) -> _T:
        try:
            return do()
        except Exception as error:  # of rosbags, of SQLite, of the decompressors: whatever damaged files make of them
            raise BagError(
                f"{self.path} cannot be read ({type(error).__name__}: {error})",
                expected="a rosbag2 that was closed, mcap or sqlite3",
                remedy=_remedy(self.storage),
            ) from error


def check_name(path: Path, storage: str) -> None:
    """Refuse a database whose name would lead elsewhere.

    Raises:
        BagError: If it would.
    """
    full = str(path.resolve())
    if storage == "sqlite3" and (found := [character for character in _SPECIAL if character in full]):
        raise BagError(
            f"{full} has {' and '.join(found)} in its name",
            expected=f"a database below a name without any of {' '.join(_SPECIAL)}",
            remedy="rename it, or use mcap",
        )


def _unlisted(reader: Reader) -> list[str]:
    """Topics with messages in the files that metadata.yaml does not have, or has otherwise: nobody reads those."""
    folder = reader.storage
    if not isinstance(folder, DirectoryReader):
        return []
    return sorted(
        {
            there.topic
            for storage in folder.storages
            for there in storage.connections
            if there.msgcount and not any(_same(there, listed) for listed in folder.connections)
        }
    )


def _same(one: Connection, other: Connection) -> bool:
    """Whether rosbags takes them for one topic: humbler recorders write no hashes."""
    hashes = not one.digest or not other.digest or one.digest == other.digest
    return hashes and (one.topic, one.msgtype, one.ext) == (other.topic, other.msgtype, other.ext)


def _storage_files(path: Path) -> list[Path]:
    """The files of a recording.

    Raises:
        BagError: If it is none.
    """
    expected = "a rosbag2: a folder with metadata.yaml, or a .mcap or .db3 file"
    if not path.exists():
        raise BagError(f"{path} does not exist", expected=expected)
    if path.is_file():
        if path.suffix in _SUFFIXES:
            return [path]
        remedy = "convert a bag of ROS 1 with 'rosbags-convert'" if path.suffix == ".bag" else ""
        raise BagError(f"{path} is no rosbag2", expected=expected, remedy=remedy)
    files = sorted(
        file
        for file in path.iterdir()
        if {file.suffix, file.with_suffix("").suffix} & set(_SUFFIXES) and file.is_file()
    )
    files = [file for file in files if not file.name.endswith(("-wal", "-shm", "-journal"))]
    if not (path / _METADATA).is_file():
        found = f"it has {files[0].name}" if files else "nor a .mcap or .db3 file"
        remedy = f"'ros2 bag reindex {path}' makes it, or name the file itself" if files else ""
        raise BagError(f"{path} has no {_METADATA}, {found}", expected=expected, remedy=remedy)
    if not files:
        raise BagError(f"{path} has {_METADATA} and no .mcap or .db3 file", expected=expected)
    return files


def _remedy(storage: str) -> str:
    if storage == "mcap":
        return "a recorder that was killed leaves a file without its end: 'mcap recover' (https://mcap.dev) writes one"
    return "'sqlite3 FILE .recover' saves what is left of a damaged file, 'ros2 bag reindex' writes its metadata.yaml"
