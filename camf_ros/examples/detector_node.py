"""Example detector node: subscribes to a fused image, camera_info and weights, and publishes bearings and boxes.

Run it with the ONNX file of your detector, or copy it to write your own node. Keep these parts: the three messages with
equal stamps are matched, the newest image is processed first, and every result has the header of its image.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple, NoReturn

import cv2
import message_filters
import numpy as np
from geometry_msgs.msg import Point, Pose, PoseArray, Quaternion
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from camf_ros.errors import CamfError
from camf_ros.examples.finders import BrightSpots, Finder, Finding, Objects, bearing, turn_to
from camf_ros.imaging.camera_messages import ImageConversion
from camf_ros.imaging.camera_model import camera_of
from camf_ros.msg import ChannelWeights
from camf_ros.nodes import topics
from camf_ros.nodes.inputs import SENSOR_INPUT
from camf_ros.nodes.parameters import NodeParameters, tell_unused_overrides
from camf_ros.nodes.publishers import OUTPUT, image_message
from camf_ros.nodes.running import ThrottledLog, run_node
from camf_ros.nodes.worker import Mailbox, Worker
from camf_ros.settings.demo_settings import DetectorSettings

try:
    from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose
except ImportError:  # optional package
    Detection2DArray = None

CHANNEL_WEIGHTS = "fusion/channel_weights"
BEARINGS = "detections/bearings"
BOXES = "detections/boxes"
PICTURE = "detections/image"

SOURCES = {
    ChannelWeights.SOURCE_BOTH: "fused",
    ChannelWeights.SOURCE_THERMAL: "thermal alone",
    ChannelWeights.SOURCE_RGB: "RGB alone",
}
# Queue size of the synchronizer. The three messages of a stamp arrive within milliseconds.
_WAITING = 5
# Seconds without an image after which a warning names the missing topics.
_PATIENCE = 5.0
_INK = (255, 200, 0)


class Seen(NamedTuple):
    """Image, camera_info and channel weights with equal headers."""

    image: Image
    info: CameraInfo
    weights: ChannelWeights


class DetectorNode(Node):  # type: ignore[misc]
    """Finds objects in the newest detector image or, without a model, bright spots in the newest fused image."""

    def __init__(self) -> None:
        """Subscribe and start the worker thread.

        Raises:
            CamfError: If a parameter is invalid, or the model cannot be loaded.
        """
        super().__init__("detector")
        # Made first, because destroy_node() needs them even if the constructor fails. The mailbox has one slot: a newer
        # image replaces the waiting one while the worker is busy.
        self._newest: Mailbox[Seen] = Mailbox()
        self._worker = Worker(self._newest, self._work, self._failed)
        self._settings = NodeParameters(self, DetectorSettings).settings
        self._finder: Finder
        if self._settings.model:
            self._finder = objects = Objects(self._settings)
            self._topic = topics.DETECTOR_IMAGE
            self.get_logger().info(f"detecting on {self._topic} with {objects.description}")
        else:
            # Hot is bright in the fused image.
            self._finder, self._topic = BrightSpots(self._settings), topics.FUSED_IMAGE
        self._convert = ImageConversion()
        self._log = ThrottledLog(self)
        self._sources: int | None = None
        self._bearings = self.create_publisher(PoseArray, BEARINGS, OUTPUT)
        self._picture = self.create_publisher(Image, PICTURE, OUTPUT)
        self._boxes = self.create_publisher(Detection2DArray, BOXES, OUTPUT) if Detection2DArray else None

        self._worker.start()
        # Exact stamps: the fusion node publishes the three messages with equal headers.
        self._together = message_filters.TimeSynchronizer(
            [
                message_filters.Subscriber(self, kind, topic, qos_profile=SENSOR_INPUT)
                for kind, topic in (
                    (Image, self._topic),
                    (CameraInfo, topics.FUSED_INFO),
                    (ChannelWeights, CHANNEL_WEIGHTS),
                )
            ],
            _WAITING,
        )
        self._together.registerCallback(self._complete)
        tell_unused_overrides(self)
        self._came = False
        self._waited = self.create_timer(_PATIENCE, self._say_what_is_missing)

    def _complete(self, *messages: Any) -> None:
        """Callback, in the thread of the executor. The synchronizer holds a lock, so this only fills the mailbox."""
        self._came = True
        self._newest.put(Seen(*messages))

    def _say_what_is_missing(self) -> None:
        self._waited.cancel()
        if not self._came:
            names = (self._topic, topics.FUSED_INFO, CHANNEL_WEIGHTS)
            counts = [f"{name} ({self.count_publishers(self.resolve_topic_name(name))} publishers)" for name in names]
            self.get_logger().warning(f"no messages with equal stamps yet on {', '.join(counts)}")

    def destroy_node(self) -> None:
        """Stop the worker, then destroy the node."""
        self._worker.stop()
        super().destroy_node()

    def _failed(self, error: Exception) -> None:
        if self.context.ok():  # publishing fails after shutdown; this is no error
            self._log.error(type(error).__name__, str(error))

    def _work(self, seen: Seen) -> None:
        """Detect and publish, in the worker thread."""
        self._say_sources(seen.weights.sources)
        if self._settings.only_fused and seen.weights.sources != ChannelWeights.SOURCE_BOTH:
            return
        image = self._convert.rgb(seen.image)
        findings = self._finder.find(image)
        time.sleep(self._settings.extra_time)
        # Published even without findings, so that subscribers know that the image was processed.
        self._publish_bearings(seen, findings)
        if self._boxes:
            self._boxes.publish(boxes_message(seen.image.header, findings))
        if self._picture.get_subscription_count():
            drawn = _drawn(image, findings, SOURCES[seen.weights.sources])
            self._picture.publish(image_message(drawn, "rgb8", seen.image.header))

    def _publish_bearings(self, seen: Seen, findings: list[Finding]) -> None:
        try:
            camera = camera_of(seen.info)
        except CamfError as error:
            self._log.error("camera_info", str(error))
            return
        if camera is None:
            self._log.error("camera_info", "camera_info is not calibrated (K is 0): no bearings")
            return
        # A camera measures directions, not positions, so the arrows start at the camera.
        poses = [_arrow(bearing(camera, finding.column, finding.row)) for finding in findings]
        self._bearings.publish(PoseArray(header=seen.image.header, poses=poses))

    def _say_sources(self, sources: int) -> None:
        if sources != self._sources:
            self._sources = sources
            self.get_logger().info(f"images are {SOURCES[sources]}")


def _arrow(direction: tuple[float, float, float]) -> Pose:
    x, y, z, w = turn_to(direction)
    return Pose(position=Point(), orientation=Quaternion(x=x, y=y, z=z, w=w))


def boxes_message(header: Header, findings: list[Finding]) -> Any:
    """vision_msgs/Detection2DArray of the findings in one image, with the header of the image."""
    return Detection2DArray(header=header, detections=[_detection(header, finding) for finding in findings])


def _detection(header: Header, finding: Finding) -> Any:
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = finding.label
    hypothesis.hypothesis.score = finding.score
    result = Detection2D(header=header, results=[hypothesis])
    result.bbox.center.position.x, result.bbox.center.position.y = finding.column, finding.row
    result.bbox.size_x, result.bbox.size_y = finding.width, finding.height
    return result


def _drawn(image: NDArray[np.uint8], findings: list[Finding], sources: str) -> NDArray[np.uint8]:
    """Copy of the image with boxes and the text ``sources``; (H, W, 3) red, green, blue."""
    picture: Any = image.copy() if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    for found in findings:
        corners = [
            (round(found.column + side * found.width / 2), round(found.row + side * found.height / 2))
            for side in (-1, 1)
        ]
        cv2.rectangle(picture, corners[0], corners[1], _INK, 2)
        if found.score < 1:
            _write(picture, f"{found.label} {found.score:.2f}", (corners[0][0], corners[0][1] - 6), 0.45, 1)
    _write(picture, f"{sources}, {len(findings)} found", (8, 22), 0.6, 2)
    return np.asarray(picture, np.uint8)


def _write(picture: Any, text: str, place: tuple[int, int], size: float, thickness: int) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, thickness, cv2.LINE_AA)


def main() -> NoReturn:
    """Run the node until shutdown."""
    run_node("detector_example", DetectorNode, DetectorSettings)
