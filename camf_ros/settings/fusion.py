"""Settings of the fusion node."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.errors import ParameterError
from camf_ros.settings.registration import RegistrationSettings
from camf_ros.settings.source_check import SourceCheckSettings
from camf_ros.settings.spec import part, setting
from camf_ros.settings.thermal import ThermalSettings


@dataclass(frozen=True)
class PairingSettings:
    """Which thermal frame belongs to which RGB frame."""

    policy: str = setting(
        "nearest",
        "nearest: each frame of the slower camera with the nearest one of the other, as soon as no nearer one can "
        "come; approximate: message_filters' own, which takes the nearest one that is there when a frame arrives, and "
        "so pairs badly where one camera arrives late and slop is wide; exact: equal stamps only (hardware-synchronised"
        " cameras, or one driver for both).",
        choices=("nearest", "approximate", "exact"),
    )
    slop: float = setting(
        0.04,
        "Largest difference of stamps in a pair. With nearest a wide slop makes no pair worse, it only says which "
        "frames are better left alone: half the period of the faster camera or more, so the default does from 12.5 Hz "
        "on. With approximate at most that half period.",
        minimum=0.0,
        maximum=10.0,
        unit="s",
    )
    max_delay: float = setting(
        0.1,
        "Longest time for which nearest holds back a pair that could be formed, in case a nearer frame comes. Most "
        "pairs wait for nothing. 0: none waits.",
        minimum=0.0,
        maximum=10.0,
        unit="s",
    )
    thermal_offset: float = setting(
        0.0,
        "Added to the thermal stamps when frames are paired, with every policy; messages keep their own. Minus the "
        "constant latency between exposure and stamp.",
        minimum=-10.0,
        maximum=10.0,
        unit="s",
    )
    rgb_offset: float = setting(0.0, "As thermal_offset, for the RGB stamps.", minimum=-10.0, maximum=10.0, unit="s")
    zero_stamps: str = setting(
        "reject",
        "What to do with frames whose driver leaves their stamp at 0. arrival: pair them by the time of their arrival, "
        "by the node's clock (not with exact); reject: count and name them.",
        choices=("reject", "arrival"),
    )
    thermal_stamps: str = setting(
        "header",
        "Times that thermal frames are paired by. header: their stamps; arrival: when they come, by the node's clock, "
        "for a camera whose clock has nothing to do with the other's (not with exact). With arrival, thermal_offset is "
        "minus the whole latency from exposure to arrival.",
        choices=("header", "arrival"),
    )
    rgb_stamps: str = setting("header", "As thermal_stamps, for the RGB frames.", choices=("header", "arrival"))
    queue_size: int = setting(10, "Frames of each camera that wait for their counterpart.", minimum=1, maximum=1000)

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
    """How the images come in."""

    thermal: str = setting(
        "raw",
        "raw: sensor_msgs/Image; compressed: sensor_msgs/CompressedImage (JPEG or PNG) on the image topic with "
        "/compressed after it. JPEG spoils thermal pictures and knows no counts: have thermal sent as PNG.",
        choices=_TRANSPORTS,
    )
    rgb: str = setting("raw", "Likewise for the RGB camera.", choices=_TRANSPORTS)


@dataclass(frozen=True)
class CompressedSettings:
    """Fused and detector image as CompressedImage; made only while somebody subscribes to it."""

    format: str = setting(
        "jpeg",
        "Of fused/image/compressed and fused/detector_image/compressed. png loses nothing, but takes some ten times as "
        "long.",
        choices=("jpeg", "png"),
        dynamic=True,
    )
    jpeg_quality: int = setting(
        90, "Quality of jpeg; higher is larger and closer to the picture.", minimum=1, maximum=100, dynamic=True
    )


@dataclass(frozen=True)
class Thresholds:
    """From where on /diagnostics warns."""

    latency: float = setting(
        0.5,
        "95th percentile of the time from the arrival of a pair's later frame to its fused image. 0: any.",
        minimum=0.0,
        maximum=60.0,
        unit="s",
        dynamic=True,
    )
    skew: float = setting(
        0.0,
        "95th percentile of the difference of stamps in a pair. 0: any.",
        minimum=0.0,
        maximum=10.0,
        unit="s",
        dynamic=True,
    )
    rate: float = setting(
        0.0, "Fewest fused images a second while pairs come.", minimum=0.0, maximum=240.0, unit="Hz", dynamic=True
    )


@dataclass(frozen=True)
class FusionSettings:
    """Everything the fusion node can be told."""

    autostart: bool = setting(
        True,
        "Configure and activate at the start. false: wait for a lifecycle manager, or 'ros2 lifecycle set'.",
    )
    model: str = setting(
        AUTO,
        "Name of a shipped model, or path of a .onnx file, or of a .safetensors file made by 'camf train'. PyTorch "
        "runs the .safetensors, all other engines the .onnx beside it, which 'camf export' writes. auto: the node "
        "times camf and camf-lite, each also at a smaller processing size, and runs the best picture that keeps up "
        "with the cameras (docs/performance.md); commands take camf. Another model, engine, device, precision or "
        "number of threads is loaded while the one at work goes on, and takes over between two frames.",
        dynamic=True,
    )
    gain: float = setting(
        0.0,
        "Of camf-paper alone: gain of the fusion rule, the mean class activation weight of each source. 0: automatic, "
        "from what both cameras show in the frame itself. Any other value is a constant. Other models have gain 1.",
        minimum=0.0,
        maximum=4.0,
        dynamic=True,
    )
    gain_time_constant: float = setting(
        1.0,
        "Of camf-paper alone: time in which the automatic gain follows a change of the scene by 63 %. 0: at once, "
        "which may flicker.",
        minimum=0.0,
        maximum=60.0,
        unit="s",
        dynamic=True,
    )
    engine: str = setting(
        "auto",
        "Runtime of the network: auto takes the best that works here, and says which and why in the log and in "
        "/diagnostics. openvino is the fastest on CPUs, torch on GPUs; tensorrt is ONNX Runtime with TensorRT, which "
        "'camf export --build-only' prepares on the device. torch needs the model's .safetensors, the others its "
        ".onnx. One that fails is replaced by the next best, with a warning.",
        choices=("auto", "torch", "openvino", "onnxruntime", "tensorrt"),
        dynamic=True,
    )
    device: str = setting(
        "auto",
        "Where the network runs; auto takes a GPU if there is one that works.",
        choices=("auto", "cpu", "cuda"),
        dynamic=True,
    )
    precision: str = setting(
        "auto",
        "Arithmetic of the network, which decides the amounts; the pictures are blended in float32. auto takes "
        "bfloat16 where the processor computes it in hardware, and float16 on a GPU with torch or tensorrt; for "
        "camf-paper float32.",
        choices=("auto", "float32", "bfloat16", "float16"),
        dynamic=True,
    )
    threads: int = setting(
        0, "CPU threads of the network; 0 lets the engine choose.", minimum=0, maximum=256, dynamic=True
    )
    memory_limit: int = setting(
        0,
        "Memory that one pair may need; one that would need more is rejected, or the network works at a smaller size "
        "where thermal has no more detail. 0: half of what the machine, or the node's control group, has free when the "
        "node is configured.",
        minimum=0,
        maximum=1000000,
        unit="MB",
    )
    reference: str = setting(
        "rgb",
        "Camera whose geometry, size, header and camera_info the fused image has. thermal is the faster one where the "
        "thermal image is smaller.",
        choices=("rgb", "thermal"),
        dynamic=True,
    )
    input_transport: TransportSettings = part(TransportSettings)
    pairing: PairingSettings = part(PairingSettings)
    thermal: ThermalSettings = part(ThermalSettings)
    registration: RegistrationSettings = part(RegistrationSettings)
    compressed: CompressedSettings = part(CompressedSettings)
    on_missing: str = setting(
        "pass_through",
        "What to publish while one camera is missing: it has stopped, sends nothing that can be used, or repeats one "
        "frame while the other's picture changes. pass_through: the frames of the camera that is left, at its own "
        "rate, marked in the channel weights and in /diagnostics; wait: fused images while it repeats its last frame, "
        "else nothing.",
        choices=("wait", "pass_through"),
        dynamic=True,
    )
    missing_timeout: float = setting(
        0.5,
        "After this time without a new picture, while the other camera goes on, a camera is missing; but not before "
        "three of its own periods are over.",
        minimum=0.05,
        maximum=60.0,
        unit="s",
        dynamic=True,
    )
    explanation_period: float = setting(
        0.5,
        "Least time between two pictures on fusion/explanation; they are made only while somebody subscribes.",
        minimum=0.05,
        maximum=60.0,
        unit="s",
    )
    explanation_x: int = setting(
        -1,
        "Column of a pixel of the fused image that the explanation rings and shows in numbers: why is it as bright as "
        "it is? With explanation_y; none where either is -1.",
        minimum=-1,
        maximum=65535,
        dynamic=True,
    )
    explanation_y: int = setting(-1, "Row of that pixel.", minimum=-1, maximum=65535, dynamic=True)
    source_check: SourceCheckSettings = part(SourceCheckSettings)
    diagnostics_period: float = setting(
        1.0, "Time between two messages on /diagnostics.", minimum=0.1, maximum=60.0, unit="s"
    )
    thresholds: Thresholds = part(Thresholds)
    no_data_timeout: float = setting(
        3.0,
        "After this time without an image or a pair the node warns, and says what it sees of the publishers.",
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
