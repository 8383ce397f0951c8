"""Camera messages to arrays: by cv_bridge where it works, by our own exact conversion where it does not.

cv_bridge's compiled part breaks, and can take the process with it, under another NumPy than it was built for, which is
what pip's PyTorch brings. So it is tried in a process of its own first. Both ways give the same bits.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from camf_ros.errors import EncodingError
from camf_ros.imaging.raw_image import ENCODINGS, Encoding, check, grey_in_colour, read, to_rgb8
from camf_ros.imaging.raw_image import Image as ImageArray

#: Encodings of a thermal camera: grey, counts, temperatures, or a grey picture sent as colour.
THERMAL_ENCODINGS = frozenset({"mono8", "mono16", "8UC1", "16UC1", "32FC1", "rgb8", "bgr8"})
#: Encodings of an RGB camera.
RGB_ENCODINGS = frozenset(set(ENCODINGS) - {"16UC1", "32FC1"})

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

    def thermal(self, message: Image) -> ImageArray:
        """Thermal frame of a message.

        Returns:
            (H, W), uint8, uint16 or float32 as the camera sent it.

        Raises:
            ImageError: If the message cannot be what it says, or its encoding is none of :data:`THERMAL_ENCODINGS`.
        """
        encoding = check(message, THERMAL_ENCODINGS, "thermal image")
        if encoding.channels == 1:
            return self._passthrough(message, encoding)
        grey = grey_in_colour(read(message, encoding))
        if grey is not None:
            return grey
        raise EncodingError(
            f"thermal image: {message.encoding} with colours",
            expected="grey values or counts: colours of a palette do not say what is hot",
            remedy="switch the camera's palette to white-hot, or check which topic is remapped here",
        )

    def rgb(self, message: Image) -> NDArray[np.uint8]:
        """RGB frame of a message.

        Returns:
            (H, W, 3) red, green, blue, or (H, W) if the camera is grey; C-contiguous.

        Raises:
            ImageError: If the message cannot be what it says, or its encoding is none of :data:`RGB_ENCODINGS`.
        """
        encoding = check(message, RGB_ENCODINGS, "RGB image")
        if not self._suits_cv_bridge(message, encoding) or message.encoding == "8UC1":
            return to_rgb8(read(message, encoding), encoding)
        wanted = "rgb8" if encoding.channels > 1 else "mono8"
        return np.ascontiguousarray(self._bridge.imgmsg_to_cv2(message, wanted), dtype=np.uint8)

    def _passthrough(self, message: Image, encoding: Encoding) -> ImageArray:
        if not self._suits_cv_bridge(message, encoding):
            return read(message, encoding)
        result: ImageArray = self._bridge.imgmsg_to_cv2(message, "passthrough")
        return result

    def _suits_cv_bridge(self, message: Image, encoding: Encoding) -> bool:
        """Whether cv_bridge reads this layout right: whole pixels a row, full last row, this machine's byte order."""
        size = np.dtype(encoding.dtype).itemsize
        return (
            self._bridge is not None
            and message.step % (encoding.channels * size) == 0
            and len(message.data) == message.step * message.height
            and (size == 1 or bool(message.is_bigendian) == (sys.byteorder == "big"))
            and not (size == 1 and message.is_bigendian)
        )
