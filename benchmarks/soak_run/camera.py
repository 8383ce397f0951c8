"""One camera of the soak, in a process that may be killed. ``camera.py thermal|rgb FILE RATE``.

Fires at multiples of its period on CLOCK_MONOTONIC, and stamps with them: two such processes fire together, and one
that is started anew falls into step. The file holds the frames, drawn once: a
camera that is started again must be there at once.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from node_benchmark.ends import CAMERA_QOS, now, ros_node, to_stamp
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from camf_ros.nodes import topics
from camf_ros.nodes.publishers import image_message
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


def main() -> None:
    """Publish until told to end."""
    camera, rate = sys.argv[1], float(sys.argv[3])
    with np.load(sys.argv[2]) as drawn:
        messages = messages_of(camera, drawn[camera])
    period = round(1e9 / rate)
    with ros_node(f"{camera}_camera") as node:
        topic = topics.THERMAL_IMAGE if camera == topics.THERMAL else topics.RGB_IMAGE
        publisher = node.create_publisher(Image, topic, CAMERA_QOS)
        beat = now() // period
        while True:
            beat = max(beat + 1, now() // period)  # one that is more than a period late is left out
            time.sleep(max(0.0, 1e-9 * (beat * period - now())))
            message = messages[beat % len(messages)]
            message.header.stamp = to_stamp(beat * period)
            publisher.publish(message)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
