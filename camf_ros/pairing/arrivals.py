"""What arriving frames show: the time to pair them by, clocks that jump, and which of two cameras is missing.

A clock jumps when a recording starts anew, with simulated time, and when it is set. A camera is missing while the other
goes on: it has stopped, sends one picture over and over, or sends nothing that can be used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple
from zlib import crc32

from camf_ros.errors import CamfError
from camf_ros.settings.fusion_settings import PairingSettings

#: Nanoseconds in a second.
NANO = 1_000_000_000
# A stamp this much before the newest one of its stream is not late but of another time, nanoseconds.
_JUMP = NANO
# Recordings may be played this much faster than they were made; a stamp that is further ahead has jumped.
_FASTEST = 100
# So many frames of the other camera must have come in the meantime: where both are slow, or triggered together, the one
# that arrives first is not alone.
_FRAMES = 3
# A camera that is slower than the timeout is missing after so many of its own periods.
_PERIODS = 3.0
# The period is the median of so many last ones.
_INTERVALS = 5


def nanoseconds(stamp: Any) -> int:
    """A builtin_interfaces/Time, or what looks like one, in whole nanoseconds."""
    return int(stamp.sec) * NANO + int(stamp.nanosec)


def seconds(time: int) -> float:
    """Whole nanoseconds in seconds."""
    sec, nanosec = divmod(time, NANO)
    return float(sec) + 1e-9 * float(nanosec)


@dataclass(eq=False)
class Frame:
    """A frame that waits for its counterpart. For message_filters it is a message, whose header is the frame itself.

    Attributes:
        message: What came.
        time: Stamp to pair by, nanoseconds.
        arrived: When it came, seconds of a clock that never goes back.
        passed: Whether it was let through alone, because the other camera is missing: it must not come again in a pair.
        stamp: ``time`` as a builtin_interfaces/Time, set where message_filters is to read it.
        since: When the pairing could first use it: later than its arrival where its stamp needed a second opinion.
    """

    message: Any
    time: int
    arrived: float
    passed: bool = False
    stamp: Any = None
    since: float = field(init=False)

    def __post_init__(self) -> None:
        self.since = self.arrived

    @property
    def header(self) -> Frame:
        """Itself: it has the ``stamp`` that a header has."""
        return self


class StampError(CamfError):
    """A stamp that is no time."""

    reason = "stamp"


class StampRule:
    """What ``pairing.thermal_stamps``, ``pairing.rgb_stamps`` and ``pairing.zero_stamps`` make of a stamp."""

    def __init__(self, settings: PairingSettings, warn: Callable[[str], None]) -> None:
        """``warn`` is called with a sentence, once for each camera that does not stamp its frames."""
        self._rejects_zero = settings.zero_stamps == "reject"
        self._by_arrival = {"thermal": settings.thermal_stamps == "arrival", "rgb": settings.rgb_stamps == "arrival"}
        self._remedy = ", or set pairing.zero_stamps to arrival"
        if settings.policy == "exact":
            self._remedy += " and pairing.policy to nearest"
        self._warn = warn
        self._warned: set[str] = set()

    def time(self, camera: str, stamp: Any, clock: Callable[[], int]) -> int:
        """Time of a frame, nanoseconds, without the sensor's offset.

        Args:
            camera: ``thermal`` or ``rgb``.
            stamp: That of its message's header.
            clock: What the clock said when it arrived, nanoseconds; asked only where it matters.

        Raises:
            StampError: If the frame has no time that could be used.
        """
        if self._by_arrival[camera]:
            return clock()
        if stamp.sec < 0 or (self._rejects_zero and not (stamp.sec or stamp.nanosec)):
            raise StampError(
                f"{camera} frame: stamp is {stamp.sec} s",
                expected="a time after 0",
                remedy=f"check the driver{'' if stamp.sec else self._remedy}",
            )
        if stamp.sec or stamp.nanosec:
            return nanoseconds(stamp)
        if camera not in self._warned:
            self._warned.add(camera)
            self._warn(
                f"{camera} frames have stamp 0: paired by their arrival, which is later than the exposure; set "
                f"pairing.{camera}_offset to minus the camera's latency, or have the driver stamp its images"
            )
        return clock()


class JumpWatch:
    """Notices a clock that went back, for policies that know nothing of jumps.

    Their queues would be full of stamps that never find a counterpart.
    """

    def __init__(self) -> None:
        self._newest: dict[int, int] = {}

    def limit(self, stream: int, time: int) -> int | None:
        """Take note of a stamp, nanoseconds; after a jump, the stamp above which all are of the time before."""
        jumped = time < self._newest.get(stream, time) - _JUMP
        if jumped:
            self._newest.clear()
        self._newest[stream] = max(time, self._newest.get(stream, time))
        return time + _JUMP if jumped else None


@dataclass
class Admission:
    """What follows from a frame.

    Attributes:
        frames: Frames to take, with their streams, in this order; none while a stamp waits for confirmation.
        restarted: Streams whose clock went back: what they sent before is of no use.
        limit: Frames of either stream with later stamps than this are of the time before the jump; None without one.
        strays: Streams of which a frame turned out to have had a stamp of no use.
    """

    frames: list[tuple[int, Frame]] = field(default_factory=list)
    restarted: list[int] = field(default_factory=list)
    limit: int | None = None
    strays: list[int] = field(default_factory=list)


class ClockWatch:
    """Holds back the first frame with an odd stamp until a second one, of either stream, agrees with it."""

    def __init__(self) -> None:
        self._newest: list[Frame | None] = [None, None]
        self._suspects: list[Frame | None] = [None, None]

    def admit(self, stream: int, frame: Frame) -> Admission:
        """Look at a frame before anything else does."""
        result = Admission()
        suspect, newest = self._suspects[stream], self._newest[stream]
        if newest is None or _regular(newest, frame):
            if suspect is not None:
                self._suspects[stream] = None
                result.strays.append(stream)
            self._take(stream, frame, result)
            return result
        if suspect is not None and suspect.time == frame.time:
            result.strays.append(stream)  # the same frame again is no second opinion
            return result
        other = 1 - stream
        witness, companion = self._suspects[other], self._newest[other]
        if suspect is None and not any(seen is not None and _near(seen, frame) for seen in (witness, companion)):
            self._suspects[stream] = frame
            return result
        if witness is not None and _near(witness, frame):
            self._jump(other, [witness], result)
        agreeing = [frame]
        if suspect is not None:
            if suspect.time < frame.time and _regular(suspect, frame):
                agreeing.insert(0, suspect)
            else:
                result.strays.append(stream)
        self._jump(stream, agreeing, result)
        return result

    def _jump(self, stream: int, frames: list[Frame], result: Admission) -> None:
        newest = self._newest[stream]
        if newest is not None and frames[0].time < newest.time:
            result.restarted.append(stream)
            result.limit = max(result.limit or frames[-1].time, frames[-1].time + _JUMP)
        self._newest[stream] = self._suspects[stream] = None
        for frame in frames:
            self._take(stream, frame, result)

    def _take(self, stream: int, frame: Frame, result: Admission) -> None:
        newest = self._newest[stream]
        if newest is None or frame.time > newest.time:
            self._newest[stream] = frame
        result.frames.append((stream, frame))


def _regular(newest: Frame, frame: Frame) -> bool:
    passed = int(1e9 * max(0.0, frame.arrived - newest.arrived))
    return -_JUMP <= frame.time - newest.time <= _JUMP + _FASTEST * passed


def _near(one: Frame, other: Frame) -> bool:
    return abs(one.time - other.time) <= _JUMP


def fingerprint(message: Any) -> bytes:
    """A checksum of the picture of an Image or a CompressedImage: of all bytes, for a simulator's have no noise."""
    return crc32(message.data).to_bytes(4, "big") if len(message.data) else b""


class Missing(NamedTuple):
    """A camera that is missing.

    Attributes:
        reason: ``silent`` (no frame), ``frozen`` (frames, always the same one) or ``refused`` (frames that cannot
            be used).
        seconds: For how long.
        cause: Why its last frame was refused.
    """

    reason: str
    seconds: float
    cause: str = ""


class _Verdict(NamedTuple):
    """What became of a camera's last frames."""

    usable: float  # arrival of the last one that could be used
    refused: int = 0  # those after it that could not
    cause: str = ""


@dataclass
class _Camera:
    last: float  # frame of any kind
    changed: float  # frame unlike the one before
    verdict: _Verdict  # replaced as a whole: another thread writes it
    content: bytes | None = None
    # Frames of the other camera since this one's last.
    waited: int = 0
    # Frames, all of them equal, since the other camera's picture was seen to change after this one had stood still too
    # long; below 0 where it was not. A live sensor's noise makes no two frames equal, but drivers repeat some.
    repeats: int = -1
    intervals: deque[float] = field(default_factory=lambda: deque(maxlen=_INTERVALS))


class Presence:
    """Watches two cameras by the arrival of their frames. Times are seconds of a clock that never jumps.

    A camera is missing only in comparison with the other: where both stop, neither is, and where both stand still (a
    simulator, pictures that are published over and over) neither is frozen.

    Attributes:
        timeout: Seconds without a new picture after which a camera is missing; one that is slower, after a few of its
            own periods.
    """

    def __init__(self, cameras: tuple[str, str], timeout: float, now: float) -> None:
        """Start to watch; a camera that never sends is silent since ``now``."""
        self.timeout = timeout
        self._cameras = {name: _Camera(now, now, _Verdict(now)) for name in cameras}
        self._other = {cameras[0]: cameras[1], cameras[1]: cameras[0]}

    def arrived(self, camera: str, content: bytes, now: float) -> None:
        """Take note of a frame; ``content`` is equal for equal pictures and as good as never for others."""
        own, other = self._cameras[camera], self._cameras[self._other[camera]]
        if own.content is not None:
            own.intervals.append(now - own.last)
        own.last, own.waited = now, 0
        other.waited += 1
        if content == own.content:
            if own.repeats >= 0:
                own.repeats += 1
            return
        own.content, own.changed, own.repeats = content, now, -1
        if other.repeats < 0 and other.content is not None and now - other.changed > self._patience(other):
            other.repeats = 0

    def judged(self, camera: str, arrived: float, cause: str = "") -> None:
        """Take note of what became of a frame, from any thread; ``cause``: why it could not be used."""
        own = self._cameras[camera]
        own.verdict = _Verdict(own.verdict.usable, own.verdict.refused + 1, cause) if cause else _Verdict(arrived)

    def missing(self, camera: str, now: float) -> Missing | None:
        """Whether a camera is missing, why, and for how long."""
        own = self._cameras[camera]
        if own.waited >= _FRAMES and now - own.last > self._patience(own):
            return Missing("silent", now - own.last)
        verdict = own.verdict
        if verdict.refused >= _FRAMES and now - verdict.usable > self._patience(own):
            return Missing("refused", now - verdict.usable, verdict.cause)
        if own.repeats >= _FRAMES:
            return Missing("frozen", now - own.changed)
        return None

    def alone(self, camera: str, now: float) -> bool:
        """Whether a camera is all that is left.

        One whose frames were refused is, where the other is silent: no pair shows whether they can be used again.
        """
        own, other = self.missing(camera, now), self.missing(self._other[camera], now)
        if other is None:
            return False
        return own is None or (own.reason == "refused" and other.reason == "silent")

    def still(self, now: float) -> float:
        """Seconds for which both cameras have sent frames that never changed; 0 where one is silent."""
        cameras = self._cameras.values()
        silent = any(now - own.last > self._patience(own) for own in cameras)
        return 0.0 if silent else min(own.last - own.changed for own in cameras)

    def _patience(self, camera: _Camera) -> float:
        return max(self.timeout, _PERIODS * median(camera.intervals)) if camera.intervals else self.timeout
