"""Settings of the registration."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.errors import ParameterError
from camf_ros.settings.table import setting

_SIDE = 8192


@dataclass(frozen=True)
class RegistrationSettings:
    """How both images are transformed into one geometry."""

    mode: str = setting(
        "resize",
        "none: already registered. resize: same field of view. homography: from the file. calibrated: camera_info "
        "and extrinsics, one distance. depth: as calibrated, with depth/image.",
        choices=("none", "resize", "homography", "calibrated", "depth"),
        dynamic=True,
    )
    file: str = setting(
        "",
        "YAML file from 'camf calibrate'.",
        dynamic=True,
    )
    extrinsics: str = setting(
        "file",
        "From registration.file or TF.",
        choices=("file", "tf"),
        dynamic=True,
    )
    distance: float = setting(
        5.0,
        "mode calibrated: distance at which the images match. mode depth: distance of pixels without depth.",
        minimum=0.05,
        maximum=100000.0,
        unit="m",
        dynamic=True,
    )
    depth_slop: float = setting(
        0.1,
        "mode depth: largest age of the depth image relative to RGB.",
        minimum=0.0,
        maximum=10.0,
        unit="s",
        dynamic=True,
    )
    output_width: int = setting(
        0,
        "Fused width. 0: in proportion to output_height; both 0: as the reference camera.",
        minimum=0,
        maximum=_SIDE,
        unit="px",
        dynamic=True,
    )
    output_height: int = setting(
        0,
        "Fused height. 0: in proportion to output_width.",
        minimum=0,
        maximum=_SIDE,
        unit="px",
        dynamic=True,
    )
    processing_width: int = setting(
        0,
        "Input width of the network. Smaller is faster; RGB detail is kept. 0: in proportion to processing_height; "
        "both 0: automatic.",
        minimum=0,
        maximum=_SIDE,
        unit="px",
        dynamic=True,
    )
    processing_height: int = setting(
        0,
        "Input height of the network. 0: in proportion to processing_width.",
        minimum=0,
        maximum=_SIDE,
        unit="px",
        dynamic=True,
    )
    feather: int = setting(
        4,
        "Transition width to areas that only one camera sees. 0: hard edge.",
        minimum=0,
        maximum=64,
        unit="px",
        dynamic=True,
    )

    @property
    def calibrated(self) -> bool:
        """Whether the cameras' intrinsics and extrinsics are used."""
        return self.mode in ("calibrated", "depth")

    @property
    def names_processing_size(self) -> bool:
        """Whether a size is given at which the network works."""
        return bool(self.processing_width or self.processing_height)

    def __post_init__(self) -> None:
        if self.mode == "homography" and not self.file:
            raise ParameterError(
                "registration.file is empty with registration.mode homography",
                expected="the name of a YAML file",
                remedy="make one with 'camf calibrate'",
            )
        if self.calibrated and self.extrinsics == "file" and not self.file:
            raise ParameterError(
                f"registration.file is empty with registration.mode {self.mode} and registration.extrinsics file",
                expected="the name of a YAML file, or registration.extrinsics tf",
                remedy="docs/registration.md says what it holds",
            )
