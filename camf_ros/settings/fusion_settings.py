"""Settings of the fusion node."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.errors import ParameterError
from camf_ros.settings.registration_settings import RegistrationSettings
from camf_ros.settings.table import part, setting
from camf_ros.settings.temperature_settings import TemperatureSettings
from camf_ros.settings.thermal_settings import ThermalSettings

#: Of a camera's stamps, seconds. Wide enough for a clock of TAI beside one of UTC, which differ by 37 s.
LARGEST_OFFSET = 60.0


@dataclass(frozen=True)
class PairingSettings:
    """Which thermal frame belongs to which RGB frame."""

    policy: str = setting(
        "nearest",
        "nearest: each frame of the slower camera with the nearest frame of the other. approximate: the nearest "
        "frame already received. exact: equal stamps only.",
        choices=("nearest", "approximate", "exact"),
    )
    slop: float = setting(
        0.04,
        "Largest difference of stamps in a pair.",
        minimum=0.0,
        maximum=10.0,
        unit="s",
    )
    max_delay: float = setting(
        0.1,
        "Longest time that nearest waits for a nearer frame.",
        minimum=0.0,
        maximum=10.0,
        unit="s",
    )
    thermal_offset: float = setting(
        0.0,
        "Added to thermal stamps, for pairing only. Set minus the constant delay from exposure to stamp.",
        minimum=-LARGEST_OFFSET,
        maximum=LARGEST_OFFSET,
        unit="s",
    )
    rgb_offset: float = setting(
        0.0, "As thermal_offset, for RGB.", minimum=-LARGEST_OFFSET, maximum=LARGEST_OFFSET, unit="s"
    )
    zero_stamps: str = setting(
        "reject",
        "Use of frames with stamp 0. arrival: pair by time of arrival (not with exact); reject: count and log.",
        choices=("reject", "arrival"),
    )
    thermal_stamps: str = setting(
        "header",
        "header: pair by stamp; arrival: pair by time of arrival, for clocks that differ (not with exact).",
        choices=("header", "arrival"),
    )
    rgb_stamps: str = setting("header", "As thermal_stamps, for RGB.", choices=("header", "arrival"))
    queue_size: int = setting(10, "Frames of each camera that wait for a partner.", minimum=1, maximum=1000)

    def __post_init__(self) -> None:
        for name in ("thermal_stamps", "rgb_stamps", "zero_stamps"):
            if self.policy == "exact" and getattr(self, name) == "arrival":
                raise ParameterError(
                    f"pairing.{name} is arrival with pairing.policy exact",
                    expected="stamps of the cameras: times of arrival are never equal",
                    remedy="set pairing.policy to nearest",
                )


#: In place of a model's name: the fusion node chooses among the shipped models, see :mod:`camf_ros.adaptation`.
AUTO = "auto"
_TRANSPORTS = ("raw", "compressed")


@dataclass(frozen=True)
class TransportSettings:
    """Transport of the camera images."""

    thermal: str = setting(
        "raw",
        "compressed: subscribe to the image topic with /compressed appended. Use PNG, because JPEG has only 8 bits.",
        choices=_TRANSPORTS,
    )
    rgb: str = setting("raw", "As thermal, for RGB.", choices=_TRANSPORTS)
    depth: str = setting(
        "raw",
        "With registration.mode depth. compressedDepth: subscribe to depth/image with /compressedDepth appended (PNG).",
        choices=("raw", "compressedDepth"),
    )


@dataclass(frozen=True)
class CompressedSettings:
    """Compressed output images; encoded only while somebody subscribes."""

    format: str = setting(
        "jpeg",
        "Format of the compressed output images. png is lossless but slower.",
        choices=("jpeg", "png"),
        dynamic=True,
    )
    jpeg_quality: int = setting(90, "JPEG quality.", minimum=1, maximum=100, dynamic=True)


@dataclass(frozen=True)
class Thresholds:
    """Limits above or below which /diagnostics warns."""

    latency: float = setting(
        0.5,
        "Warn above this 95th percentile of the latency. 0: never.",
        minimum=0.0,
        maximum=60.0,
        unit="s",
        dynamic=True,
    )
    skew: float = setting(
        0.0,
        "Warn above this 95th percentile of the skew. 0: never.",
        minimum=0.0,
        maximum=10.0,
        unit="s",
        dynamic=True,
    )
    rate: float = setting(
        0.0,
        "Warn below this rate of fused images while pairs arrive. 0: never.",
        minimum=0.0,
        maximum=240.0,
        unit="Hz",
        dynamic=True,
    )


@dataclass(frozen=True)
class SourceCheckSettings:
    """Check of the camera images: right topic, not covered, not frozen."""

    enabled: bool = setting(
        True,
        "Warn of swapped topics, a covered lens, an RGB camera in night mode and frozen images.",
    )
    model: str = setting(
        "camf-paper",
        "Model whose classifier is used: name of a shipped model, or a .safetensors or .onnx file, such as one from "
        "camf adapt for your cameras.",
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


@dataclass(frozen=True)
class FusionSettings:
    """Parameters of the fusion node."""

    autostart: bool = setting(
        True,
        "Configure and activate at start. false: wait for a lifecycle manager.",
    )
    model: str = setting(
        AUTO,
        "Name of a shipped model, or path of a .onnx or .safetensors file. auto: the best of camf and camf-lite that "
        "is fast enough for the cameras; in the camf command: camf.",
        dynamic=True,
    )
    gain: float = setting(
        0.0,
        "Only camf-paper: gain of the fusion rule. 0: automatic, from each frame.",
        minimum=0.0,
        maximum=4.0,
        dynamic=True,
    )
    gain_time_constant: float = setting(
        1.0,
        "Only camf-paper: time constant of the automatic gain. 0: no smoothing.",
        minimum=0.0,
        maximum=60.0,
        unit="s",
        dynamic=True,
    )
    engine: str = setting(
        "auto",
        "Runtime of the network. auto: the best that works. If an engine fails, the next best is used with a warning.",
        choices=("auto", "torch", "openvino", "onnxruntime", "tensorrt"),
        dynamic=True,
    )
    device: str = setting(
        "auto",
        "Device of the network. auto: a GPU if one works, else the CPU.",
        choices=("auto", "cpu", "cuda"),
        dynamic=True,
    )
    precision: str = setting(
        "auto",
        "Number format of the network. auto: bfloat16 or float16 if the hardware supports it; for camf-paper float32.",
        choices=("auto", "float32", "bfloat16", "float16"),
        dynamic=True,
    )
    threads: int = setting(
        0, "CPU threads of the network. 0: the engine chooses.", minimum=0, maximum=256, dynamic=True
    )
    memory_limit: int = setting(
        0,
        "Memory that one pair may need; a larger pair is rejected. 0: half of the memory that is free when the node is "
        "configured.",
        minimum=0,
        maximum=1000000,
        unit="MB",
    )
    reference: str = setting(
        "rgb",
        "Camera whose geometry, size, header and camera_info the fused image has.",
        choices=("rgb", "thermal"),
        dynamic=True,
    )
    input_transport: TransportSettings = part(TransportSettings)
    pairing: PairingSettings = part(PairingSettings)
    thermal: ThermalSettings = part(ThermalSettings)
    temperatures: TemperatureSettings = part(TemperatureSettings)
    registration: RegistrationSettings = part(RegistrationSettings)
    compressed: CompressedSettings = part(CompressedSettings)
    on_missing: str = setting(
        "pass_through",
        "While one camera is missing (silent, frozen or refused). pass_through: publish the other; wait: publish "
        "nothing while it is silent or refused.",
        choices=("wait", "pass_through"),
        dynamic=True,
    )
    missing_timeout: float = setting(
        0.5,
        "Time without a new image after which a camera is missing.",
        minimum=0.05,
        maximum=60.0,
        unit="s",
        dynamic=True,
    )
    explanation_period: float = setting(
        0.5,
        "Shortest time between two explanations.",
        minimum=0.05,
        maximum=60.0,
        unit="s",
    )
    explanation_x: int = setting(
        -1,
        "Column of the pixel that the explanation shows in numbers. -1: none.",
        minimum=-1,
        maximum=65535,
        dynamic=True,
    )
    explanation_y: int = setting(-1, "Row of that pixel.", minimum=-1, maximum=65535, dynamic=True)
    source_check: SourceCheckSettings = part(SourceCheckSettings)
    diagnostics_period: float = setting(1.0, "Period of /diagnostics.", minimum=0.1, maximum=60.0, unit="s")
    thresholds: Thresholds = part(Thresholds)
    no_data_timeout: float = setting(
        3.0,
        "Time without an image or a pair after which the node warns.",
        minimum=0.1,
        maximum=3600.0,
        unit="s",
    )

    @property
    def explained_pixel(self) -> tuple[int, int] | None:
        """(x, y) of the pixel that the explanation says more about, if there is one."""
        pixel = self.explanation_x, self.explanation_y
        return pixel if min(pixel) >= 0 else None

    def __post_init__(self) -> None:
        if self.pairing.policy != "exact" and self.pairing.slop == 0:
            raise ParameterError(
                f"pairing.slop is 0 with pairing.policy {self.pairing.policy}",
                expected="a slop above 0",
                remedy="set pairing.policy to exact for equal stamps",
            )
