"""What becomes of the frames of two cameras, one after another: pairs, frames that are alone, and nothing.

The same decisions for a node, which gets frames as they come, and for a recording, which says when they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from camf_ros.errors import CamfError
from camf_ros.pairing.matchers import Candidate, Match, Matcher
from camf_ros.pairing.presence import Missing, Presence
from camf_ros.pairing.stamps import seconds
from camf_ros.settings.fusion_settings import FusionSettings

#: Both cameras; a matcher's first stream is the first one.
CAMERAS = ("thermal", "rgb")
#: The other camera.
OTHER = {"thermal": "rgb", "rgb": "thermal"}

_NANO = 1_000_000_000


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
    """Frames of both cameras in, in the order of their arrival. Not thread-safe."""

    def __init__(self, settings: FusionSettings, matcher: Matcher, now: float) -> None:
        """Start with nothing waiting.

        Args:
            settings: Offsets of both sensors, and what to do while a camera is missing.
            matcher: The policy; its first stream is the thermal camera.
            now: Seconds, of the clock that all times of arrival are of. A camera that never sends is silent since then.
        """
        self._matcher = matcher
        self._presence = Presence(CAMERAS, settings.missing_timeout, now)
        self._suspects: dict[str, Any] = {}
        self.configure(settings)
        offsets = {"thermal": settings.pairing.thermal_offset, "rgb": settings.pairing.rgb_offset}
        # Only their difference matters, and message_filters takes no time before 0.
        self._offsets = {camera: round(_NANO * (each - min(offsets.values()))) for camera, each in offsets.items()}

    def configure(self, settings: FusionSettings) -> None:
        """Take over what can change at run time."""
        self._passes = settings.on_missing == "pass_through"
        self._presence.timeout = settings.missing_timeout

    def add(self, camera: str, message: Any, time: int, content: bytes, arrived: float) -> list[ImagePair | LoneFrame]:
        """Take a frame.

        Args:
            camera: Whose, one of :data:`CAMERAS`.
            message: Comes back in what is handed out.
            time: Of the frame, nanoseconds, without the sensor's offset; see :mod:`camf_ros.pairing.stamps`.
            content: Equal for equal pictures and as good as never for others.
            arrived: Seconds, by a clock that never goes back.

        Returns:
            What follows from it, oldest first. A frame that is handed out alone comes in no pair afterwards.
        """
        found: list[ImagePair | LoneFrame] = []
        frame = Candidate(message, time + self._offsets[camera], arrived)
        self._presence.arrived(camera, content, arrived)
        if self._passes and self._presence.alone(camera, arrived):
            frame.passed = True
            suspect = self._suspects.pop(OTHER[camera], None)
            found.append(LoneFrame(camera, message, self._seconds(camera, frame), arrived, suspect))
        state = self._presence.missing(camera, arrived) if self._passes else None
        if state is not None and state.reason == "refused":
            self._suspects[camera] = message
        else:
            self._suspects.pop(camera, None)
        # Also one that was passed on: it may keep a later one from a worse pair.
        found.extend(self._pairs(self._matcher.add(CAMERAS.index(camera), frame, arrived)))
        return found

    def refuse(self, camera: str, content: bytes, arrived: float, cause: str) -> None:
        """Take note of a frame that cannot be paired; the arguments are those of :meth:`add`, and why."""
        self._presence.arrived(camera, content, arrived)
        self._presence.judged(camera, arrived, cause)

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

    def expire(self, now: float) -> list[ImagePair]:
        """The pairs that have waited long enough for a nearer frame, oldest first."""
        return self._pairs(self._matcher.expire(now))

    def deadline(self) -> float | None:
        """When :meth:`expire` has something to do if no frame comes before; None while nothing waits."""
        return self._matcher.deadline()

    def missing(self, now: float) -> Mapping[str, Missing]:
        """The cameras that are missing, why and for how long."""
        states = {camera: self._presence.missing(camera, now) for camera in CAMERAS}
        return {camera: state for camera, state in states.items() if state}

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many frames came into no pair, by camera and reason ("thermal late"); empty for other policies."""
        return {
            f"{camera} {reason}": count
            for camera, counts in zip(CAMERAS, self._matcher.dropped, strict=True)
            for reason, count in sorted(counts.items())
        }

    def _pairs(self, matches: list[Match]) -> list[ImagePair]:
        return [
            ImagePair(
                thermal.message,
                rgb.message,
                # In whole nanoseconds first, where floats would round.
                skew=1e-9 * float(thermal.time - rgb.time),
                time=self._seconds("thermal", thermal),
                arrived=max(thermal.arrived, rgb.arrived),
            )
            for thermal, rgb in matches
            # One that was handed out before would come again, out of order, and only confuse who listens.
            if not (thermal.passed or rgb.passed)
        ]

    def _seconds(self, camera: str, frame: Candidate) -> float:
        """Time of a frame without its offset."""
        return seconds(frame.time - self._offsets[camera])
