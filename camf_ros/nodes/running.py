"""Runs a node from start to a clean end on Ctrl-C, SIGTERM or shutdown."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import rclpy
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions, install_signal_handlers

from camf_ros.errors import CamfError
from camf_ros.nodes.last_resort import LastResort

# Seconds to end in. A node waits at most 20 for its threads; the rest is for the middleware on a busy machine.
_PATIENCE = 30
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

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


def run_node(create: Callable[[], _N], spin: Callable[[_N], int | None] = rclpy.spin) -> int:
    """Create a node, spin it in a single-threaded executor, destroy it. The last thing that a process does.

    A process that is told to stop says nothing more and ends with status 0, also while the node is being made; one that
    is still there half a minute later is ended the hard way.

    Args:
        create: Makes the node; a :class:`CamfError` from it, or later from a callback, ends the process with its
            message.
        spin: Returns when the node is done, with the exit status if it is not 0.

    Returns:
        Exit status: 0 after a requested end, 1 after an error.
    """
    stop = _Stop()
    # A context that ends while a node is being made makes errors that are none: rclpy has its handlers afterwards.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node: _N | None = None
    last_resort: LastResort | None = None
    try:
        try:
            stop.act = stop.interrupt
            last_resort = LastResort(_PATIENCE, lambda: stop.told or not rclpy.ok())
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
