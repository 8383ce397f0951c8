"""One run at one rate: what was sent, what came back and when, and what the node's process spent on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from node_benchmark.processes import BenchmarkError, Talk

#: From this share of lost pairs on, a rate is more than the node can take.
TOLERATED = 0.05
# A driver that falls behind by more than this does not send the rate that it was asked for.
_LEAST_OF_RATE = 0.97
# The node may still be at work on the last pair; this many times its inference is waited for it.
_PATIENCE, _LEAST_PATIENCE = 5.0, 1.0
# First thing after the start a network may take very long.
_FIRST_PATIENCE = 120.0
_WARM_UP_PAIRS = 5
_MIB = 2**20


@dataclass
class Run:
    """Result of one run."""

    figures: dict[str, Any]  #: As they go into the JSON file
    latencies: NDArray[np.float64]  #: From stamp to reception in the order of the stamps, seconds

    @property
    def rate(self) -> float:
        """Pairs a second that were sent."""
        return float(self.figures["sent_rate"])

    @property
    def on_time(self) -> bool:
        """Whether the driver sent what it was asked for."""
        return self.rate >= _LEAST_OF_RATE * float(self.figures["rate"])

    @property
    def passed(self) -> bool:
        """Whether the node took the rate."""
        return self.on_time and float(self.figures["dropped_share"]) < TOLERATED


class Bench:
    """A running node between a driver and a receiver."""

    def __init__(self, driver: Talk, receiver: Talk, node: psutil.Process) -> None:
        """Nothing is sent yet."""
        self._driver, self._receiver, self._node = driver, receiver, node
        self._inference = 0.0
        self.about: dict[str, str] = {}

    def warm_up(self) -> None:
        """Send single pairs until the node has fused a few of this size; raises BenchmarkError if none comes back."""
        end = time.monotonic() + _FIRST_PATIENCE
        seen = 0
        while seen < _WARM_UP_PAIRS:
            if time.monotonic() > end:
                raise BenchmarkError(f"only {seen} pairs came back fused within {_FIRST_PATIENCE:.0f} s")
            self._send(1.0 / max(0.1, 2 * self._inference), 1)
            seen += len(self._take()["images"])
        # What is under way belongs to no run.
        time.sleep(max(_LEAST_PATIENCE, _PATIENCE * self._inference))
        self._take()

    def run(self, rate: float, pairs: int, meanwhile: Callable[[], None] = lambda: None) -> Run:
        """Send pairs at a rate (pairs a second) and wait until everything is back that will come.

        ``meanwhile`` is called a few times a second while they are sent.
        """
        before = self._node.cpu_times()
        sent = self._send(rate, pairs, meanwhile)
        came = self._collect(len(sent["stamps"]))
        after = self._node.cpu_times()
        spent = after.user + after.system - before.user - before.system
        process = {
            "node_cpu_percent": 100 * spent / sent["seconds"],
            "node_cpu_ms_per_pair": 1e3 * spent / len(came["images"]) if came["images"] else None,
            "node_rss_mib": self.memory()[0],
        }
        return _evaluate(rate, sent, came, process)

    def memory(self) -> tuple[float, float]:
        """Resident memory of the node's process, MiB: all of it, and what is not shared with other processes.

        Fast DDS's shared memory counts as resident once it was used, and is used in turns: until it is through, all
        of it grows although nothing leaks.
        """
        now = self._node.memory_info()
        return now.rss / _MIB, (now.rss - now.shared) / _MIB

    def _send(self, rate: float, pairs: int, meanwhile: Callable[[], None] = lambda: None) -> dict[str, Any]:
        self._driver.ask({"rate": rate, "pairs": pairs})
        return self._driver.answer(60 + 2 * pairs / rate, meanwhile)

    def _take(self) -> dict[str, Any]:
        self._receiver.ask({})
        came = self._receiver.answer(60)
        self.about |= came["about"]
        if came["weights"]:
            self._inference = max(inference for _, _, inference in came["weights"])
        return came

    def _collect(self, expected: int) -> dict[str, Any]:
        came: dict[str, Any] = {"images": [], "weights": []}
        last = time.monotonic()
        while time.monotonic() - last < max(_LEAST_PATIENCE, _PATIENCE * self._inference):
            news = self._take()
            came["images"] += news["images"]
            came["weights"] += news["weights"]
            if len(came["images"]) >= expected and len(came["weights"]) >= expected:
                break
            if news["images"]:
                last = time.monotonic()
            time.sleep(0.1)
        return came


def _evaluate(rate: float, sent: dict[str, Any], came: dict[str, Any], process: dict[str, Any]) -> Run:
    stamps = set(sent["stamps"])
    received = {stamp: moment for stamp, moment in came["images"] if stamp in stamps}
    latencies = np.array([1e-9 * (received[stamp] - stamp) for stamp in sorted(received)])
    weights = {stamp: (latency, inference) for stamp, latency, inference in came["weights"] if stamp in stamps}
    own = np.array([latency - inference for latency, inference in weights.values()])
    inference = np.array([inference for _, inference in weights.values()])
    outside = np.array([1e-9 * (received[stamp] - stamp) - weights[stamp][0] for stamp in received if stamp in weights])
    count, fused = len(sent["stamps"]), len(received)
    figures = {
        "rate": rate,
        "sent_rate": count / sent["seconds"],
        "pairs_sent": count,
        "fused_received": fused,
        # Fused and published, but the image did not reach the receiver; part of those dropped.
        "fused_lost": len(weights.keys() - received.keys()),
        "dropped": count - fused,
        "dropped_share": (count - fused) / count,
        "latency_ms": _percentiles(latencies, 50, 95, 99),
        "inference_ms": _percentiles(inference, 50, 95),
        "own_share_ms": _percentiles(own, 50, 95),
        "transport_ms": _percentiles(outside, 50, 95),
        **process,
    }
    return Run(figures, latencies)


def _percentiles(values: NDArray[np.float64], *which: int) -> dict[str, float | None]:
    """Percentiles of seconds in milliseconds, as ``{"p50": ..}``; None where there are no values."""
    return {f"p{percent}": float(1e3 * np.percentile(values, percent)) if values.size else None for percent in which}
