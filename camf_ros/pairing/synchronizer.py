"""Frames of two cameras in, pairs and frames that are alone out: the same for a node and for a recording.

The synchronizers are filters as message_filters has them, with the same two methods, but need no ROS: recordings are
fused where there is none. Those of message_filters itself are in :mod:`camf_ros.nodes.inputs`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from camf_ros.errors import CamfError
from camf_ros.pairing.advice import StampLog
from camf_ros.pairing.arrivals import (
    NANO,
    Frame,
    JumpWatch,
    Missing,
    Presence,
    StampRule,
    fingerprint,
    nanoseconds,
    seconds,
)
from camf_ros.pairing.nearest import Match, NearestStamps
from camf_ros.settings.fusion_settings import FusionSettings, PairingSettings

#: Both cameras, in the order of a synchronizer's inputs; and of each the other one.
CAMERAS = ("thermal", "rgb")
OTHER = {"thermal": "rgb", "rgb": "thermal"}

_logger = logging.getLogger(__name__)


class Filter:
    """Something with an output, to which callbacks can be connected: ``message_filters.SimpleFilter`` without ROS."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable[..., Any], tuple[Any, ...]]] = {}

    def registerCallback(self, cb: Callable[..., Any], *args: Any) -> int:  # noqa: N802 - as message_filters has it
        """Connect a callback; it is called with what comes out, followed by ``args``."""
        self.callbacks[len(self.callbacks)] = cb, args
        return len(self.callbacks) - 1

    def signalMessage(self, *msg: Any) -> None:  # noqa: N802
        """Put out."""
        for cb, args in list(self.callbacks.values()):
            cb(*msg, *args)


class Synchronizer(Filter):
    """Two filters of frames in, pairs of frames out. Where nothing waits for a time there is no more to it."""

    def expire(self, now: float | None = None) -> None:
        """Put out what has waited long enough, at ``now`` or by the clock."""

    def deadline(self) -> float | None:
        """When :meth:`expire` has something to do if no frame comes before; None while nothing waits for a time."""
        return None

    @property
    def dropped(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """For each input, how many frames came into no pair, by reason; empty where the policy does not count."""
        return {}, {}


class _Bare(Frame):
    """A message that came by itself, and leaves so."""


class NearestStampSynchronizer(Synchronizer):
    """Pairs by the rule of :mod:`camf_ros.pairing.nearest`.

    Takes the place of ``message_filters.ApproximateTimeSynchronizer`` for two inputs of any messages with a header. May
    be fed from any threads: pairs come out one after another and in order, in one of these threads. No lock is held
    while a callback runs, so it may feed the filter again; an exception from a callback is logged and goes no further.
    """

    def __init__(
        self,
        fs: Sequence[Any],
        queue_size: int,
        slop: float,
        max_delay: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect the inputs.

        Args:
            fs: The two input filters; callbacks get a message of the first and one of the second.
            queue_size: Messages of each input that wait.
            slop: Largest difference of stamps in a pair, seconds.
            max_delay: Longest time for which a pair that could be formed waits for a nearer message, seconds; the owner
                calls :meth:`expire` for what no further message sets free.
            clock: Seconds, never going back.
        """
        super().__init__()
        self._rule = NearestStamps(slop=round(1e9 * slop), max_delay=max_delay, queue_size=queue_size)
        self._clock = clock
        self._lock = threading.Lock()
        self._outgoing: deque[Match] = deque()
        self._emitting = False
        first, second = fs
        self.input_connections = [
            source.registerCallback(self.add, index) for index, source in enumerate((first, second))
        ]

    def add(self, message: Any, index: int) -> None:
        """Take a message of an input and put out the pairs that are certain now."""
        own = isinstance(message, Frame)
        frame = message if own else _Bare(message, nanoseconds(message.header.stamp), self._clock())
        with self._lock:
            self._outgoing.extend(self._rule.add(index, frame, frame.arrived))
        self._emit()

    def expire(self, now: float | None = None) -> None:
        """Put out the pairs that have waited for ``max_delay``."""
        with self._lock:
            self._outgoing.extend(self._rule.expire(self._clock() if now is None else now))
        self._emit()

    def deadline(self) -> float | None:
        """See :class:`Synchronizer`."""
        with self._lock:
            return self._rule.deadline()

    @property
    def dropped(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """See :class:`Synchronizer`."""
        with self._lock:
            first, second = self._rule.dropped
            return dict(first), dict(second)

    def _emit(self) -> None:
        while True:
            with self._lock:
                # One thread at a time, or pairs might overtake each other; and a callback that feeds us does not nest.
                if self._emitting or not self._outgoing:
                    return
                self._emitting = True
                pair = self._outgoing.popleft()
            try:
                self.signalMessage(*(frame.message if isinstance(frame, _Bare) else frame for frame in pair))
            except Exception:
                _logger.exception("a callback for pairs failed")
            finally:
                with self._lock:
                    self._emitting = False


class ExactSynchronizer(Synchronizer):
    """Pairs frames of equal stamps, as message_filters' TimeSynchronizer does, where there is no message_filters."""

    def __init__(self, fs: Sequence[Any], queue_size: int) -> None:
        """Connect the inputs; of more than ``queue_size`` frames that wait the oldest stamps go first."""
        super().__init__()
        self._queue_size = queue_size
        self._queues: tuple[dict[int, Frame], dict[int, Frame]] = ({}, {})
        self._watch = JumpWatch()
        for index, source in enumerate(fs):
            source.registerCallback(self.add, index)

    def add(self, frame: Frame, index: int) -> None:
        """Take a frame of an input and put out the pair that it completes."""
        limit = self._watch.limit(index, frame.time)
        if limit is not None:
            for queue in self._queues:
                for stamp in [stamp for stamp in queue if stamp > limit]:
                    del queue[stamp]
        own, other = self._queues[index], self._queues[1 - index]
        own[frame.time] = frame
        while len(own) > self._queue_size:
            del own[min(own)]
        if frame.time in own and frame.time in other:
            self.signalMessage(*(queue.pop(frame.time) for queue in self._queues))


def synchronizer(fs: Sequence[Any], settings: PairingSettings) -> Synchronizer:
    """The synchronizer of a policy that needs no ROS: ``nearest`` or ``exact``."""
    if settings.policy == "exact":
        return ExactSynchronizer(fs, settings.queue_size)
    return NearestStampSynchronizer(fs, settings.queue_size, settings.slop, settings.max_delay)


class ImagePair(NamedTuple):
    """Two messages that belong together.

    Attributes:
        thermal: Thermal message.
        rgb: RGB message.
        skew: Difference of the stamps that they were paired by, thermal less RGB, seconds: with both offsets.
        time: Of the thermal frame, seconds: its stamp, or its arrival where it has none.
        arrived: When the later of them arrived, seconds, monotonic.
    """

    thermal: Any
    rgb: Any
    skew: float
    time: float
    arrived: float


class LoneFrame(NamedTuple):
    """A message of one camera while the other is missing.

    Attributes:
        camera: Whose.
        message: Its message.
        time: When it was taken, seconds: its stamp, or its arrival where it has none.
        arrived: When it arrived, seconds, monotonic.
        suspect: The newest message of the other camera where its frames were refused, to be tried; else None.
    """

    camera: str
    message: Any
    time: float
    arrived: float
    suspect: Any = None


class PairStream:
    """Frames of both cameras in, in the order of their arrival. Not thread-safe, but for what says otherwise.

    All times of arrival are seconds of one clock that never goes back.
    """

    def __init__(
        self,
        settings: FusionSettings,
        now: float,
        hand_out: Callable[[ImagePair | LoneFrame], None],
        *,
        synchronize: Callable[[Sequence[Filter], PairingSettings], Synchronizer] = synchronizer,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Start with nothing waiting.

        Args:
            settings: Policy, offsets of both sensors, and what to do while a camera is missing.
            now: A camera that never sends is silent since then.
            hand_out: Called with what follows from a frame, oldest first; must not raise. A frame that is handed out
                alone comes in no pair afterwards.
            synchronize: Makes the synchronizer of two filters of frames, thermal first.
            warn: See :class:`camf_ros.pairing.arrivals.StampRule`.
        """
        self._hand_out = hand_out
        self._stamps = StampRule(settings.pairing, warn)
        self._seen = StampLog(settings.pairing)
        self._inputs = {camera: Filter() for camera in CAMERAS}
        self._synchronizer = synchronize(list(self._inputs.values()), settings.pairing)
        self._synchronizer.registerCallback(self._matched)
        self._presence = Presence(CAMERAS, settings.missing_timeout, now)
        self._suspects: dict[str, Any] = {}
        self.configure(settings)
        offsets = {"thermal": settings.pairing.thermal_offset, "rgb": settings.pairing.rgb_offset}
        # Only their difference matters, and message_filters takes no time before 0.
        self._offsets = {camera: round(NANO * (each - min(offsets.values()))) for camera, each in offsets.items()}

    def configure(self, settings: FusionSettings) -> None:
        """Take over what can change at run time."""
        self._passes = settings.on_missing == "pass_through"
        self._presence.timeout = settings.missing_timeout

    def take(self, camera: str, message: Any, arrived: float, clock: Callable[[], int]) -> None:
        """Take an image message of a camera, one of :data:`CAMERAS`.

        Args:
            camera: Whose.
            message: Comes back in what is handed out.
            arrived: When it came.
            clock: See :meth:`camf_ros.pairing.arrivals.StampRule.time`.

        Raises:
            StampError: If it cannot be paired.
        """
        content = fingerprint(message)
        try:
            stamp = self._stamps.time(camera, message.header.stamp, clock)
        except CamfError as error:
            self._presence.arrived(camera, content, arrived)
            self._presence.judged(camera, arrived, str(error))
            error.camera = camera
            raise
        self.add(camera, message, stamp, content, arrived)

    def add(self, camera: str, message: Any, stamp: int, content: bytes, arrived: float) -> None:
        """Take a frame whose time (nanoseconds, without the sensor's offset) and fingerprint are known."""
        frame = Frame(message, stamp + self._offsets[camera], arrived)
        self._seen.note(camera, stamp, arrived)
        self._presence.arrived(camera, content, arrived)
        if self._passes and self._presence.alone(camera, arrived):
            frame.passed = True
            suspect = self._suspects.pop(OTHER[camera], None)
            self._hand_out(LoneFrame(camera, message, self._seconds(camera, frame), arrived, suspect))
        state = self._presence.missing(camera, arrived) if self._passes else None
        if state is not None and state.reason == "refused":
            self._suspects[camera] = message
        else:
            self._suspects.pop(camera, None)
        # Also one that was passed on: it may keep a later one from a worse pair.
        self._inputs[camera].signalMessage(frame)

    def used(self, item: ImagePair | LoneFrame) -> None:
        """Something could be made of what was handed out; from any thread."""
        for camera in CAMERAS:
            if isinstance(item, ImagePair) or item.camera == camera or item.suspect is not None:
                self._presence.judged(camera, item.arrived)

    def refused(self, item: ImagePair | LoneFrame, error: CamfError) -> None:
        """Nothing could be made of what was handed out, or not of the other camera's frame that was tried with it.

        A camera whose frames cannot be used is missing after some of them. From any thread.
        """
        if error.camera:
            self._presence.judged(error.camera, item.arrived, str(error))

    def expire(self, now: float) -> None:
        """Hand out the pairs that have waited long enough for a nearer frame."""
        self._synchronizer.expire(now)

    def deadline(self) -> float | None:
        """When :meth:`expire` has something to do if no frame comes before; None while nothing waits."""
        return self._synchronizer.deadline()

    def missing(self, now: float) -> Mapping[str, Missing]:
        """The cameras that are missing, why and for how long."""
        return {camera: state for camera in CAMERAS if (state := self._presence.missing(camera, now))}

    def still(self, now: float) -> float:
        """Seconds for which the pictures of both cameras have not changed by a bit."""
        return self._presence.still(now)

    def advice(self, clock: int, now: float) -> str:
        """Why there is no pair; see :meth:`camf_ros.pairing.advice.StampLog.advice`."""
        return self._seen.advice(clock, now)

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many frames came into no pair, by camera and reason ("thermal late"); empty for other policies."""
        return {
            f"{camera} {reason}": count
            for camera, counts in zip(CAMERAS, self._synchronizer.dropped, strict=True)
            for reason, count in sorted(counts.items())
        }

    def _matched(self, thermal: Frame, rgb: Frame) -> None:
        # One that was handed out before would come again, out of order, and only confuse who listens.
        if thermal.passed or rgb.passed:
            return
        # The skew in whole nanoseconds first, where floats would round.
        skew, taken = 1e-9 * float(thermal.time - rgb.time), self._seconds("thermal", thermal)
        self._hand_out(ImagePair(thermal.message, rgb.message, skew, taken, max(thermal.arrived, rgb.arrived)))

    def _seconds(self, camera: str, frame: Frame) -> float:
        """Time of a frame without its offset."""
        return seconds(frame.time - self._offsets[camera])


class Stamped(NamedTuple):
    """A frame, when it was received, and the time to pair it by without the sensor's offset, nanoseconds."""

    camera: str
    arrived: int
    time: int
    message: Any


def pairs_of(frames: Iterable[Stamped], settings: FusionSettings, offset: float) -> Iterator[ImagePair]:
    """The pairs that a node would form of frames in the order of their arrival, without message_filters.

    ``offset`` is added to thermal times, seconds, in place of the settings' offsets.
    """
    pairing, found = replace(settings.pairing, thermal_offset=offset, rgb_offset=0.0), deque[Any]()
    # Nothing but pairs is handed out.
    stream = PairStream(replace(settings, pairing=pairing, on_missing="wait"), 0.0, found.append)

    def expired(now: float) -> Iterator[ImagePair]:
        while True:
            while found:
                yield found.popleft()
            deadline = stream.deadline()
            if deadline is None or deadline > now:
                return
            stream.expire(deadline)
            if stream.deadline() == deadline and not found:
                return  # nothing more comes of it

    start, now = None, 0.0
    for frame in frames:
        start = frame.arrived if start is None else start
        now = max(now, seconds(frame.arrived - start))
        yield from expired(now)
        stream.add(frame.camera, frame.message, frame.time, b"", now)
    yield from expired(float("inf"))
