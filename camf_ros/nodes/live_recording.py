"""Records both cameras from their live topics until there is enough to calibrate from, and says what is missing."""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.serialization import serialize_message
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from camf_ros.calibration.collection import Collection, Progress
from camf_ros.errors import CamfError
from camf_ros.imaging.camera_model import Camera, camera_of
from camf_ros.nodes.inputs import INFOS, SENSOR_INPUT, check_topics, image_topic, with_losses
from camf_ros.nodes.parameters import NodeParameters, tell_unused_overrides
from camf_ros.nodes.publishers import overridable
from camf_ros.nodes.running import ThrottledLog
from camf_ros.pairing.arrivals import StampRule
from camf_ros.settings.fusion_settings import FusionSettings

#: Called with a camera, whether it is a camera_info, its time (nanoseconds) and the encoded message.
Write = Callable[[str, bool, int, bytes], None]

# Messages that wait to be written. While more than half of it is full they are only written, not looked at.
_WAITING = 64
# Seconds: for camera_infos from the first image on, between two looks at the progress, between two lines about it.
_PATIENCE, _LOOK, _TELL = 2.0, 2.0, 6.0
# Share of the free disk that stays free.
_SPARED = 0.1


class Plan(NamedTuple):
    """What is to be recorded.

    Attributes:
        open: Opens the recording, which is complete once it is left without an error.
        disk: A folder on the disk that is written to.
        cameras: Intrinsics for cameras without camera_info, as far as known.
        pairs: So many are enough.
        seconds: It ends after so long in any case.
        size: And at this size, bytes.
    """

    open: Callable[[FusionSettings], AbstractContextManager[Write]]
    disk: Path
    cameras: Mapping[str, Camera | None]
    pairs: int
    seconds: float
    size: float


class LiveRecording(Node):  # type: ignore[misc]
    """Subscribes to both cameras as the fusion node does, with its parameters.

    The executor's thread puts messages into a queue, another one writes them and looks at them.

    Attributes:
        plan: Set before a node is made.
        settings: Of the fusion node.
        progress: What there was at the last look; None before the first.
        skipped: Images that were recorded and, for want of time, not looked at.
    """

    plan: ClassVar[Plan]

    def __init__(self) -> None:
        """Begin; raises CamfError if a parameter cannot be used or the recording not be written."""
        super().__init__("calibrate_live")
        self.settings = NodeParameters(self, FusionSettings).settings
        check_topics(self, self.settings)
        self.progress: Progress | None = None
        self.skipped = 0
        self._log, self._done = ThrottledLog(self), Future()
        # Why it ends, and what went wrong.
        self._enough = ""
        self._problem: Exception | None = None
        self._size = 0
        self._limit = min(self.plan.size, (1 - _SPARED) * shutil.disk_usage(self.plan.disk).free)
        self._cameras = dict(self.plan.cameras)
        self._stamps = StampRule(self.settings.pairing, self.get_logger().warning)
        self._collection: Collection | None = None
        self._began = self._looked = self._told = time.monotonic()
        self._queue: queue.Queue[tuple[str, int, Any] | None] = queue.Queue(_WAITING)
        recording = self.plan.open(self.settings)
        self._thread = threading.Thread(target=self._run, args=(recording,), name="recording", daemon=True)
        self._thread.start()
        transports = self.settings.input_transport
        for camera, transport in (("thermal", transports.thermal), ("rgb", transports.rgb)):
            kinds = {image_topic(self, camera, transport): Image if transport == "raw" else CompressedImage}
            kinds[INFOS[camera]] = CameraInfo
            for topic, kind in kinds.items():
                arrived, options = partial(self._arrived, camera), overridable(SENSOR_INPUT)
                subscribe = partial(self.create_subscription, kind, topic, arrived, **options)
                with_losses(subscribe, partial(self._lost, camera))
        tell_unused_overrides(self)
        self.create_timer(0.2, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info("recording: move the cameras past things that are near and far, and turn them")

    def record(self) -> int:
        """Spin until there is enough, no more is allowed, or the process is told to end; then close the recording.

        Raises:
            CamfError: If it could not be written.
        """
        with suppress(ExternalShutdownException):
            rclpy.spin_until_future_complete(self, self._done)
        self._close()
        if self._problem is not None:
            raise self._problem
        return 0

    def destroy_node(self) -> None:
        """Close the recording, then go."""
        self._close()
        super().destroy_node()

    def _close(self) -> None:
        thread = getattr(self, "_thread", None)
        if thread is not None and thread.is_alive():
            self._queue.put(None)
            thread.join()

    def _arrived(self, camera: str, message: Any) -> None:
        # While the queue is full, messages wait in the middleware, or are lost there.
        self._queue.put((camera, int(self.get_clock().now().nanoseconds), message))

    def _lost(self, camera: str, event: Any) -> None:
        text = f"{event.total_count} messages of the {camera} camera were lost: the disk or this machine is slow"
        self._log.error(f"lost {camera}", text)

    def _watch(self) -> None:
        if time.monotonic() - self._began > self.plan.seconds:
            self._enough = self._enough or f"{self.plan.seconds:g} s are over"
        if self._enough and not self._done.done():
            self.get_logger().info(f"{self._enough}: the recording ends")
            self._done.set_result(None)

    # In the writing thread.

    def _run(self, recording: AbstractContextManager[Write]) -> None:
        try:
            with recording as write:
                while (item := self._queue.get()) is not None:
                    camera, arrived, message = item
                    data, stamp = serialize_message(message), self._stamp(camera, arrived, message)
                    # By its stamp: a busy executor takes the messages of several topics in another order.
                    write(camera, isinstance(message, CameraInfo), arrived if stamp is None else stamp, data)
                    self._size += len(data)
                    self._look(camera, stamp, message)
            if self._collection is not None:
                self.progress = self._collection.progress()
        except Exception as error:  # such as a disk that is full: told by record()
            self._problem, self._enough = error, "nothing more can be written"
            while self._queue.get() is not None:  # who ends this waits for a place in it
                pass

    def _stamp(self, camera: str, arrived: int, message: Any) -> int | None:
        """The time to pair a message by, nanoseconds; None if it has none."""
        try:
            return self._stamps.time(camera, message.header.stamp, lambda: arrived)
        except CamfError as error:
            self._complain(camera, error)
            return None

    def _look(self, camera: str, stamp: int | None, message: Any) -> None:
        """What a message adds to the collection, and whether that is enough."""
        if self._size >= self._limit:
            self._enough = f"{self._size / 1e6:.0f} MB are recorded, and no more are allowed"
        if isinstance(message, CameraInfo):
            self._cameras[camera] = camera_of(message) or self._cameras[camera]
            return
        now = time.monotonic()
        if self._collection is None:
            if not all(self._cameras.values()) and now - self._began < _PATIENCE:
                return  # camera_info may follow
            self._collection = Collection(self.settings, self._cameras, self.plan.pairs)
        if self._queue.qsize() > _WAITING / 2:
            self.skipped += 1
        elif stamp is not None:
            try:
                self._collection.add(camera, stamp, message)
            except CamfError as error:
                self._complain(camera, error)
        if now - self._looked > _LOOK:
            self._looked = now
            self.progress = self._collection.progress()
            if not self.progress.missing:
                self._enough = self._enough or "there is enough"
            if now - self._told > _TELL:
                self._told = now
                self._tell(said(self.progress, self.plan.pairs))

    def _complain(self, camera: str, error: CamfError) -> None:
        if self.context.ok():
            self._log.error(f"{error.reason} {camera}", str(error))

    def _tell(self, text: str) -> None:
        """Log something, unless the process was told to end."""
        if self.context.ok():
            self.get_logger().info(text)


def said(progress: Progress, wanted: int) -> str:
    """How far it is, in a line."""
    offset = "unknown" if progress.offset.error == float("inf") else f"{1e3 * progress.offset.seconds:.1f} ms"
    missing = f"; missing: {'; '.join(progress.missing)}" if progress.missing else ""
    return f"{progress.pairs} of {wanted} pairs, {progress.depths} views with depth, time offset {offset}{missing}"
