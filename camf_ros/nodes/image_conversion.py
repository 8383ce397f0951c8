"""Camera messages to arrays: by cv_bridge where it works, by our own exact conversion where it does not.

cv_bridge's compiled part breaks, and can take the process with it, under another NumPy than it was built for, which is
what pip's PyTorch brings. So it is tried in a process of its own first. Both ways give the same bits. What cv_bridge
does not know as a colour (see :mod:`camf_ros.imaging.encodings`) and compressed images are always converted here.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from camf_ros.imaging.camera_messages import (
    RGB,
    THERMAL,
    compressed_rgb_frame,
    compressed_thermal_frame,
    rgb_frame,
    thermal_frame,
)
from camf_ros.imaging.encodings import RGB_ENCODINGS, THERMAL_ENCODINGS, Encoding, Kind
from camf_ros.imaging.memory_budget import UNLIMITED, MemoryBudget
from camf_ros.imaging.raw_image import Image as ImageArray
from camf_ros.imaging.raw_image import check, thermal_values

__all__ = ["RGB_ENCODINGS", "THERMAL_ENCODINGS", "ImageConversion", "cv_bridge_works"]

_PROBE = """
import numpy, cv_bridge
from sensor_msgs.msg import Image
message = Image(height=2, width=2, encoding="rgb8", step=6, data=bytes(range(12)))
grey = cv_bridge.CvBridge().imgmsg_to_cv2(message, "mono8")
assert grey.shape == (2, 2)
"""
_PROBE_TIMEOUT = 30.0


def cv_bridge_works() -> bool:
    """Whether cv_bridge converts an image in a Python like this one."""
    try:
        probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


class ImageConversion:
    """Turns messages into arrays.

    Attributes:
        backend: ``cv_bridge`` or ``own``.
    """

    def __init__(self, *, use_cv_bridge: bool) -> None:
        """Choose the way.

        Args:
            use_cv_bridge: Usually :func:`cv_bridge_works`.
        """
        self._bridge: Any = None
        self.backend = "own"
        if use_cv_bridge:
            from cv_bridge import CvBridge  # noqa: PLC0415 (not on every machine)

            self._bridge, self.backend = CvBridge(), "cv_bridge"

    def thermal(self, message: Image | CompressedImage, budget: MemoryBudget = UNLIMITED) -> ImageArray:
        """Thermal frame of a message.

        Returns:
            (H, W), uint8, uint16 or float32 as the camera sent it; signed counts and doubles as float32.

        Raises:
            ImageError: If the message cannot be what it says, or its encoding is none of :data:`THERMAL_ENCODINGS`.
        """
        if isinstance(message, CompressedImage):
            return compressed_thermal_frame(message, budget)
        if self._bridge is not None:
            encoding = check(message, THERMAL_ENCODINGS, THERMAL, budget)
            if encoding.kind is Kind.GREY and self._suits_cv_bridge(message, encoding):
                return thermal_values(self._bridge.imgmsg_to_cv2(message, "passthrough"), encoding, THERMAL)
        return thermal_frame(message, budget)

    def rgb(self, message: Image | CompressedImage, budget: MemoryBudget = UNLIMITED) -> NDArray[np.uint8]:
        """RGB frame of a message.

        Returns:
            (H, W, 3) red, green, blue, or (H, W) if the camera is grey; C-contiguous.

        Raises:
            ImageError: If the message cannot be what it says, or its encoding is none of :data:`RGB_ENCODINGS`.
        """
        if isinstance(message, CompressedImage):
            return compressed_rgb_frame(message, budget)
        if self._bridge is not None:
            encoding = check(message, RGB_ENCODINGS, RGB, budget)
            if encoding.bridged and self._suits_cv_bridge(message, encoding):
                wanted = "mono8" if encoding.kind is Kind.GREY else "rgb8"
                return np.ascontiguousarray(self._bridge.imgmsg_to_cv2(message, wanted), dtype=np.uint8)
        return rgb_frame(message, budget)

    def _suits_cv_bridge(self, message: Image, encoding: Encoding) -> bool:
        """Whether cv_bridge reads this layout right: whole pixels a row, full last row, this machine's byte order."""
        size = np.dtype(encoding.dtype).itemsize
        return (
            message.step % (encoding.channels * size) == 0
            and len(message.data) == message.step * message.height
            and (size == 1 or bool(message.is_bigendian) == (sys.byteorder == "big"))
            and not (size == 1 and message.is_bigendian)
        )
