"""The fusion node: thermal and RGB topics in, fused image, camera_info, channel weights and diagnostics out.

A managed node: *configure* loads and warms up the model, *activate* subscribes and fuses, *deactivate* stops both,
*cleanup* frees the model. The executor's thread only fills the mailbox; one worker thread decodes, fuses and publishes.
What a pair goes through is in :mod:`camf_ros.fusion`.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable
from typing import NoReturn

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer

from camf_ros.errors import CamfError
from camf_ros.explain.explanation import Explainer
from camf_ros.fusion import FusedPair
from camf_ros.nodes import topics
from camf_ros.nodes.commands import Commands
from camf_ros.nodes.parameters import NodeParameters, tell_unused_overrides
from camf_ros.nodes.reporter import Reporter
from camf_ros.nodes.running import ThrottledLog, refuse_wrong_transitions, refused_by_ros, run_node
from camf_ros.nodes.states import Active, Loaded
from camf_ros.nodes.statistics import Statistics
from camf_ros.nodes.worker import limit_arenas, trim
from camf_ros.settings.fusion_settings import FusionSettings

# Seconds between two looks at whether the candidate that runs is the right one.
_ADAPTATION_PERIOD = 0.5
_SUCCESS, _FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class FusionNode(LifecycleNode):  # type: ignore[misc]
    """Pairs, fuses, publishes."""

    # What exists while it is configured, and while it is active. Here because destroy_node() needs them also when the
    # constructor fails.
    _loaded: Loaded | None = None
    _active: Active | None = None
    _commands: Commands | None = None

    def __init__(self) -> None:
        """Declare parameters and, unless ``autostart`` is false, configure and activate.

        Raises:
            CamfError: If a parameter cannot be used, or if the node was to start by itself and could not.
        """
        super().__init__("fusion")
        refuse_wrong_transitions(self)
        self._problem: Exception | None = None
        self._statistics = Statistics((topics.THERMAL, topics.RGB))
        self._configuration = NodeParameters(self, FusionSettings, self._configure, self._locked)
        self._log = ThrottledLog(self)
        self._reporter = Reporter(self, self._statistics)
        self._commands = Commands(
            self,
            enable=self._enable,
            reload=self._reload,
            last=lambda: self._loaded.fusion.last if self._loaded else None,
            explainer=self._explainer,
            parameters=self._configuration.values,
            failed=self._extra_failed,
        )
        self._timer = self._report_timer()
        self.create_timer(_ADAPTATION_PERIOD, self._adapt, clock=Clock(clock_type=ClockType.STEADY_TIME))
        if self.settings.autostart:
            for transition in (self.trigger_configure, self.trigger_activate):
                if transition() != _SUCCESS:
                    raise self._problem or CamfError("a transition failed")
        else:
            self.get_logger().info(
                "autostart is false: waiting for a lifecycle manager, or for "
                f"'ros2 lifecycle set {self._name} configure' and 'activate'"
            )

    @property
    def settings(self) -> FusionSettings:
        """In force at the moment."""
        return self._configuration.settings

    def destroy_node(self) -> None:
        """Finish the pair in work, then go."""
        if self._commands is not None:
            self._commands.close()
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
        return self._attempt(self._load)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Subscribe and fuse."""
        return self._attempt(self._start)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Unsubscribe, finish the pair in work."""
        return self._attempt(self._stop)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Free the model."""
        return self._attempt(self._unload)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:  # noqa: ARG002
        """Stop, and free everything."""
        self._attempt(self._stop)
        return self._attempt(self._unload)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to the beginning, from where the node can be configured anew."""
        return self.on_shutdown(state)

    def _attempt(self, action: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            action()
            result = _SUCCESS
        except Exception as raised:
            error = refused_by_ros(raised)
            if self.context.ok():  # else it was told to stop, and nothing is wrong
                self.get_logger().error(_text(error))
            # Without the frames that it went through, and all that these hold.
            self._problem = error.with_traceback(None)
            result = _FAILURE
        # What is closed is freed now, and not minutes later. Subscriptions and their callbacks refer to each other in
        # circles, in which hang the model, the source check's copy of it and the last images: much memory, but so few
        # objects that Python would look for them after many pauses only.
        gc.collect()
        trim()
        return result

    def _load(self) -> None:
        self._timer = self._report_timer(self._timer)
        self._loaded = Loaded(self, self.settings, self._statistics, self._log)

    def _start(self) -> None:
        loaded = self._loaded
        assert loaded is not None
        if loaded.left is not None and loaded.left.worker.alive:
            raise CamfError(
                "an inference from before the pause has not come back",
                remedy=f"wait for it, or load the model anew: ros2 lifecycle set {self._name} cleanup, then configure",
            )
        loaded.left = None
        self._timer = self._report_timer(self._timer)
        self._statistics.resume()
        self._reporter.watch(self.settings, loaded.fusion.last)
        self._active = Active(
            self, self.settings, loaded, self._statistics, failed=self._failed, extra_failed=self._extra_failed
        )
        tell_unused_overrides(self)

    def _stop(self) -> None:
        active, self._active = self._active, None
        if active is None:
            return
        if not active.close():
            self.get_logger().error("the inference did not come back; leaving without it")
            if self._loaded is not None:
                self._loaded.left = active
        self._reporter.ended(active)

    def _unload(self) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded.close()

    # In the executor's thread: short, and never raising but for CamfError in _configure, which refuses the change.

    def _locked(self) -> str:
        return "" if self._active is None else f"deactivate the node first (ros2 lifecycle set {self._name} deactivate)"

    @property
    def _name(self) -> str:
        return str(self.get_fully_qualified_name())

    def _configure(self, settings: FusionSettings) -> None:
        if self._loaded is None:
            return  # what it says is looked at when the node is configured
        anew = self._loaded.configure(settings, self.settings)
        if self._active is not None:
            self._active.configure(settings, anew=anew)

    def _enable(self, wanted: bool) -> None:
        """Raises CamfError if the transition fails."""
        if wanted == (self._active is not None):
            return
        if wanted and self._loaded is None and self.trigger_configure() != _SUCCESS:
            raise self._problem or CamfError("the node cannot be configured")
        if (self.trigger_activate if wanted else self.trigger_deactivate)() != _SUCCESS:
            raise self._problem or CamfError("the transition failed")

    def _reload(self) -> str:
        """What happens now; raises CamfError if nothing can."""
        if self._loaded is None:
            raise CamfError(
                "nothing is loaded", remedy=f"configure the node: ros2 lifecycle set {self._name} configure"
            )
        answer = self._loaded.reload(self.settings)
        if self._active is not None:
            self._active.adapting.restart()
        return answer

    def _report_timer(self, before: Timer | None = None) -> Timer:
        """Reports as often as the settings say at the moment; takes the place of the one before, if that does not."""
        period = self.settings.diagnostics_period
        if before is not None:
            if before.timer_period_ns == round(1e9 * period):
                return before
            self.destroy_timer(before)
        # By the steady clock: reports go on where simulated time stands still.
        return self.create_timer(period, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _report(self) -> None:
        if not self.context.ok():
            return  # told to stop: nothing can be published any more, nor logged
        try:
            self._reporter.report(self.settings, self._loaded, self._active)
        except Exception as error:  # whatever it is: a node that cannot report goes on fusing
            self._extra_failed("diagnostics", error)

    def _adapt(self) -> None:
        if self._active is None:
            return
        try:
            self._active.adapting.look(self.settings, self._active.mailbox.displaced)
        except Exception as error:  # whatever it is: a node that cannot choose goes on with what it has
            self._extra_failed("adaptation", error)

    # From any thread.

    def _explainer(self, pair: FusedPair) -> Explainer | None:
        active = self._active
        return active.explainer(pair) if active else None

    def _failed(self, error: Exception) -> None:
        # Told to stop in the middle of a pair: nothing can be published any more, and nothing is wrong.
        if self.context.ok():
            reason = error.reason if isinstance(error, CamfError) else "internal"
            self._statistics.rejected(reason)
            camera = error.camera if isinstance(error, CamfError) else ""
            self._log.error(f"{reason} {camera}", f"not fused ({reason}): {_text(error)}")

    def _extra_failed(self, name: str, error: Exception) -> None:
        if self.context.ok():  # likewise
            self._statistics.extra_failed(name)
            self._log.error(name, f"{name}: {_text(error)}")


def _text(error: Exception) -> str:
    """A CamfError says it all; anything else is a bug of ours, and its place is what matters."""
    if isinstance(error, CamfError):
        return str(error)
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join("".join(one if one.isprintable() else ascii(one)[1:-1] for one in line) for line in lines)


def main() -> NoReturn:
    """Run the node until it is told to stop; see :func:`camf_ros.nodes.running.run_node`."""
    limit_arenas()
    run_node("fusion_node", FusionNode, FusionSettings)
