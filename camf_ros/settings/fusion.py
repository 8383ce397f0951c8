"""Settings of the fusion node."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.errors import ParameterError
from camf_ros.settings.spec import part, setting
from camf_ros.settings.thermal import ThermalSettings


@dataclass(frozen=True)
class PairingSettings:
    """Which thermal frame belongs to which RGB frame."""

    policy: str = setting(
        "approximate",
        "exact: equal stamps only (hardware-synchronised cameras, or one driver for both); approximate: stamps no "
        "further apart than slop.",
        choices=("approximate", "exact"),
    )
    slop: float = setting(
        0.016,
        "Largest difference of stamps in a pair; at most half the period of the faster camera, since a wide slop lets "
        "a frame pair with an early neighbour before its nearest one has arrived.",
        minimum=0.0,
        maximum=10.0,
        unit="s",
    )
    queue_size: int = setting(10, "Frames of each camera that wait for their counterpart.", minimum=1, maximum=1000)


@dataclass(frozen=True)
class FusionSettings:
    """Everything the fusion node can be told."""

    model: str = setting("camf", "Name of a shipped model, or path of a .safetensors file made by 'camf train'.")
    gain: float = setting(
        0.0,
        "Gain of the fusion rule: the mean class activation weight of each source. 0: automatic, from what both "
        "cameras show in the frame itself. Any other value is a constant.",
        minimum=0.0,
        maximum=4.0,
        dynamic=True,
    )
    gain_time_constant: float = setting(
        1.0,
        "Time in which the automatic gain follows a change of the scene by 63 %. 0: at once, which may flicker.",
        minimum=0.0,
        maximum=60.0,
        unit="s",
        dynamic=True,
    )
    engine: str = setting(
        "auto",
        "Runtime of the network: auto takes the best that works here, and says which and why in the log and in "
        "/diagnostics. openvino is the fastest on CPUs, torch on GPUs; tensorrt is ONNX Runtime with TensorRT, which "
        "'camf export --build-only' prepares on the device. One that fails is replaced by the next best, with a "
        "warning.",
        choices=("auto", "torch", "openvino", "onnxruntime", "tensorrt"),
    )
    device: str = setting(
        "auto",
        "Where the network runs; auto takes a GPU if there is one that works.",
        choices=("auto", "cpu", "cuda"),
    )
    precision: str = setting(
        "auto",
        "Arithmetic of the network: auto takes bfloat16 where the processor computes it in hardware, and half "
        "precision on a GPU.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    threads: int = setting(0, "CPU threads of the network; 0 lets the engine choose.", minimum=0, maximum=256)
    reference: str = setting(
        "rgb",
        "Camera whose geometry, size, header and camera_info the fused image has. thermal is the faster one where the "
        "thermal image is smaller.",
        choices=("rgb", "thermal"),
        dynamic=True,
    )
    pairing: PairingSettings = part(PairingSettings)
    thermal: ThermalSettings = part(ThermalSettings)
    diagnostics_period: float = setting(
        1.0, "Time between two messages on /diagnostics.", minimum=0.1, maximum=60.0, unit="s"
    )
    no_data_timeout: float = setting(
        3.0,
        "After this time without an image or a pair the node warns, and says what it sees of the publishers.",
        minimum=0.1,
        maximum=3600.0,
        unit="s",
    )

    def __post_init__(self) -> None:
        if self.pairing.policy == "approximate" and self.pairing.slop == 0:
            raise ParameterError(
                "pairing.slop is 0 with pairing.policy approximate",
                expected="a slop above 0",
                remedy="set pairing.policy to exact for equal stamps",
            )
