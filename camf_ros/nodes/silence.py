"""Says why nothing arrives, when nothing arrives: the commonest trouble with camera topics, and the quietest."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rclpy.node import Node

from camf_ros.nodes import topics
from camf_ros.nodes.statistics import Snapshot
from camf_ros.pairing.presence import Missing
from camf_ros.pairing.stream import OTHER
from camf_ros.settings.fusion_settings import FusionSettings

_MISSING = {
    "silent": "sends nothing",
    "frozen": "repeats one frame",
    "refused": "sends nothing that can be used",
}


class SilenceWatch:
    """Warns once per cause and silence; a stream that comes back is reported too."""

    def __init__(self, node: Node, settings: FusionSettings) -> None:
        """Watch.

        Args:
            node: Whose graph is looked at and whose log is written.
            settings: What counts as silence, and on which topics frames come.
        """
        self._node = node
        self._timeout = settings.no_data_timeout
        transports = settings.input_transport
        self._topics = {
            topics.THERMAL: _topic(node, topics.THERMAL_IMAGE, transports.thermal),
            topics.RGB: _topic(node, topics.RGB_IMAGE, transports.rgb),
        }
        # Not the node's clock: under simulated time it may stand still, which is one of the troubles.
        self._since = time.monotonic()
        self._said: dict[str, str] = {}

    def look(self, snapshot: Snapshot, missing: Mapping[str, Missing], *, passes: bool) -> None:
        """Compare the numbers with what should be there.

        Args:
            snapshot: The numbers.
            missing: Cameras that have stopped, repeat one frame, or send nothing that can be used.
            passes: Whether frames of a camera that is alone are published.
        """
        self._say("both cameras", _alone(missing) if passes and len(missing) == 1 else "")
        for camera, age in snapshot.ages.items():
            waited = time.monotonic() - self._since if age is None else age
            self._say(camera, self._cause(camera, age is None) if waited > self._timeout else "")
        together = all(age is not None and age <= self._timeout for age in snapshot.ages.values())
        waited = time.monotonic() - self._since if snapshot.pair_age is None else snapshot.pair_age
        self._say(
            "pairs",
            "frames of both cameras arrive, but no two stamps are close enough for a pair: are both clocks "
            "synchronised? Else raise pairing.slop"
            if together and waited > self._timeout and not missing
            else "",
        )
        stands = self._node.get_parameter("use_sim_time").value and self._node.get_clock().now().nanoseconds == 0
        self._say(
            "clock",
            "use_sim_time is set, but nothing comes on /clock: start the simulator, or 'ros2 bag play --clock'"
            if stands and time.monotonic() - self._since > self._timeout
            else "",
        )

    def _cause(self, camera: str, never: bool) -> str:
        topic = self._topics[camera]
        publishers = self._node.count_publishers(topic)
        if not publishers:
            return f"nothing publishes {topic}: is the {camera} camera running, and is the topic remapped?"
        missing = "no frame arrives" if never else "frames stopped arriving"
        return (
            f"{missing} on {topic} although it has {publishers} publisher(s): either the camera is silent, or its "
            "images are lost on the way because they exceed the middleware's default shared-memory segment. Start "
            "the camera driver with the same Fast DDS profile as this node (see the README, 'Frames do not arrive')"
        )

    def _say(self, subject: str, text: str) -> None:
        before = self._said.get(subject, "")
        if text and text != before:
            self._node.get_logger().warning(text)
        elif before and not text:
            self._node.get_logger().info(f"{subject}: back to normal")
        self._said[subject] = text


def _topic(node: Node, image: str, transport: str) -> str:
    return str(node.resolve_topic_name(image)) if transport == "raw" else topics.compressed(node, image)


def _alone(missing: Mapping[str, Missing]) -> str:
    ((camera, state),) = missing.items()
    what = f"the {camera} camera {_MISSING[state.reason]}"
    return f"{what}: {OTHER[camera]} frames are passed through alone until it is back"
