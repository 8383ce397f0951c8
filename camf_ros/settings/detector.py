"""Settings of the example of a detector."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.settings.spec import setting


@dataclass(frozen=True)
class DetectorSettings:
    """Everything the example of a detector can be told."""

    threshold: float = setting(
        160.0, "Grey level that a spot must be brighter than, and its surroundings darker.", minimum=0.0, maximum=230.0
    )
    smallest: float = setting(14.0, "Smallest diameter of a spot.", minimum=1.0, maximum=200.0, unit="px")
    only_fused: bool = setting(
        False,
        "Look at fused pictures alone, not at those of one camera that come while the other is missing.",
    )
    extra_time: float = setting(
        0.0, "Time added to each picture, to see what a slow detector does.", minimum=0.0, maximum=60.0, unit="s"
    )
