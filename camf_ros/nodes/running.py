"""A node's process: from start to a clean end on Ctrl-C, SIGTERM or shutdown, and its log."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import os
import signal
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import rclpy
from lifecycle_msgs.srv import ChangeState
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions, install_signal_handlers
from rclpy.utilities import remove_ros_args

from camf_ros.errors import CamfError, ParameterError, plain
from camf_ros.settings.table import specs

# Seconds to end in. A node waits at most 20 for its threads; the rest is for the middleware on a busy machine.
_PATIENCE = 30
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds after a signal until an executor that still waits is woken.
_WAKE = 3.0
# Seconds between two looks at whether the process was told to end.
_LOOK = 1.0
# Seconds between two lines in the log about one cause.
_SILENCE = 5.0

_HELP = {"-h", "--help"}

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
        """Have the process ignore both for the rest of its life."""
        self.told = True
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


class _LastResort:
    """Ends this process by SIGALRM when it does not end by itself.

    Whatever holds it: a callback that never returns, or a runtime in native code, which no exception reaches. The stack
    of every thread is written to standard error first.
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
        # If the executor missed the signal, this wakes it. Otherwise the context is closed already.
        time.sleep(_WAKE)
        rclpy.try_shutdown()


def run_node(
    name: str,
    kind: type[_N],
    settings: type[Any],
    spin: Callable[[_N], int | None] = rclpy.spin,
    then: Callable[[], int] | None = None,
) -> NoReturn:
    """Create a node, spin it in a single-threaded executor, destroy it, and end the process.

    A process that is told to stop says nothing more and ends with status 0, also while the node is being made; one that
    is still there half a minute later is ended the hard way. Python's own clean-up is left out: it would take the
    libraries from under a thread that works in a runtime's native code, which aborts the process.

    Args:
        name: Of the executable.
        kind: Of the node; a :class:`CamfError` from its constructor, or later from a callback, ends the process with
            its message and status 1.
        settings: Class of its settings, for ``--help``.
        spin: Returns when the node is done, with the exit status if it is not 0.
        then: Called when a node has ended with status 0 and ROS is closed, also after it was told to stop; returns the
            status. From then on both signals raise KeyboardInterrupt, and there is time.
    """
    wants_help = not _HELP.isdisjoint(takewhile("--ros-args".__ne__, sys.argv[1:]))
    try:
        status = _help(name, settings) if wants_help else _live(kind, spin)
        if then is not None and status == 0 and not wants_help:
            if hasattr(signal, "alarm"):
                signal.alarm(0)
            for number in _SIGNALS:
                signal.signal(number, signal.default_int_handler)
            status = then()
    except KeyboardInterrupt:  # from ``then``
        status = 130
    except Exception:
        traceback.print_exc()
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there is none, or nobody reads it any more
            stream.flush()
    # ROS's log file is written through the C library, which keeps the last lines for a while.
    ctypes.CDLL(None).fflush(None)
    os._exit(status)


def _help(name: str, settings: type[Any]) -> int:
    print(f"usage: ros2 run camf_ros {name} [--ros-args [-p NAME:=VALUE] [-r FROM:=TO] [--params-file FILE] ...]\n")
    print("parameters:")
    for spec in specs(settings).values():
        print(f"  {spec.name} (default {spec.default!r}; {spec.accepted})")
        print(textwrap.indent(textwrap.fill(spec.description, 100), "      "))
    return 0


def _live(kind: type[_N], spin: Callable[[_N], int | None]) -> int:
    """The life of a node; returns the exit status."""
    stop = _Stop()
    # A context that ends while a node is being made makes errors that are none: rclpy has its handlers afterwards.
    if refusal := _begin():
        print(f"cannot start: {refusal}", file=sys.stderr)
        return 1
    # At hand also while its constructor has not ended: what it has in the middleware is to be destroyed then, too.
    node: _N = kind.__new__(kind)  # type: ignore[call-overload]
    made = False
    last_resort: _LastResort | None = None
    try:
        try:
            stop.act = stop.interrupt
            last_resort = _LastResort(_PATIENCE, lambda: stop.told or not rclpy.ok())
            node.__init__()
            made = True
            stop.act = stop.wait
            install_signal_handlers(SignalHandlerOptions.ALL)
            return 0 if stop.told else spin(node) or 0
        except (ExternalShutdownException, ROSInterruptException):
            return 0
        except Exception as error:
            # What fails then fails for want of a context.
            if stop.told or not rclpy.ok():
                return 0
            known = error if made else refused_by_ros(error)
            if not isinstance(known, CamfError):
                raise
            print(f"{'stopped' if made else 'cannot start'}: {known}", file=sys.stderr)
            return 1
        finally:
            stop.act = stop.wait
    except KeyboardInterrupt:  # also from within the handlers above; there is one at most
        return 0
    finally:
        if last_resort is not None:
            last_resort.arm()
        try:
            node.destroy_node()
        except Exception:
            if made and not stop.told:  # one that was half made cannot be destroyed as a whole one can
                raise
        finally:
            del node
            gc.collect()  # what was half made
            rclpy.try_shutdown()
            stop.close()


def _begin() -> str:
    """Give rclpy the arguments of the process; why that is not possible, empty if it is."""
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # arguments that ROS does not understand, or a log folder that cannot be written
        return _in_words(error)
    foreign = remove_ros_args(sys.argv)[1:]
    if not foreign:
        return ""
    rclpy.try_shutdown()
    return str(
        ParameterError(
            f"arguments {' '.join(foreign)} mean nothing to a node",
            expected="--ros-args before those of ROS, as in --ros-args -p NAME:=VALUE",
        )
    )


def _in_words(error: Exception) -> str:
    """What rclpy says is wrong, without where in its sources it noticed that."""
    if type(error).__name__ == "UnknownROSArgsError":  # of a private module; its text is the list of them alone
        return plain(f"ROS does not know the arguments {error}")
    return plain(str(error).partition(", at /")[0])


def refused_by_ros(error: Exception) -> Exception:
    """A CamfError in place of what rclpy raises where it refuses a parameter, a QoS policy or a name."""
    frames = traceback.extract_tb(error.__traceback__)
    own = frames and Path(frames[-1].filename).is_relative_to(Path(rclpy.__file__).parent)
    if own and (isinstance(error, RuntimeError) or type(error).__module__.startswith("rclpy.")):
        return CamfError(_in_words(error), remedy="correct it in the parameter file or on the command line")
    return error


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
