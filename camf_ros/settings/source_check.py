"""Settings of the source check."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.settings.spec import setting


@dataclass(frozen=True)
class SourceCheckSettings:
    """How the live pictures are watched for being what they should be."""

    enabled: bool = setting(
        True,
        "Warn of swapped topics, a covered lens, an RGB camera in night mode and frozen images.",
    )
    model: str = setting(
        "camf-paper",
        "Model whose classifier is used: a shipped one, or a .safetensors or .onnx file.",
    )
    period: float = setting(2.0, "Time between two checks.", minimum=0.2, maximum=600.0, unit="s")
    time_constant: float = setting(
        10.0,
        "Time constant of the average over checks.",
        minimum=0.1,
        maximum=3600.0,
        unit="s",
    )
    patience: float = setting(
        10.0,
        "Time for which all checks must agree before a warning.",
        maximum=3600.0,
        minimum=0.0,
        unit="s",
    )
    confidence: float = setting(
        0.95,
        "Probability above which a fault is reported. Higher: fewer false alarms, fewer detections.",
        minimum=0.5,
        maximum=0.999,
    )
    frozen_after: float = setting(
        5.0,
        "Time of identical images after which a camera is frozen.",
        minimum=0.1,
        maximum=3600.0,
        unit="s",
    )
