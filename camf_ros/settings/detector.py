"""Settings of the example of a detector."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.settings.spec import setting


@dataclass(frozen=True)
class DetectorSettings:
    """Everything the example of a detector can be told."""

    model: str = setting(
        "",
        "ONNX file: YOLOX exported without decoding, or YOLOv8 or later without non-maximum suppression, for "
        "fused/detector_image. Empty: bright spots in fused/image.",
    )
    least_score: float = setting(0.3, "With a model: smallest score of a detection.", minimum=0.005, maximum=1.0)
    threads: int = setting(0, "With a model: CPU threads. 0: the runtime chooses.", minimum=0, maximum=256)
    threshold: float = setting(
        160.0,
        "Without a model: smallest grey level of a spot.",
        minimum=0.0,
        maximum=230.0,
    )
    smallest: float = setting(
        14.0, "Without a model: smallest diameter of a spot.", minimum=1.0, maximum=200.0, unit="px"
    )
    only_fused: bool = setting(
        False,
        "Skip images of one camera, which are published while the other is missing.",
    )
    extra_time: float = setting(
        0.0, "Time added per image, to simulate a slow detector.", minimum=0.0, maximum=60.0, unit="s"
    )
