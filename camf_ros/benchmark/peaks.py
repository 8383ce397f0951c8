"""The best that was seen of the machine in a whole run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from camf_ros.benchmark.child import Child
from camf_ros.benchmark.floor import Peak
from camf_ros.errors import EngineError


@dataclass
class Peaks:
    """Peaks of each device; they only ever get higher.

    Attributes:
        threads: CPU threads.
        flops: By device and precision, operations per second. What cannot be measured is not there.
        bandwidth: By device, bytes per second; likewise.
        gpus: By device, what the driver calls it.
    """

    threads: int
    flops: dict[tuple[str, str], float] = field(default_factory=dict)
    bandwidth: dict[str, float] = field(default_factory=dict)
    gpus: dict[str, str] = field(default_factory=dict)

    def of(self, device: str, precision: str) -> Peak | None:
        """Peak of a device in an arithmetic, if it could be measured."""
        flops, bandwidth = self.flops.get((device, precision)), self.bandwidth.get(device)
        return None if flops is None or bandwidth is None else Peak(flops, bandwidth)

    def measure(self, child: Child, device: str, precisions: Iterable[str]) -> None:
        """Measure again.

        Args:
            child: Does it, whatever else it has open.
            device: ``cpu``, ``cuda`` or ``cuda:N``.
            precisions: Of the products.
        """
        try:
            answer = child.ask("bandwidth", device=device, threads=self.threads)
            self.bandwidth[device] = max(self.bandwidth.get(device, 0.0), answer["bandwidth"])
            if answer["gpu"]:
                self.gpus[device] = answer["gpu"]
        except EngineError:
            pass  # there is no floor then
        for precision in sorted(precisions):
            try:
                found = child.ask("flops", device=device, precision=precision, threads=self.threads)["flops"]
                self.flops[device, precision] = max(self.flops.get((device, precision), 0.0), found)
            except EngineError:
                continue  # likewise
