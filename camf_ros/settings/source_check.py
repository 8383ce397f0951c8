"""Settings of the source check."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.settings.spec import setting


@dataclass(frozen=True)
class SourceCheckSettings:
    """How the live pictures are watched for being what they should be."""

    enabled: bool = setting(
        True,
        "Whether an auxiliary classifier looks at both cameras now and then, and the node warns of swapped topics, "
        "a covered lens, an RGB camera in night mode and frozen pictures (docs/source_check.md).",
    )
    model: str = setting(
        "camf-paper",
        "Model whose classifier is asked, whichever model fuses: a shipped one, or a .safetensors or .onnx file. "
        "That of camf-paper is right most often.",
    )
    period: float = setting(2.0, "Time between two looks.", minimum=0.2, maximum=600.0, unit="s")
    time_constant: float = setting(
        10.0,
        "Time over which the evidence of single looks is averaged: one that long ago counts 37 % of the newest.",
        minimum=0.1,
        maximum=3600.0,
        unit="s",
    )
    patience: float = setting(
        10.0,
        "Time for which every look must say the same before it becomes a warning.",
        maximum=3600.0,
        minimum=0.0,
        unit="s",
    )
    confidence: float = setting(
        0.95,
        "Probability of a fault from which it is one. Higher: fewer false alarms, and fewer right ones.",
        minimum=0.5,
        maximum=0.999,
    )
    frozen_after: float = setting(
        5.0,
        "Time for which a camera may send the same picture again and again; the shutter of a thermal camera takes up "
        "to two seconds.",
        minimum=0.1,
        maximum=3600.0,
        unit="s",
    )
