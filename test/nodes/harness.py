"""Processes under test, and the node that talks to them."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from camf_ros.msg import ChannelWeights
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from camf_ros.nodes import topics
from camf_ros.nodes.publishers import image_message
from camf_ros.resources import share_file

# Long enough for a loaded machine; nothing waits this long when all is well.
PATIENCE = 60.0


def executable(name: str) -> str:
    """Where colcon installed an executable of the package."""
    return str(share_file("package.xml").parents[2] / "lib" / "camf_ros" / name)


class Processes:
    """Starts executables and ends them."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []

    def start(self, name: str, *ros_arguments: str, **parameters: object) -> subprocess.Popen[str]:
        """Start an executable with parameters; its output can be read from the process."""
        command = [executable(name), "--ros-args", *ros_arguments]
        for key, value in parameters.items():
            command += ["-p", f"{key.replace('__', '.')}:={value}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._running.append(process)
        return process

    def close(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            if process.stdout:
                process.stdout.close()


def start_fusion(processes: Processes, probe: Probe, model: object, **parameters: object) -> subprocess.Popen[str]:
    """A running fusion node on one thread of the CPU, matched with the probe."""
    defaults = {"model": str(model), "device": "cpu", "precision": "float32", "threads": 1}
    process = processes.start("fusion_node", **{**defaults, **parameters})
    probe.wait_for_node()
    return process


def qos(reliability: str) -> QoSProfile:
    policy = ReliabilityPolicy.RELIABLE if reliability == "reliable" else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(reliability=policy, history=HistoryPolicy.KEEP_LAST, depth=10)


class Probe:
    """Publishes frames, collects results."""

    def __init__(self, inputs: str = "reliable", outputs: str = "reliable", namespace: str = "") -> None:
        self.context = rclpy.Context()
        self.context.init()
        self.node = rclpy.create_node("probe", context=self.context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        node = self.node
        self.thermal = node.create_publisher(Image, topics.THERMAL_IMAGE, qos(inputs))
        self.rgb = node.create_publisher(Image, topics.RGB_IMAGE, qos(inputs))
        self.rgb_info = node.create_publisher(CameraInfo, topics.RGB_INFO, qos(inputs))
        self.thermal_info = node.create_publisher(CameraInfo, topics.THERMAL_INFO, qos(inputs))
        self.fused: list[Image] = []
        self.infos: list[CameraInfo] = []
        self.weights: list[ChannelWeights] = []
        self.diagnostics: dict[str, str] = {}
        self.levels: dict[str, tuple[bytes, str]] = {}
        self.fused_subscription = node.create_subscription(Image, topics.FUSED_IMAGE, self.fused.append, qos(outputs))
        node.create_subscription(CameraInfo, topics.FUSED_INFO, self.infos.append, qos(outputs))
        node.create_subscription(ChannelWeights, "fusion/channel_weights", self.weights.append, qos(outputs))
        node.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, 10)
        self._stamp = 1_000_000_000_000

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.levels[status.name.rpartition(": ")[2]] = (status.level, status.message)
            self.diagnostics.update({pair.key: pair.value for pair in status.values})

    def spin_until(self, condition: Callable[[], bool], patience: float = PATIENCE) -> bool:
        """Take messages until the condition holds; false if it never does."""
        end = time.monotonic() + patience
        while not condition():
            if time.monotonic() > end:
                return False
            self._executor.spin_once(timeout_sec=0.05)
        return True

    def spin_for(self, seconds: float) -> None:
        self.spin_until(lambda: False, seconds)

    def wait_for_node(self) -> None:
        """Until the fusion node and this one have found each other in both directions."""
        publishers = (self.thermal, self.rgb, self.rgb_info, self.thermal_info)
        names = (topics.FUSED_IMAGE, topics.FUSED_INFO, "fusion/channel_weights", topics.DIAGNOSTICS)
        resolved = [self.node.resolve_topic_name(name) for name in names]
        assert self.spin_until(
            lambda: (
                all(p.get_subscription_count() for p in publishers)
                and all(self.node.count_publishers(name) for name in resolved)
            )
        ), "the fusion node did not come up"
        # Matched on our side; a moment for the other side.
        self.spin_for(0.5)

    def header(self, frame: str, offset: float = 0.0) -> Header:
        """A header at the current stamp, plus an offset in seconds."""
        stamp = self._stamp + round(offset * 1e9)
        result = Header(frame_id=frame)
        result.stamp.sec, result.stamp.nanosec = divmod(stamp, 1_000_000_000)
        return result

    def advance(self, seconds: float = 0.1) -> None:
        self._stamp += round(seconds * 1e9)

    def send(
        self,
        thermal: np.ndarray | Image,
        rgb: np.ndarray | Image,
        *,
        skew: float = 0.0,
        thermal_encoding: str = "mono16",
    ) -> tuple[Image, Image]:
        """Publish one pair under a new stamp; arrays become messages."""
        self.advance()
        if isinstance(thermal, np.ndarray):
            encoding = "mono8" if thermal.dtype == np.uint8 else thermal_encoding
            thermal = image_message(thermal, encoding, self.header("thermal_frame"))
        if isinstance(rgb, np.ndarray):
            rgb = image_message(rgb, "rgb8" if rgb.ndim == 3 else "mono8", self.header("rgb_frame"))
        thermal.header = self.header("thermal_frame", skew)
        rgb.header = self.header("rgb_frame")
        self.thermal.publish(thermal)
        self.rgb.publish(rgb)
        return thermal, rgb

    def fuse(self, *arguments: Any, **keywords: Any) -> tuple[Image, ChannelWeights]:
        """Publish a pair and wait for its fused image and weights."""
        images, weights = len(self.fused), len(self.weights)
        self.send(*arguments, **keywords)
        assert self.spin_until(lambda: len(self.fused) > images and len(self.weights) > weights), (
            f"no fused image came back; diagnostics: {self.diagnostics}"
        )
        return self.fused[-1], self.weights[-1]

    def client(self, kind: Any, name: str) -> Any:
        """A client of a service of another node, each of the two known to the other."""
        client = self.node.create_client(kind, name)
        assert client.wait_for_service(PATIENCE), f"there is no service {name}"
        # Found by our side; a moment for the other side, which answers into the void until then.
        self.spin_for(0.3)
        return client

    def set_parameter(self, node: str, name: str, value: object) -> tuple[bool, str]:
        """Set a parameter of another node as `ros2 param set` does; whether it was accepted, and why not."""
        client = self.client(SetParameters, f"{node}/set_parameters")
        message: ParameterMessage = Parameter(name, value=value).to_parameter_msg()
        future = client.call_async(SetParameters.Request(parameters=[message]))
        assert self.spin_until(future.done)
        result = future.result().results[0]
        return result.successful, result.reason


def scene(seed: int = 0, rgb_size: tuple[int, int] = (64, 48), thermal_size: tuple[int, int] = (40, 32)):
    """A small pair of random structure: thermal counts and RGB."""
    rng = np.random.default_rng(seed)
    thermal = rng.integers(7000, 9000, thermal_size[::-1], dtype=np.uint16)
    rgb = rng.integers(0, 256, (*rgb_size[::-1], 3), dtype=np.uint8)
    return thermal, rgb


def pixels(message: Image) -> np.ndarray:
    """Array of a message that this package made."""
    channels = {"rgb8": 3, "mono8": 1}[message.encoding]
    array = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, channels)
    return array if channels == 3 else array[:, :, 0]
