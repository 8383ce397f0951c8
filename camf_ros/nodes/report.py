"""Looks at the node once a period: /diagnostics for machines, a line in the log where frames or pairs stay away."""

from __future__ import annotations

import time
from collections import Counter

from rclpy.node import Node

from camf_ros.nodes import topics
from camf_ros.nodes.adapting import Adapting
from camf_ros.nodes.allocator import trim
from camf_ros.nodes.diagnostics import (
    DiagnosticsPublisher,
    fusion_status,
    gain_values,
    idle_status,
    input_status,
    memory_values,
    rates,
    sources_status,
    thermal_values,
)
from camf_ros.nodes.fuser import FusedPair, Fuser
from camf_ros.nodes.intake import Intake
from camf_ros.nodes.memory import resident_megabytes
from camf_ros.nodes.silence import SilenceWatch
from camf_ros.nodes.source_watch import SourceWatch
from camf_ros.nodes.statistics import Statistics
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.source_check.check import SourceReport


class Reporter:
    """Reports on a node.

    Attributes:
        load_problem: Why another engine could not be loaded; empty if none was asked for, or it runs.
    """

    def __init__(self, node: Node, statistics: Statistics) -> None:
        """Create the publisher.

        Args:
            node: Whose name, log and publisher.
            statistics: The numbers.
        """
        self._node, self._statistics = node, statistics
        self._publisher = DiagnosticsPublisher(node)
        self._last = (statistics.snapshot(time.monotonic()), time.monotonic())
        self._silence: SilenceWatch | None = None
        self._said: set[tuple[str, str]] = set()
        self.load_problem = ""
        # Of earlier activations.
        self._dropped_before = 0
        self._unpaired_before: Counter[str] = Counter()

    def watch(self, settings: FusionSettings) -> None:
        """Begin to look for silence: the node was activated."""
        self._silence = SilenceWatch(self._node, settings)

    def ended(self, intake: Intake) -> None:
        """Keep the counts of an activation that is over: counters never go back."""
        self._dropped_before += intake.displaced
        self._unpaired_before.update(intake.unpaired)

    def report(
        self,
        settings: FusionSettings,
        fuser: Fuser | None,
        intake: Intake | None,
        *,
        watch: SourceWatch | None,
        adapting: Adapting | None,
        loading: str,
    ) -> None:
        """Publish, and log what is new; from the executor's thread.

        Args:
            settings: In force.
            fuser: What is loaded, if anything is.
            intake: What is active, if anything is.
            watch: The source check, if it runs.
            adapting: The choice of the candidate, if it runs.
            loading: Name of what is being loaded in the background, or empty.
        """
        now = time.monotonic()
        before, then = self._last
        # Before the snapshot: no pair shows as dropped that does not show as formed.
        dropped = self._dropped_before + (intake.displaced if intake else 0)
        snapshot = self._statistics.snapshot(now)
        self._last = (snapshot, now)
        name = self._node.get_fully_qualified_name()
        values: dict[str, object] = {
            "state": "active" if intake else "inactive" if fuser else "unconfigured",
            **memory_values(resident_megabytes(), fuser.device_memory if fuser else None),
        }
        if loading:
            values["loading"] = loading
        if fuser is None or intake is None:
            self._publisher.publish([idle_status(f"{name}: {part}", values) for part in ("inputs", "fusion")])
            return
        rate = rates(before, snapshot, max(now - then, 1e-3))
        chosen, last = fuser.chosen, fuser.last
        frame = last.frame if last else None
        warnings = (*([self.load_problem] if self.load_problem else []), *fuser.warnings)
        values.update(
            {
                "engine": chosen.engine.description,
                "engine chosen": chosen.reason,
                **{f"engine warning {number}": text for number, text in enumerate(warnings, start=1)},
                "model": chosen.engine.model_name,
                "model hash": chosen.engine.model_hash,
                **(adapting.values(settings) if adapting else {}),
                **gain_values(settings.gain, frame.gain if frame else None, has_gain=chosen.engine.has_gain),
                "seen by both cameras (%)": f"{100 * last.made.overlap:.0f}" if last else "none yet",
                "pictures": _pictures(last) if last else "none yet",
                **thermal_values(fuser.thermal_state),
                "image conversion": fuser.conversion.backend,
            }
        )
        news = sum(snapshot.rejected.values()) - sum(before.rejected.values())
        if news:
            trim()  # what was refused may have been large, and nothing as large may come for long
        missing, passes = intake.missing(), settings.on_missing == "pass_through"
        unpaired = self._unpaired_before.copy()
        unpaired.update(intake.unpaired)
        sources = [sources_status(name, watch.report)] if watch else []
        self._publisher.publish(
            [
                *sources,
                input_status(name, snapshot, rate, settings, unpaired=unpaired, missing=missing, passes=passes),
                fusion_status(
                    name,
                    snapshot,
                    rate,
                    settings,
                    dropped=dropped,
                    engine=values,
                    news=news,
                    warnings=warnings,
                    alive=intake.alive,
                ),
            ]
        )
        if watch is not None and watch.report is not None:
            self._say_sources(watch.report)
        if self._silence is not None:
            self._silence.look(snapshot, missing, passes=passes)

    def _say_sources(self, report: SourceReport) -> None:
        """Each warning once, until it is gone: its numbers change with every look."""
        warnings = {(finding.kind, finding.camera): finding.text for finding in report.findings if finding.warning}
        for cause in warnings.keys() - self._said:
            self._node.get_logger().warning(f"source check: {warnings[cause]}")
        if self._said and not warnings:
            self._node.get_logger().info("source check: nothing is wrong any more")
        self._said = set(warnings)


def _pictures(pair: FusedPair) -> str:
    """Which pictures were made of a pair, by their topics."""
    made = ((topics.FUSED_IMAGE, pair.frame), (topics.DETECTOR_IMAGE, pair.detector))
    return ", ".join(topic for topic, picture in made if picture is not None)
