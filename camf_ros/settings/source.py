"""Settings of the source node, which plays cameras for demonstrations and tests."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.settings.spec import setting


@dataclass(frozen=True)
class SourceSettings:
    """Everything the source node can be told."""

    pairs: str = setting(
        "",
        "Folder of pairs to publish: pictures of equal names in its subfolders infrared and visible. Empty: an "
        "embedded procedural scene, a street at night.",
    )
    rate: float = setting(15.0, "RGB frames a second.", minimum=0.1, maximum=240.0, unit="Hz")
    thermal_rate: float = setting(
        0.0, "Thermal frames a second; 0: as many as RGB.", minimum=0.0, maximum=240.0, unit="Hz"
    )
    thermal_offset: float = setting(
        0.004,
        "Time by which the thermal camera fires after the RGB camera. Stamps tell the true time of either.",
        minimum=-1.0,
        maximum=1.0,
        unit="s",
    )
    jitter: float = setting(
        0.0005, "Standard deviation of the firing time of either camera.", minimum=0.0, maximum=0.1, unit="s"
    )
    hold: float = setting(
        0.5, "How long each pair of a folder is shown before the next.", minimum=0.0, maximum=3600.0, unit="s"
    )
    reliability: str = setting(
        "best_effort",
        "Quality of service of the images, as camera drivers have it.",
        choices=("best_effort", "reliable"),
    )
    count: int = setting(0, "Stop after this many RGB frames; 0: never.", minimum=0, maximum=2**31 - 1)
    seed: int = setting(1, "Seed of the scene and of the jitter.", minimum=0, maximum=2**31 - 1)
