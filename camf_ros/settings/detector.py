"""Settings of the example of a detector."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.settings.spec import setting


@dataclass(frozen=True)
class DetectorSettings:
    """Everything the example of a detector can be told."""

    model: str = setting(
        "",
        "ONNX file of a detector: YOLOX exported without decoding, or YOLOv8 and its successors exported without "
        "non-maximum suppression. It looks at fused/detector_image and runs with OpenVINO or ONNX Runtime. Empty: "
        "bright spots in fused/image, which needs no file.",
    )
    least_score: float = setting(0.3, "With a model: score that a finding must exceed.", minimum=0.005, maximum=1.0)
    threads: int = setting(0, "With a model: CPU threads; 0 lets its runtime choose.", minimum=0, maximum=256)
    threshold: float = setting(
        160.0,
        "Without a model: grey level that a spot must be brighter than, and its surroundings darker.",
        minimum=0.0,
        maximum=230.0,
    )
    smallest: float = setting(
        14.0, "Without a model: smallest diameter of a spot.", minimum=1.0, maximum=200.0, unit="px"
    )
    only_fused: bool = setting(
        False,
        "Look at fused pictures alone, not at those of one camera that come while the other is missing.",
    )
    extra_time: float = setting(
        0.0, "Time added to each picture, to see what a slow detector does.", minimum=0.0, maximum=60.0, unit="s"
    )
