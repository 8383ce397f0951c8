"""The demo's witness: receives what goes in and what comes out, shows live rates, leaves pictures and a summary.

A process of its own, so that everything it reports has crossed the middleware.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, Image

from camf_ros.imaging.camera_messages import ImageConversion
from camf_ros.imaging.picture_files import write_png
from camf_ros.imaging.picture_strip import Triple, picture_strip
from camf_ros.msg import ChannelWeights
from camf_ros.nodes import topics
from camf_ros.nodes.inputs import SENSOR_INPUT
from camf_ros.nodes.parameters import NodeParameters
from camf_ros.nodes.publishers import OUTPUT
from camf_ros.nodes.running import run_node
from camf_ros.nodes.statistics import Summary, summarise
from camf_ros.pairing.arrivals import nanoseconds
from camf_ros.settings.demo_settings import MonitorSettings

# Input frames that are kept until the fused picture made of them comes back.
_KEPT = 150


class DemoMonitor(Node):  # type: ignore[misc]
    """Listens for a while, then completes :attr:`finished` with whether fused pictures came."""

    def __init__(self) -> None:
        """Subscribe to everything."""
        super().__init__("demo_monitor")
        self._settings = NodeParameters(self, MonitorSettings).settings
        self.finished: Future = Future()
        self._conversion = ImageConversion()
        self._began = time.monotonic()
        self._first: float | None = None
        self._last = 0.0
        self._counts = {topics.THERMAL: 0, topics.RGB: 0, "fused": 0, "camera_info": 0}
        self._inputs: dict[str, OrderedDict[int, Image]] = {topics.THERMAL: OrderedDict(), topics.RGB: OrderedDict()}
        self._fused: OrderedDict[int, Image] = OrderedDict()
        self._weights: ChannelWeights | None = None
        self._latency: list[float] = []
        self._inference: list[float] = []
        self._skew: list[float] = []
        self._ages: list[float] = []
        self._triples: list[Triple] = []
        self._diagnostics: dict[str, str] = {}
        self._shown = (self._began, dict(self._counts))
        for camera, topic in ((topics.THERMAL, topics.THERMAL_IMAGE), (topics.RGB, topics.RGB_IMAGE)):
            self.create_subscription(Image, topic, lambda m, camera=camera: self._input(camera, m), SENSOR_INPUT)
        self.create_subscription(Image, topics.FUSED_IMAGE, self._on_fused, SENSOR_INPUT)
        self.create_subscription(CameraInfo, topics.FUSED_INFO, self._on_info, SENSOR_INPUT)
        self.create_subscription(ChannelWeights, self._settings.weights_topic, self._on_weights, OUTPUT)
        self.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, OUTPUT)
        self.create_timer(1.0, self._tick)

    def _input(self, camera: str, message: Image) -> None:
        self._counts[camera] += 1
        kept = self._inputs[camera]
        kept[nanoseconds(message.header.stamp)] = message
        if len(kept) > _KEPT:
            kept.popitem(last=False)

    def _on_fused(self, message: Image) -> None:
        self._counts["fused"] += 1
        self._last = time.monotonic()
        if self._first is None:
            self._first = self._last
        self._ages.append(1e-9 * (self.get_clock().now().nanoseconds - nanoseconds(message.header.stamp)))
        self._fused[nanoseconds(message.header.stamp)] = message
        if len(self._fused) > _KEPT:
            self._fused.popitem(last=False)
        self._collect()

    def _on_info(self, _message: CameraInfo) -> None:
        self._counts["camera_info"] += 1

    def _on_weights(self, message: ChannelWeights) -> None:
        self._weights = message
        self._latency.append(message.latency)
        self._inference.append(message.inference_time)
        self._skew.append(abs(message.skew))
        self._collect()

    def _collect(self) -> None:
        """Take a picture for the strip when one is due and all of its parts are there, whichever came last."""
        weights = self._weights
        if weights is None or self._first is None or len(self._triples) >= self._settings.pictures:
            return
        # Evenly over the run; the first ones have not settled yet.
        due = self._settings.seconds * (len(self._triples) + 0.5) / self._settings.pictures
        if time.monotonic() - self._first < due:
            return
        thermal = self._inputs[topics.THERMAL].get(nanoseconds(weights.thermal_stamp))
        rgb = self._inputs[topics.RGB].get(nanoseconds(weights.rgb_stamp))
        fused = self._fused.get(nanoseconds(weights.header.stamp))
        if thermal is None or rgb is None or fused is None:
            return
        convert = self._conversion
        self._triples.append(Triple(convert.thermal(thermal), convert.rgb(rgb), convert.rgb(fused)))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith((": inputs", ": fusion")):
                self._diagnostics.update({pair.key: pair.value for pair in status.values})

    def _tick(self) -> None:
        now = time.monotonic()
        then, counts = self._shown
        self._shown = (now, dict(self._counts))
        rate = {name: (count - counts[name]) / (now - then) for name, count in self._counts.items()}
        latency = summarise(self._latency[-50:])
        dropped = self._diagnostics.get("dropped for a newer pair", "-")
        print(
            f"thermal {rate['thermal']:5.1f} Hz | rgb {rate['rgb']:5.1f} Hz | fused {rate['fused']:5.1f} Hz | "
            f"latency p50 {1e3 * latency.median:6.1f} p95 {1e3 * latency.p95:6.1f} ms | dropped {dropped}",
            flush=True,
        )
        if (self._first is not None and now - self._first >= self._settings.seconds) or (
            self._first is None and now - self._began >= self._settings.timeout
        ):
            self._finish()

    def _finish(self) -> None:
        folder = Path(self._settings.output)
        folder.mkdir(parents=True, exist_ok=True)
        summary = self.summary()
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        if self._triples:
            write_png(folder / "strip.png", picture_strip(self._triples))
        if not self.finished.done():
            self.finished.set_result(bool(self._triples))

    def summary(self) -> dict[str, object]:
        """What was received, and how fast."""
        seconds = time.monotonic() - self._first if self._first is not None else 0.0
        # From the first fused picture to the last: one interval fewer than pictures.
        span = self._last - self._first if self._first is not None else 0.0
        latency = summarise(self._latency)
        inference = summarise(self._inference)
        skew = summarise(self._skew)
        age = summarise(self._ages)
        last = self._weights

        def count(key: str) -> int:
            return int(self._diagnostics.get(key, 0))

        return {
            "seconds": round(seconds, 2),
            "thermal_received": self._counts[topics.THERMAL],
            "rgb_received": self._counts[topics.RGB],
            "pairs_received": count("pairs"),
            "pairs_fused": count("fused"),
            "pairs_dropped": count("dropped for a newer pair"),
            "pairs_rejected": count("rejected"),
            "fused_received": self._counts["fused"],
            "fused_camera_info_received": self._counts["camera_info"],
            "fused_rate_hz": round((self._counts["fused"] - 1) / span, 2) if span > 0 else 0.0,
            "latency_ms": _milliseconds(latency),
            "inference_ms": _milliseconds(inference),
            "stamp_to_reception_ms": _milliseconds(age),
            "skew_ms": _milliseconds(skew),
            "model": last.model_name if last else "",
            "model_hash": last.model_hash if last else "",
            "gain": round(last.gain, 4) if last else 0.0,
            "channels": len(last.infrared_weight) if last else 0,
            "engine": self._diagnostics.get("engine", ""),
            "image_conversion": self._diagnostics.get("image conversion", ""),
        }


def _milliseconds(summary: Summary) -> dict[str, float]:
    return {
        "mean": round(1e3 * summary.mean, 2),
        "p50": round(1e3 * summary.median, 2),
        "p95": round(1e3 * summary.p95, 2),
    }


def _listen(node: DemoMonitor) -> int:
    rclpy.spin_until_future_complete(node, node.finished)
    return 0 if node.finished.done() and node.finished.result() else 1


def main() -> int:
    """Listen until enough was seen.

    Returns:
        Exit status: 0 if fused pictures came back over the topic.
    """
    return run_node(DemoMonitor, _listen)
