"""A detector that needs nothing but OpenCV: compact bright spots. The place of the network that you have.

``cv2.SimpleBlobDetector`` is in every OpenCV, 4 and 5, and needs no file; the HOG people detector of OpenCV 4 is not in
OpenCV 5. It knows nothing of people: what is warm in a fused picture is bright, and so are lamps and windows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.settings.detector import DetectorSettings

# Old and new OpenCV have these names; its type stubs do not.
_OPENCV: Any = cv2
# Between the grey levels at which the picture is cut into dark and bright.
_STEP = 10.0
# Pixels; a person at five metres in a picture of 1280 x 720.
_LARGEST = 40_000.0


class Spot(NamedTuple):
    """Something found.

    Attributes:
        column: Of its centre, pixels; 0 is the centre of the first.
        row: Likewise.
        diameter: Pixels.
    """

    column: float
    row: float
    diameter: float


class BrightSpots:
    """Finds spots that are brighter than everything around them."""

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

    def find(self, image: NDArray[np.uint8]) -> list[Spot]:
        """Spots of a picture, in no order.

        Args:
            image: (H, W, 3) red, green, blue, or (H, W) grey; 0 to 255.
        """
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return [Spot(point.pt[0], point.pt[1], point.size) for point in self._detector.detect(grey)]
