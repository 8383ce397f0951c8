"""Settings of the other nodes: simulated cameras, demo monitor, and example detector."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.settings.table import setting

#: Files that the monitor writes.
SUMMARY, STRIP, PAGE = "summary.json", "strip.png", "index.html"


@dataclass(frozen=True)
class SourceSettings:
    """Parameters of the source node."""

    pairs: str = setting(
        "",
        "Folder with infrared/NAME and visible/NAME. Empty: simulated scene.",
    )
    rig: str = setting(
        "bench",
        "Simulated scene. bench: both cameras with the same view. drive: moving robot, cameras 12 cm apart, thermal "
        "stamps 40 ms late.",
        choices=("bench", "drive"),
    )
    rate: float = setting(15.0, "RGB rate.", minimum=0.1, maximum=240.0, unit="Hz")
    thermal_rate: float = setting(0.0, "Thermal rate. 0: as RGB.", minimum=0.0, maximum=240.0, unit="Hz")
    thermal_offset: float = setting(
        0.004,
        "Delay of thermal exposures and stamps after RGB.",
        minimum=-1.0,
        maximum=1.0,
        unit="s",
    )
    jitter: float = setting(0.0005, "Standard deviation of exposure times.", minimum=0.0, maximum=0.1, unit="s")
    hold: float = setting(0.5, "Time for which each pair of a folder is shown.", minimum=0.0, maximum=3600.0, unit="s")
    reliability: str = setting(
        "best_effort",
        "QoS reliability of the images.",
        choices=("best_effort", "reliable"),
    )
    count: int = setting(0, "Stop after this many RGB frames. 0: never.", minimum=0, maximum=2**31 - 1)
    seed: int = setting(1, "Seed of scene and jitter.", minimum=0, maximum=2**31 - 1)


@dataclass(frozen=True)
class MonitorSettings:
    """Parameters of the demo monitor."""

    output: str = setting("demo_output", "Output folder.")
    seconds: float = setting(
        10.0, "Recording time after the first fused image.", minimum=0.5, maximum=86400.0, unit="s"
    )
    timeout: float = setting(90.0, "Longest wait for the first fused image.", minimum=1.0, maximum=3600.0, unit="s")
    pictures: int = setting(3, "Rows of the image strip.", minimum=1, maximum=20)
    weights_topic: str = setting("fusion/channel_weights", "Topic of the channel weights.")
    view: bool = setting(
        False,
        "Also write index.html, with detector image and explanation.",
    )
    explanation_topic: str = setting("fusion/explanation", "Topic of the explanation.")


@dataclass(frozen=True)
class DetectorSettings:
    """Parameters of the example detector."""

    model: str = setting(
        "",
        "ONNX file: YOLOX without decoding, or YOLOv8 or later without NMS. Empty: find bright spots in fused/image.",
    )
    least_score: float = setting(0.3, "With a model: smallest score of a detection.", minimum=0.005, maximum=1.0)
    threads: int = setting(0, "With a model: CPU threads. 0: automatic.", minimum=0, maximum=256)
    threshold: float = setting(
        160.0,
        "Without a model: smallest grey level of a spot.",
        minimum=0.0,
        maximum=230.0,
    )
    smallest: float = setting(14.0, "Without a model: smallest spot diameter.", minimum=1.0, maximum=200.0, unit="px")
    only_fused: bool = setting(
        False,
        "Skip images of one camera, published while the other is missing.",
    )
    extra_time: float = setting(
        0.0, "Time added per image, to simulate a slow detector.", minimum=0.0, maximum=60.0, unit="s"
    )
