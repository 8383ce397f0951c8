"""Depth images aligned to RGB, as depth cameras publish them: which one goes with an RGB image, and its distances.

For any object with the fields of sensor_msgs/Image or sensor_msgs/CompressedImage: what a node receives, and what is
read from a recording.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camf_ros.errors import CamfError
from camf_ros.imaging.camera_messages import check, read
from camf_ros.imaging.camera_model import DepthImage, InfoHistory, camera_of
from camf_ros.imaging.compressed_image import DEPTH_ENCODINGS, decode_depth

# How errors name the messages.
_NAME = "depth image"
# Half a second at 30 Hz: pairs wait for their second frame, and for the pair before them.
_KEPT = 16


class DepthImages:
    """The last depth images and their camera_info. Messages are kept in one thread and looked up in another.

    Attributes:
        infos: Their camera_info.
        received: Images so far.
        missed: RGB images so far for which there was none.
        missing: Whether there was none for the last RGB image.
        problem: Why there was none the last time; empty if there always was one.
    """

    def __init__(self) -> None:
        self.infos = InfoHistory()
        self.received = self.missed = 0
        self.missing, self.problem = False, ""
        self._kept: deque[Any] = deque(maxlen=_KEPT)
        self._last: tuple[Any, NDArray[Any]] | None = None

    def keep(self, message: Any) -> None:
        """Take a message."""
        self.received += 1
        self._kept.append(message)

    def of(self, stamp: Any, slop: float) -> DepthImage | None:
        """The newest that is not later than an RGB image, and at most ``slop`` seconds older.

        None where there is none that can be used; :attr:`problem` says why.
        """
        try:
            found = self._found(stamp, slop)
        except CamfError as error:
            found = str(error)
        self.missing = not isinstance(found, DepthImage)
        if isinstance(found, DepthImage):
            return found
        self.problem, self.missed = found, self.missed + 1
        return None

    def _found(self, stamp: Any, slop: float) -> DepthImage | str:
        """The image, or why there is none."""
        kept, wanted = tuple(self._kept), nanoseconds(stamp)
        if not kept:
            return "no depth image has arrived"
        before = [message for message in kept if nanoseconds(message.header.stamp) <= wanted]
        if not before:
            return "all depth images are later than the RGB image"
        message = max(before, key=lambda each: nanoseconds(each.header.stamp))
        age = 1e-9 * (wanted - nanoseconds(message.header.stamp))
        if age > slop:
            return f"the newest depth image is {age:.3g} s older than the RGB image, allowed are {slop:g} s"
        camera = camera_of(self.infos.of(message.header.stamp))
        if camera is None:
            return "no camera_info of the depth images has arrived"
        image = self._image(message)
        if image.shape != (camera.height, camera.width):
            said = f"{camera.width} x {camera.height}"
            return f"the depth image is {image.shape[1]} x {image.shape[0]} and its camera_info for {said}"
        return DepthImage(image, camera)

    def _image(self, message: Any) -> NDArray[Any]:
        # Several RGB images may go with one depth image.
        if self._last is None or self._last[0] is not message:
            if hasattr(message, "format"):
                image = decode_depth(bytes(message.data), message.format, _NAME)
            else:
                image = np.ascontiguousarray(read(message, check(message, DEPTH_ENCODINGS, _NAME)))
            self._last = message, image
        return self._last[1]


def nanoseconds(stamp: Any) -> int:
    """Of a builtin_interfaces/Time."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
