"""What exists only while the fusion node is configured, and only while it is active.

A transition makes the object, its opposite closes it: *configure* and *cleanup* :class:`Loaded`, *activate* and
*deactivate* :class:`Active`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from rclpy.node import Node

from camf_ros.engines.engine import DeviceMemory, device_memory, engine_warnings
from camf_ros.errors import CamfError
from camf_ros.explain.explanation import Explainer
from camf_ros.fusion import FusedPair, Fusion, Running
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.nodes.background import Explaining, Failed, SourceWatch
from camf_ros.nodes.inputs import CameraTopics, Inputs, best_conversion, check_topics
from camf_ros.nodes.model_choice import Adapting, EngineLoader, check_model, first_choice, load, same_engine
from camf_ros.nodes.publishers import Publishers
from camf_ros.nodes.running import ThrottledLog
from camf_ros.nodes.statistics import Statistics
from camf_ros.nodes.worker import Mailbox, Worker, trim
from camf_ros.pairing.synchronizer import ImagePair, LoneFrame
from camf_ros.settings.fusion_settings import FusionSettings

# Seconds between two looks at the memory of an accelerator, which its driver may take a while to tell: in the worker's
# thread, because nothing may hold up the executor's.
_LOOK = 1.0


class Loaded:
    """While the node is configured: a model that is ready, what is known of the cameras, the publishers of results.

    Attributes:
        fusion: The model at work.
        loader: Loads other models in the background.
        problem: Why another engine could not be loaded; empty if none was asked for, or it runs.
        device_memory: Memory of the engine's accelerator not long ago; None where it has none that tells.
        left: The last activation, where its worker did not come back.
    """

    def __init__(self, node: Node, settings: FusionSettings, statistics: Statistics, log: ThrottledLog) -> None:
        """Load.

        Raises:
            CamfError: If the settings or the model cannot be used; then nothing is left behind.
        """
        self._node, self._statistics = node, statistics
        self.problem = ""
        self.device_memory: DeviceMemory | None = None
        self.left: Active | None = None
        self._looked = 0.0
        check_topics(node, settings)
        registration = PlannedRegistration.checked(settings.registration)
        self.loader = EngineLoader()
        with ExitStack() as opened:
            opened.callback(self.loader.cancel)
            self._cameras = CameraTopics(node, settings.registration, settings.input_transport.depth)
            opened.callback(self._cameras.close)
            conversion, running = best_conversion(), load(first_choice(settings), None, None)
            self._publishers = Publishers(node, settings, statistics, log)
            opened.callback(self._publishers.close)
            self.fusion = Fusion(
                settings,
                running,
                registration,
                self._publishers,
                cameras=self._cameras,
                conversion=conversion,
                tell=lambda text: node.get_logger().warning(text),
            )
            self.tell()
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Free everything; the worker has ended, or was left behind."""
        self._opened.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is not as it should be."""
        chosen, state = self.fusion.running.chosen, self.fusion.pipeline.thermal_state
        problem = self.fusion.problem
        return (
            *chosen.warnings,
            *engine_warnings(chosen.engine),
            *(state.warnings if state else ()),
            *([problem] if problem else []),
        )

    def configure(self, settings: FusionSettings, before: FusionSettings) -> bool:
        """Use other settings from the next frame on; whether a model is loaded anew for them.

        Raises:
            CamfError: If they cannot be used; then everything stays as it is.
        """
        registration, registers_anew = self.fusion.registration, settings.registration != before.registration
        checked = registration.check(settings.registration) if registers_anew else None
        anew = not same_engine(settings, before)
        if anew:
            check_model(first_choice(settings))
        self._cameras.configure(settings.registration)
        self.fusion.pipeline.configure(settings)
        self._publishers.configure(settings)
        if registers_anew:
            registration.renew(checked)
        if anew:
            self.load_anew(settings)
        return anew

    def reload(self, settings: FusionSettings) -> str:
        """Load model and registration anew; says what happens now.

        Raises:
            CamfError: If one cannot be used; then everything stays as it is.
        """
        registration = self.fusion.registration
        checked = registration.check(settings.registration)
        wanted = first_choice(settings)
        check_model(wanted)
        registration.renew(checked)
        self.load_anew(settings)
        return f"model {wanted.model} is being loaded; the log and /diagnostics say when it runs"

    def load_anew(self, settings: FusionSettings) -> None:
        """Have a model loaded in the background."""
        wanted = first_choice(settings)
        self.loader.run(wanted.model, lambda _: load(wanted, None, self.fusion), self._loaded)

    def tell(self) -> None:
        """What runs, and what is wrong with it, in the log; from any thread."""
        chosen, conversion = self.fusion.running.chosen, self.fusion.conversion
        for warning in self.warnings:
            self._node.get_logger().warning(warning)
        engine = chosen.engine
        self._node.get_logger().info(
            f"model {engine.model_name} ({engine.model_hash[:12]}) on {engine.description} ({chosen.reason}), "
            f"images by {'cv_bridge' if conversion.backend == 'cv_bridge' else 'our own conversion'}"
        )

    def process(self, item: ImagePair | LoneFrame) -> None:
        """Make and publish one result; in the worker's thread.

        Raises:
            CamfError: If there can be none.
        """
        if self.fusion.take_over():
            self._statistics.forget_work()
            trim()
        if time.monotonic() - self._looked >= _LOOK:
            self._looked = time.monotonic()
            self.device_memory = device_memory(self.fusion.running.chosen.engine)
        self.fusion.process(item)

    def _loaded(self, running: Running | None, reason: str) -> None:
        # In the loader's thread.
        if running is None:
            self.problem = f"{reason}; {self.fusion.running.chosen.engine.model_name} goes on"
            self._node.get_logger().error(self.problem)
            return
        self.problem = ""
        self.fusion.use(running)
        self.tell()


class Active:
    """While the node is active: subscriptions, the worker, and what runs beside it.

    Attributes:
        worker: Fuses and publishes.
        mailbox: What it takes its work from.
        inputs: The cameras.
        adapting: Chooses the model, where the settings leave that to the node.
        explaining: Explains fused images.
        source_watch: The source check; None where it is switched off.
    """

    def __init__(
        self,
        node: Node,
        settings: FusionSettings,
        loaded: Loaded,
        statistics: Statistics,
        *,
        failed: Callable[[Exception], None],
        extra_failed: Failed,
    ) -> None:
        """Start.

        ``failed`` is called with why a frame or pair could not be used, ``extra_failed`` with the name and the error of
        what runs beside the fusion; both from any thread.
        """
        self._node, self._loaded, self._statistics, self._extra_failed = node, loaded, statistics, extra_failed
        self.mailbox: Mailbox[ImagePair | LoneFrame] = Mailbox()
        self.worker = Worker(self.mailbox, self._work, failed)
        fusion = loaded.fusion
        with ExitStack() as opened:
            opened.callback(self.worker.stop)
            self.worker.start()
            self.inputs = Inputs(node, settings, on_frame=self._frame, hand_out=self._hand_out, reject=failed)
            opened.callback(self.inputs.close)
            self.explaining = Explaining(node, settings, fusion, extra_failed)
            opened.callback(self.explaining.close)
            self.source_watch = None
            if settings.source_check.enabled:
                self.source_watch = SourceWatch(settings, fusion, extra_failed)
                opened.callback(self.source_watch.close)
            self.adapting = Adapting(fusion, loaded.loader, statistics, tell=self._took_over)
            opened.callback(self.adapting.close)
            self._opened = opened.pop_all()

    def close(self) -> bool:
        """Unsubscribe and finish the pair in work; whether the worker came back."""
        self._opened.close()
        return not self.worker.alive

    def configure(self, settings: FusionSettings, *, anew: bool) -> None:
        """Take over what can change at run time, from the executor's thread; ``anew``: a model is being loaded."""
        self.inputs.configure(settings)
        self.explaining.configure(settings)
        if anew:
            self.adapting.restart()

    def explainer(self, pair: FusedPair) -> Explainer | None:
        """Who can explain a fused pair."""
        try:
            return None if pair.frame is None else self.explaining.explainer(pair)
        except CamfError as error:  # the rest of what was fused can be saved all the same
            self._extra_failed("explanation", error)
            return None

    def _took_over(self, text: str) -> None:
        self._node.get_logger().info(text)
        self._loaded.tell()

    def _frame(self, camera: str) -> None:
        self._statistics.frame(camera, time.monotonic())

    def _hand_out(self, item: ImagePair | LoneFrame) -> None:
        if isinstance(item, ImagePair):
            self._statistics.pair(item.skew, time.monotonic())
        self.mailbox.put(item)

    def _work(self, item: ImagePair | LoneFrame) -> None:
        """In the worker's thread: work, and have the inputs know whose frames can be used."""
        try:
            self._loaded.process(item)
        except CamfError as error:
            self.inputs.stream.refused(item, error)
            raise
        self.inputs.stream.used(item)
