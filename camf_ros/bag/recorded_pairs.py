"""The frames of a recording as they were recorded, and its pairs as the fusion node would form them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from camf_ros.bag.message_types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, MessageError, MessageTypes, distro_of
from camf_ros.bag.reader import BagReader, BagTopics
from camf_ros.errors import CamfError
from camf_ros.files import make_folder
from camf_ros.imaging.camera_messages import ImageConversion
from camf_ros.imaging.camera_model import wrong_with
from camf_ros.imaging.picture_files import write_png, write_tiff
from camf_ros.pairing.arrivals import NANO, StampRule
from camf_ros.pairing.synchronizer import CAMERAS, Stamped, pairs_of
from camf_ros.settings.fusion_settings import FusionSettings


class RecordedFrame(NamedTuple):
    """An image message of a camera and its time, seconds since the recording began, without the sensor's offset."""

    camera: str
    stamp: float
    message: Any


class RecordedPair(NamedTuple):
    """Two image messages that the node would fuse.

    Attributes:
        thermal_stamp: Seconds since the recording began, without an offset; ``rgb_stamp`` likewise.
        skew: What is left between them with the offset, thermal less RGB, seconds.
    """

    thermal_stamp: float
    rgb_stamp: float
    skew: float
    thermal: Any
    rgb: Any


class RecordedPairs:
    """Reads a recording as often as it is asked to. Open inside ``with`` only.

    Attributes:
        infos: The first camera_info of each camera that makes sense; None where there is none.
        conversion: Of messages to arrays.
        unusable: How many frames of the last reading had no usable stamp or content.
    """

    def __init__(self, path: Path, topics: BagTopics, settings: FusionSettings, distro: str = "") -> None:
        """Look at the files; raises BagError if there is no recording."""
        self._bag, self._topics, self._settings, self._distro = BagReader(path), topics, settings, distro
        self.infos: dict[str, Any] = dict.fromkeys(CAMERAS)
        self.unusable = 0
        self.conversion = ImageConversion()

    def __enter__(self) -> RecordedPairs:
        """Open; raises CamfError if the topics are not there or the files are damaged."""
        bag = self._bag.__enter__()
        self._types = MessageTypes(distro_of(self._distro, bag.distro, silent=bag.silent))
        roles = self._topics.inputs(bag, self._settings)
        self._roles = {topic: role for topic, role in roles.items() if role in CAMERAS}
        for topic, role in roles.items():
            if role.endswith(" info"):
                self.infos[role.removesuffix(" info")] = self._info(topic)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bag.__exit__(kind, error, trace)

    @property
    def count(self) -> int:
        """Image messages of both cameras."""
        return sum(each.msgcount for topic in self._roles for each in self._bag.on(topic))

    def frames(self) -> Iterator[RecordedFrame]:
        """All frames, in the order in which they were received."""
        for frame in self._stamped():
            yield RecordedFrame(frame.camera, self._seconds(frame.time), frame.message)

    def pairs(self, offset: float) -> Iterator[RecordedPair]:
        """The node's pairs; ``offset`` is added to thermal stamps, seconds, in place of the settings' offsets."""
        for pair in pairs_of(self._stamped(), self._settings, offset):
            time = pair.time - self._bag.start / NANO
            yield RecordedPair(time, time + offset - pair.skew, pair.skew, pair.thermal, pair.rgb)

    def _info(self, topic: str) -> Any:
        """The first that makes sense; where none does the first, so that its user says what is wrong."""
        first = None
        for message in self._bag.messages(self._bag.on(topic)):
            with suppress(MessageError):
                info = self._types.decode(message.data, CAMERA_INFO)
                if not wrong_with(info):
                    return info
                first = first or info
        return first

    def _seconds(self, stamp: int) -> float:
        return (stamp - self._bag.start) / NANO

    def _stamped(self) -> Iterator[Stamped]:
        rule = StampRule(self._settings.pairing, lambda _: None)
        self.unusable = 0
        transports = vars(self._settings.input_transport)
        kinds = {camera: IMAGE if how == "raw" else COMPRESSED_IMAGE for camera, how in transports.items()}
        connections = [each for topic in self._roles for each in self._bag.on(topic)]
        for recorded in self._bag.messages(connections):
            camera = self._roles[recorded.connection.topic]
            try:
                message = self._types.decode(recorded.data, kinds[camera])
                stamp = rule.time(camera, message.header.stamp, partial(int, recorded.time))
            except CamfError:
                self.unusable += 1
                continue
            yield Stamped(camera, recorded.time, stamp, message)


def write_pairs(recorded: RecordedPairs, folder: Path, offset: float) -> int:
    """Write all pairs as files of equal names: folder/infrared as recorded, and folder/visible; returns how many.

    Float images become TIFF, all else PNG. Raises DataError if a file cannot be written.
    """
    for name in ("infrared", "visible"):
        make_folder(folder / name)
    written = 0
    for pair in recorded.pairs(offset):
        try:
            thermal, rgb = recorded.conversion.thermal(pair.thermal), recorded.conversion.rgb(pair.rgb)
        except CamfError:
            recorded.unusable += 1
            continue
        path = folder / "infrared" / f"{written:06d}"
        if thermal.dtype == np.float32:
            write_tiff(path.with_suffix(".tiff"), np.asarray(thermal, np.float32))
        else:
            write_png(path.with_suffix(".png"), cast("NDArray[np.uint16]", thermal))
        write_png(folder / "visible" / f"{written:06d}.png", rgb)
        written += 1
    return written
