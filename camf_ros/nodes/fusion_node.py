"""The fusion node: thermal and RGB topics in, fused image, camera_info, channel weights and diagnostics out.

A managed node: *configure* loads and warms up the model, *activate* subscribes and fuses, *deactivate* stops both,
*cleanup* frees the model. The executor's thread only fills the mailbox; one worker thread decodes, fuses and publishes.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer

from camf_ros.errors import CamfError
from camf_ros.explain.explanation import Explainer
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.nodes import topics
from camf_ros.nodes.adapting import Adapting, first_choice
from camf_ros.nodes.allocator import limit_arenas, trim
from camf_ros.nodes.cameras import Cameras
from camf_ros.nodes.commands import Commands
from camf_ros.nodes.engine_loader import EngineLoader, check_model, load, same_engine
from camf_ros.nodes.explaining import Explaining
from camf_ros.nodes.fuser import FusedPair, Fuser, Running
from camf_ros.nodes.image_conversion import ImageConversion, cv_bridge_works
from camf_ros.nodes.intake import Intake
from camf_ros.nodes.outputs import Outputs
from camf_ros.nodes.parameters import NodeParameters
from camf_ros.nodes.report import Reporter
from camf_ros.nodes.running import run_node
from camf_ros.nodes.source_watch import SourceWatch
from camf_ros.nodes.statistics import Statistics
from camf_ros.nodes.throttled_log import ThrottledLog
from camf_ros.nodes.wrong_transitions import refuse_wrong_transitions
from camf_ros.settings.fusion_settings import FusionSettings

# Seconds between two looks at whether the candidate that runs is the right one.
_ADAPTATION_PERIOD = 0.5
_SUCCESS, _FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class FusionNode(LifecycleNode):  # type: ignore[misc]
    """Pairs, fuses, publishes."""

    def __init__(self) -> None:
        """Declare parameters and, unless ``autostart`` is false, configure and activate.

        Raises:
            CamfError: If a parameter cannot be used, or if the node was to start by itself and could not.
        """
        # First of all, because destroy_node() needs them, also when what follows fails.
        self._intake: Intake | None = None
        # Was left while its worker did not come back.
        self._hanging: Intake | None = None
        self._fuser: Fuser | None = None
        self._outputs: Outputs | None = None
        self._cameras: Cameras | None = None
        self._source_watch: SourceWatch | None = None
        self._explaining: Explaining | None = None
        self._adapting: Adapting | None = None
        self._loader = EngineLoader()
        self._timer: Timer | None = None
        super().__init__("fusion")
        refuse_wrong_transitions(self)
        self._problem: Exception | None = None
        self._conversion: ImageConversion | None = None
        self._registration = PlannedRegistration()
        self._statistics = Statistics((topics.THERMAL, topics.RGB))
        self._configuration = NodeParameters(self, FusionSettings, self._configure, self._locked)
        self._log = ThrottledLog(self)
        self._reporter = Reporter(self, self._statistics)
        self._commands = Commands(
            self,
            enable=self._enable,
            reload=self._reload,
            last=self._last,
            parameters=self._configuration.values,
        )
        self._time_reports()
        self.create_timer(_ADAPTATION_PERIOD, self._adapt, clock=Clock(clock_type=ClockType.STEADY_TIME))
        if self.settings.autostart:
            for transition in (self.trigger_configure, self.trigger_activate):
                if transition() != _SUCCESS:
                    raise self._problem or CamfError("a transition failed")

    @property
    def settings(self) -> FusionSettings:
        """In force at the moment."""
        return self._configuration.settings

    def destroy_node(self) -> None:
        """Finish the pair in work, then go."""
        self._stop()
        self._unload()
        super().destroy_node()
        # rclpy leaves the state machine to the garbage collector. A thread that hangs in a runtime keeps it from that,
        # and as long as it is there the middleware keeps 128 MiB of shared memory, also beyond the end of the process.
        if (machine := getattr(self, "_state_machine", None)) is not None:
            machine.destroy_when_not_in_use()

    # Transitions. None of them raises: before late rclpy an exception would end the process.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002 (rclpy's signature)
        """Load and warm up the model."""
        return self._attempt(self._load, self._unload)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Subscribe and fuse."""
        return self._attempt(self._start, self._stop)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Unsubscribe, finish the pair in work."""
        return self._attempt(self._stop, self._stop)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Free the model."""
        return self._attempt(self._unload, self._unload)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Stop, and free everything."""
        self._attempt(self._stop, self._stop)
        return self._attempt(self._unload, self._unload)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to the beginning, from where the node can be configured anew."""
        return self.on_shutdown(state)

    def _attempt(self, action: Callable[[], None], undo: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            action()
            result = _SUCCESS
        except Exception as error:
            if self.context.ok():  # else it was told to stop, and nothing is wrong
                self.get_logger().error(_text(error))
            # Without the frames that it went through, and all that these hold.
            self._problem = error.with_traceback(None)
            undo()
            result = _FAILURE
        # What is closed is freed now, and not minutes later. Subscriptions and their callbacks refer to each other in
        # circles, in which hang the model, the source check's copy of it and the last images: much memory, but so few
        # objects that Python would look for them after many pauses only.
        gc.collect()
        trim()
        return result

    def _load(self) -> None:
        settings = self.settings
        self._time_reports()
        self._registration.renew(self._registration.check(settings.registration))
        self._cameras = Cameras(self, settings.registration)
        # Asked once: it takes a process of its own.
        self._conversion = self._conversion or ImageConversion(use_cv_bridge=cv_bridge_works())
        running = load(first_choice(settings), None, None)
        self._outputs = Outputs(self, settings.compressed, self._cameras.infos, self._log.error)
        self._fuser = Fuser(
            settings,
            running,
            conversion=self._conversion,
            registration=self._registration,
            outputs=self._outputs,
            cameras=self._cameras,
            statistics=self._statistics,
            tell=lambda text: self.get_logger().warning(text),
        )
        self._reporter.load_problem = ""
        self._hanging = None
        self._tell(self._fuser)

    def _start(self) -> None:
        assert self._fuser is not None
        if self._hanging is not None and self._hanging.alive:
            raise CamfError(
                "an inference from before the pause has not come back",
                remedy=f"wait for it, or load the model anew: ros2 lifecycle set {self._name} cleanup, then configure",
            )
        self._hanging = None
        self._time_reports()
        self._statistics.resume()
        self._intake = Intake(
            self,
            self.settings,
            self._statistics,
            work=self._fuser.process,
            failed=self._failed,
            reject=self._reject,
        )
        self._explaining = Explaining(self, self.settings, self._fuser, self._extra_failed)
        if self.settings.source_check.enabled:
            self._source_watch = SourceWatch(self.settings, self._fuser, self._extra_failed)
        self._adapting = Adapting(self._fuser, self._loader, self._statistics, tell=self._took_over)
        self._reporter.watch(self.settings)

    def _stop(self) -> None:
        for extra in (self._source_watch, self._explaining):
            if extra is not None:
                extra.close()
        self._source_watch = self._explaining = None
        if self._adapting is not None:
            self._adapting.close()
            self._adapting = None
        intake, self._intake = self._intake, None
        if intake is None:
            return
        if not intake.close():
            self.get_logger().error("the inference did not come back; leaving without it")
            self._hanging = intake
        self._reporter.ended(intake)

    def _unload(self) -> None:
        self._loader.cancel()
        self._fuser = None
        if self._outputs is not None:
            self._outputs.close()
            self._outputs = None
        if self._cameras is not None:
            self._cameras.close()
            self._cameras = None

    # In the executor's thread: short, and never raising but for CamfError in _configure, which refuses the change.

    def _locked(self) -> str:
        return "" if self._intake is None else f"deactivate the node first (ros2 lifecycle set {self._name} deactivate)"

    @property
    def _name(self) -> str:
        return str(self.get_fully_qualified_name())

    def _configure(self, settings: FusionSettings) -> None:
        fuser = self._fuser
        if fuser is None:
            return  # what it says is looked at when the node is configured
        before = self.settings
        registers_anew = settings.registration != before.registration
        checked = self._registration.check(settings.registration) if registers_anew else None
        anew = not same_engine(settings, before)
        if anew:
            check_model(first_choice(settings))
        fuser.configure(settings)
        if registers_anew:
            self._registration.renew(checked)
        if self._intake is not None:
            self._intake.configure(settings)
        if self._explaining is not None:
            self._explaining.configure(settings)
        if anew:
            self._load_anew(settings)

    def _enable(self, wanted: bool) -> None:
        """Raises CamfError if the transition fails."""
        if wanted == (self._intake is not None):
            return
        if wanted and self._fuser is None and self.trigger_configure() != _SUCCESS:
            raise self._problem or CamfError("the node cannot be configured")
        if (self.trigger_activate if wanted else self.trigger_deactivate)() != _SUCCESS:
            raise self._problem or CamfError("the transition failed")

    def _reload(self) -> str:
        """What happens now; raises CamfError if nothing can."""
        if self._fuser is None:
            raise CamfError(
                "nothing is loaded", remedy=f"configure the node: ros2 lifecycle set {self._name} configure"
            )
        checked = self._registration.check(self.settings.registration)
        wanted = first_choice(self.settings)
        check_model(wanted)
        self._registration.renew(checked)
        self._load_anew(self.settings)
        return f"model {wanted.model} is being loaded; the log and /diagnostics say when it runs"

    def _load_anew(self, settings: FusionSettings) -> None:
        wanted, fuser = first_choice(settings), self._fuser
        self._loader.run(wanted.model, lambda _: load(wanted, None, fuser), self._loaded)
        if self._adapting is not None:
            self._adapting.restart()

    def _last(self) -> tuple[FusedPair, Explainer | None] | None:
        pair = self._fuser.last if self._fuser else None
        if pair is None:
            return None
        explainer = None
        if self._explaining is not None and pair.frame is not None:
            try:
                explainer = self._explaining.explainer(pair)
            except CamfError as error:  # the rest of what was fused can be saved all the same
                self._extra_failed("explanation", error)
        return pair, explainer

    def _time_reports(self) -> None:
        """Report as often as the settings say at the moment."""
        period = self.settings.diagnostics_period
        if self._timer is not None:
            if self._timer.timer_period_ns == round(1e9 * period):
                return
            self.destroy_timer(self._timer)
        # By the steady clock: reports go on where simulated time stands still.
        self._timer = self.create_timer(period, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _report(self) -> None:
        try:
            self._reporter.report(
                self.settings,
                self._fuser,
                self._intake,
                watch=self._source_watch,
                adapting=self._adapting,
                loading=self._loader.loading,
            )
        except Exception as error:  # whatever it is: a node that cannot report goes on fusing
            self._extra_failed("diagnostics", error)

    def _adapt(self) -> None:
        if self._adapting is None or self._intake is None:
            return
        try:
            self._adapting.look(self.settings, self._intake.displaced)
        except Exception as error:  # whatever it is: a node that cannot choose goes on with what it has
            self._extra_failed("adaptation", error)

    def _took_over(self, text: str) -> None:
        self.get_logger().info(text)
        if self._fuser is not None:
            self._tell(self._fuser)

    # In other threads.

    def _loaded(self, running: Running | None, reason: str) -> None:
        fuser = self._fuser
        if fuser is None:
            return
        if running is None:
            name = fuser.chosen.engine.model_name
            self._reporter.load_problem = f"{reason}; {name} goes on"
            self.get_logger().error(self._reporter.load_problem)
            return
        self._reporter.load_problem = ""
        fuser.use(running)
        self._tell(fuser)

    def _tell(self, fuser: Fuser) -> None:
        chosen, conversion = fuser.chosen, fuser.conversion
        for warning in fuser.warnings:
            self.get_logger().warning(warning)
        engine = chosen.engine
        self.get_logger().info(
            f"model {engine.model_name} ({engine.model_hash[:12]}) on {engine.description} ({chosen.reason}), "
            f"images by {'cv_bridge' if conversion.backend == 'cv_bridge' else 'our own conversion'}"
        )

    def _failed(self, error: Exception) -> None:
        # Told to stop in the middle of a pair: nothing can be published any more, and nothing is wrong.
        if self.context.ok():
            self._reject(error.reason if isinstance(error, CamfError) else "internal", _text(error))

    def _extra_failed(self, name: str, error: Exception) -> None:
        if self.context.ok():  # likewise
            self._statistics.extra_failed(name)
            self._log.error(name, f"{name}: {_text(error)}")

    def _reject(self, reason: str, text: str) -> None:
        self._statistics.rejected(reason)
        self._log.error(reason, f"not fused ({reason}): {text}")


def _text(error: Exception) -> str:
    """A CamfError says it all; anything else is a bug of ours, and its place is what matters."""
    return str(error) if isinstance(error, CamfError) else "".join(traceback.format_exception(error))


def main() -> int:
    """Run the node until it is told to stop; see :func:`camf_ros.nodes.running.run_node`."""
    limit_arenas()
    return run_node(FusionNode)
