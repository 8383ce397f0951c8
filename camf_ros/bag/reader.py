"""A recording as it is read: which topics it has and what they are for, and its messages in the order of reception."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.reader import DirectoryReader

from camf_ros.bag.message_types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, TRANSFORMS
from camf_ros.detector_picture import Wanted
from camf_ros.errors import DataError, RegistrationError
from camf_ros.imaging.camera_model import Extrinsics, rotation_matrix
from camf_ros.nodes import topics
from camf_ros.outputs import CHANNEL_WEIGHTS
from camf_ros.settings.fusion_settings import FusionSettings

#: Names where nobody says otherwise: those of a fusion node without a namespace.
THERMAL, RGB, FUSED, DETECTOR, WEIGHTS = (
    f"/{topics.THERMAL_IMAGE}",
    f"/{topics.RGB_IMAGE}",
    f"/{topics.FUSED_IMAGE}",
    f"/{topics.DETECTOR_IMAGE}",
    topics.CHANNEL_WEIGHTS.replace("~", "/fusion"),
)
DEPTH = f"/{topics.DEPTH_IMAGE}"
TF, TF_STATIC = "/tf", "/tf_static"

_TYPES = {"raw": IMAGE, "compressed": COMPRESSED_IMAGE, "compressedDepth": COMPRESSED_IMAGE}

_T = TypeVar("_T")
_SUFFIXES = {".mcap": "mcap", ".db3": "sqlite3"}
_METADATA = "metadata.yaml"
# What the name of a database may not have: it is opened by an address, in which these mean something.
_SPECIAL = "#?%"
# A chain of frames that is longer than this goes round in a circle.
_LONGEST = 1000


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
        """Look at the files: a folder with its metadata.yaml, or a single .mcap or .db3 file.

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
        """Messages of some connections, or of all, in the order of the times at which they were received.

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


@dataclass(frozen=True)
class BagTopics:
    """Names of all topics: images as the raw topics are called, camera_info beside the images where it is empty."""

    thermal: str = THERMAL
    rgb: str = RGB
    fused: str = FUSED
    detector: str = DETECTOR
    weights: str = WEIGHTS
    depth: str = DEPTH
    thermal_info: str = ""
    rgb_info: str = ""
    depth_info: str = ""

    def outputs(self, wanted: Wanted) -> dict[str, tuple[str, str]]:
        """Topic and type of what is written, by what it is: an attribute of this class, ``info``, or another output."""
        pictures = {"fused": self.fused} if wanted.eyes else {}
        pictures |= {"detector": self.detector} if wanted.detector else {}
        return {name: (topic, IMAGE) for name, topic in pictures.items()} | {
            "info": (_beside(self.fused), CAMERA_INFO),
            "weights": (self.weights, CHANNEL_WEIGHTS),
            **topics.others(wanted.others),
        }

    def inputs(self, bag: BagReader, settings: FusionSettings) -> dict[str, str]:
        """What each topic that is read is for: a camera (``thermal``, ``rgb``, ``depth``), its ``info``, or ``tf``.

        Raises:
            BagError: If the images are not there, or are something else.
        """
        transports = settings.input_transport
        found = {
            _image_topic(bag, "thermal", self.thermal, transports.thermal): "thermal",
            _image_topic(bag, "rgb", self.rgb, transports.rgb): "rgb",
        }
        if len(found) == 1:
            raise BagError(f"both cameras are {self.thermal}", expected="two topics", remedy=_options(bag))
        empty = [topic for topic in found if not any(each.msgcount for each in bag.on(topic))]
        if len(empty) == len(found):
            raise BagError(f"{' and '.join(empty)} have no messages in {bag.path}", remedy=_options(bag))
        cameras = [("thermal", self.thermal, self.thermal_info), ("rgb", self.rgb, self.rgb_info)]
        if settings.registration.mode == "depth":
            found[_image_topic(bag, "depth", self.depth, transports.depth)] = "depth"
            cameras.append(("depth", self.depth, self.depth_info))
        for camera, image, name in cameras:
            topic = name or _beside(image)
            if name and not _of_type(bag.on(topic), CAMERA_INFO):
                raise BagError(f"no camera_info on {topic} in {bag.path}", remedy="check the option's name")
            if _of_type(bag.on(topic), CAMERA_INFO):
                found[topic] = f"{camera} info"
        for topic in (TF, TF_STATIC):
            if _of_type(bag.on(topic), TRANSFORMS):
                found[topic] = "tf"
        return found

    def check_free(self, bag: BagReader, wanted: Wanted) -> None:
        """Refuse a recording that has the topics already that are to be written; raises BagError."""
        taken = [topic for topic, _ in self.outputs(wanted).values() if bag.on(topic)]
        if taken:
            raise BagError(
                f"{bag.path} has {', '.join(taken)} already",
                remedy="name others (--fused-topic, --detector-topic, --weights-topic), or leave the originals out "
                "(--fused-only)",
            )


def check_name(path: Path, storage: str) -> None:
    """Refuse a database whose name would lead elsewhere; raises BagError."""
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
    """The files of a recording; raises BagError if it is none."""
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


def _image_topic(bag: BagReader, camera: str, topic: str, transport: str) -> str:
    """The topic on which a camera's images are; raises BagError if there is none."""
    packed = "compressedDepth" if camera == "depth" else "compressed"
    raw = topic.removesuffix(f"/{packed}")
    names = {"raw": raw, packed: f"{raw}/{packed}"}
    wanted, other = names[transport], packed if transport == "raw" else "raw"
    there = bag.on(wanted)
    if _of_type(there, _TYPES[transport]):
        return wanted
    remedy = "name them with --depth-topic" if camera == "depth" else _options(bag)
    if _of_type(bag.on(names[other]), _TYPES[other]):
        remedy = f"{names[other]} is there: say --set input_transport.{camera}={other}"
    what = f"{wanted} is {there[0].msgtype}" if there else f"{bag.path} has no topic {wanted}"
    raise BagError(what, expected=_TYPES[transport], remedy=remedy)


def _options(bag: BagReader) -> str:
    images = bag.images()
    if not images:
        return "there are no image topics in it"
    return f"name them with --thermal-topic and --rgb-topic; image topics are: {', '.join(images)}"


def _beside(image: str) -> str:
    """The camera_info that goes with an image topic, by the convention of image_transport."""
    raw = image.removesuffix("/compressed").removesuffix("/compressedDepth")
    return f"{raw.rpartition('/')[0]}/camera_info"


def _of_type(connections: Iterable[Connection], kind: str) -> bool:
    return any(connection.msgtype == kind for connection in connections)


class _Link(NamedTuple):
    """A frame in its parent's: ``X_parent = matrix X``."""

    parent: str
    matrix: NDArray[np.float64]
    static: bool


class RecordedTransforms:
    """The tree of frames of /tf and /tf_static as it was last seen, without tf2.

    tf2 takes all parts of a moving chain at one time and interpolates. Here a chain may have one moving part, whose
    last pose is then tf2's answer too; with more it is refused.
    """

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}

    def take(self, message: Any, *, static: bool, known: bool = True) -> None:
        """Take a tf2_msgs/TFMessage; ``known``: False to take only frames of which nothing is known yet."""
        for each in message.transforms:
            child = each.child_frame_id.lstrip("/")
            if known or child not in self._links:
                self._links[child] = _Link(each.header.frame_id.lstrip("/"), _matrix(each.transform), static)

    def extrinsics(self, thermal_frame: str, rgb_frame: str) -> Extrinsics | None:
        """The newest pose of the thermal camera in the RGB camera's frame; None as long as there is none.

        Raises:
            RegistrationError: If more than one part of the chain between them moves.
        """
        thermal, rgb = self._chain(thermal_frame.lstrip("/")), self._chain(rgb_frame.lstrip("/"))
        shared = next((frame for frame in thermal if frame in rgb), None)
        if shared is None:
            return None
        up, down = thermal[: thermal.index(shared)], rgb[: rgb.index(shared)]
        moving = [frame for frame in (*up, *down) if not self._links[frame].static]
        if len(moving) > 1:
            raise RegistrationError(
                f"between {thermal_frame!r} and {rgb_frame!r} several frames move: {', '.join(moving)}",
                expected="at most one that is not on /tf_static",
                remedy="set registration.extrinsics to file",
            )
        matrix = np.linalg.inv(self._product(down)) @ self._product(up)
        return Extrinsics(tuple(map(float, matrix[:3, :3].ravel())), tuple(map(float, matrix[:3, 3])))

    def _chain(self, frame: str) -> list[str]:
        """The frame and those above it."""
        chain = [frame]
        while chain[-1] in self._links and len(chain) < _LONGEST:
            chain.append(self._links[chain[-1]].parent)
        return chain

    def _product(self, frames: list[str]) -> NDArray[np.float64]:
        """From the first frame to the parent of the last."""
        result: NDArray[np.float64] = np.eye(4)
        for frame in frames:
            result = self._links[frame].matrix @ result
        return result


def _matrix(transform: Any) -> NDArray[np.float64]:
    q, t = transform.rotation, transform.translation
    result: NDArray[np.float64] = np.eye(4)
    result[:3, :3] = np.reshape(rotation_matrix(q.w, q.x, q.y, q.z), (3, 3))
    result[:3, 3] = t.x, t.y, t.z
    return result
