"""The source node: plays a thermal and an RGB camera, from the simulated scene or from a folder of pairs."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from camf_ros.errors import ParameterError
from camf_ros.imaging.camera_messages import Image as Picture
from camf_ros.imaging.camera_model import Camera
from camf_ros.imaging.pairs import find_pairs
from camf_ros.imaging.picture_files import read_picture, rgb_of, thermal_of
from camf_ros.nodes import topics
from camf_ros.nodes.parameters import NodeParameters, tell_unused_overrides
from camf_ros.nodes.publishers import image_message
from camf_ros.nodes.running import run_node
from camf_ros.settings.demo_settings import SourceSettings

_ENCODINGS = {(2, "uint8"): "mono8", (2, "uint16"): "mono16", (3, "uint8"): "rgb8", (2, "float32"): "32FC1"}
# How long before its time a timer is asked to wake: finer than any camera's jitter.
_FINEST = 1e-4
# Focal length of a picture of unknown origin, in picture widths: about 53 degrees across.
_FOCAL_LENGTH = 1.0


class CameraClock:
    """Firing times of one camera: a regular beat with a phase and jitter, as free-running cameras have it."""

    def __init__(self, rate: float, *, offset: float, jitter: float, seed: int) -> None:
        """Set ``rate`` in Hz, ``offset`` of the first frame and standard deviation ``jitter`` in seconds."""
        self._period = 1 / rate
        self._offset = offset
        self._jitter = min(jitter, self._period / 6)
        self._random = random.Random(seed)
        self._index = 0

    def next(self) -> float:
        """Time of the next frame, seconds; strictly later than the one before."""
        deviation = self._random.gauss(0, self._jitter) if self._jitter else 0.0
        # Two sigmas: later frames stay later.
        deviation = max(-2 * self._jitter, min(2 * self._jitter, deviation))
        time = self._offset + self._index * self._period + deviation
        self._index += 1
        return time

    def skip_to(self, time: float) -> int:
        """Leave out frames that would have been before ``time``, as a camera does whose driver is too slow.

        Returns:
            How many were left out.
        """
        wanted = max(self._index, int((time - self._offset) / self._period))
        skipped, self._index = wanted - self._index, wanted
        return skipped


class _Material(Protocol):
    """Frames of two cameras as functions of time, seconds from the start."""

    def thermal(self, t: float) -> Picture:
        """Thermal frame, (h, w), uint8 grey or uint16 counts."""
        ...

    def rgb(self, t: float) -> NDArray[np.uint8]:
        """RGB frame, (H, W, 3) red, green, blue, or (H, W) grey."""
        ...

    @property
    def depth(self) -> Callable[[float], NDArray[np.float32]] | None:
        """Depth of the RGB frame, (H, W) metres, where it is known."""
        ...

    def thermal_camera(self, t: float) -> Camera:
        """Geometry of the thermal frame."""
        ...

    def rgb_camera(self, t: float) -> Camera:
        """Geometry of the RGB frame."""
        ...


class SceneMaterial:
    """The simulated scenes."""

    def __init__(self, seed: int, rig: str = "bench") -> None:
        """Prepare one, ``bench`` or ``drive``.

        Raises:
            ParameterError: If the package was built without the scene.
        """
        try:
            from camf_scene import NightStreet, StreetDrive, drive  # noqa: PLC0415 (a build may leave it out)
        except ImportError as error:
            raise ParameterError(
                f"pairs is '', which means the simulated scene, and that is not installed ({error})",
                expected="a folder of pairs",
                remedy="set pairs, or build with -DCAMF_SCENE=ON",
            ) from error
        # Whole pictures in time for a live camera: one ray to a pixel.
        self._scene = NightStreet(seed) if rig == "bench" else StreetDrive(seed, oversampling=1)
        self._delay = 0.0 if rig == "bench" else drive.DELAY
        self._rgb_camera, self._thermal_camera = (
            _geometry(camera.width, camera.height, (camera.fx, camera.fy), (camera.cx, camera.cy))
            for camera in (self._scene.rgb_camera, self._scene.thermal_camera)
        )

    def thermal(self, t: float) -> Picture:
        """See :class:`_Material`."""
        return self._scene.thermal(t - self._delay)

    def rgb(self, t: float) -> NDArray[np.uint8]:
        """See :class:`_Material`."""
        return self._scene.rgb(t)

    @property
    def depth(self) -> Callable[[float], NDArray[np.float32]] | None:
        """Depth of the RGB frame in metres as a function of time, where the scene has one."""
        return getattr(self._scene, "depth", None)

    def thermal_camera(self, t: float) -> Camera:  # noqa: ARG002 (the camera does not change)
        """See :class:`_Material`."""
        return self._thermal_camera

    def rgb_camera(self, t: float) -> Camera:  # noqa: ARG002
        """See :class:`_Material`."""
        return self._rgb_camera


class FolderMaterial:
    """Pairs of a folder, one after another, over and over."""

    depth = None

    def __init__(self, folder: Path, rate: float, hold: float) -> None:
        """Find the pairs of subfolders ``infrared`` and ``visible``; each is shown ``hold`` seconds, or a frame.

        Raises:
            DataError: If there are no pairs, or a picture has no counterpart.
        """
        self._pairs = find_pairs(folder)
        self._rate = rate
        self._frames_per_pair = max(1, round(hold * rate))
        self._cached: dict[Path, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def thermal(self, t: float) -> Picture:
        """See :class:`_Material`; 16-bit pictures stay 16-bit."""
        path = self._pair(t)[0]
        return thermal_of(self._load(path), path.name)

    def rgb(self, t: float) -> NDArray[np.uint8]:
        """See :class:`_Material`."""
        path = self._pair(t)[1]
        return rgb_of(self._load(path), path.name)

    def thermal_camera(self, t: float) -> Camera:
        """See :class:`_Material`; a nominal geometry, since pictures do not bring one."""
        return _nominal(self.thermal(t))

    def rgb_camera(self, t: float) -> Camera:
        """See :class:`_Material`; a nominal geometry."""
        return _nominal(self.rgb(t))

    def _pair(self, t: float) -> tuple[Path, Path]:
        # By the number of the frame, not by the time: two frames that fire almost together show one pair, always.
        return self._pairs[round(t * self._rate) // self._frames_per_pair % len(self._pairs)]

    def _load(self, path: Path) -> NDArray[Any]:
        if path not in self._cached:
            # The pair that is shown and the one before it: two cameras do not change over at the same moment.
            while len(self._cached) >= 4:
                del self._cached[next(iter(self._cached))]
            self._cached[path] = read_picture(path)
        return self._cached[path]


def _nominal(image: NDArray[np.generic]) -> Camera:
    height, width = image.shape[:2]
    focal = _FOCAL_LENGTH * width
    return _geometry(width, height, (focal, focal), ((width - 1) / 2, (height - 1) / 2))


def _geometry(width: int, height: int, focal: tuple[float, float], centre: tuple[float, float]) -> Camera:
    return Camera(width, height, (focal[0], 0.0, centre[0], 0.0, focal[1], centre[1], 0.0, 0.0, 1.0))


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
        depth: Callable[[float], NDArray[np.float32]] | None = None,
    ) -> None:
        policy = ReliabilityPolicy.RELIABLE if reliability == "reliable" else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(reliability=policy, history=HistoryPolicy.KEEP_LAST, depth=5)
        self._node, self._clock, self._frame_id = node, clock, frame_id
        self._image, self._geometry, self._limit = image, geometry, limit
        self._images = node.create_publisher(Image, image_topic, qos)
        self._infos = node.create_publisher(CameraInfo, info_topic, qos)
        self._depth = depth
        if depth is not None:
            self._depths = node.create_publisher(Image, topics.DEPTH_IMAGE, qos)
            self._depth_infos = node.create_publisher(CameraInfo, topics.DEPTH_INFO, qos)
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
        info = _camera_info(self._geometry(fired), header)
        # Depth first: who gets the picture has its depth already.
        if self._depth is not None and self._depths.get_subscription_count():
            self._depths.publish(_message(self._depth(fired), header))
            self._depth_infos.publish(info)
        self._images.publish(_message(self._image(fired), header))
        self._infos.publish(info)
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
                depth=material.depth,
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
        tell_unused_overrides(self)
        start = self.get_clock().now()
        for camera in self._cameras:
            camera.begin(start)
        what = settings.pairs or "the simulated scene"
        self.get_logger().info(f"publishing {what}: RGB at {settings.rate:g} Hz, thermal at {rate:g} Hz")
        self._warned = 0
        self.create_timer(5.0, self._report)

    def _report(self) -> None:
        skipped = sum(camera.skipped for camera in self._cameras)
        if skipped > self._warned:
            self.get_logger().warning(f"this machine is too slow for the rate: {skipped} frames left out so far")
            self._warned = skipped


def _material(settings: SourceSettings) -> _Material:
    if settings.pairs:
        return FolderMaterial(Path(settings.pairs).expanduser(), settings.rate, settings.hold)
    return SceneMaterial(settings.seed, settings.rig)


def _message(picture: NDArray[np.generic], header: Header) -> Image:
    return image_message(picture, _ENCODINGS[picture.ndim, picture.dtype.name], header)


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


def main() -> NoReturn:
    """Run the node until it is told to stop."""
    run_node("source_node", SourceNode, SourceSettings)
