"""What the source node publishes: pairs of pictures from a folder, or the embedded procedural scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import ParameterError
from camf_ros.imaging.camera_model import Camera
from camf_ros.imaging.pairs import find_pairs
from camf_ros.imaging.picture_files import read_picture, rgb_of, thermal_of
from camf_ros.imaging.raw_image import Image

# Focal length of a picture of unknown origin, in picture widths: about 53 degrees across.
_FOCAL_LENGTH = 1.0


class SourceMaterial(Protocol):
    """Frames of two cameras as functions of time, seconds from the start."""

    def thermal(self, t: float) -> Image:
        """Thermal frame, (h, w), uint8 grey or uint16 counts."""
        ...

    def rgb(self, t: float) -> NDArray[np.uint8]:
        """RGB frame, (H, W, 3) red, green, blue, or (H, W) grey."""
        ...

    def thermal_camera(self, t: float) -> Camera:
        """Geometry of the thermal frame."""
        ...

    def rgb_camera(self, t: float) -> Camera:
        """Geometry of the RGB frame."""
        ...


class SceneMaterial:
    """The embedded scene."""

    def __init__(self, seed: int) -> None:
        """Prepare it.

        Raises:
            ParameterError: If the package was built without the scene.
        """
        try:
            from camf_scene import NightStreet  # noqa: PLC0415 (a build may leave it out)
        except ImportError as error:
            raise ParameterError(
                f"pairs is '', which means the embedded scene, and that is not installed ({error})",
                expected="a folder of pairs",
                remedy="set pairs, or build with -DCAMF_SCENE=ON",
            ) from error
        self._scene = NightStreet(seed)
        self._rgb_camera, self._thermal_camera = (
            _camera(camera.width, camera.height, (camera.fx, camera.fy), (camera.cx, camera.cy))
            for camera in (self._scene.rgb_camera, self._scene.thermal_camera)
        )

    def thermal(self, t: float) -> Image:
        """See :class:`SourceMaterial`."""
        return self._scene.thermal(t)

    def rgb(self, t: float) -> NDArray[np.uint8]:
        """See :class:`SourceMaterial`."""
        return self._scene.rgb(t)

    def thermal_camera(self, t: float) -> Camera:  # noqa: ARG002 (the camera does not change)
        """See :class:`SourceMaterial`."""
        return self._thermal_camera

    def rgb_camera(self, t: float) -> Camera:  # noqa: ARG002
        """See :class:`SourceMaterial`."""
        return self._rgb_camera


class FolderMaterial:
    """Pairs of a folder, one after another, over and over."""

    def __init__(self, folder: Path, rate: float, hold: float) -> None:
        """Find the pairs.

        Args:
            folder: Has subfolders ``infrared`` and ``visible`` with pictures of equal names.
            rate: RGB frames a second.
            hold: Seconds that each pair is shown, at least one frame.

        Raises:
            DataError: If there are no pairs, or a picture has no counterpart.
        """
        self._pairs = find_pairs(folder)
        self._rate = rate
        self._frames_per_pair = max(1, round(hold * rate))
        self._cached: dict[Path, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def thermal(self, t: float) -> Image:
        """See :class:`SourceMaterial`; 16-bit pictures stay 16-bit."""
        path = self._pair(t)[0]
        return thermal_of(self._load(path), path.name)

    def rgb(self, t: float) -> NDArray[np.uint8]:
        """See :class:`SourceMaterial`."""
        path = self._pair(t)[1]
        return rgb_of(self._load(path), path.name)

    def thermal_camera(self, t: float) -> Camera:
        """See :class:`SourceMaterial`; a nominal geometry, since pictures do not bring one."""
        return _nominal(self.thermal(t))

    def rgb_camera(self, t: float) -> Camera:
        """See :class:`SourceMaterial`; a nominal geometry."""
        return _nominal(self.rgb(t))

    def _pair(self, t: float) -> tuple[Path, Path]:
        # By the number of the frame, not by the time: two frames that fire almost together show one pair, always.
        return self._pairs[round(t * self._rate) // self._frames_per_pair % len(self._pairs)]

    def _load(self, path: Path) -> NDArray[Any]:
        if path not in self._cached:
            # The pair that is shown and the one before it: two cameras do not change over at the same moment.
            while len(self._cached) >= 4:
                del self._cached[next(iter(self._cached))]
            self._cached[path] = read_picture(path)
        return self._cached[path]


def _nominal(image: NDArray[np.generic]) -> Camera:
    height, width = image.shape[:2]
    focal = _FOCAL_LENGTH * width
    return _camera(width, height, (focal, focal), ((width - 1) / 2, (height - 1) / 2))


def _camera(width: int, height: int, focal: tuple[float, float], centre: tuple[float, float]) -> Camera:
    return Camera(width, height, (focal[0], 0.0, centre[0], 0.0, focal[1], centre[1], 0.0, 0.0, 1.0))
