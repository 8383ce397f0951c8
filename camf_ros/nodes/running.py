"""A node's process: from start to a clean end on Ctrl-C, SIGTERM or shutdown, and its log."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import rclpy
from lifecycle_msgs.srv import ChangeState
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions, install_signal_handlers

from camf_ros.errors import CamfError

# Seconds to end in. A node waits at most 20 for its threads; the rest is for the middleware on a busy machine.
_PATIENCE = 30
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds between two looks at whether the process was told to end.
_LOOK = 1.0
# Seconds between two lines in the log about one cause.
_SILENCE = 5.0

_N = TypeVar("_N", bound=Node)


class _Stop:
    """What SIGINT and SIGTERM do in Python. Once rclpy has handlers of its own these call it too.

    Attributes:
        told: Whether one has come.
        act: What to do at the first one, in the main thread, wherever that is.
    """

    def __init__(self) -> None:
        """Take the place of the handlers that there are; from the main thread."""
        self.told = False
        self.act: Callable[[], None] = self._leave
        for number in _SIGNALS:
            signal.signal(number, self)
        # An exception from here may come up where Python can only report it, such as in a destructor.
        report = sys.unraisablehook
        sys.unraisablehook = lambda what: None if self.told else report(what)

    def __call__(self, *_: Any) -> None:
        """A signal has come."""
        if not self.told:
            self.told = True
            self.act()

    def interrupt(self) -> None:
        """Get out of whatever is being done: a model that is loaded takes its time."""
        raise KeyboardInterrupt

    def wait(self) -> None:
        """Nothing: rclpy's handler has ended the context, and whoever spins notices."""

    def _leave(self) -> None:
        os._exit(0)  # nothing has been made yet

    def close(self) -> None:
        """Have the process ignore both for the rest of its life, also when Python has gone."""
        self.told = True
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


class _LastResort:
    """Ends this process by SIGALRM when it does not end by itself.

    Whatever holds it: a callback that never returns, a runtime in native code, which no exception reaches, or a
    library's clean-up when Python has already gone. As long as Python is there, the stack of every thread is written
    to standard error first.
    """

    def __init__(self, seconds: int, told: Callable[[], bool]) -> None:
        """Get ready, from the main thread; ``told`` says whether the process was told to end, asked in a thread."""
        self._seconds, self._told = seconds, told
        self._armed = False
        if not hasattr(signal, "alarm"):
            return  # not on this system: its user has to do it
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):  # no standard error to write to
            # Chained: after the stacks comes what the signal does by default.
            faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)
        # For when the main thread hangs already, and does not get as far as to call arm().
        threading.Thread(target=self._watch, name="last resort", daemon=True).start()

    def arm(self) -> None:
        """The process was told to end: from now on the time runs."""
        if not self._armed and hasattr(signal, "alarm"):
            self._armed = True
            signal.alarm(self._seconds)

    def _watch(self) -> None:
        while not self._told():
            time.sleep(_LOOK)
        self.arm()


def run_node(create: Callable[[], _N], spin: Callable[[_N], int | None] = rclpy.spin) -> int:
    """Create a node, spin it in a single-threaded executor, destroy it. The last thing that a process does.

    A process that is told to stop says nothing more and ends with status 0, also while the node is being made; one that
    is still there half a minute later is ended the hard way.

    Args:
        create: Makes the node; a :class:`CamfError` from it, or later from a callback, ends the process with its
            message and status 1.
        spin: Returns when the node is done, with the exit status if it is not 0.
    """
    stop = _Stop()
    # A context that ends while a node is being made makes errors that are none: rclpy has its handlers afterwards.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node: _N | None = None
    last_resort: _LastResort | None = None
    try:
        try:
            stop.act = stop.interrupt
            last_resort = _LastResort(_PATIENCE, lambda: stop.told or not rclpy.ok())
            node = create()
            stop.act = stop.wait
            install_signal_handlers(SignalHandlerOptions.ALL)
            return 0 if stop.told else spin(node) or 0
        except (ExternalShutdownException, ROSInterruptException):
            return 0
        except Exception as error:
            # What fails then fails for want of a context.
            if stop.told or not rclpy.ok():
                return 0
            if not isinstance(error, CamfError):
                raise
            print(f"{'cannot start' if node is None else 'stopped'}: {error}", file=sys.stderr)
            return 1
        finally:
            stop.act = stop.wait
    except KeyboardInterrupt:  # also from within the handlers above; there is one at most
        return 0
    finally:
        if last_resort is not None:
            last_resort.arm()
        try:
            if node is not None:
                node.destroy_node()
            rclpy.try_shutdown()
        except Exception:
            if not stop.told:  # one that was half made cannot be destroyed as a whole one can
                raise
        stop.close()


def refuse_wrong_transitions(node: LifecycleNode) -> None:
    """A request for a transition that the state does not have is refused and logged, and does not end the node.

    Before Kilted rclpy raises in the callback of its own service then (``ros2 lifecycle set /fusion activate`` on a
    node that is active already), and what a callback raises ends the process.
    """
    for service in node.services:
        if service.srv_type is ChangeState:
            service.callback = partial(_answered, node, service.callback)


def _answered(
    node: LifecycleNode, answer: Callable[[Any, Any], Any], request: ChangeState.Request, response: ChangeState.Response
) -> ChangeState.Response:
    try:
        return answer(request, response)
    except Exception as error:
        wanted = request.transition.label or request.transition.id
        node.get_logger().error(
            f"transition {wanted} was not possible ({error}); "
            f"ros2 lifecycle list {node.get_fully_qualified_name()} shows those that are"
        )
        response.success = False
        return response


class ThrottledLog:
    """Logs errors, each cause once in a while: a camera that sends nonsense sends it often. From any thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._said: dict[str, float] = {}
        self._lock = threading.Lock()

    def error(self, cause: str, text: str) -> None:
        """Log, unless the same cause was logged a moment ago."""
        now = time.monotonic()
        with self._lock:
            if now - self._said.get(cause, -_SILENCE) < _SILENCE:
                return
            self._said[cause] = now
        self._node.get_logger().error(text)


def resident_megabytes() -> float:
    """Resident memory, MB (10^6 bytes); 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
