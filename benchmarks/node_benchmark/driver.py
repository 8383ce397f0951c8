"""The cameras of the benchmark: pairs of the simulated scene at any rate. ``driver.py WIDTH HEIGHT``.

All frames are drawn and made into messages before anything is measured, so that a pair costs no more than its two
publications. Both images of a pair carry one stamp, taken just before the first of them is published.

Answers ``{"ready": true}`` once the node listens to both topics, then each ``{"rate": Hz, "pairs": N}`` when its pairs
are out with ``{"stamps": [ns, ..], "seconds": s}``.
"""

from __future__ import annotations

import sys
import time

from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from camf_ros.nodes import topics
from camf_ros.nodes.publishers import image_message
from camf_scene import NightStreet
from node_benchmark.ends import CAMERA_QOS, answer, now, questions, ros_node, to_stamp

# So many different pairs, so far apart in the scene: enough that nothing is the same from one to the next.
_FRAMES, _APART = 10, 0.1


def scene(width: int, height: int) -> list[tuple[Image, Image]]:
    """Messages of the first second of the street, (thermal, RGB)."""
    street = NightStreet(1, rgb_size=(width, height), thermal_size=(width, height))
    moments = [number * _APART for number in range(_FRAMES)]
    return [
        (
            image_message(street.thermal(moment), "mono16", Header(frame_id="thermal_optical_frame")),
            image_message(street.rgb(moment), "rgb8", Header(frame_id="rgb_optical_frame")),
        )
        for moment in moments
    ]


def send(
    cameras: tuple[Publisher, Publisher], pairs: list[tuple[Image, Image]], rate: float, count: int
) -> dict[str, object]:
    """Publish pairs at even distances; one that is late goes out at once, and the next is due when it was."""
    stamps = []
    start = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
        stamps.append(now())
        for camera, message in zip(cameras, pairs[number % len(pairs)], strict=True):
            message.header.stamp = to_stamp(stamps[-1])
            camera.publish(message)
    # Until the next one would be due, so that count / seconds is the rate.
    time.sleep(max(0.0, start + count / rate - time.monotonic()))
    return {"stamps": stamps, "seconds": time.monotonic() - start}


def main() -> None:
    """Answer until standard input ends."""
    pairs = scene(int(sys.argv[1]), int(sys.argv[2]))
    with ros_node("driver") as node:
        cameras = (
            node.create_publisher(Image, topics.THERMAL_IMAGE, CAMERA_QOS),
            node.create_publisher(Image, topics.RGB_IMAGE, CAMERA_QOS),
        )
        while any(camera.get_subscription_count() == 0 for camera in cameras):
            time.sleep(0.1)
        time.sleep(0.5)  # the node may be behind with its part of the match
        answer({"ready": True})
        for question in questions():
            answer(send(cameras, pairs, question["rate"], question["pairs"]))


if __name__ == "__main__":
    main()
