"""One recording from beginning to end: what the fusion node would have made of it, message by message."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from camf_ros.bag.message_types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    TRANSFORMS,
    MessageError,
    MessageTypes,
    distro_of,
)
from camf_ros.bag.reader import TF_STATIC, BagReader, BagTopics, Recorded, RecordedTransforms
from camf_ros.bag.writer import BagWriter
from camf_ros.detector_picture import Wanted
from camf_ros.engines.choose import ChosenEngine
from camf_ros.engines.engine import Engine
from camf_ros.errors import CamfError, ParameterError
from camf_ros.fusion import Cameras, Fusion, Running
from camf_ros.imaging.camera_messages import Image, ImageConversion, encoding_of, image_fields
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.outputs import (
    CHANNEL_WEIGHTS,
    MEASURED,
    REGISTERED,
    REGISTERED_GREY,
    REGISTERED_INFO,
    TEMPERATURES,
    Work,
)
from camf_ros.pairing.synchronizer import (
    CAMERAS,
    Filter,
    ImagePair,
    LoneFrame,
    PairStream,
    Synchronizer,
    synchronizer,
)
from camf_ros.settings.fusion_settings import FusionSettings, PairingSettings

#: Goes through the messages and tells how far; gets them and how many there are.
Progress = Callable[[Iterable[Recorded], int], Iterable[Recorded]]

# Fields of a CameraInfo that are sequences of float64.
_ARRAYS = ("d", "k", "r", "p")


@dataclass
class Tally:
    """What became of the frames.

    Attributes:
        frames: Messages, by camera.
        fused: Pairs that were fused.
        passed: Frames that were passed through alone, by camera.
        paired: Frames that came into a pair, by camera.
        unusable: Frames without a usable stamp or content, by camera: no pair was looked for.
        rejected: What could not be used, by reason.
        texts: What was wrong, by reason: the first time.
        dropped: Why frames came into no pair, by camera and reason, as far as the policy counts.
        notes: What the user should know besides.
    """

    frames: Counter[str] = field(default_factory=Counter)
    fused: int = 0
    passed: Counter[str] = field(default_factory=Counter)
    paired: Counter[str] = field(default_factory=Counter)
    unusable: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    texts: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def unpaired(self, camera: str) -> int:
        """Frames of a camera that came into no pair and were not passed on."""
        return self.frames[camera] - self.passed[camera] - self.paired[camera] - self.unusable[camera]

    def reject(self, error: CamfError) -> None:
        """Note what could not be used."""
        self.rejected[error.reason] += 1
        self.texts.setdefault(error.reason, str(error))


class Result(NamedTuple):
    """A message of the node: when it would have been received (nanoseconds since 1970), its place and its bytes."""

    time: int
    name: str
    data: memoryview


class _Results:
    """What the fusion makes of a pair, as encoded messages; see :class:`camf_ros.outputs.Outputs`."""

    def __init__(self, types: MessageTypes, tally: Tally, wanted: Wanted) -> None:
        self.wanted = wanted
        self.made: list[tuple[str, memoryview]] = []
        self.without_info: Counter[str] = Counter()
        self.after: Callable[[], None] | None = None
        self._types, self._tally = types, tally

    def make(self, kind: str, **fields: Any) -> Any:
        arrays = {name: np.ascontiguousarray(each) for name, each in fields.items() if isinstance(each, np.ndarray)}
        return self._types.make(kind, **{**fields, **arrays})

    def constant(self, kind: str, name: str) -> int:
        return self._types.constant(kind, name)

    def picture(self, name: str, image: Image, header: Any) -> None:
        fields = image_fields(image, encoding_of(image))
        self._keep(name, self._types.make(IMAGE, header=header, **fields), IMAGE)

    def camera_info(self, message: Any) -> None:
        for name in _ARRAYS:
            setattr(message, name, np.asarray(getattr(message, name), np.float64))
        self._keep("info", message, CAMERA_INFO)
        if self.wanted.others & {REGISTERED, REGISTERED_GREY}:
            self._keep(REGISTERED_INFO, message, CAMERA_INFO)

    def weights(self, message: Any) -> None:
        self._keep("weights", message, CHANNEL_WEIGHTS)

    def temperatures(self, message: Any) -> None:
        self._keep(MEASURED, message, TEMPERATURES)

    def complain(self, _: str, text: str) -> None:
        self.without_info[text] += 1

    def fused(self, _: Work) -> None:
        self._tally.fused += 1
        if self.after is not None:
            self.after()

    def passed(self, camera: str, _: float) -> None:
        self._tally.passed[camera] += 1

    def _keep(self, name: str, message: Any, kind: str) -> None:
        self.made.append((name, self._types.encode(message, kind)))


class BagFusion:
    """Takes messages in the order in which they were received; gives what the node would have published."""

    def __init__(
        self,
        engine: Engine,
        settings: FusionSettings,
        registration: PlannedRegistration,
        *,
        types: MessageTypes,
        roles: dict[str, str],
        start: int,
        wanted: Wanted,
        listen: Callable[[Fusion], None] | None = None,
    ) -> None:
        """Start before the first message.

        Args:
            engine: The model.
            settings: Of the node.
            registration: Made of the same settings.
            types: Types of the messages.
            roles: See :meth:`camf_ros.bag.reader.BagTopics.inputs`.
            start: When the recording begins, nanoseconds: the node is taken to have been there from then on.
            wanted: What a node is asked for by subscriptions.
            listen: Called after each pair.

        Raises:
            ParameterError: If the pairing policy needs message_filters, and that is not installed.
        """
        self.tally = Tally()
        self._types, self._roles = types, roles
        transports = settings.input_transport
        self._kinds = {
            camera: IMAGE if transport == "raw" else COMPRESSED_IMAGE for camera, transport in vars(transports).items()
        }
        self._found: list[ImagePair | LoneFrame] = []
        self._stream = PairStream(
            settings, 0.0, self._found.append, synchronize=_synchronizer, warn=self.tally.notes.append
        )
        self._transforms, self._cameras = RecordedTransforms(), Cameras(settings.registration)
        self._cameras.extrinsics = self._transforms.extrinsics
        self._results = _Results(types, self.tally, wanted)
        self._fusion = Fusion(
            settings,
            Running(ChosenEngine(engine, "", ()), ""),
            registration,
            self._results,
            cameras=self._cameras,
            conversion=ImageConversion(),
            tell=self.tally.notes.append,
            timed=False,
        )
        if listen is not None:
            self._results.after = lambda: listen(self._fusion)
        self._start, self._now = start, 0.0

    def know(self, topic: str, data: bytes) -> None:
        """Learn from a camera_info or static transforms before the first image.

        A node that runs when the cameras start has them by then; a recording often has them a little later.
        """
        if topic == TF_STATIC:
            self._transforms.take(self._types.decode(data, TRANSFORMS), static=True, known=False)
        else:
            self._other(topic, data)

    def take(self, topic: str, time: int, data: bytes) -> Iterator[Result]:
        """Take a message that was received at a time (nanoseconds).

        Yields:
            What was due before it, then what follows from it.
        """
        # Receive times of several recorders may go back a little; the clock of the node would not have.
        now = max(self._now, 1e-9 * (time - self._start))
        yield from self._due(now)
        self._now = now
        role = self._roles.get(topic)
        if role is None:
            return
        try:
            if role in CAMERAS:
                self.tally.frames[role] += 1
                self._stream.take(role, self._types.decode(data, self._kinds[role]), now, lambda: time)
            else:
                self._other(topic, data)
        except CamfError as error:
            self.tally.reject(error)
            if role in CAMERAS:
                self.tally.unusable[role] += 1
        yield from self._made()

    def finish(self) -> Iterator[Result]:
        """What was still waiting at the end; completes the tally."""
        yield from self._due(float("inf"))
        self.tally.dropped = dict(self._stream.dropped)
        self.tally.notes += [f"{count} fused images: {text}" for text, count in self._results.without_info.items()]
        if missed := self._cameras.depth.missed:
            self.tally.notes.append(
                f"{missed} pairs: registration by the plane in place of depth: {self._cameras.depth.problem}"
            )

    def _due(self, now: float) -> Iterator[Result]:
        """The pairs whose waiting time ends before the next message, at the time at which it does."""
        while (deadline := self._stream.deadline()) is not None and deadline <= now:
            self._stream.expire(deadline)
            self._now = max(self._now, deadline)
            yield from self._made()
            if self._stream.deadline() == deadline:
                return  # nothing more comes of it

    def _other(self, topic: str, data: bytes) -> None:
        role = self._roles[topic]
        if role == "tf":
            self._transforms.take(self._types.decode(data, TRANSFORMS), static=topic == TF_STATIC)
        elif role == "depth":
            self._cameras.depth.keep(self._types.decode(data, self._kinds["depth"]))
        else:
            camera, info = role.removesuffix(" info"), self._types.decode(data, CAMERA_INFO)
            if camera == "depth":
                self._cameras.depth.infos.keep(info)
            else:
                self._cameras.take(camera, info)

    def _made(self) -> Iterator[Result]:
        """What is made of the pairs and lone frames that were found, now."""
        now = self._start + round(1e9 * self._now)
        found, made = self._found.copy(), self._results.made
        self._found.clear()
        for item in found:
            if isinstance(item, ImagePair):
                self.tally.paired.update(CAMERAS)
            try:
                self._fusion.process(item)
                self._stream.used(item)
            except CamfError as error:
                self.tally.reject(error)
                self._stream.refused(item, error)
            yield from (Result(now, name, data) for name, data in made)
            made.clear()


def _synchronizer(inputs: Sequence[Filter], settings: PairingSettings) -> Synchronizer:
    if settings.policy != "approximate":
        return synchronizer(inputs, settings)
    try:
        from camf_ros.nodes.inputs import PolicyOfRos  # noqa: PLC0415 - needs ROS
    except ImportError as error:
        raise ParameterError(
            f"pairing.policy is {settings.policy} and message_filters cannot be imported ({error})",
            expected="a sourced ROS 2 for this policy",
            remedy="source it, or set pairing.policy to nearest",
        ) from error
    return PolicyOfRos(inputs, settings)


def learn(bag: BagReader, roles: dict[str, str], fusion: BagFusion) -> None:
    """Before the first image: what each camera_info topic says first, and all that is on /tf_static."""
    for topic, role in roles.items():
        if topic == TF_STATIC or role.endswith(" info"):
            for message in bag.messages(bag.on(topic)):
                with contextlib.suppress(MessageError):  # counted when its turn comes
                    fusion.know(topic, message.data)
                if topic != TF_STATIC:
                    break


@dataclass(frozen=True)
class BagJob:
    """What is to be done.

    Attributes:
        source: The recording.
        output: Folder of the one that is written.
        topics: Names of all topics.
        wanted: Which pictures of each pair are written.
        storage: ``mcap`` or ``sqlite3``; that of the recording when empty.
        distro: Distribution that it was recorded with; what it says itself when empty.
        fused_only: Leaves the recorded messages out.
        overwrite: Replaces a recording that is there.
    """

    source: Path
    output: Path
    topics: BagTopics = field(default_factory=BagTopics)
    wanted: Wanted = Wanted()
    storage: str = ""
    distro: str = ""
    fused_only: bool = False
    overwrite: bool = False

    def run(self, open_engine: Callable[[], Engine], settings: FusionSettings, progress: Progress) -> Tally:
        """Do it; ``open_engine`` opens the model, once it is known that there is something to do.

        Raises:
            BagError: If the recording cannot be read or the output not be written.
            CamfError: If the settings or the model cannot be used.
        """
        with BagReader(self.source) as bag:
            types = MessageTypes(distro_of(self.distro, bag.distro, silent=bag.silent))
            roles = self.topics.inputs(bag, settings)
            if not self.fused_only:
                self.topics.check_free(bag, self.wanted)
            storage = self.storage or bag.storage
            writer = BagWriter(self.output, storage, types, overwrite=self.overwrite, source=self.source)
            # Before anything slow: a registration that cannot be used would refuse every pair.
            registration = PlannedRegistration.checked(settings.registration)
            fusion = BagFusion(
                open_engine(), settings, registration, types=types, roles=roles, start=bag.start, wanted=self.wanted
            )
            learn(bag, roles, fusion)
            with writer:
                self._write(bag, fusion, writer, progress)
            return fusion.tally

    def _write(self, bag: BagReader, fusion: BagFusion, writer: BagWriter, progress: Progress) -> None:
        if not self.fused_only:
            # Also those without messages.
            for connection in bag.connections:
                writer.like(connection)
        outputs = self.topics.outputs(self.wanted)
        made = {name: writer.topic(topic, kind) for name, (topic, kind) in outputs.items()}
        for message in progress(bag.messages(), bag.count):
            # What was due before this message belongs before it.
            after = []
            for result in fusion.take(message.connection.topic, message.time, message.data):
                if result.time < message.time:
                    writer.write(made[result.name], result.time, result.data)
                else:
                    after.append(result)
            if not self.fused_only:
                writer.write(writer.like(message.connection), message.time, message.data)
            for result in after:
                writer.write(made[result.name], result.time, result.data)
        for result in fusion.finish():
            writer.write(made[result.name], result.time, result.data)
