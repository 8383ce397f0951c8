"""What the example looks for, and in which direction it is: objects, by an ONNX detector of yours, or bright spots."""

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

# Old and new OpenCV have these names; its type stubs do not.
_OPENCV: Any = cv2
# Between the grey levels at which the picture is cut into dark and bright.
_STEP = 10.0
# Pixels; a person at five metres in a picture of 1280 x 720.
_LARGEST = 40_000.0


class Finding(NamedTuple):
    """Something found: its centre and sides in pixels (0 is the centre of the first), and how likely it is, 0 to 1."""

    column: float
    row: float
    width: float
    height: float
    label: str
    score: float


class Finder(Protocol):
    """Looks at pictures. For one thread."""

    def find(self, image: NDArray[np.uint8]) -> list[Finding]:
        """What is in a picture, (H, W, 3) red, green, blue, or (H, W) grey, 0 to 255; in no order."""
        ...


class BrightSpots:
    """Finds spots that are brighter than everything around them, in a picture for eyes, where what is hot is bright.

    ``cv2.SimpleBlobDetector`` is in every OpenCV, 4 and 5, and needs no file; the HOG people detector of OpenCV 4 is
    not in OpenCV 5. It knows nothing of people: what is warm is bright in a fused picture, and so are lamps and
    windows.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        """Prepare the detector."""
        parameters = _OPENCV.SimpleBlobDetector_Params()
        parameters.filterByColor, parameters.blobColor = True, 255
        parameters.filterByArea = True
        parameters.minArea = np.pi / 4 * settings.smallest**2
        parameters.maxArea = _LARGEST
        # Of any shape: people are long, and seen in part.
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
    """Finds what a detector in an ONNX file was trained for, in a picture for detectors.

    Attributes:
        description: Kind of network and runtime, for people.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        """Load the detector.

        Raises:
            CamfError: If it cannot be loaded, or is of no known kind.
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
            # Edges lie between pixels: the left edge of the first pixel is 0, and its centre half a pixel from there.
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
    """Direction in which a camera sees a pixel (0 is the centre of the first), lens distortion taken out.

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
    """The shortest rotation that turns the x axis, which an arrow of RViz lies on, into a direction.

    The direction has length 1 and is not -x; the quaternion x, y, z, w has length 1.
    """
    x, y, z = direction
    # Half-way rotation: (1 + cos, axis * sin), not yet of length 1.
    length = math.sqrt((1 + x) ** 2 + y * y + z * z)
    return 0.0, -z / length, y / length, (1 + x) / length
