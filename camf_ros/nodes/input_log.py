"""Says in the log what is wrong with the inputs, each cause once, and when it is over.

No frames, frames that are lost on the way, two cameras on one topic, no pairs: the commonest trouble with camera
topics, and the quietest.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from rclpy.node import Node

from camf_ros.errors import plain
from camf_ros.nodes.inputs import TYPES, Inputs, image_topic
from camf_ros.nodes.losses import PROFILE
from camf_ros.nodes.statistics import Snapshot
from camf_ros.pairing.arrivals import Missing
from camf_ros.pairing.synchronizer import CAMERAS, OTHER
from camf_ros.settings.fusion_settings import FusionSettings

_MISSING = {
    "silent": "sends nothing",
    "frozen": "repeats one frame",
    "refused": "sends nothing that can be used",
}
# A camera that has never been there may take so many timeouts to start.
_START = 5
# Cameras whose last frames came within so many seconds have ended together.
_TOGETHER = 1.0
# A node that was killed counts as a publisher for so many seconds beside the one that takes its place.
_LEASE = 25.0
# As ROS calls a node of which it knows no more than that.
_UNKNOWN = "_NODE_NAME_UNKNOWN_"


class Trouble(NamedTuple):
    """What is wrong; empty if nothing is. The ``cause`` stays the same while the numbers in the ``text`` change."""

    cause: str = ""
    text: str = ""


class InputLog:
    """Called once a period while the node is active, in the executor's thread."""

    def __init__(self, node: Node, settings: FusionSettings) -> None:
        """Begin: the node was activated."""
        self._node, self._settings = node, settings
        transports = {"thermal": settings.input_transport.thermal, "rgb": settings.input_transport.rgb}
        self.topics = {
            camera: node.resolve_topic_name(image_topic(node, camera, transport))
            for camera, transport in transports.items()
        }
        self._types = {camera: TYPES[transport] for camera, transport in transports.items()}
        # Not the node's clock: under simulated time it may stand still, which is one of the troubles.
        self._since = time.monotonic()
        self._said: dict[str, str] = {}
        self._normal: set[str] = set()
        # Since when a topic has had several publishers.
        self._several: dict[str, float] = {}
        self._waited_for: set[str] = set()

    def publishers(self, camera: str) -> list[str]:
        """Names of the nodes that publish a camera's images; a node with several publishers comes several times."""
        infos = self._node.get_publishers_info_by_topic(self.topics[camera])
        return sorted(
            f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in infos if info.node_name != _UNKNOWN
        )

    def mixed(self) -> dict[str, Trouble]:
        """The cameras on whose topic several publishers send."""
        found, now = {}, time.monotonic()
        for camera, topic in self.topics.items():
            names = self.publishers(camera)
            since = self._several.setdefault(camera, now) if len(names) > 1 else self._several.pop(camera, now)
            if len(names) > 1 and (len(set(names)) > 1 or now - since > _LEASE):
                who = plain(", ".join(names))
                text = f"{len(names)} publishers send on {topic}: {who}; their frames are mixed: remap all but one"
                found[camera] = Trouble(who, text)
        return found

    def still(self, seconds: float, missing: Mapping[str, Missing]) -> Trouble:
        """Both cameras send one picture over and over, for so many seconds."""
        if missing or seconds < self._settings.source_check.frozen_after:
            return Trouble()
        return Trouble(
            "still",
            f"both cameras have repeated one frame each, bit for bit, for {seconds:.0f} s, and the noise of a sensor "
            "makes no two alike: have both drivers frozen, or is it a still picture or a simulator without noise?",
        )

    def look(
        self,
        snapshot: Snapshot,
        missing: Mapping[str, Missing],
        inputs: Inputs,
        *,
        passes: bool,
        mixed: Mapping[str, Trouble],
        lossy: Mapping[str, str],
        still: Trouble,
    ) -> None:
        """Compare the numbers with what should be there.

        ``passes``: a camera that is alone is passed through; ``mixed``: see :meth:`mixed`; ``lossy``: cameras whose
        images are lost on the way, and what to say; ``still``: see :meth:`still`.
        """
        timeout, now = self._settings.no_data_timeout, time.monotonic()
        ages = snapshot.ages
        fresh = all(age is not None and age <= timeout for age in ages.values())
        self._say("both cameras", _alone(missing, passes=passes) if missing else Trouble() if fresh else None)
        ended = self._ended(ages)
        self._say("frames of both cameras", ended if ended.text or fresh else None)
        for camera, age in ages.items():
            waited = now - self._since if age is None else age
            if waited <= timeout:
                self._say(camera, None if age is None else Trouble(), first="frames arrive")
            elif not ended.text:
                self._say(camera, self._silence(camera, inputs, waited, never=age is None))
            self._say(f"{camera} publishers", mixed.get(camera, Trouble()))
            self._say(f"{camera} transport", Trouble("lossy" if camera in lossy else "", lossy.get(camera, "")))
        self._pairs(snapshot, inputs, now, fresh=fresh and not missing)
        self._say("pictures", still)
        stands = self._node.get_parameter("use_sim_time").value and self._node.get_clock().now().nanoseconds == 0
        text = "use_sim_time is set, but nothing comes on /clock: start the simulator, or 'ros2 bag play --clock'"
        self._say("clock", Trouble("stands", text) if stands and now - self._since > timeout else Trouble())

    def _pairs(self, snapshot: Snapshot, inputs: Inputs, now: float, *, fresh: bool) -> None:
        timeout = self._settings.no_data_timeout
        waited = now - self._since if snapshot.pair_age is None else snapshot.pair_age
        if snapshot.pair_age is not None and waited <= timeout:
            self._say("pairs", Trouble(), first="frames pair")
        elif fresh and waited > timeout and (advice := inputs.advice()):
            self._say("pairs", Trouble("none", f"frames of both cameras arrive, but no pair: {advice}"))

    def _ended(self, ages: Mapping[str, float | None]) -> Trouble:
        timeout = self._settings.no_data_timeout
        known = [age for age in ages.values() if age is not None and age > timeout]
        if len(known) < len(ages) or max(known) - min(known) > _TOGETHER:
            return Trouble()
        if any(self.publishers(camera) for camera in CAMERAS):
            return Trouble("paused", "both cameras stopped together: is a recording paused, or a connection lost?")
        return Trouble(
            "gone", "both cameras stopped together and nothing publishes their topics any more: has a recording ended?"
        )

    def _silence(self, camera: str, inputs: Inputs, waited: float, *, never: bool) -> Trouble | None:
        topic, names = self.topics[camera], self.publishers(camera)
        who = plain(", ".join(names))
        if not never:
            if names:
                return Trouble("silent", f"frames stopped arriving on {topic}; {who} is still there, but sends nothing")
            return Trouble("gone", f"nothing publishes {topic} any more: has the {camera} camera's driver ended?")
        if not names:
            return self._nobody(camera, waited)
        kinds = {info.topic_type for info in self._node.get_publishers_info_by_topic(topic)}
        if self._types[camera] not in kinds:
            return Trouble(
                "type",
                f"{topic} carries {plain(', '.join(sorted(kinds)))}, not {self._types[camera]}: set "
                f"input_transport.{camera}, or remap the topic",
            )
        if inputs.lost[camera]:
            return Trouble(
                "lost",
                f"no frame arrives whole on {topic}: they are larger than the middleware's default "
                f"shared-memory segment; {PROFILE}",
            )
        return Trouble(
            "never",
            f"no frame arrives on {topic} although {who} publishes it: either the camera is silent, or its images are "
            f"lost on the way because they exceed the middleware's default shared-memory segment: then {PROFILE}",
        )

    def _nobody(self, camera: str, waited: float) -> Trouble | None:
        topic = self.topics[camera]
        if waited > _START * self._settings.no_data_timeout:
            text = f"nothing publishes {topic}: is the {camera} camera running, and is the topic remapped?"
            return Trouble("nobody", text)
        if camera not in self._waited_for:
            self._waited_for.add(camera)
            self._node.get_logger().info(f"waiting for the {camera} camera: nothing publishes {topic} yet")
        return None

    def _say(self, subject: str, trouble: Trouble | None, first: str = "") -> None:
        """Log what is new; None: it cannot be told, and what was said last still holds.

        ``first``: what is good news where all has been bad since the start.
        """
        if trouble is None:
            return
        before = self._said.get(subject)
        self._said[subject] = trouble.cause
        if trouble.cause and trouble.cause != before:
            self._node.get_logger().warning(trouble.text)
        elif before and not trouble.cause:
            news = "back to normal" if subject in self._normal or not first else first
            self._node.get_logger().info(f"{subject}: {news}")
        if not trouble.cause:
            self._normal.add(subject)


def _alone(missing: Mapping[str, Missing], *, passes: bool) -> Trouble | None:
    """What of a camera that is missing is worth a line; silence is told of where frames are counted."""
    told = {camera: state for camera, state in missing.items() if state.reason != "silent" or passes}
    if not told:
        return None
    alone = passes and len(missing) == 1
    what = " and ".join(f"the {camera} camera {_MISSING[state.reason]}" for camera, state in told.items())
    if alone:
        what += f": {OTHER[next(iter(missing))]} frames are passed through alone until it is back"
    return Trouble(" ".join(f"{camera} {state.reason}" for camera, state in told.items()), what)
