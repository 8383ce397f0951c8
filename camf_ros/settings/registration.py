"""Settings of the registration: how both pictures get into one geometry."""

from __future__ import annotations

from dataclasses import dataclass

from camf_ros.errors import ParameterError
from camf_ros.settings.spec import setting

_SIDE = 8192


@dataclass(frozen=True)
class RegistrationSettings:
    """How both pictures get into one geometry."""

    mode: str = setting(
        "resize",
        "none: pictures of one size that were registered before; resize: cameras with one field of view, only the size "
        "differs; homography: the mapping in registration.file; calibrated: undistortion with both camera_infos, and "
        "the plane at registration.distance.",
        choices=("none", "resize", "homography", "calibrated"),
        dynamic=True,
    )
    file: str = setting(
        "",
        "YAML file with a homography or extrinsics, as 'camf calibrate' writes it (docs/registration.md).",
        dynamic=True,
    )
    extrinsics: str = setting(
        "file",
        "Where calibrated finds how the cameras stand to each other: in registration.file, or on /tf and /tf_static "
        "between the frames of the two camera_infos.",
        choices=("file", "tf"),
        dynamic=True,
    )
    distance: float = setting(
        5.0,
        "Distance from the reference camera at which the pictures of calibrated fit exactly.",
        minimum=0.05,
        maximum=100000.0,
        unit="m",
        dynamic=True,
    )
    output_width: int = setting(
        0,
        "Width of the fused image; 0: the reference camera's, or what keeps its shape where only the height is given.",
        minimum=0,
        maximum=_SIDE,
        unit="px",
        dynamic=True,
    )
    output_height: int = setting(
        0, "Height of the fused image; 0: likewise.", minimum=0, maximum=_SIDE, unit="px", dynamic=True
    )
    processing_width: int = setting(
        0,
        "Width at which the network works; 0: that of the fused image. Smaller is faster; the RGB camera's finer "
        "detail is put back afterwards.",
        minimum=0,
        maximum=_SIDE,
        unit="px",
        dynamic=True,
    )
    processing_height: int = setting(
        0, "Height at which the network works; 0: likewise.", minimum=0, maximum=_SIDE, unit="px", dynamic=True
    )
    feather: int = setting(
        4,
        "Width of the transition to the part that only one camera sees; 0: a hard border.",
        minimum=0,
        maximum=64,
        unit="px",
        dynamic=True,
    )

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
        if self.mode == "calibrated" and self.extrinsics == "file" and not self.file:
            raise ParameterError(
                "registration.file is empty with registration.mode calibrated and registration.extrinsics file",
                expected="the name of a YAML file, or registration.extrinsics tf",
                remedy="docs/registration.md says what it holds",
            )
