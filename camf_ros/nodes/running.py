"""Runs a node from start to a clean end on Ctrl-C, SIGTERM or shutdown."""

from __future__ import annotations

import sys
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from camf_ros.errors import CamfError


def run_node(create: Callable[[], Node]) -> int:
    """Create a node, spin it in a single-threaded executor, destroy it.

    Args:
        create: Makes the node; a :class:`CamfError` from it, or later from a callback, ends the process with its message.

    Returns:
        Exit status: 0 after a requested end, 1 after an error.
    """
    rclpy.init()
    node: Node | None = None
    try:
        node = create()
        rclpy.spin(node)
    except CamfError as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0
