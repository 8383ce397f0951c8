"""One pair's life, from two camera messages to what is published: start reading here.

Decode, thermal levels, registration, engine, colour, result messages. No ROS is needed: messages are any objects with
the fields of sensor_msgs. The fusion node and ``camf bag`` are thin adapters around :meth:`Fusion.process`, so both
give the same pictures. What is done with arrays is in :mod:`camf_ros.pipeline`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.detector_picture import DetectorFrame
from camf_ros.engines.choose import ChosenEngine
from camf_ros.errors import blamed
from camf_ros.fused_frame import FusedFrame, PassedFrame
from camf_ros.imaging.camera_messages import Image, ImageConversion
from camf_ros.imaging.camera_model import (
    LAST_STAMPS,
    Extrinsics,
    InfoHistory,
    alike,
    camera_of,
    check_frames,
    fused_info,
    picture_size,
    wrong_with,
)
from camf_ros.imaging.depth_images import DepthImages
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.warp import Rig, Size
from camf_ros.outputs import CHANNEL_WEIGHTS, DETECTOR, FUSED, HEADER, TIME, Outputs, Work
from camf_ros.pairing.arrivals import nanoseconds
from camf_ros.pairing.synchronizer import CAMERAS, OTHER, ImagePair, LoneFrame
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.registration_settings import RegistrationSettings
from camf_ros.thermal_results import ThermalRecord, ThermalResults

#: Of a thermal and an RGB frame: the newest pose of the first in the second, None while there is none.
Transforms = Callable[[str, str], Extrinsics | None]


class FusedPair(NamedTuple):
    """A fused pair: what was made of it, and of what.

    Attributes:
        thermal, rgb: As they came, (h, w), and (H, W, 3) or (H, W).
        frame, detector: Its pictures; None for one that was not wanted.
        rig: What was known about the cameras.
        header: Of its pictures.
        model, model_hash: Name or path of the model that made it, and its hash.
        record: For its other thermal results.
    """

    thermal: Image
    rgb: NDArray[np.uint8]
    frame: FusedFrame | None
    detector: DetectorFrame | None
    rig: Rig
    header: Any
    model: str
    model_hash: str
    record: ThermalRecord

    @property
    def made(self) -> FusedFrame | DetectorFrame:
        """One of its pictures; all have the same size and geometry."""
        made = self.frame or self.detector
        assert made is not None
        return made


class Running(NamedTuple):
    """What fuses: the engine, and name or path of its model.

    ``processing``: (height, width) at which it works where the settings name no size; None: that of the fused image.
    """

    chosen: ChosenEngine
    model: str
    processing: Size | None = None


class Cameras:
    """What is known about the cameras themselves: ``infos``, their camera_info, ``depth``, and how they stand.

    ``stamps`` are those of their last camera_info, nanoseconds; ``problems``: why a camera's last one cannot be used.

    ``extrinsics`` is where poses come from; None where nobody listens to transforms.
    """

    def __init__(self, settings: RegistrationSettings) -> None:
        self.infos, self.depth = {camera: InfoHistory() for camera in CAMERAS}, DepthImages()
        self.stamps: dict[str, deque[int]] = {camera: deque(maxlen=LAST_STAMPS) for camera in CAMERAS}
        self.problems: dict[str, str] = {}
        self.extrinsics: Transforms | None = None
        self._last: Extrinsics | None = None
        Cameras.configure(self, settings)  # not that of a subclass, which is not ready yet

    def take(self, camera: str, info: Any) -> None:
        """Take a camera's camera_info, if it makes sense."""
        self.stamps[camera].append(nanoseconds(info.header.stamp))
        if problem := wrong_with(info):
            self.problems[camera] = f"{camera} camera_info is neither used nor passed on: {problem}"
            return
        self.problems.pop(camera, None)
        self.infos[camera].keep(info)

    def configure(self, settings: RegistrationSettings) -> None:
        """Use other settings from the next frame on; from any thread."""
        # None: nothing of the cameras is looked at.
        self._settings = settings if settings.calibrated else None

    def rig(self, thermal_stamp: Any, rgb_stamp: Any) -> Rig:
        """What is known at these stamps (None: at last); raises RegistrationError if that makes no sense."""
        settings = self._settings
        if settings is None:
            return Rig()
        thermal, rgb = self.infos["thermal"].of(thermal_stamp), self.infos["rgb"].of(rgb_stamp)
        extrinsics = None
        if settings.extrinsics == "tf" and self.extrinsics is not None and thermal is not None and rgb is not None:
            extrinsics = self._pose(self.extrinsics, thermal.header.frame_id, rgb.header.frame_id)
        pair = thermal_stamp is not None and rgb_stamp is not None
        depth = self.depth.of(rgb_stamp, settings.depth_slop) if pair and settings.mode == "depth" else None
        return Rig(camera_of(thermal), camera_of(rgb), extrinsics, depth)

    def _pose(self, listen: Transforms, thermal: str, rgb: str) -> Extrinsics | None:
        check_frames(thermal, rgb)
        found = listen(thermal, rgb)
        if found is None:
            return None
        # The same object again where nothing moved: what was computed from it stays.
        if self._last is None or not alike(self._last, found):
            self._last = found
        return self._last


class Fusion:
    """A model at work. One thread calls :meth:`process`; what says so may be called from any.

    Attributes:
        pipeline: Does the work on arrays.
        watched: Called with the camera, each frame as it came and its time in seconds; None if nobody wants to know.
        last: The last fused pair; None before the first.
        problem: Why something else that is wanted cannot be had; empty if nothing is missing.
    """

    def __init__(
        self,
        settings: FusionSettings,
        running: Running,
        registration: PlannedRegistration,
        outputs: Outputs,
        *,
        cameras: Cameras,
        conversion: ImageConversion,
        tell: Callable[[str], None],
        timed: bool = True,
    ) -> None:
        """Put the parts together; ``tell`` is that of :class:`camf_ros.pipeline.FusionPipeline`.

        ``timed``: whether channel weights have latency and inference time, which a recording does not have.
        """
        self.registration, self.cameras, self.conversion = registration, cameras, conversion
        self.pipeline = FusionPipeline(running.chosen.engine, settings, registration, tell=tell)
        self.pipeline.use(running.chosen.engine, running.processing)
        self.watched: Callable[[str, NDArray[Any], float], None] | None = None
        self.last: FusedPair | None = None
        self.problem = ""
        self._outputs, self._timed, self._others = outputs, timed, ThermalResults(outputs, self.pipeline, tell)
        self._running = running
        self._next: Running | None = None
        self._lock = threading.Lock()
        # Of the last frame of each camera: its frame_id, and the (height, width) of its picture.
        self._seen: dict[str, tuple[str, Size]] = {}
        # Cameras whose camera_info cannot be used, which has been said.
        self._complained: set[str] = set()

    @property
    def running(self) -> Running:
        """What runs, or will from the next frame on; from any thread."""
        with self._lock:
            return self._next or self._running

    def use(self, running: Running) -> None:
        """Have another engine take over between two frames; from any thread."""
        with self._lock:
            self._next = running

    def take_over(self) -> bool:
        """Let an engine that waits take over; whether one did."""
        with self._lock:
            replacement, self._next = self._next, None
            if replacement is None:
                return False
            self._running = replacement
            self.pipeline.use(replacement.chosen.engine, replacement.processing)
            return True

    def process(self, item: ImagePair | LoneFrame) -> None:
        """Make and hand out the results of a pair or of a frame that is alone.

        Raises:
            CamfError: If there can be none.
        """
        if isinstance(item, LoneFrame):
            self._pass_through(item)
        else:
            self._fuse(item)

    def _fuse(self, pair: ImagePair) -> None:
        began, pipeline = time.monotonic(), _Stopwatch()
        thermal, thermal_picture = self._decoded("thermal", pair.thermal, pair.time)
        rgb, rgb_picture = self._decoded("rgb", pair.rgb, pair.time - pair.skew)
        with blamed(self.pipeline.guest):
            rig = self.cameras.rig(pair.thermal.header.stamp, pair.rgb.header.stamp)
        # A pair of which one of these cannot be made counts as rejected, also where the other one went out.
        wanted = self._outputs.wanted
        if self.pipeline.keep_amounts:  # for an explanation of the fused image
            wanted = wanted._replace(eyes=True)
        with pipeline:
            prepared = self.pipeline.prepare(thermal_picture, rgb_picture, pair.time, rig, checked=True)
        header = (pair.thermal if prepared.settings.reference == "thermal" else pair.rgb).header
        frame: FusedFrame | None = None
        detector: DetectorFrame | None = None
        latency = inference = 0.0
        if wanted.eyes:
            with pipeline:
                frame = self.pipeline.for_eyes(prepared)
            # Before the other picture is made: it does not wait for that.
            self._outputs.picture(FUSED, frame.image, header)
            latency, inference = self._publish_rest(pair, frame, header), frame.inference_time
        if wanted.detector:
            with pipeline:
                detector = self.pipeline.for_detector(prepared)
            self._outputs.picture(DETECTOR, detector.image, header)
            # With a fused image, that one has brought what belongs to both.
            latency = self._latency(pair) if frame else self._publish_rest(pair, detector, header)
            inference += detector.inference_time
        self.problem = ""
        if others := wanted.others:
            own = pair.thermal.header
            self.problem = self._others.of_pair(others, thermal_picture, own, prepared.aligned, header)
        engine = self._running.chosen.engine
        state, registration = self.pipeline.thermal_state, self.registration.another()
        record = ThermalRecord(thermal_picture, rgb_picture, state, prepared.settings, registration, rig)
        self.last = FusedPair(
            thermal, rgb, frame, detector, rig, header, self._running.model, engine.model_hash, record
        )
        self._outputs.fused(Work(wanted, latency, inference, time.monotonic() - began, pipeline.seconds))

    def _publish_rest(self, pair: ImagePair, frame: FusedFrame | DetectorFrame, header: Any) -> float:
        """Hand out what belongs to a picture of a pair; returns its latency, seconds."""
        self._publish_info(frame, header)
        latency = self._latency(pair)
        self._publish_weights(
            header,
            frame if isinstance(frame, FusedFrame) else None,
            sources=self._outputs.constant(CHANNEL_WEIGHTS, "SOURCE_BOTH"),
            thermal_stamp=pair.thermal.header.stamp,
            rgb_stamp=pair.rgb.header.stamp,
            skew=pair.skew,
            latency=latency,
            inference_time=frame.inference_time if self._timed else 0.0,
        )
        return latency

    def _pass_through(self, lone: LoneFrame) -> None:
        camera, stamp, wanted = lone.camera, lone.message.header.stamp, self._outputs.wanted
        with blamed(camera):
            image, picture = self._decoded(camera, lone.message, lone.time)
            rig = self.cameras.rig(stamp, None) if camera == "thermal" else self.cameras.rig(None, stamp)
            detector = wanted.detector
            frame = self.pipeline.pass_through(camera, picture, lone.time, rig, for_detector=detector, checked=True)
        # In the other camera's geometry it is the other camera's frame, at its own time.
        header = self._outputs.make(HEADER, stamp=stamp, frame_id=self._seen[frame.reference][0])
        if wanted.eyes:
            self._outputs.picture(FUSED, frame.image, header)
        if frame.detector_image is not None:
            self._outputs.picture(DETECTOR, frame.detector_image, header)
        self._publish_info(frame, header)
        latency = self._latency(lone)
        self.problem = ""
        if others := wanted.others:
            self.problem = self._others.of_one(others, lone, picture, frame, header)
        never = self._outputs.make(TIME, sec=0, nanosec=0)
        self._publish_weights(
            header,
            None,
            sources=self._outputs.constant(CHANNEL_WEIGHTS, f"SOURCE_{camera.upper()}"),
            thermal_stamp=stamp if camera == "thermal" else never,
            rgb_stamp=stamp if camera == "rgb" else never,
            skew=0.0,
            latency=latency,
            inference_time=0.0,
        )
        self._outputs.passed(camera, latency)
        if lone.suspect is not None:
            self._try(lone, image)

    def _try(self, lone: LoneFrame, image: NDArray[Any]) -> None:
        """Whether the other camera's frames could be used again; raises CamfError if not."""
        other = OTHER[lone.camera]
        stamps = {lone.camera: lone.message.header.stamp, other: lone.suspect.header.stamp}
        with blamed(other):
            rig = self.cameras.rig(stamps["thermal"], stamps["rgb"])
            images = {lone.camera: image, other: self._array(other, lone.suspect)}
            self.pipeline.check(images["thermal"], images["rgb"], rig)

    def _decoded(self, camera: str, message: Any, stamp: float) -> tuple[Any, Any]:
        """A camera's frame as it came, and what of it is its picture."""
        with blamed(camera):
            image = self._array(camera, message)
            picture = self.pipeline.checked(camera, image)
        self._seen[camera] = message.header.frame_id, (picture.shape[0], picture.shape[1])
        if (watched := self.watched) is not None:
            watched(camera, image, stamp)
        return image, picture

    def _array(self, camera: str, message: Any) -> Any:
        convert = self.conversion.thermal if camera == "thermal" else self.conversion.rgb
        return convert(message, self.pipeline.budget)

    def _publish_info(self, frame: FusedFrame | DetectorFrame | PassedFrame, header: Any) -> None:
        for camera in CAMERAS:
            problem = self.cameras.problems.get(camera, "")
            if problem and camera not in self._complained:
                self._outputs.complain(f"camera_info {camera}", problem)
            (self._complained.add if problem else self._complained.discard)(camera)
        info, size = self.cameras.infos[frame.reference].of(header.stamp), self._seen[frame.reference][1]
        if info is None:
            return
        if picture_size(info) == size:
            own = frame.image.shape[0], frame.image.shape[1]
            self._outputs.camera_info(fused_info(info, header, own, undistorted=frame.undistorted))
        else:
            self._outputs.complain(
                "camera_info",
                f"{frame.reference} camera_info is for {info.width} x {info.height} and the image has "
                f"{size[1]} x {size[0]}: not passed on",
            )

    def _publish_weights(self, header: Any, frame: FusedFrame | None, **fields: Any) -> None:
        """All fields of the channel weights; what describes a fused frame is empty, and its gain 0, without one."""
        engine, nothing = self._running.chosen.engine, np.empty(0, np.float32)
        self._outputs.weights(
            self._outputs.make(
                CHANNEL_WEIGHTS,
                header=header,
                model_name=engine.model_name,
                model_hash=engine.model_hash,
                gain=frame.gain if frame else 0.0,
                infrared_weight=frame.weights[0] if frame else nothing,
                visible_weight=frame.weights[1] if frame else nothing,
                infrared_activation=frame.infrared_activation if frame else nothing,
                visible_activation=frame.visible_activation if frame else nothing,
                infrared_share=frame.infrared_share if frame else nothing,
                **fields,
            )
        )

    def _latency(self, item: ImagePair | LoneFrame) -> float:
        return time.monotonic() - item.arrived if self._timed else 0.0


class _Stopwatch:
    """Adds up the time within it, seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._began
