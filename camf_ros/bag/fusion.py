"""What the fusion node would have made of a recording, message by message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from camf_ros.bag.results import Made, ResultMessages
from camf_ros.bag.topics import TF_STATIC
from camf_ros.bag.transforms import RecordedTransforms
from camf_ros.bag.types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, TRANSFORMS, MessageTypes
from camf_ros.detector_picture import Wanted
from camf_ros.errors import CamfError, ParameterError, blamed
from camf_ros.imaging.camera_messages import (
    compressed_rgb_frame,
    compressed_thermal_frame,
    rgb_frame,
    thermal_frame,
)
from camf_ros.imaging.camera_model import InfoHistory, camera_of
from camf_ros.imaging.memory_budget import MemoryBudget
from camf_ros.imaging.warp import Rig
from camf_ros.nodes.fingerprint import fingerprint
from camf_ros.pairing.matchers import ExactMatcher, Matcher, NearestMatcher
from camf_ros.pairing.stamps import StampRule
from camf_ros.pairing.stream import CAMERAS, OTHER, ImagePair, LoneFrame, PairStream
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings, PairingSettings

_FRAMES: dict[tuple[str, str], Callable[[Any, MemoryBudget], Any]] = {
    ("thermal", "raw"): thermal_frame,
    ("thermal", "compressed"): compressed_thermal_frame,
    ("rgb", "raw"): rgb_frame,
    ("rgb", "compressed"): compressed_rgb_frame,
}


class Result(NamedTuple):
    """A message of the node.

    Attributes:
        time: When it would have been received, nanoseconds since 1970.
        made: The message.
    """

    time: int
    made: Made


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


class BagFusion:
    """Takes messages in the order in which they were received; gives what the node would have published."""

    def __init__(
        self,
        pipeline: FusionPipeline,
        settings: FusionSettings,
        types: MessageTypes,
        roles: dict[str, str],
        start: int,
        *,
        wanted: Wanted,
    ) -> None:
        """Start before the first message.

        Args:
            pipeline: With the same settings.
            settings: Of the node.
            types: Types of the messages.
            roles: What each topic is for, as :meth:`camf_ros.bag.topics.BagTopics.inputs` says.
            start: When the recording begins, nanoseconds: the node is taken to have been there from then on.
            wanted: Which pictures of each pair are made: what a node is asked for by subscriptions.

        Raises:
            ParameterError: If the pairing policy needs message_filters, and that is not installed.
        """
        self.tally = Tally()
        self._pipeline, self._settings, self._types, self._roles = pipeline, settings, types, roles
        self._transports = {"thermal": settings.input_transport.thermal, "rgb": settings.input_transport.rgb}
        self._stamps = StampRule(settings.pairing, self.tally.notes.append)
        self._stream = PairStream(settings, _matcher(settings.pairing), 0.0)
        self._infos = {camera: InfoHistory() for camera in CAMERAS}
        self._transforms = RecordedTransforms()
        self._results = ResultMessages(types, pipeline.engine, self._infos)
        self._start, self._now, self._wanted = start, 0.0, wanted

    def know(self, topic: str, data: bytes) -> None:
        """Learn from a camera_info or static transforms before the first image.

        A node that runs when the cameras start has them by then; a recording often has them a little later.
        """
        role = self._roles[topic]
        if topic == TF_STATIC:
            self._transforms.take(self._types.decode(data, TRANSFORMS), static=True, known=False)
        elif role.endswith(" info"):
            self._infos[role.removesuffix(" info")].keep(self._types.decode(data, CAMERA_INFO))

    def take(self, topic: str, time: int, data: bytes) -> Iterator[Result]:
        """Take a message.

        Args:
            topic: On which it was recorded.
            time: When it was received, nanoseconds.
            data: The message, encoded.

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
                found = self._image(role, time, data)
            else:
                self._other(topic, role, data)
                return
        except CamfError as error:
            self.tally.reject(error)
            if role in CAMERAS:
                self.tally.unusable[role] += 1
            return
        yield from self._made(found, self._time())

    def finish(self) -> Iterator[Result]:
        """What was still waiting at the end; completes the tally."""
        yield from self._due(float("inf"))
        self.tally.dropped = dict(self._stream.dropped)
        self.tally.notes += [f"{count} fused images: {text}" for text, count in self._results.without_info.items()]

    def _due(self, now: float) -> Iterator[Result]:
        """The pairs whose waiting time ends before the next message, at the time at which it does."""
        while (deadline := self._stream.deadline()) is not None and deadline <= now:
            pairs = self._stream.expire(deadline)
            self._now = max(self._now, deadline)
            yield from self._made(pairs, self._time())
            if self._stream.deadline() == deadline:
                return  # nothing more comes of it

    def _image(self, camera: str, time: int, data: bytes) -> list[ImagePair | LoneFrame]:
        self.tally.frames[camera] += 1
        kind = IMAGE if self._transports[camera] == "raw" else COMPRESSED_IMAGE
        message = self._types.decode(data, kind)
        stamp = self._stamps.time(camera, message.header.stamp, lambda: time)
        if stamp is None:
            problem = _bad_stamp(camera, message.header.stamp)
            self._stream.refuse(camera, fingerprint(message), self._now, str(problem))
            raise problem
        return self._stream.add(camera, message, stamp, fingerprint(message), self._now)

    def _other(self, topic: str, role: str, data: bytes) -> None:
        if role == "tf":
            self._transforms.take(self._types.decode(data, TRANSFORMS), static=topic == TF_STATIC)
        else:
            self._infos[role.removesuffix(" info")].keep(self._types.decode(data, CAMERA_INFO))

    def _made(self, found: Iterable[ImagePair | LoneFrame], time: int) -> Iterator[Result]:
        for item in found:
            made: list[Made] = []
            try:
                self._make(item, made)
                self._stream.used(item)
            except CamfError as error:
                self.tally.reject(error)
                self._stream.refused(item, error)
            yield from (Result(time, each) for each in made)

    def _make(self, item: ImagePair | LoneFrame, made: list[Made]) -> None:
        if isinstance(item, LoneFrame):
            self._pass_through(item, made)
        else:
            self._fuse(item, made)

    def _fuse(self, pair: ImagePair, made: list[Made]) -> None:
        self.tally.paired.update(CAMERAS)
        thermal, rgb = self._frame("thermal", pair.thermal), self._frame("rgb", pair.rgb)
        with blamed(self._pipeline.guest):
            rig = self._rig(pair.thermal.header.stamp, pair.rgb.header.stamp)
        prepared = self._pipeline.prepare(thermal, rgb, pair.time, rig)
        frame = self._pipeline.for_eyes(prepared) if self._wanted.eyes else None
        detector = self._pipeline.for_detector(prepared) if self._wanted.detector else None
        self.tally.fused += 1
        made += self._results.fused(pair, frame, detector)

    def _pass_through(self, lone: LoneFrame, made: list[Made]) -> None:
        stamp = lone.message.header.stamp
        with blamed(lone.camera):
            image = self._frame(lone.camera, lone.message)
            rig = self._rig(stamp, None) if lone.camera == "thermal" else self._rig(None, stamp)
            frame = self._pipeline.pass_through(lone.camera, image, lone.time, rig, for_detector=self._wanted.detector)
        self.tally.passed[lone.camera] += 1
        made += self._results.passed(lone, frame, eyes=self._wanted.eyes)
        if lone.suspect is not None:
            self._try(lone, image)

    def _try(self, lone: LoneFrame, image: Any) -> None:
        """Whether the other camera's frames could be used again; raises CamfError if not."""
        other = OTHER[lone.camera]
        messages = {lone.camera: lone.message, other: lone.suspect}
        with blamed(other):
            images = {lone.camera: image, other: self._decoded(other, lone.suspect)}
            rig = self._rig(*(messages[camera].header.stamp for camera in CAMERAS))
            self._pipeline.check(images["thermal"], images["rgb"], rig)

    def _frame(self, camera: str, message: Any) -> Any:
        with blamed(camera):
            image = self._decoded(camera, message)
            picture = self._pipeline.checked(camera, image)
        self._results.saw(camera, message.header, (picture.shape[0], picture.shape[1]))
        return image

    def _decoded(self, camera: str, message: Any) -> Any:
        return _FRAMES[camera, self._transports[camera]](message, self._pipeline.budget)

    def _rig(self, thermal_stamp: Any, rgb_stamp: Any) -> Rig:
        """What is known about the cameras, as far as the registration asks."""
        registration = self._settings.registration
        if registration.mode != "calibrated":
            return Rig()
        thermal, rgb = self._infos["thermal"].of(thermal_stamp), self._infos["rgb"].of(rgb_stamp)
        extrinsics = None
        if registration.extrinsics == "tf" and thermal is not None and rgb is not None:
            extrinsics = self._transforms.extrinsics(thermal.header.frame_id, rgb.header.frame_id)
        return Rig(camera_of(thermal), camera_of(rgb), extrinsics)

    def _time(self) -> int:
        """Now, nanoseconds since 1970."""
        return self._start + round(1e9 * self._now)


class _StampError(CamfError):
    """A stamp that is no time; the node counts it under this name."""

    reason = "stamp"


def _bad_stamp(camera: str, stamp: Any) -> _StampError:
    return _StampError(
        f"{camera} frame: stamp is {stamp.sec} s",
        expected="a time after 0",
        remedy="" if stamp.sec else "set pairing.zero_stamps to arrival",
    )


def _matcher(settings: PairingSettings) -> Matcher:
    if settings.policy == "nearest":
        return NearestMatcher(settings)
    if settings.policy == "exact":
        return ExactMatcher(settings)
    try:
        from camf_ros.nodes.filter_matcher import FilterMatcher  # noqa: PLC0415 - needs ROS
    except ImportError as error:
        raise ParameterError(
            f"pairing.policy is {settings.policy} and message_filters cannot be imported ({error})",
            expected="a sourced ROS 2 for this policy",
            remedy="source it, or set pairing.policy to nearest",
        ) from error
    return FilterMatcher(settings)
