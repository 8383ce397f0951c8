"""Both cameras come in: message_filters' subscribers, a synchronizer, and a timer for the pairs that wait.

And what belongs to them: camera_info, transforms, and the conversion of their images. What belongs together, and which
camera is missing, is decided in :mod:`camf_ros.pairing`. Callbacks are called in the executor's thread.
"""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import message_filters
from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time as RosTime
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

from camf_ros.errors import CamfError, ParameterError
from camf_ros.fusion import Cameras
from camf_ros.imaging.camera_messages import ImageConversion
from camf_ros.imaging.camera_model import LAST_STAMPS, Extrinsics, extrinsics_of
from camf_ros.imaging.depth_images import DepthImages
from camf_ros.nodes import topics
from camf_ros.nodes.publishers import overridable
from camf_ros.pairing.arrivals import NANO, Frame, JumpWatch, nanoseconds
from camf_ros.pairing.synchronizer import ImagePair, LoneFrame, PairStream, Synchronizer, synchronizer
from camf_ros.settings.fusion_settings import FusionSettings, PairingSettings
from camf_ros.settings.registration_settings import RegistrationSettings

#: Subscriptions to cameras: best effort accepts both kinds of publishers.
SENSOR_INPUT = QoSProfile(reliability=ReliabilityPolicy.BEST_EFFORT, history=HistoryPolicy.KEEP_LAST, depth=5)

# Waiting pairs are looked at this many times within pairing.max_delay, but no more often than the second number says.
_LOOKS = 4
_SHORTEST_LOOK = 0.002

# cv_bridge's compiled part breaks, and can take the process with it, under another NumPy than it was built for (pip's
# PyTorch brings one). So it is tried in a process of its own first.
_PROBE = """
import numpy, cv_bridge
from sensor_msgs.msg import Image
message = Image(height=2, width=2, encoding="rgb8", step=6, data=bytes(range(12)))
grey = cv_bridge.CvBridge().imgmsg_to_cv2(message, "mono8")
assert grey.shape == (2, 2)
"""
_PROBE_TIMEOUT = 30.0

#: Type of the images by transport, as the graph has it.
TYPES = {"raw": "sensor_msgs/msg/Image", "compressed": "sensor_msgs/msg/CompressedImage"}
_IMAGES = {topics.THERMAL: topics.THERMAL_IMAGE, topics.RGB: topics.RGB_IMAGE}
#: Topics of camera_info, by camera.
INFOS = {topics.THERMAL: topics.THERMAL_INFO, topics.RGB: topics.RGB_INFO}


class PolicyOfRos(Synchronizer):
    """``exact`` and ``approximate`` by message_filters' own synchronizers, which are told of clocks that jumped."""

    def __init__(self, fs: Sequence[Any], settings: PairingSettings) -> None:
        super().__init__()
        self._inputs = message_filters.SimpleFilter(), message_filters.SimpleFilter()
        if settings.policy == "exact":
            self._filter = message_filters.TimeSynchronizer(self._inputs, settings.queue_size)
        else:
            self._filter = message_filters.ApproximateTimeSynchronizer(
                self._inputs, queue_size=settings.queue_size, slop=settings.slop
            )
        self._filter.registerCallback(self.signalMessage)
        self._watch = JumpWatch()
        for index, source in enumerate(fs):
            source.registerCallback(self.add, index)

    def add(self, frame: Frame, index: int) -> None:
        """Take a frame of an input and put out what it completes."""
        limit = self._watch.limit(index, frame.time)
        if limit is not None:
            self._forget_after(limit)
        sec, nanosec = divmod(frame.time, NANO)
        frame.stamp = Time(sec=sec, nanosec=nanosec)
        self._inputs[index].signalMessage(frame)

    def _forget_after(self, limit: int) -> None:
        """Drop waiting frames with later stamps."""
        with self._filter.lock:
            for queue in self._filter.queues:
                for key in [key for key, frame in queue.items() if frame.time > limit]:
                    del queue[key]


def _synchronizer(inputs: Sequence[Any], settings: PairingSettings) -> Synchronizer:
    return synchronizer(inputs, settings) if settings.policy == "nearest" else PolicyOfRos(inputs, settings)


class Inputs:
    """Subscribes to both cameras and hands out pairs, and frames that are alone where the settings want them.

    Attributes:
        stream: Decides what belongs together.
        lost: Images of each camera that were lost on the way, where the middleware tells.
        pictures: Size and encoding of each camera's last image, for people.
        stamps: Of each camera's last images, nanoseconds.
    """

    def __init__(
        self,
        node: Node,
        settings: FusionSettings,
        *,
        on_frame: Callable[[str], None],
        hand_out: Callable[[ImagePair | LoneFrame], None],
        reject: Callable[[CamfError], None],
    ) -> None:
        """Subscribe. No callback may raise: that would end the node.

        ``on_frame`` is called with the camera's name for each message, paired or not, ``reject`` for each that cannot
        be paired, ``hand_out`` as :class:`camf_ros.pairing.synchronizer.PairStream` says.
        """
        self._node, self._on_frame, self._reject = node, on_frame, reject
        self.lost = dict.fromkeys(_IMAGES, 0)
        self.pictures = dict.fromkeys(_IMAGES, "")
        self.stamps = {camera: deque[int](maxlen=LAST_STAMPS) for camera in _IMAGES}
        self.stream = PairStream(
            settings, time.monotonic(), hand_out, synchronize=_synchronizer, warn=node.get_logger().warning
        )
        # By the steady clock: simulated time may stand still. Runs only while a pair waits.
        self._timer = node.create_timer(
            max(_SHORTEST_LOOK, settings.pairing.max_delay / _LOOKS),
            self._look,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self._timer.cancel()
        transports = settings.input_transport
        self._subscribers = [
            self._subscribe(topics.THERMAL, transports.thermal),
            self._subscribe(topics.RGB, transports.rgb),
        ]

    def configure(self, settings: FusionSettings) -> None:
        """Take over what can change at run time."""
        self.stream.configure(settings)

    def close(self) -> None:
        """Unsubscribe; frames that wait are dropped."""
        for subscriber in self._subscribers:
            self._node.destroy_subscription(subscriber.sub)
        self._node.destroy_timer(self._timer)

    def advice(self) -> str:
        """Why there is no pair, and what to do; empty where frames of one camera only have come."""
        return self.stream.advice(self._clock(), time.monotonic())

    def _subscribe(self, camera: str, transport: str) -> message_filters.Subscriber:
        kind = Image if transport == "raw" else CompressedImage
        topic = image_topic(self._node, camera, transport)
        subscribe = partial(message_filters.Subscriber, self._node, kind, topic, **overridable(SENSOR_INPUT))
        subscriber: message_filters.Subscriber = with_losses(subscribe, partial(self._lost, camera))
        subscriber.registerCallback(self._arrived, camera)
        return subscriber

    def _lost(self, camera: str, event: Any) -> None:
        self.lost[camera] = event.total_count

    def _arrived(self, message: Image | CompressedImage, camera: str) -> None:
        self._on_frame(camera)
        self.stamps[camera].append(nanoseconds(message.header.stamp))
        raw = isinstance(message, Image)
        self.pictures[camera] = f"{message.width}x{message.height} {message.encoding}" if raw else message.format
        try:
            self.stream.take(camera, message, time.monotonic(), self._clock)
        except CamfError as error:
            self._reject(error)
            return
        self._wake()

    def _look(self) -> None:
        self.stream.expire(time.monotonic())
        self._wake()

    def _wake(self) -> None:
        waiting = self.stream.deadline() is not None
        if waiting and self._timer.is_canceled():
            self._timer.reset()
        elif not waiting and not self._timer.is_canceled():
            self._timer.cancel()

    def _clock(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)


def with_losses(subscribe: Callable[..., Any], lost: Callable[[Any], None]) -> Any:
    """What ``subscribe`` makes, with a callback for lost messages where the middleware tells of them."""
    try:
        return subscribe(event_callbacks=SubscriptionEventCallbacks(message_lost=lost))
    except UnsupportedEventTypeError:
        return subscribe()


def image_topic(node: Node, camera: str, transport: str) -> str:
    """Name of the topic on which a camera's images come, before remapping where they are raw."""
    return _IMAGES[camera] if transport == "raw" else topics.compressed(node, _IMAGES[camera])


def check_topics(node: Node, settings: FusionSettings) -> None:
    """Refuse cameras that share a topic, which remapping brings about easily; raises ParameterError."""
    transports = settings.input_transport
    images = image_topic(node, topics.THERMAL, transports.thermal), image_topic(node, topics.RGB, transports.rgb)
    for thermal, rgb in (images, (topics.THERMAL_INFO, topics.RGB_INFO)):
        name = node.resolve_topic_name(thermal)
        if name == node.resolve_topic_name(rgb):
            raise ParameterError(
                f"{thermal} and {rgb} are both {name}",
                expected="a topic for each camera",
                remedy=f"remap one of them: -r {rgb}:=...",
            )


class CameraTopics(Cameras):
    """Listens to both cameras' camera_info, and to transforms and depth where the settings ask for them."""

    def __init__(self, node: Node, settings: RegistrationSettings, depth_transport: str = "raw") -> None:
        """Subscribe; ``depth_transport`` is that of the depth images.

        Raises:
            ParameterError: If transforms are asked for and tf2_ros is not installed.
        """
        super().__init__(settings)
        self._node, self._depth_transport = node, depth_transport
        self._transforms: CameraTransforms | None = None
        self._depth_subscriptions: list[Any] = []
        self.configure(settings)
        self._subscriptions = [
            node.create_subscription(CameraInfo, topic, partial(self.take, camera), **overridable(SENSOR_INPUT))
            for camera, topic in INFOS.items()
        ]

    def configure(self, settings: RegistrationSettings) -> None:
        """Use other settings from the next frame on; from the executor's thread.

        Raises:
            ParameterError: As the constructor.
        """
        if settings.calibrated and settings.extrinsics == "tf" and self._transforms is None:
            self._transforms = CameraTransforms(self._node)
            self.extrinsics = self._transforms.extrinsics
        super().configure(settings)
        if (settings.mode == "depth") != bool(self._depth_subscriptions):
            self._listen_to_depth(settings.mode == "depth")

    def _listen_to_depth(self, wanted: bool) -> None:
        """Depth images are large: there is a subscription only while they are used."""
        for subscription in self._depth_subscriptions:
            self._node.destroy_subscription(subscription)
        self._depth_subscriptions = []
        self.depth = DepthImages()
        if wanted:
            kind, topic = Image, topics.DEPTH_IMAGE
            if self._depth_transport != "raw":
                kind, topic = CompressedImage, topics.compressed(self._node, topic, self._depth_transport)
            self._depth_subscriptions = [
                self._node.create_subscription(kind, topic, self.depth.keep, **overridable(SENSOR_INPUT)),
                self._node.create_subscription(
                    CameraInfo, topics.DEPTH_INFO, self.depth.infos.keep, **overridable(SENSOR_INPUT)
                ),
            ]

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in (*self._subscriptions, *self._depth_subscriptions):
            self._node.destroy_subscription(subscription)
        if self._transforms is not None:
            self._transforms.close()


class CameraTransforms:
    """How the cameras stand to each other, from /tf and /tf_static; needs tf2_ros, which not every machine has."""

    def __init__(self, node: Node) -> None:
        """Start to listen.

        Raises:
            ParameterError: If tf2_ros is not installed.
        """
        try:
            import tf2_ros  # noqa: PLC0415 - only who wants transforms needs it
        except ImportError as error:
            raise ParameterError(
                f"registration.extrinsics is tf and tf2_ros cannot be imported ({error})",
                expected="the package tf2_ros_py",
                remedy="install it, or set registration.extrinsics to file",
            ) from error
        self._failure: type[Exception] = tf2_ros.TransformException
        self._buffer: Any = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def close(self) -> None:
        """Stop to listen."""
        self._listener.unregister()

    def extrinsics(self, thermal_frame: str, rgb_frame: str) -> Extrinsics | None:
        """The newest pose of the thermal camera in the RGB camera's frame; None as long as there is none."""
        try:
            return extrinsics_of(self._buffer.lookup_transform(rgb_frame, thermal_frame, RosTime()).transform)
        except self._failure:
            return None


@functools.cache
def cv_bridge_works() -> bool:
    """Whether cv_bridge converts an image in a Python like this one; asked once, since it takes a process."""
    if importlib.util.find_spec("cv_bridge") is None:
        return False
    try:
        probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


def best_conversion() -> ImageConversion:
    """With cv_bridge where it works."""
    if not cv_bridge_works():
        return ImageConversion()
    from cv_bridge import CvBridge  # noqa: PLC0415 (not on every machine)

    return ImageConversion(CvBridge())
