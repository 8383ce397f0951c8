"""Detectors of the example node (an ONNX model, or bright spots), and the direction of a pixel."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.evaluation.onnx_detector import OnnxDetector
from camf_ros.imaging.camera_model import Camera
from camf_ros.settings.demo_settings import DetectorSettings

# SimpleBlobDetector is missing in the type stubs of OpenCV.
_OPENCV: Any = cv2
# Step between the thresholds, grey levels.
_STEP = 10.0
# Largest area of a spot, pixels: a person at five metres in an image of 1280 x 720.
_LARGEST = 40_000.0


class Finding(NamedTuple):
    """A detection: centre and size in pixels (0 is the centre of the first pixel), class, and score from 0 to 1."""

    column: float
    row: float
    width: float
    height: float
    label: str
    score: float


class Finder(Protocol):
    """Interface of a detector. Used from one thread."""

    def find(self, image: NDArray[np.uint8]) -> list[Finding]:
        """Detections in an image, (H, W, 3) red, green, blue, or (H, W) grey, 0 to 255; in no particular order."""
        ...


class BrightSpots:
    """Finds spots that are brighter than their surroundings in ``fused/image``, in which hot is bright.

    It also finds lamps and windows. It uses ``cv2.SimpleBlobDetector``, which OpenCV 4 and 5 have and which needs no
    model file. The HOG people detector of OpenCV 4 is not in OpenCV 5.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        """Make the detector."""
        parameters = _OPENCV.SimpleBlobDetector_Params()
        parameters.filterByColor, parameters.blobColor = True, 255
        parameters.filterByArea = True
        parameters.minArea = np.pi / 4 * settings.smallest**2
        parameters.maxArea = _LARGEST
        # Any shape, because people are tall and often partly hidden.
        parameters.filterByCircularity = parameters.filterByConvexity = parameters.filterByInertia = False
        parameters.minThreshold, parameters.maxThreshold = settings.threshold, 255.0
        parameters.thresholdStep = _STEP
        self._detector = _OPENCV.SimpleBlobDetector_create(parameters)

    def find(self, image: NDArray[np.uint8]) -> list[Finding]:
        """See :meth:`Finder.find`."""
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return [
            Finding(point.pt[0], point.pt[1], point.size, point.size, "bright spot", 1.0)
            for point in self._detector.detect(grey)
        ]


class Objects:
    """Runs an ONNX detector on ``fused/detector_image``.

    Attributes:
        description: Kind of network and runtime, for the log.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        """Load the detector.

        Raises:
            CamfError: If the file cannot be loaded, or the kind of detector is unknown.
        """
        self._detector = OnnxDetector(Path(settings.model).expanduser(), threads=settings.threads)
        self._least = settings.least_score
        self.description = self._detector.description

    def find(self, image: NDArray[np.uint8]) -> list[Finding]:
        """See :meth:`Finder.find`.

        Raises:
            EngineError: If the inference fails.
        """
        found, names = self._detector.detect(image, least=self._least), self._detector.names
        return [
            # Box edges count from the left edge of the first pixel, centres from the centre of the first pixel.
            Finding(
                float(left + right - 1) / 2,
                float(top + bottom - 1) / 2,
                float(right - left),
                float(bottom - top),
                names[number] if number < len(names) else f"class {number}",
                float(score),
            )
            for (left, top, right, bottom), score, number in zip(found.boxes, found.scores, found.classes, strict=True)
        ]


def bearing(camera: Camera, column: float, row: float) -> tuple[float, float, float]:
    """Direction of a pixel (0 is the centre of the first pixel), corrected for lens distortion.

    Returns:
        (x, y, z) of length 1 in the camera's optical frame: x to the right, y down, z forward.
    """
    pixel = np.array([[[column, row]]], np.float64)
    undistort = cv2.fisheye.undistortPoints if camera.model in ("equidistant", "fisheye") else cv2.undistortPoints
    coefficients = np.array(camera.coefficients or (0.0,) * 4, np.float64)
    x, y = undistort(pixel, camera.k, coefficients)[0, 0]
    length = math.hypot(x, y, 1.0)
    return float(x) / length, float(y) / length, 1.0 / length


def turn_to(direction: tuple[float, float, float]) -> tuple[float, float, float, float]:
    """Quaternion (x, y, z, w) of the shortest rotation from the x axis, the axis of an RViz arrow, to a direction.

    The direction has length 1 and is not -x. The quaternion has length 1.
    """
    x, y, z = direction
    # Quaternion of half the angle before normalization: (1 + cos, axis * sin).
    length = math.sqrt((1 + x) ** 2 + y * y + z * z)
    return 0.0, -z / length, y / length, (1 + x) / length
