"""The frames of the soak, drawn once: a camera that is started again must be there at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from camf_ros.nodes import topics
from camf_ros.nodes.image_messages import image_message
from camf_scene import NightStreet

# So many different pairs, so far apart in the scene.
_FRAMES, _APART = 10, 0.1


def draw(path: Path, width: int, height: int) -> None:
    """Draw the first second of the street into an .npz file: ``thermal`` and ``rgb``, (N, H, W) and (N, H, W, 3)."""
    street = NightStreet(1, rgb_size=(width, height), thermal_size=(width, height))
    moments = [number * _APART for number in range(_FRAMES)]
    thermal, rgb = ([one(moment) for moment in moments] for one in (street.thermal, street.rgb))
    np.savez(path, thermal=np.stack(thermal), rgb=np.stack(rgb))


def messages_of(camera: str, pictures: NDArray[Any]) -> list[Image]:
    """Pictures of a camera as its messages, without stamps."""
    encoding = "mono16" if camera == topics.THERMAL else "rgb8"
    header = Header(frame_id=f"{camera}_optical_frame")
    return [image_message(np.ascontiguousarray(picture), encoding, header) for picture in pictures]
