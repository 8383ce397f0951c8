"""The source node: plays a thermal and an RGB camera, from the embedded scene or from a folder of pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from camf_ros.imaging.camera_model import Camera
from camf_ros.nodes import topics
from camf_ros.nodes.camera_clock import CameraClock
from camf_ros.nodes.image_messages import image_message
from camf_ros.nodes.parameters import NodeParameters
from camf_ros.nodes.running import run_node
from camf_ros.nodes.source_material import FolderMaterial, SceneMaterial, SourceMaterial
from camf_ros.settings.demo_settings import SourceSettings

_ENCODINGS = {(2, "uint8"): "mono8", (2, "uint16"): "mono16", (3, "uint8"): "rgb8"}
# How long before its time a timer is asked to wake: finer than any camera's jitter.
_FINEST = 1e-4


class _Camera:
    """One camera: waits for its time, takes a frame, publishes it under the time at which it fired."""

    def __init__(
        self,
        node: Node,
        *,
        image_topic: str,
        info_topic: str,
        frame_id: str,
        clock: CameraClock,
        reliability: str,
        image: Callable[[float], NDArray[np.generic]],
        geometry: Callable[[float], Camera],
        limit: int,
    ) -> None:
        policy = ReliabilityPolicy.RELIABLE if reliability == "reliable" else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(reliability=policy, history=HistoryPolicy.KEEP_LAST, depth=5)
        self._node, self._clock, self._frame_id = node, clock, frame_id
        self._image, self._geometry, self._limit = image, geometry, limit
        self._images = node.create_publisher(Image, image_topic, qos)
        self._infos = node.create_publisher(CameraInfo, info_topic, qos)
        self.published = self.skipped = 0
        self._start: Time | None = None
        self._due = clock.next()
        # A timer of the steady clock: cameras fire by themselves, also under simulated time.
        self._timer = node.create_timer(_FINEST, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)

    def begin(self, stamp: Time) -> None:
        """Set the time that the camera's clock counts from."""
        self._start = stamp
        self._began = self._steady.now()
        self._sleep()

    @property
    def done(self) -> bool:
        """Whether the limit is reached."""
        return 0 < self._limit <= self.published

    def _elapsed(self) -> float:
        return float((self._steady.now() - self._began).nanoseconds) * 1e-9

    def _sleep(self) -> None:
        wait = max(_FINEST, self._due - self._elapsed())
        self._timer.timer_period_ns = int(wait * 1e9)
        self._timer.reset()

    def _tick(self) -> None:
        if self._start is None or self.done:
            self._timer.cancel()
            return
        if self._elapsed() < self._due:
            self._sleep()
            return
        fired = self._due
        header = Header(frame_id=self._frame_id, stamp=(self._start + Duration(nanoseconds=int(fired * 1e9))).to_msg())
        picture = self._image(fired)
        encoding = _ENCODINGS[picture.ndim, picture.dtype.name]
        self._images.publish(image_message(picture, encoding, header))  # type: ignore[arg-type]
        self._infos.publish(_camera_info(self._geometry(fired), header))
        self.published += 1
        self.skipped += self._clock.skip_to(self._elapsed())
        self._due = self._clock.next()
        self._sleep()


class SourceNode(Node):  # type: ignore[misc]
    """Two cameras that fire by their own clocks."""

    def __init__(self) -> None:
        """Open the material and start both cameras.

        Raises:
            CamfError: If a parameter or the folder of pairs cannot be used.
        """
        super().__init__("source")
        settings = NodeParameters(self, SourceSettings).settings
        material = _material(settings)
        rate = settings.thermal_rate or settings.rate
        self._cameras = [
            _Camera(
                self,
                image_topic=topics.RGB_IMAGE,
                info_topic=topics.RGB_INFO,
                frame_id="rgb_optical_frame",
                clock=CameraClock(
                    settings.rate, offset=max(0.0, -settings.thermal_offset), jitter=settings.jitter, seed=settings.seed
                ),
                reliability=settings.reliability,
                image=material.rgb,
                geometry=material.rgb_camera,
                limit=settings.count,
            ),
            _Camera(
                self,
                image_topic=topics.THERMAL_IMAGE,
                info_topic=topics.THERMAL_INFO,
                frame_id="thermal_optical_frame",
                clock=CameraClock(
                    rate, offset=max(0.0, settings.thermal_offset), jitter=settings.jitter, seed=settings.seed + 1
                ),
                reliability=settings.reliability,
                image=material.thermal,
                geometry=material.thermal_camera,
                limit=max(1, round(settings.count * rate / settings.rate)) if settings.count else 0,
            ),
        ]
        start = self.get_clock().now()
        for camera in self._cameras:
            camera.begin(start)
        what = settings.pairs or "the embedded scene"
        self.get_logger().info(f"publishing {what}: RGB at {settings.rate:g} Hz, thermal at {rate:g} Hz")
        self._warned = 0
        self.create_timer(5.0, self._report)

    def _report(self) -> None:
        skipped = sum(camera.skipped for camera in self._cameras)
        if skipped > self._warned:
            self.get_logger().warning(f"this machine is too slow for the rate: {skipped} frames left out so far")
            self._warned = skipped


def _material(settings: SourceSettings) -> SourceMaterial:
    if settings.pairs:
        return FolderMaterial(Path(settings.pairs).expanduser(), settings.rate, settings.hold)
    return SceneMaterial(settings.seed)


def _camera_info(camera: Camera, header: Header) -> CameraInfo:
    fx, _, cx, _, fy, cy, *_ = camera.matrix
    return CameraInfo(
        header=header,
        width=camera.width,
        height=camera.height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=camera.matrix,
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def main() -> int:
    """Run the node until it is told to stop."""
    return run_node(SourceNode)
