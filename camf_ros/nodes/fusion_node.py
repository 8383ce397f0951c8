"""The fusion node: thermal and RGB topics in, fused image, camera_info, channel weights and diagnostics out.

The executor's thread only fills the mailbox; one worker thread decodes, fuses and publishes.
"""

from __future__ import annotations

import time
import traceback

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from camf_ros.engines.create import choose_engine
from camf_ros.engines.engine import engine_warnings
from camf_ros.errors import CamfError
from camf_ros.imaging.camera_maps import Rig
from camf_ros.imaging.frames import Image as ImageArray
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.nodes import topics
from camf_ros.nodes.camera_infos import CameraInfos, camera_of
from camf_ros.nodes.diagnostics import DiagnosticsPublisher, fusion_status, gain_values, input_status, rates
from camf_ros.nodes.image_conversion import ImageConversion, cv_bridge_works
from camf_ros.nodes.mailbox import Mailbox
from camf_ros.nodes.outputs import Outputs
from camf_ros.nodes.pairing import ImagePair, LoneFrame, Pairing
from camf_ros.nodes.parameters import NodeParameters
from camf_ros.nodes.running import run_node
from camf_ros.nodes.silence import SilenceWatch
from camf_ros.nodes.statistics import Statistics
from camf_ros.nodes.transforms import CameraTransforms
from camf_ros.nodes.worker import Worker
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion import FusionSettings

# One line per cause and this many seconds: a camera that sends nonsense sends it thirty times a second.
_LOG_PERIOD = 5.0


class FusionNode(Node):  # type: ignore[misc]
    """Pairs, fuses, publishes."""

    def __init__(self) -> None:
        """Declare parameters, load and warm up the model, then subscribe.

        Raises:
            CamfError: If a parameter or the model cannot be used.
        """
        super().__init__("fusion")
        # First of all, because destroy_node() needs it, also when what follows fails.
        self._mailbox: Mailbox[ImagePair | LoneFrame] = Mailbox()
        self._worker = Worker(self._mailbox, self._process, self._failed)
        self._configuration = NodeParameters(self, FusionSettings, self._configure)
        settings = self._configuration.settings
        self._conversion = ImageConversion(use_cv_bridge=cv_bridge_works())
        registration = PlannedRegistration()
        registration.check(settings.registration)
        wants_transforms = settings.registration.mode == "calibrated" and settings.registration.extrinsics == "tf"
        self._transforms = CameraTransforms(self) if wants_transforms else None
        self._chosen = choose_engine(settings)
        engine = self._chosen.engine
        self._pipeline = FusionPipeline(engine, settings, registration)
        for warning in (*self._chosen.warnings, *engine_warnings(engine)):
            self.get_logger().warning(warning)
        self.get_logger().info(
            f"model {engine.model_name} ({engine.model_hash[:12]}) on {engine.description} ({self._chosen.reason}), "
            f"images by {'cv_bridge' if self._conversion.backend == 'cv_bridge' else 'our own conversion'}"
        )
        # Of the last fused image.
        self._gain: float | None = None
        self._overlap: float | None = None
        self._statistics = Statistics((topics.THERMAL, topics.RGB))
        self._logged: dict[str, float] = {}
        self._infos = CameraInfos(self)
        self._outputs = Outputs(self, settings.compressed, self._infos, self._log)
        self._diagnostics = DiagnosticsPublisher(self)
        self._worker.start()
        self._pairing = Pairing(
            self,
            settings,
            on_pair=self._paired,
            on_lone=self._mailbox.put,
            on_frame=self._frame,
            on_bad_stamp=self._bad_stamp,
        )
        self._silence = SilenceWatch(self, settings)
        self._reported = (self._statistics.snapshot(time.monotonic()), time.monotonic())
        # By the steady clock: reports go on where simulated time stands still.
        self.create_timer(settings.diagnostics_period, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def destroy_node(self) -> None:
        """Finish the pair in work, then go."""
        if not self._worker.stop():
            self.get_logger().error("the inference did not come back; leaving without it")
        super().destroy_node()

    # In the executor's thread: short, and never raising.

    def _configure(self, settings: FusionSettings) -> None:
        self._pipeline.configure(settings)
        self._pairing.configure(settings)
        self._outputs.configure(settings.compressed)

    def _frame(self, camera: str) -> None:
        self._statistics.frame(camera, time.monotonic())

    def _paired(self, pair: ImagePair) -> None:
        self._statistics.pair(pair.skew, time.monotonic())
        self._mailbox.put(pair)

    def _bad_stamp(self, camera: str, stamp: Time) -> None:
        remedy = "" if stamp.sec else ", or set pairing.zero_stamps to arrival"
        text = f"{camera} frame: stamp is {stamp.sec} s; expected a time after 0; check the driver{remedy}"
        self._reject("stamp", text)

    def _report(self) -> None:
        now = time.monotonic()
        before, then = self._reported
        # Before the snapshot: no pair shows as dropped that does not show as formed.
        dropped = self._mailbox.displaced
        snapshot = self._statistics.snapshot(now)
        self._reported = (snapshot, now)
        rate = rates(before, snapshot, max(now - then, 1e-3))
        engine = self._pipeline.engine
        warnings = (*self._chosen.warnings, *engine_warnings(engine))
        running = {
            "engine": engine.description,
            "engine chosen": self._chosen.reason,
            **{f"engine warning {number}": text for number, text in enumerate(warnings, start=1)},
            "model": engine.model_name,
            "model hash": engine.model_hash,
            **gain_values(self._configuration.settings.gain, self._gain),
            "seen by both cameras (%)": "none yet" if self._overlap is None else f"{100 * self._overlap:.0f}",
            "image conversion": self._conversion.backend,
        }
        news = sum(snapshot.rejected.values()) - sum(before.rejected.values())
        name = self.get_fully_qualified_name()
        timeout = self._configuration.settings.no_data_timeout
        missing, passes = self._pairing.missing(), self._configuration.settings.on_missing == "pass_through"
        self._diagnostics.publish(
            [
                input_status(
                    name, snapshot, rate, timeout, unpaired=self._pairing.dropped, missing=missing, passes=passes
                ),
                fusion_status(
                    name,
                    snapshot,
                    rate,
                    dropped=dropped,
                    engine=running,
                    news=news,
                    warnings=warnings,
                    timeout=timeout,
                    alive=self._worker.alive,
                ),
            ]
        )
        self._silence.look(snapshot, missing, passes=passes)

    # In the worker's thread.

    def _process(self, item: ImagePair | LoneFrame) -> None:
        if isinstance(item, LoneFrame):
            self._pass_through(item)
        else:
            self._fuse(item)

    def _fuse(self, pair: ImagePair) -> None:
        thermal, rgb = self._thermal(pair.thermal), self._rgb(pair.rgb)
        frame = self._pipeline.fuse(
            thermal, rgb, pair.time, self._rig(pair.thermal.header.stamp, pair.rgb.header.stamp)
        )
        latency = self._outputs.fused(pair, frame, self._pipeline.engine)
        self._gain, self._overlap = frame.gain, frame.overlap
        self._statistics.fused(latency, frame.inference_time, time.monotonic())

    def _pass_through(self, lone: LoneFrame) -> None:
        stamp = lone.message.header.stamp
        if lone.camera == topics.THERMAL:
            image, rig = self._thermal(lone.message), self._rig(stamp, None)
        else:
            image, rig = self._rgb(lone.message), self._rig(None, stamp)
        frame = self._pipeline.pass_through(lone.camera, image, lone.time, rig)
        self._statistics.passed(lone.camera, self._outputs.passed(lone, frame, self._pipeline.engine))

    def _thermal(self, message: Image | CompressedImage) -> ImageArray:
        image = self._conversion.thermal(message)
        self._outputs.saw(topics.THERMAL, message.header, (image.shape[0], image.shape[1]))
        return image

    def _rgb(self, message: Image | CompressedImage) -> NDArray[np.uint8]:
        image = self._conversion.rgb(message)
        self._outputs.saw(topics.RGB, message.header, (image.shape[0], image.shape[1]))
        return image

    def _rig(self, thermal_stamp: Time | None, rgb_stamp: Time | None) -> Rig:
        """What is known about the cameras, as far as the registration asks."""
        if self._configuration.settings.registration.mode != "calibrated":
            return Rig()
        thermal, rgb = self._infos.of(topics.THERMAL, thermal_stamp), self._infos.of(topics.RGB, rgb_stamp)
        extrinsics = None
        if self._transforms is not None and thermal is not None and rgb is not None:
            extrinsics = self._transforms.extrinsics(thermal.header.frame_id, rgb.header.frame_id)
        return Rig(camera_of(thermal), camera_of(rgb), extrinsics)

    def _failed(self, error: Exception) -> None:
        if not self.context.ok():
            return  # told to stop in the middle of a pair: nothing can be published any more, and nothing is wrong
        # A CamfError says it all; anything else is a bug of ours, and its place is what matters.
        known = isinstance(error, CamfError)
        text = str(error) if known else "".join(traceback.format_exception(error))
        self._reject(error.reason if isinstance(error, CamfError) else "internal", text)

    # In either thread.

    def _reject(self, reason: str, text: str) -> None:
        self._statistics.rejected(reason)
        self._log(reason, f"not fused ({reason}): {text}")

    def _log(self, cause: str, text: str) -> None:
        now = time.monotonic()
        if now - self._logged.get(cause, -_LOG_PERIOD) >= _LOG_PERIOD:
            self._logged[cause] = now
            self.get_logger().error(text)


def main() -> int:
    """Run the node until it is told to stop; see :func:`camf_ros.nodes.running.run_node`."""
    return run_node(FusionNode)
