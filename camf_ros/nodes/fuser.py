"""What the worker's thread does with a pair or a lone frame: decode, fuse, publish, count."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from camf_ros.detector_picture import DetectorFrame, Wanted
from camf_ros.engines.choose import ChosenEngine
from camf_ros.engines.engine import DeviceMemory, Engine, device_memory, engine_warnings
from camf_ros.errors import blamed
from camf_ros.fused_frame import FusedFrame
from camf_ros.imaging.memory_budget import MemoryBudget
from camf_ros.imaging.raw_image import Image as ImageArray
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.thermal.front_end import ThermalState
from camf_ros.imaging.warp import Rig, Size
from camf_ros.nodes import topics
from camf_ros.nodes.allocator import trim
from camf_ros.nodes.cameras import Cameras
from camf_ros.nodes.image_conversion import ImageConversion
from camf_ros.nodes.outputs import Outputs, header_of
from camf_ros.nodes.pairing import ImagePair, LoneFrame
from camf_ros.nodes.statistics import Statistics
from camf_ros.pairing.stream import OTHER
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings

# Seconds between two looks at the memory of an accelerator, which its driver may take a while to tell: in the worker's
# thread, because nothing may hold up the executor's.
_LOOK = 1.0


class FusedPair(NamedTuple):
    """A fused pair: what was made of it, and of what.

    Attributes:
        thermal: As it came, (h, w).
        rgb: As it came, (H, W, 3) or (H, W).
        frame: The fused frame; None where the detector image alone had subscribers.
        detector: The detector image; None where it had none.
        rig: What was known about the cameras.
        header: Of its pictures.
        model: Name or path of the model that made it.
        model_hash: Of that model.
    """

    thermal: ImageArray
    rgb: NDArray[np.uint8]
    frame: FusedFrame | None
    detector: DetectorFrame | None
    rig: Rig
    header: Header
    model: str
    model_hash: str

    @property
    def made(self) -> FusedFrame | DetectorFrame:
        """One of its pictures; all have the same size and geometry."""
        made = self.frame or self.detector
        assert made is not None
        return made


class Running(NamedTuple):
    """What fuses.

    Attributes:
        chosen: The engine.
        model: Name or path of its model.
        processing: (height, width) at which it works where the settings name no size; None: that of the fused image.
    """

    chosen: ChosenEngine
    model: str
    processing: Size | None = None


class Fuser:
    """A model at work. One thread calls :meth:`process`; the rest may be called from any.

    Attributes:
        conversion: How messages become arrays.
        registration: How pictures get into one geometry; for the worker's thread alone, but for what says otherwise.
        watched: Called with the camera, each frame as it came and its time in seconds, in the worker's thread; None if
            nobody wants to know.
        last: The last fused pair; None before the first.
        device_memory: Memory of the engine's accelerator not long ago; None where it has none that tells.
    """

    def __init__(
        self,
        settings: FusionSettings,
        running: Running,
        *,
        conversion: ImageConversion,
        registration: PlannedRegistration,
        outputs: Outputs,
        cameras: Cameras,
        statistics: Statistics,
        tell: Callable[[str], None],
    ) -> None:
        """Put the parts together.

        Args:
            settings: Of the node.
            running: The model, ready to run.
            conversion: How messages become arrays.
            registration: Keeps its maps.
            outputs: Where results go.
            cameras: What is known about the cameras.
            statistics: Where results are counted.
            tell: See :class:`camf_ros.pipeline.FusionPipeline`.
        """
        self.conversion, self.registration = conversion, registration
        self._outputs, self._cameras, self._statistics = outputs, cameras, statistics
        self._pipeline = FusionPipeline(running.chosen.engine, settings, registration, tell=tell)
        self._pipeline.use(running.chosen.engine, running.processing)
        self._running = running
        self._next: Running | None = None
        self._lock = threading.Lock()
        self.watched: Callable[[str, NDArray[Any], float], None] | None = None
        self.last: FusedPair | None = None
        self._wanted: Wanted | None = None
        self.device_memory: DeviceMemory | None = None
        self._looked = 0.0

    @property
    def running(self) -> Running:
        """What runs, or will from the next frame on."""
        with self._lock:
            return self._next or self._running

    @property
    def chosen(self) -> ChosenEngine:
        """Its engine."""
        return self.running.chosen

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not as it should be."""
        chosen, state = self.chosen, self.thermal_state
        return (*chosen.warnings, *engine_warnings(chosen.engine), *(state.warnings if state else ()))

    @property
    def budget(self) -> MemoryBudget:
        """Memory that a pair may need."""
        return self._pipeline.budget

    @property
    def thermal_state(self) -> ThermalState | None:
        """What the thermal front end found in its last frame."""
        return self._pipeline.thermal_state

    @property
    def pictures(self) -> Mapping[str, NDArray[np.uint8]]:
        """The newest 8-bit picture of each camera, before registration."""
        return self._pipeline.pictures

    def keep_amounts(self, wanted: bool) -> None:
        """Whether frames carry their amounts from the next one on, for an explanation; pictures stay the same."""
        self._pipeline.keep_amounts = wanted

    def configure(self, settings: FusionSettings) -> None:
        """Use other settings from the next frame on.

        Raises:
            ParameterError: If they cannot be used; then everything stays as it is.
        """
        self._cameras.configure(settings.registration)
        self._pipeline.configure(settings)
        self._outputs.configure(settings.compressed)

    def use(self, running: Running) -> None:
        """Take another engine, between two frames."""
        with self._lock:
            self._next = running

    def warm_up(self, engine: Engine, processing: Size | None = None) -> None:
        """Have another engine prepare for pictures like the last ones; it must not be in use yet."""
        self._pipeline.warm_up(engine, processing)

    def process(self, item: ImagePair | LoneFrame) -> None:
        """Make and publish one result.

        Raises:
            CamfError: If there can be none.
        """
        with self._lock:
            replacement, self._next = self._next, None
            if replacement is not None:
                self._running = replacement
                self._pipeline.use(replacement.chosen.engine, replacement.processing)
        if replacement is not None:
            self._statistics.forget_work()
            trim()
        if time.monotonic() - self._looked >= _LOOK:
            self._looked = time.monotonic()
            self.device_memory = device_memory(self._running.chosen.engine)
        if isinstance(item, LoneFrame):
            self._pass_through(item)
        else:
            self._fuse(item)

    def _fuse(self, pair: ImagePair) -> None:
        began, engine = time.monotonic(), self._running.chosen.engine
        thermal, rgb = self._thermal(pair.thermal, pair.time), self._rgb(pair.rgb, pair.time - pair.skew)
        with blamed(self._pipeline.guest):
            rig = self._cameras.rig(pair.thermal.header.stamp, pair.rgb.header.stamp)
        # A pair of which one of these cannot be made counts as rejected, also where the other one went out.
        wanted = self._look()
        frame: FusedFrame | None = None
        detector: DetectorFrame | None = None
        latency, inference, pipeline = 0.0, 0.0, _Stopwatch()
        with pipeline:
            prepared = self._pipeline.prepare(thermal, rgb, pair.time, rig)
        if wanted.eyes:
            with pipeline:
                frame = self._pipeline.for_eyes(prepared)
            # Before the other picture is made: it does not wait for that.
            latency = self._outputs.fused(pair, frame, engine)
            inference += frame.inference_time
        if wanted.detector:
            with pipeline:
                detector = self._pipeline.for_detector(prepared)
            latency = self._outputs.detector(pair, detector, engine, alone=frame is None)
            inference += detector.inference_time
        header = header_of(pair, prepared.settings.reference)
        self.last = FusedPair(thermal, rgb, frame, detector, rig, header, self._running.model, engine.model_hash)
        self._statistics.fused(latency, inference)
        self._statistics.worked(time.monotonic() - began, pipeline.seconds)

    def _look(self) -> Wanted:
        """What is to be made of the next pair."""
        wanted = self._outputs.wanted
        if self._pipeline.keep_amounts:  # for an explanation of the fused image
            wanted = wanted._replace(eyes=True)
        if wanted != self._wanted:
            # A frame takes another time from now on.
            self._statistics.forget_work()
        self._wanted = wanted
        return wanted

    def _pass_through(self, lone: LoneFrame) -> None:
        stamp = lone.message.header.stamp
        detector = self._outputs.wanted.detector
        with blamed(lone.camera):
            if lone.camera == topics.THERMAL:
                image, rig = self._thermal(lone.message, lone.time), self._cameras.rig(stamp, None)
            else:
                image, rig = self._rgb(lone.message, lone.time), self._cameras.rig(None, stamp)
            frame = self._pipeline.pass_through(lone.camera, image, lone.time, rig, for_detector=detector)
        self._statistics.passed(lone.camera, self._outputs.passed(lone, frame, self._running.chosen.engine))
        if lone.suspect is not None:
            self._try(lone, image)

    def _try(self, lone: LoneFrame, image: NDArray[Any]) -> None:
        """Whether the other camera's frames could be used again; raises CamfError if not."""
        suspect, stamp, other = lone.suspect, lone.message.header.stamp, OTHER[lone.camera]
        with blamed(other):
            if lone.camera == topics.THERMAL:
                rig = self._cameras.rig(stamp, suspect.header.stamp)
                self._pipeline.check(image, self.conversion.rgb(suspect, self.budget), rig)
            else:
                rig = self._cameras.rig(suspect.header.stamp, stamp)
                self._pipeline.check(self.conversion.thermal(suspect, self.budget), image, rig)

    def _thermal(self, message: Image | CompressedImage, stamp: float) -> ImageArray:
        with blamed(topics.THERMAL):
            image = self.conversion.thermal(message, self.budget)
            self._saw(topics.THERMAL, message, image, stamp)
        return image

    def _rgb(self, message: Image | CompressedImage, stamp: float) -> NDArray[np.uint8]:
        with blamed(topics.RGB):
            image = self.conversion.rgb(message, self.budget)
            self._saw(topics.RGB, message, image, stamp)
        return image

    def _saw(self, camera: str, message: Image | CompressedImage, image: NDArray[Any], stamp: float) -> None:
        picture = self._pipeline.checked(camera, image)
        self._outputs.saw(camera, message.header, (picture.shape[0], picture.shape[1]))
        if (watched := self.watched) is not None:
            watched(camera, image, stamp)


class _Stopwatch:
    """Adds up the time within it, seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._began
