"""What camf calibrate writes beside the registration file: a picture, parameters, camera_info files, a transform."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from camf_ros.calibration.align import Pair
from camf_ros.calibration.rig import quaternion
from camf_ros.files import make_folder, write_whole
from camf_ros.imaging.camera_model import Camera, Extrinsics
from camf_ros.imaging.picture_files import write_png
from camf_ros.imaging.picture_strip import overlay

_logger = logging.getLogger(__name__)


def write_overlay(path: Path, pair: Pair, mapping: NDArray[np.float64]) -> None:
    """A picture of a pair before and after; ``mapping`` is (3, 3), RGB pixel to thermal pixel."""
    make_folder(path.parent)
    write_png(path, overlay(pair.thermal, pair.rgb, mapping))
    _logger.info("wrote %s (%s)", path, pair.name)


def write_parameters(path: Path, registration: Path, *, calibrated: bool, offset: float | None) -> None:
    """Parameters for the fusion node.

    Args:
        path: File to write.
        registration: The registration file.
        calibrated: Whether that has extrinsics; else a homography.
        offset: Seconds to be added to thermal stamps; None where nobody knows. The camera that is late gets it.
    """
    values: dict[str, object] = {
        "registration": {"mode": "calibrated" if calibrated else "homography", "file": str(registration.resolve())}
    }
    if offset is not None:
        late = "thermal" if offset < 0 else "rgb"
        values["pairing"] = {f"{late}_offset": round(-abs(offset), 5)}
    tree = {"/**": {"ros__parameters": values}}
    write_whole(path, yaml.safe_dump(tree, sort_keys=False).encode())


def write_camera_info(path: Path, name: str, camera: Camera) -> None:
    """A camera_info file as ``camera_calibration`` and ``camera_info_manager`` have it."""

    def matrix(rows: int, values: list[float]) -> dict[str, object]:
        return {"rows": rows, "cols": len(values) // rows, "data": values}

    projection = np.column_stack([camera.k, np.zeros(3)]).ravel().tolist()
    tree = {
        "image_width": camera.width,
        "image_height": camera.height,
        "camera_name": name,
        "camera_matrix": matrix(3, list(camera.matrix)),
        "distortion_model": camera.model,
        "distortion_coefficients": matrix(1, list(camera.coefficients or (0.0,) * 5)),
        "rectification_matrix": matrix(3, np.eye(3).ravel().tolist()),
        "projection_matrix": matrix(3, projection),
    }
    write_whole(path, yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=110).encode())


def transform_command(extrinsics: Extrinsics, frames: Mapping[str, str]) -> str:
    """The command that publishes where the thermal camera is; ``frames``: frame_id of each camera, by camera."""
    thermal, rgb = (frames.get(camera) or f"{camera}_optical_frame" for camera in ("thermal", "rgb"))
    if thermal == rgb:
        thermal, rgb = "thermal_optical_frame", "rgb_optical_frame"
    values = [*extrinsics.translation, *quaternion(extrinsics.r)]
    names = ("x", "y", "z", "qx", "qy", "qz", "qw")
    pose = " ".join(f"--{name} {value:.6f}" for name, value in zip(names, values, strict=True))
    return f"ros2 run tf2_ros static_transform_publisher {pose} --frame-id {rgb} --child-frame-id {thermal}"
