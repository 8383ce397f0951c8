"""The node's state on /diagnostics, about once a second: numbers for machines, one sentence for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from camf_ros.engines.engine import DeviceMemory
from camf_ros.imaging.thermal.front_end import ThermalState
from camf_ros.nodes import topics
from camf_ros.nodes.statistics import Snapshot
from camf_ros.pairing.arrivals import Missing
from camf_ros.pairing.synchronizer import OTHER
from camf_ros.settings.fusion_settings import FusionSettings, Thresholds
from camf_ros.source_check.check import SourceReport

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
STALE = DiagnosticStatus.STALE

_MISSING = {
    "silent": "no frame",
    "frozen": "the same frame over and over",
    "refused": "no frame that can be used",
}


@dataclass(frozen=True)
class Rates:
    """Events a second between two snapshots."""

    frames: Mapping[str, float]
    fused: float


def rates(before: Snapshot, now: Snapshot, elapsed: float) -> Rates:
    """Rates between two snapshots ``elapsed`` seconds apart."""
    return Rates(
        {camera: (count - before.frames[camera]) / elapsed for camera, count in now.frames.items()},
        (now.fused - before.fused) / elapsed,
    )


def input_status(
    name: str,
    snapshot: Snapshot,
    rate: Rates,
    settings: FusionSettings,
    *,
    unpaired: Mapping[str, int],
    lost: Mapping[str, int],
    missing: Mapping[str, Missing],
    passes: bool,
    troubles: Sequence[str],
    still: str,
    advice: str,
) -> DiagnosticStatus:
    """State of the inputs: is every camera alive, and do their frames pair?

    ``unpaired``: frames that came into no pair, by camera and reason; ``lost``: images that were lost on the way;
    ``passes``: whether frames of a camera that is alone are published; ``troubles``: what else is wrong with the
    topics; ``still``: that no picture changes, where that is so; ``advice``: why there is no pair, where there is none.
    """
    timeout, thresholds = settings.no_data_timeout, settings.thresholds
    silent = [camera for camera, age in snapshot.ages.items() if age is None or age > timeout]
    values: dict[str, object] = {}
    for camera, age in snapshot.ages.items():
        values[f"{camera} frames"] = snapshot.frames[camera]
        values[f"{camera} rate (Hz)"] = f"{rate.frames[camera]:.2f}"
        values[f"{camera} age (s)"] = "never" if age is None else f"{age:.3f}"
        values[f"{camera} state"] = missing[camera].reason if camera in missing else "there"
        values[f"{camera} passed through alone"] = snapshot.passed[camera]
        values[f"{camera} lost on the way"] = lost[camera]
    values["pairs"] = snapshot.pairs
    values["pair skew mean (ms)"] = f"{1e3 * snapshot.skew.mean:.2f}"
    values["pair skew p95 (ms)"] = f"{1e3 * snapshot.skew.p95:.2f}"
    values.update({f"unpaired: {reason}": count for reason, count in unpaired.items()})
    told = {camera: state for camera, state in missing.items() if state.reason != "silent" or passes}
    if told and (len(missing) == 1 or "refused" in [state.reason for state in told.values()]):
        troubles = [*troubles, missing_text(missing, passes=passes)]
    if troubles:
        return _status(f"{name}: inputs", WARN, "; ".join(troubles), values)
    if silent:
        level = STALE if len(silent) == len(snapshot.ages) else WARN
        return _status(f"{name}: inputs", level, f"no frames from {' and '.join(silent)}", values)
    if snapshot.pair_age is None or snapshot.pair_age > timeout:
        since = "yet" if snapshot.pair_age is None else f"for {snapshot.pair_age:.0f} s"
        text = f"frames, but no pair {since}: {advice}"
        return _status(f"{name}: inputs", WARN, text, values)
    if thresholds.skew and snapshot.skew.p95 > thresholds.skew:
        text = f"pair skew p95 is {1e3 * snapshot.skew.p95:.0f} ms, more than thresholds.skew"
        return _status(f"{name}: inputs", WARN, text, values)
    if still:
        return _status(f"{name}: inputs", WARN, still, values)
    return _status(f"{name}: inputs", OK, "both cameras send frames", values)


def missing_text(missing: Mapping[str, Missing], *, passes: bool) -> str:
    """Cameras that are missing: what of them, for how long, and what is published instead."""
    texts = []
    for camera, state in missing.items():
        text = f"{camera}: {_MISSING[state.reason]} for {state.seconds:.1f} s"
        texts.append(f"{text} ({state.cause})" if state.cause else text)
    if passes and len(missing) == 1:
        (camera,) = missing
        texts.append(f"{OTHER[camera]} alone is passed through")
    return "; ".join(texts)


def fusion_status(
    name: str,
    snapshot: Snapshot,
    rate: Rates,
    settings: FusionSettings,
    *,
    dropped: int,
    engine: Mapping[str, object],
    news: int,
    warnings: Sequence[str],
    alive: bool,
) -> DiagnosticStatus:
    """State of the fusion itself.

    Args:
        name: Name of the node.
        snapshot: The numbers.
        rate: The rates.
        settings: With the limits beyond which something is wrong.
        dropped: Pairs that a newer one displaced before their turn.
        engine: Values that say what runs.
        news: Frames and pairs rejected since the last message.
        warnings: What should run and does not; the state is never OK with one.
        alive: Whether the worker's thread runs.
    """
    values: dict[str, object] = {
        "fused": snapshot.fused,
        "fused rate (Hz)": f"{rate.fused:.2f}",
        "dropped for a newer pair": dropped,
        "rejected": sum(snapshot.rejected.values()),
        **{f"rejected: {reason}": count for reason, count in sorted(snapshot.rejected.items())},
        **{f"failed: {name}": count for name, count in sorted(snapshot.extras_failed.items())},
        "latency median (ms)": f"{1e3 * snapshot.latency.median:.1f}",
        "latency p95 (ms)": f"{1e3 * snapshot.latency.p95:.1f}",
        "inference median (ms)": f"{1e3 * snapshot.inference.median:.1f}",
        "inference p95 (ms)": f"{1e3 * snapshot.inference.p95:.1f}",
        **engine,
    }
    if not alive:
        return _status(f"{name}: fusion", ERROR, "the worker has ended: restart the node", values)
    timeout = settings.no_data_timeout
    pairs_come = snapshot.pair_age is not None and snapshot.pair_age <= timeout
    if pairs_come and snapshot.unfused is not None and snapshot.unfused > timeout:
        text = f"pairs arrive, none was fused for {snapshot.unfused:.0f} s"
        return _status(f"{name}: fusion", ERROR, text, values)
    if news:
        return _status(f"{name}: fusion", WARN, f"{news} rejected since the last report", values)
    if warnings:
        return _status(f"{name}: fusion", WARN, f"{warnings[0]} ({rate.fused:.1f} fused images a second)", values)
    if slow := _beyond(settings.thresholds, snapshot, rate.fused if pairs_come else None):
        return _status(f"{name}: fusion", WARN, slow, values)
    return _status(f"{name}: fusion", OK, f"{rate.fused:.1f} fused images a second", values)


def _beyond(thresholds: Thresholds, snapshot: Snapshot, rate: float | None) -> str:
    """What is slower than it may be, in words; empty if nothing is."""
    if thresholds.latency and snapshot.latency.p95 > thresholds.latency:
        return f"latency p95 is {1e3 * snapshot.latency.p95:.0f} ms, more than thresholds.latency"
    if rate is not None and rate < thresholds.rate:
        return f"{rate:.1f} fused images a second, fewer than thresholds.rate"
    return ""


def idle_status(name: str, values: Mapping[str, object]) -> DiagnosticStatus:
    """State of a part of a node that is not active."""
    return _status(name, OK, f"{values['state']}: not fusing", values)


def gain_values(constant: float, used: float | None, *, has_gain: bool) -> dict[str, object]:
    """The gain of the fusion rule, and where it comes from.

    ``constant`` is the setting, 0 for the automatic gain; ``used`` the gain of the last fused image, None before it.
    """
    if not has_gain:
        return {"gain": "1.000", "gain mode": "this model has none"}
    if constant:
        return {"gain": f"{constant:.3f}", "gain mode": "constant"}
    return {"gain": "none yet" if used is None else f"{used:.3f}", "gain mode": "automatic"}


def memory_values(resident: float, device: DeviceMemory | None) -> dict[str, object]:
    """What the process holds: resident memory (MB), and that of the engine's accelerator, if it has one that tells."""
    values: dict[str, object] = {"resident memory (MB)": f"{resident:.0f}"}
    if device is not None:
        names = ("device memory held (MB)", "device memory free (MB)", "device memory total (MB)")
        values.update({name: f"{size / 1e6:.0f}" for name, size in zip(names, device, strict=True)})
    return values


def sources_status(name: str, report: SourceReport | None) -> DiagnosticStatus:
    """Whether thermal looks thermal, and RGB like RGB; ``report``: the last one, None before the first."""
    if report is None:
        return _status(f"{name}: sources", OK, "not checked yet", {})
    values: dict[str, object] = {}
    for camera, state in ((topics.THERMAL, report.thermal), (topics.RGB, report.rgb)):
        values[f"{camera} is {camera} (probability)"] = (
            state.not_judged or "not judged" if state.probability is None else f"{state.probability:.2f}"
        )
        values[f"{camera} unchanged (s)"] = f"{state.frozen:.1f}"
    values["swapped (probability)"] = "not judged" if report.swapped is None else f"{report.swapped:.2f}"
    values["probabilities"] = "fitted for this model" if report.calibrated else "the classifier's own, not fitted"
    values.update({f"finding: {finding.kind}": finding.text for finding in report.findings})
    if report.warnings:
        return _status(f"{name}: sources", WARN, "; ".join(report.warnings), values)
    return _status(f"{name}: sources", OK, "no finding", values)


def thermal_values(state: ThermalState | None) -> dict[str, object]:
    """What the thermal front end found in the last frame; nothing before the first."""
    if state is None:
        return {}
    absent = state.no_scene
    levels = "unchanged" if state.levels is None else f"{state.levels[0]:.6g} to {state.levels[1]:.6g}"
    return {
        "thermal levels": levels,
        "thermal black or white (%)": f"{100 * state.clipped:.1f}",
        "thermal saturated (%)": f"{100 * state.saturated:.1f}",
        "thermal invalid (%)": f"{100 * state.invalid:.1f}",
        "thermal dead pixels": state.dead_pixels,
        "thermal no scene (%)": "0.0" if absent is None else f"{100 * absent.share:.1f} ({absent.text})",
    }


def _status(name: str, level: bytes, text: str, values: Mapping[str, object]) -> DiagnosticStatus:
    return DiagnosticStatus(
        name=name,
        level=level,
        message=text,
        hardware_id="camf_ros",
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
