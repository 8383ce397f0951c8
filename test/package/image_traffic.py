"""One end of two camera topics, as a process of its own: `image_traffic.py publish 60` or `image_traffic.py count`.

`publish N` waits until both topics have a subscriber, sends N images on each at 30 Hz and ends when they are out.
`count` says "ready", counts what arrives until its standard input ends, and prints the counts as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

# Deep enough for all of them: a reader that is off the processor for a moment must not look like lost memory.
QOS = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
# topic: encoding, width, height, bytes of a pixel
CAMERAS = {"rgb/image_raw": ("rgb8", 1280, 720, 3), "thermal/image_raw": ("mono16", 640, 512, 2)}


def image(encoding: str, width: int, height: int, pixel: int) -> Image:
    message = Image(encoding=encoding, width=width, height=height, step=width * pixel)
    message.data.frombytes(bytes(width * height * pixel))
    return message


def publish(node: Node, count: int) -> None:
    outputs = [(node.create_publisher(Image, topic, QOS), image(*shape)) for topic, shape in CAMERAS.items()]
    patience = time.monotonic() + 30
    while any(publisher.get_subscription_count() == 0 for publisher, _ in outputs):
        if time.monotonic() > patience:
            raise TimeoutError("no subscriber within 30 s")
        time.sleep(0.05)
    time.sleep(0.5)  # the other side may be behind with its part of the match
    due = time.monotonic()
    for number in range(count):
        for publisher, message in outputs:
            message.header.frame_id = str(number)
            publisher.publish(message)
        due += 1 / 30
        time.sleep(max(0.0, due - time.monotonic()))
    time.sleep(1.0)


def count(node: Node) -> None:
    seen: dict[str, set[str]] = {topic: set() for topic in CAMERAS}
    for topic, frames in seen.items():
        node.create_subscription(Image, topic, lambda message, frames=frames: frames.add(message.header.frame_id), QOS)
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    print("ready", flush=True)
    while not ended.is_set():
        rclpy.spin_once(node, timeout_sec=0.1)
    print(json.dumps({topic: len(frames) for topic, frames in seen.items()}), flush=True)


def main() -> None:
    rclpy.init()
    node = rclpy.create_node(f"image_traffic_{sys.argv[1]}")
    try:
        if sys.argv[1] == "publish":
            publish(node, int(sys.argv[2]))
        else:
            count(node)
    finally:
        node.destroy_node()
        rclpy.shutdown()


if __name__ == "__main__":
    main()
