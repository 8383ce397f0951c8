"""Looks at the node once a period: /diagnostics for machines, a line in the log where frames or pairs stay away."""

from __future__ import annotations

import time
from collections import Counter

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from camf_ros.errors import plain
from camf_ros.fused_frame import FusedFrame
from camf_ros.fusion import FusedPair
from camf_ros.imaging.depth_images import DepthImages
from camf_ros.nodes import topics
from camf_ros.nodes.diagnostics import (
    fusion_status,
    gain_values,
    idle_status,
    input_status,
    memory_values,
    rates,
    sources_status,
    thermal_values,
)
from camf_ros.nodes.input_log import InputLog
from camf_ros.nodes.losses import Losses
from camf_ros.nodes.publishers import publish
from camf_ros.nodes.running import resident_megabytes
from camf_ros.nodes.states import Active, Loaded
from camf_ros.nodes.statistics import Statistics
from camf_ros.nodes.worker import trim
from camf_ros.pairing.synchronizer import OTHER
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.source_check.check import SourceReport

# Share of an image that must have a depth.
_HARDLY_ANY = 0.01


class Reporter:
    """Reports on a node. Everything is called in the executor's thread."""

    def __init__(self, node: Node, statistics: Statistics) -> None:
        self._node, self._statistics = node, statistics
        self._publisher = publish(node, DiagnosticArray, topics.DIAGNOSTICS)
        self._last = (statistics.snapshot(time.monotonic()), time.monotonic())
        self._inputs: InputLog | None = None
        # Of the current activation: losses of each camera, and what was fused before it.
        self._losses = Losses()
        self._fused_before: FusedPair | None = None
        self._told = False
        self._said: set[tuple[str, str]] = set()
        # RGB images without depth until the last report, and whether depth was missing then.
        self._missed: tuple[DepthImages | None, int] = (None, 0)
        self._without_depth = False
        # Of earlier activations.
        self._dropped_before = 0
        self._unpaired_before: Counter[str] = Counter()

    def watch(self, settings: FusionSettings, fused_before: FusedPair | None) -> None:
        """Begin to look at the inputs: the node was activated."""
        self._inputs = InputLog(self._node, settings)
        self._losses = Losses()
        self._fused_before, self._told = fused_before, False

    def ended(self, active: Active) -> None:
        """Keep the counts of an activation that is over: counters never go back."""
        self._dropped_before += active.mailbox.displaced
        self._unpaired_before.update(active.inputs.stream.dropped)

    def report(self, settings: FusionSettings, loaded: Loaded | None, active: Active | None) -> None:
        """Publish, and log what is new."""
        now = time.monotonic()
        before, then = self._last
        # Before the snapshot: no pair shows as dropped that does not show as formed.
        dropped = self._dropped_before + (active.mailbox.displaced if active else 0)
        snapshot = self._statistics.snapshot(now)
        self._last = (snapshot, now)
        name = self._node.get_fully_qualified_name()
        values: dict[str, object] = {
            "state": "active" if active else "inactive" if loaded else "unconfigured",
            **memory_values(resident_megabytes(), loaded.device_memory if loaded else None),
        }
        if loaded is not None and loaded.loader.loading:
            values["loading"] = loaded.loader.loading
        if loaded is None or active is None:
            self._publish([idle_status(f"{name}: {part}", values) for part in ("inputs", "fusion")])
            return
        rate = rates(before, snapshot, max(now - then, 1e-3))
        fusion = loaded.fusion
        chosen, last = fusion.running.chosen, fusion.last
        frame = last.frame if last else None
        depth = fusion.cameras.depth if settings.registration.mode == "depth" else None
        fallback = self._fallback(depth, frame)
        warnings = (
            *(text for text in (loaded.problem, fallback) if text),
            *fusion.cameras.problems.values(),
            *loaded.warnings,
        )
        values.update(
            {
                "engine": chosen.engine.description,
                "engine chosen": chosen.reason,
                **{f"engine warning {number}": text for number, text in enumerate(warnings, start=1)},
                "model": chosen.engine.model_name,
                "model hash": chosen.engine.model_hash,
                **active.adapting.values(settings),
                **gain_values(settings.gain, frame.gain if frame else None, has_gain=chosen.engine.has_gain),
                "seen by both cameras (%)": f"{100 * last.made.overlap:.0f}" if last else "none yet",
                **({"depth": _depth_text(depth, frame)} if depth is not None else {}),
                "pictures": _pictures(last) if last else "none yet",
                **thermal_values(fusion.pipeline.thermal_state),
                "thermal temperatures": settings.thermal.conversion_text,
                "image conversion": fusion.conversion.backend,
            }
        )
        news = sum(snapshot.rejected.values()) - sum(before.rejected.values())
        if news:
            trim()  # what was refused may have been large, and nothing as large may come for long
        stream, passes = active.inputs.stream, settings.on_missing == "pass_through"
        missing = stream.missing(time.monotonic())
        unpaired = self._unpaired_before.copy()
        unpaired.update(stream.dropped)
        watch = active.source_watch
        assert self._inputs is not None
        inputs, mixed = active.inputs, self._inputs.mixed()
        still = self._inputs.still(stream.still(time.monotonic()), missing)
        lossy = self._losses.look(inputs.lost, snapshot.frames, inputs.stamps, fusion.cameras.stamps, now)
        self._publish(
            [
                *([sources_status(name, watch.report)] if watch else []),
                input_status(
                    name,
                    snapshot,
                    rate,
                    settings,
                    unpaired=unpaired,
                    lost=inputs.lost,
                    missing=missing,
                    passes=passes,
                    troubles=[*(trouble.text for trouble in mixed.values()), *lossy.values()],
                    still=still.text,
                    advice=inputs.advice(),
                ),
                fusion_status(
                    name,
                    snapshot,
                    rate,
                    settings,
                    dropped=dropped,
                    engine=values,
                    news=news,
                    warnings=warnings,
                    alive=active.worker.alive,
                ),
            ]
        )
        if watch is not None and watch.report is not None:
            self._say_sources(watch.report)
        self._inputs.look(snapshot, missing, inputs, passes=passes, mixed=mixed, lossy=lossy, still=still)
        if last is not None and last is not self._fused_before and not self._told:
            self._told = True
            self._say_fusing(last, active, self._inputs)

    def _say_fusing(self, pair: FusedPair, active: Active, inputs: InputLog) -> None:
        """Once, that all is well, and what with."""
        cameras = " and ".join(f"{inputs.topics[camera]} ({active.inputs.pictures[camera]})" for camera in OTHER)
        height, width = pair.made.image.shape[:2]
        topic = self._node.resolve_topic_name(topics.FUSED_IMAGE if pair.frame else topics.DETECTOR_IMAGE)
        self._node.get_logger().info(plain(f"fusing {cameras} with {pair.model} into {topic} ({width}x{height})"))

    def _fallback(self, depth: DepthImages | None, frame: FusedFrame | None) -> str:
        """Why depth was not used since the last report; also in the log when that begins and ends."""
        before, self._missed = self._missed, (depth, depth.missed if depth else 0)
        reason = ""
        if depth and (depth.missing or depth.missed > (before[1] if before[0] is depth else 0)):
            reason = depth.problem
        elif depth and depth.received and frame and frame.aligned and frame.aligned.depth < _HARDLY_ANY:
            reason = "the depth images have hardly any depth"
        text = f"registration by the plane in place of depth: {reason}" if reason else ""
        if reason and not self._without_depth:
            self._node.get_logger().warning(text)
        elif self._without_depth and depth and not reason:
            self._node.get_logger().info("registration by depth again")
        self._without_depth = bool(reason)
        return text

    def _publish(self, statuses: list[DiagnosticStatus]) -> None:
        """Send them under one stamp."""
        message = DiagnosticArray(status=statuses)
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _say_sources(self, report: SourceReport) -> None:
        """Each warning once, until it is gone: its numbers change with every look."""
        warnings = {(finding.kind, finding.camera): finding.text for finding in report.findings if finding.warning}
        for cause in warnings.keys() - self._said:
            self._node.get_logger().warning(f"source check: {warnings[cause]}")
        if self._said and not warnings:
            self._node.get_logger().info("source check: nothing is wrong any more")
        self._said = set(warnings)


def _depth_text(depth: DepthImages, frame: FusedFrame | None) -> str:
    """How much was registered by depth."""
    share = f"{100 * frame.aligned.depth:.0f} % of the last image" if frame and frame.aligned else "no image yet"
    return f"{share}, {depth.received} depth images, {depth.missed} pairs without"


def _pictures(pair: FusedPair) -> str:
    """Which pictures were made of a pair, by their topics."""
    made = ((topics.FUSED_IMAGE, pair.frame), (topics.DETECTOR_IMAGE, pair.detector))
    return ", ".join(topic for topic, picture in made if picture is not None)
