"""Who looks at the fused images: takes them and the channel weights and notes when they came.

Answers ``{"ready": true}`` once it hears the node, then every question with what came since the last one: for each
fused image its stamp and when it was received (ns), for each message of weights its stamp (ns), latency and inference
time (s); and with what /diagnostics says about the engine.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from camf_ros.msg import ChannelWeights
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from camf_ros.nodes import topics
from node_benchmark.ends import LISTENER_QOS, answer, from_stamp, now, questions, ros_node

# Seconds within which the end of the benchmark is noticed.
_PAUSE = 0.1
_ABOUT = ("engine", "model", "model hash")
_WEIGHTS = topics.CHANNEL_WEIGHTS.replace("~", "fusion")


class Records:
    """What came since it was last asked for."""

    def __init__(self, node: Node) -> None:
        """Subscribe."""
        self._lock = threading.Lock()
        self._images: list[tuple[int, int]] = []
        self._weights: list[tuple[int, float, float]] = []
        self._about: dict[str, str] = {}
        node.create_subscription(Image, topics.FUSED_IMAGE, self._on_image, LISTENER_QOS)
        node.create_subscription(ChannelWeights, _WEIGHTS, self._on_weights, LISTENER_QOS)
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 10)

    def _on_image(self, message: Image) -> None:
        received = now()
        with self._lock:
            self._images.append((from_stamp(message.header.stamp), received))

    def _on_weights(self, message: ChannelWeights) -> None:
        with self._lock:
            self._weights.append((from_stamp(message.header.stamp), message.latency, message.inference_time))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        values = {pair.key: pair.value for status in message.status for pair in status.values}
        with self._lock:
            self._about.update({key: values[key] for key in _ABOUT if key in values})

    def take(self) -> dict[str, Any]:
        """Give them away."""
        with self._lock:
            result = {"images": self._images, "weights": self._weights, "about": self._about}
            self._images, self._weights = [], []
            return result


def _talk(records: Records) -> None:
    for _ in questions():
        answer(records.take())


def main() -> None:
    """Listen until standard input ends."""
    with ros_node("receiver") as node:
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        records = Records(node)
        names = [node.resolve_topic_name(name) for name in (topics.FUSED_IMAGE, _WEIGHTS)]
        while not all(node.count_publishers(name) for name in names):
            executor.spin_once(timeout_sec=_PAUSE)
        time.sleep(0.5)  # the node may be behind with its part of the match
        answer({"ready": True})
        talk = threading.Thread(target=_talk, args=(records,), daemon=True)
        talk.start()
        while talk.is_alive():
            executor.spin_once(timeout_sec=_PAUSE)


if __name__ == "__main__":
    main()
