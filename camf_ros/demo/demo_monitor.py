"""The demo's witness: receives what goes in and what comes out, shows live rates, leaves pictures, a summary, a page.

A process of its own, so that everything it reports has crossed the middleware.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from pathlib import Path
from typing import NoReturn

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, Image

from camf_ros.demo.demo_page import demo_page
from camf_ros.files import make_folder, write_json, write_whole
from camf_ros.imaging.camera_messages import ImageConversion
from camf_ros.imaging.picture_files import write_png
from camf_ros.imaging.picture_strip import Triple, picture_strip
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.msg import ChannelWeights
from camf_ros.nodes import topics
from camf_ros.nodes.inputs import SENSOR_INPUT
from camf_ros.nodes.parameters import NodeParameters, tell_unused_overrides
from camf_ros.nodes.publishers import OUTPUT
from camf_ros.nodes.running import run_node
from camf_ros.nodes.statistics import Summary, summarise
from camf_ros.pairing.arrivals import nanoseconds
from camf_ros.settings.demo_settings import PAGE, STRIP, SUMMARY, MonitorSettings
from camf_ros.settings.thermal_settings import ThermalSettings

# Input frames that are kept until the fused picture made of them comes back, and detector images until the weights do.
_KEPT, _KEPT_DETECTOR = 150, 8
# Lines of the page's chart of rates.
_CAPTIONS = {topics.THERMAL: "thermal", topics.RGB: "RGB", "fused": "fused"}


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
        # For the page: what the strip does not show, and frames a second for each second.
        self._detector: OrderedDict[int, Image] = OrderedDict()
        self._detected: Image | None = None  # the one of the last triple
        self._explanation: Image | None = None
        self._rates: dict[str, list[float]] = {name: [] for name in _CAPTIONS}
        self._diagnostics: dict[str, str] = {}
        self._shown = (self._began, dict(self._counts))
        for camera, topic in ((topics.THERMAL, topics.THERMAL_IMAGE), (topics.RGB, topics.RGB_IMAGE)):
            self.create_subscription(Image, topic, lambda m, camera=camera: self._input(camera, m), SENSOR_INPUT)
        self.create_subscription(Image, topics.FUSED_IMAGE, self._on_fused, SENSOR_INPUT)
        if self._settings.view:
            self.create_subscription(Image, topics.DETECTOR_IMAGE, self._on_detector, SENSOR_INPUT)
            self.create_subscription(Image, self._settings.explanation_topic, self._on_explanation, OUTPUT)
        self.create_subscription(CameraInfo, topics.FUSED_INFO, self._on_info, SENSOR_INPUT)
        self.create_subscription(ChannelWeights, self._settings.weights_topic, self._on_weights, OUTPUT)
        self.create_subscription(DiagnosticArray, topics.DIAGNOSTICS, self._on_diagnostics, OUTPUT)
        tell_unused_overrides(self)
        self.create_timer(1.0, self._tick)

    def _input(self, camera: str, message: Image) -> None:
        self._counts[camera] += 1
        _keep(self._inputs[camera], message)

    def _on_fused(self, message: Image) -> None:
        self._counts["fused"] += 1
        self._last = time.monotonic()
        if self._first is None:
            self._first = self._last
        self._ages.append(1e-9 * (self.get_clock().now().nanoseconds - nanoseconds(message.header.stamp)))
        _keep(self._fused, message)
        self._collect()

    def _on_detector(self, message: Image) -> None:
        _keep(self._detector, message, _KEPT_DETECTOR)
        self._collect()

    def _on_explanation(self, message: Image) -> None:
        self._explanation = message

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
        stamp = nanoseconds(weights.header.stamp)
        fused, detector = self._fused.get(stamp), self._detector.get(stamp)
        if thermal is None or rgb is None or fused is None or (self._settings.view and detector is None):
            return
        self._detected = detector
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
        if self._first is not None:
            for name, rates in self._rates.items():
                rates.append(rate[name])
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
        make_folder(folder)
        summary = self.summary()
        if self._triples:
            write_png(folder / STRIP, picture_strip(self._triples))
        if self._settings.view:
            write_whole(folder / PAGE, self._page(summary).encode())
        write_json(folder / SUMMARY, summary)
        if not self.finished.done():
            self.finished.set_result(bool(self._triples))

    def _page(self, summary: dict[str, object]) -> str:
        pictures: dict[str, NDArray[np.uint8]] = {}
        if self._triples:
            last = self._triples[-1]
            thermal = ThermalFrontEnd(ThermalSettings()).apply(last.thermal, 0.0)
            pictures |= {"Thermal": thermal, "RGB": last.rgb, "Fused image": last.fused}
        if self._detected is not None:
            pictures["Detector image"] = self._conversion.rgb(self._detected)
        explanation = None if self._explanation is None else self._conversion.rgb(self._explanation)
        rates = {_CAPTIONS[name]: line for name, line in self._rates.items()}
        weights = self._weights
        channels = {"thermal": weights.infrared_weight, "RGB": weights.visible_weight} if weights else {}
        return demo_page(summary, pictures, rates, channels, explanation)

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


def _keep(kept: OrderedDict[int, Image], message: Image, most: int = _KEPT) -> None:
    kept[nanoseconds(message.header.stamp)] = message
    if len(kept) > most:
        kept.popitem(last=False)


def _milliseconds(summary: Summary) -> dict[str, float]:
    return {
        "mean": round(1e3 * summary.mean, 2),
        "p50": round(1e3 * summary.median, 2),
        "p95": round(1e3 * summary.p95, 2),
    }


def _listen(node: DemoMonitor) -> int:
    rclpy.spin_until_future_complete(node, node.finished)
    return 0 if node.finished.done() and node.finished.result() else 1


def main() -> NoReturn:
    """Listen until enough was seen; the exit status is 0 if fused pictures came back over the topic."""
    run_node("demo_monitor", DemoMonitor, MonitorSettings, _listen)
