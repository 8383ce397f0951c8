"""What a node beside the cameras sees of the fusion node: images, weights, diagnostics, and its answers to requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from camf_ros.msg import ChannelWeights
from diagnostic_msgs.msg import DiagnosticArray
from node_benchmark.ends import LISTENER_QOS, from_stamp, now
from node_benchmark.processes import BenchmarkError
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from camf_ros.nodes import topics

_PATIENCE = 60.0
_SPIN = 0.05
_NODE = "fusion"


class Observer:
    """Listens while it spins; calls a function a few times a second meanwhile.

    Attributes:
        values: Newest value of each key on /diagnostics.
        newest: Stamp of the newest fused image, of both cameras, that is none of the injected; ns.
        latencies: From stamp to reception of each such image since they were last taken, seconds.
    """

    def __init__(self, node: Node, period: int, meanwhile: Callable[[], None]) -> None:
        """Subscribe; what has a stamp between multiples of the cameras' ``period`` (ns) was injected."""
        self.node, self._period, self._meanwhile = node, period, meanwhile
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self.values: dict[str, str] = {}
        self.newest = 0
        self.latencies: list[float] = []
        self._images: dict[int, int] = {}
        node.create_subscription(Image, topics.FUSED_IMAGE, self._on_image, LISTENER_QOS)
        weights = topics.CHANNEL_WEIGHTS.replace("~", _NODE)
        node.create_subscription(ChannelWeights, weights, self._on_weights, LISTENER_QOS)
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 10)

    def _on_image(self, message: Image) -> None:
        self._images[from_stamp(message.header.stamp)] = now()
        while len(self._images) > 2 * LISTENER_QOS.depth:
            del self._images[next(iter(self._images))]

    def _on_weights(self, message: ChannelWeights) -> None:
        stamp = from_stamp(message.header.stamp)
        received = self._images.get(stamp)  # published before the weights, but the middleware may have lost it
        if received is None or stamp % self._period or message.sources != ChannelWeights.SOURCE_BOTH:
            return
        self.newest = max(self.newest, stamp)
        self.latencies.append(1e-9 * (received - stamp))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.values.update({pair.key: pair.value for pair in status.values})

    def spin_until(self, condition: Callable[[], bool], patience: float = _PATIENCE) -> bool:
        """Take messages until a condition holds; false if it does not in time."""
        end = time.monotonic() + patience
        while not condition():
            if time.monotonic() > end:
                return False
            self._executor.spin_once(timeout_sec=_SPIN)
            self._meanwhile()
        return True

    def spin(self, seconds: float) -> None:
        """Take messages for a while."""
        self.spin_until(lambda: False, seconds)

    def fused_after(self, moment: int, patience: float = _PATIENCE) -> bool:
        """Wait for a fused image of frames that were taken after a moment; false if none comes."""
        return self.spin_until(lambda: self.newest > moment, patience)

    def call(self, kind: Any, name: str, **fields: object) -> Any:
        """Ask a service of the fusion node; raises BenchmarkError if it does not answer."""
        client = self.node.create_client(kind, f"{_NODE}/{name}")
        try:
            if not client.wait_for_service(_PATIENCE):
                raise BenchmarkError(f"there is no service {name}")
            future = client.call_async(kind.Request(**fields))
            if not self.spin_until(future.done):
                raise BenchmarkError(f"service {name} did not answer within {_PATIENCE:.0f} s")
            return future.result()
        finally:
            self.node.destroy_client(client)

    def set(self, name: str, value: object) -> bool:
        """Set a parameter; whether it was accepted."""
        message = Parameter(name, value=value).to_parameter_msg()
        return bool(self.call(SetParameters, "set_parameters", parameters=[message]).results[0].successful)
