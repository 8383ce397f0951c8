"""Errors in the log, each cause once in a while: a camera that sends nonsense sends it thirty times a second."""

from __future__ import annotations

import threading
import time

from rclpy.node import Node

_PERIOD = 5.0


class ThrottledLog:
    """One line per cause and period; from any thread."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._said: dict[str, float] = {}
        self._lock = threading.Lock()

    def error(self, cause: str, text: str) -> None:
        """Log, unless the same cause was logged a moment ago."""
        now = time.monotonic()
        with self._lock:
            if now - self._said.get(cause, -_PERIOD) < _PERIOD:
                return
            self._said[cause] = now
        self._node.get_logger().error(text)
