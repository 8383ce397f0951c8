"""Settings of the source node, which plays cameras for demonstrations and tests."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.settings.spec import setting


@dataclass(frozen=True)
class SourceSettings:
    """Everything the source node can be told."""

    pairs: str = setting(
        "",
        "Folder of pairs to publish: infrared/NAME, visible/NAME. Empty: the embedded night street.",
    )
    rate: float = setting(15.0, "RGB rate.", minimum=0.1, maximum=240.0, unit="Hz")
    thermal_rate: float = setting(0.0, "Thermal rate. 0: as RGB.", minimum=0.0, maximum=240.0, unit="Hz")
    thermal_offset: float = setting(
        0.004,
        "Delay of thermal exposures after RGB. The stamps contain it.",
        minimum=-1.0,
        maximum=1.0,
        unit="s",
    )
    jitter: float = setting(0.0005, "Standard deviation of the exposure times.", minimum=0.0, maximum=0.1, unit="s")
    hold: float = setting(0.5, "Time for which each pair of a folder is shown.", minimum=0.0, maximum=3600.0, unit="s")
    reliability: str = setting(
        "best_effort",
        "QoS reliability of the images.",
        choices=("best_effort", "reliable"),
    )
    count: int = setting(0, "Stop after this many RGB frames. 0: never.", minimum=0, maximum=2**31 - 1)
    seed: int = setting(1, "Seed of scene and jitter.", minimum=0, maximum=2**31 - 1)
