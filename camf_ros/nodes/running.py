"""Runs a node from start to a clean end on Ctrl-C, SIGTERM or shutdown."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import TypeVar

import rclpy
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from camf_ros.errors import CamfError
from camf_ros.nodes.last_resort import LastResort

# Seconds to end in. A node waits at most 20 for its threads; the rest is for the middleware on a busy machine.
_PATIENCE = 30

_N = TypeVar("_N", bound=Node)


def run_node(create: Callable[[], _N], spin: Callable[[_N], int | None] = rclpy.spin) -> int:
    """Create a node, spin it in a single-threaded executor, destroy it. The last thing that a process does.

    A process that is still there half a minute after it was told to end is ended the hard way.

    Args:
        create: Makes the node; a :class:`CamfError` from it, or later from a callback, ends the process with its
            message.
        spin: Returns when the node is done, with the exit status if it is not 0.

    Returns:
        Exit status: 0 after a requested end, 1 after an error.
    """
    rclpy.init()
    last_resort = LastResort(_PATIENCE, lambda: not rclpy.ok())
    node: _N | None = None
    try:
        node = create()
        return spin(node) or 0
    except CamfError as error:
        print(f"{'cannot start' if node is None else 'stopped'}: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException, ROSInterruptException):
        return 0
    except Exception:
        if rclpy.ok():
            raise
        return 0  # told to stop while the node was being made: what fails then fails for want of a context
    finally:
        # A second Ctrl-C, as an impatient launcher sends it, must not cut the clean end short.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        last_resort.arm()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
        signal.signal(signal.SIGINT, before)
