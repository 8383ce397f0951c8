"""One camera of the soak, in a process that may be killed. ``camera.py thermal|rgb FILE RATE``.

Fires at multiples of its period on CLOCK_MONOTONIC, and stamps with them: two such processes fire together, and one
that is started anew falls into step. The file holds the frames, as :mod:`soak_run.drawing` writes them.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from node_benchmark.ends import now, ros_node, to_stamp
from sensor_msgs.msg import Image

from camf_ros.nodes import topics
from soak_run.drawing import messages_of
from soak_run.observer import CAMERA_QOS


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
