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
        "nearest: nearest stamp, waits up to max_delay. approximate: nearest frame already received. exact: equal "
        "stamps.",
        choices=("nearest", "approximate", "exact"),
    )
    slop: float = setting(
        0.04,
        "Largest stamp difference in a pair.",
        minimum=0.0,
        maximum=10.0,
        unit="s",
    )
    max_delay: float = setting(
        0.1,
        "policy nearest: longest wait for a nearer frame.",
        minimum=0.0,
        maximum=10.0,
        unit="s",
    )
    thermal_offset: float = setting(
        0.0,
        "Added to thermal stamps for pairing. Set to minus the delay from exposure to stamp.",
        minimum=-LARGEST_OFFSET,
        maximum=LARGEST_OFFSET,
        unit="s",
    )
    rgb_offset: float = setting(0.0, "As thermal_offset.", minimum=-LARGEST_OFFSET, maximum=LARGEST_OFFSET, unit="s")
    zero_stamps: str = setting(
        "reject",
        "Frames with stamp 0: reject, or pair by arrival time (not with exact).",
        choices=("reject", "arrival"),
    )
    thermal_stamps: str = setting(
        "header",
        "arrival: pair by arrival time, for unsynchronized clocks (not with exact).",
        choices=("header", "arrival"),
    )
    rgb_stamps: str = setting("header", "As thermal_stamps.", choices=("header", "arrival"))
    queue_size: int = setting(10, "Queue length of each camera, in frames.", minimum=1, maximum=1000)

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
        "compressed: subscribe to IMAGE_TOPIC/compressed. Use PNG: JPEG has only 8 bits.",
        choices=_TRANSPORTS,
    )
    rgb: str = setting("raw", "As thermal.", choices=_TRANSPORTS)
    depth: str = setting(
        "raw",
        "compressedDepth: subscribe to depth/image/compressedDepth (PNG).",
        choices=("raw", "compressedDepth"),
    )


@dataclass(frozen=True)
class CompressedSettings:
    """Compressed output images; encoded only while somebody subscribes."""

    format: str = setting(
        "jpeg",
        "Format of compressed images. png: lossless but slower.",
        choices=("jpeg", "png"),
        dynamic=True,
    )
    jpeg_quality: int = setting(90, "JPEG quality.", minimum=1, maximum=100, dynamic=True)


@dataclass(frozen=True)
class Thresholds:
    """Limits above or below which /diagnostics warns."""

    latency: float = setting(
        0.5,
        "Warn if the 95th percentile of the latency is larger. 0: never.",
        minimum=0.0,
        maximum=60.0,
        unit="s",
        dynamic=True,
    )
    skew: float = setting(
        0.0,
        "Warn if the 95th percentile of the skew is larger. 0: never.",
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
        "Warn of swapped topics, covered lenses, RGB night mode, frozen images.",
    )
    model: str = setting(
        "camf-paper",
        "Model with the classifier: name, or file such as from camf adapt.",
    )
    period: float = setting(2.0, "Time between checks.", minimum=0.2, maximum=600.0, unit="s")
    time_constant: float = setting(
        10.0,
        "Time constant of the average over checks.",
        minimum=0.1,
        maximum=3600.0,
        unit="s",
    )
    patience: float = setting(
        10.0,
        "Checks must agree for this time before a warning.",
        maximum=3600.0,
        minimum=0.0,
        unit="s",
    )
    confidence: float = setting(
        0.95,
        "Faults are reported above this probability. Higher: fewer false alarms, fewer detections.",
        minimum=0.5,
        maximum=0.999,
    )
    frozen_after: float = setting(
        5.0,
        "A camera is frozen after this time of identical images.",
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
        "Shipped model, or .onnx or .safetensors file. auto: camf if fast enough, else camf-lite (camf commands: "
        "camf).",
        dynamic=True,
    )
    gain: float = setting(
        0.0,
        "camf-paper only: gain of the fusion rule. 0: automatic.",
        minimum=0.0,
        maximum=4.0,
        dynamic=True,
    )
    gain_time_constant: float = setting(
        1.0,
        "camf-paper only: smoothing of the gain. 0: none.",
        minimum=0.0,
        maximum=60.0,
        unit="s",
        dynamic=True,
    )
    engine: str = setting(
        "auto",
        "auto: the best that works. If an engine fails, the next one is used.",
        choices=("auto", "torch", "openvino", "onnxruntime", "tensorrt"),
        dynamic=True,
    )
    device: str = setting(
        "auto",
        "auto: GPU if it works, else CPU.",
        choices=("auto", "cpu", "cuda"),
        dynamic=True,
    )
    precision: str = setting(
        "auto",
        "auto: bfloat16 or float16 if supported; camf-paper: float32.",
        choices=("auto", "float32", "bfloat16", "float16"),
        dynamic=True,
    )
    threads: int = setting(0, "CPU threads. 0: the engine chooses.", minimum=0, maximum=256, dynamic=True)
    memory_limit: int = setting(
        0,
        "Memory for one pair; larger pairs are rejected. 0: half of the free memory at configuration.",
        minimum=0,
        maximum=1000000,
        unit="MB",
    )
    reference: str = setting(
        "rgb",
        "Camera that gives the fused image its geometry and header.",
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
        "While a camera is missing. pass_through: publish the other. wait: publish nothing; frozen images are fused.",
        choices=("wait", "pass_through"),
        dynamic=True,
    )
    missing_timeout: float = setting(
        0.5,
        "A camera is missing after this time without new images.",
        minimum=0.05,
        maximum=60.0,
        unit="s",
        dynamic=True,
    )
    explanation_period: float = setting(
        0.5,
        "Shortest time between explanations.",
        minimum=0.05,
        maximum=60.0,
        unit="s",
    )
    explanation_x: int = setting(
        -1,
        "Column of the explained pixel. -1: none.",
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
        "Warn after this time without images or pairs.",
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
