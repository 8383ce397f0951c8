"""What driver and receiver have in common: how they start and are spoken to, and their clock."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

#: As camera drivers publish.
CAMERA_QOS = QoSProfile(reliability=ReliabilityPolicy.BEST_EFFORT, history=HistoryPolicy.KEEP_LAST, depth=5)
#: As RViz subscribes.
LISTENER_QOS = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=10)


def questions() -> Iterator[dict[str, Any]]:
    """Questions from standard input until it ends, which it does when the benchmark does."""
    for line in sys.stdin:
        yield json.loads(line)


def answer(content: dict[str, Any]) -> None:
    """Answer one question."""
    print(json.dumps(content), flush=True)


def now() -> int:
    """Nanoseconds of CLOCK_MONOTONIC: one clock for all processes of a machine, and nobody sets it."""
    return time.monotonic_ns()


def to_stamp(nanoseconds: int) -> Time:
    """A moment of :func:`now` as a stamp."""
    return Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def from_stamp(stamp: Time) -> int:
    """The moment that a stamp was made of."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


@contextmanager
def ros_node(name: str) -> Iterator[Node]:
    """A ROS node that is put away in the end, also on SIGTERM: Fast DDS else leaves its shared memory behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # rclpy's own handlers would end the context below a publisher that is at work.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(f"benchmark_{name}")
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.shutdown()
