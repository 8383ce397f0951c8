"""Settings of the demo's monitor."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.settings.spec import setting


@dataclass(frozen=True)
class MonitorSettings:
    """Everything the monitor can be told."""

    output: str = setting("demo_output", "Folder for images and summary.")
    seconds: float = setting(
        10.0, "Time to record after the first fused image.", minimum=0.5, maximum=86400.0, unit="s"
    )
    timeout: float = setting(90.0, "Time to wait for the first fused image.", minimum=1.0, maximum=3600.0, unit="s")
    pictures: int = setting(3, "Rows of the image strip.", minimum=1, maximum=20)
    weights_topic: str = setting("fusion/channel_weights", "Topic of the channel weights.")
