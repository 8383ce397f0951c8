"""Prints the files of camf_ros that one pair passes in the running node, from its callbacks to what is published.

python3 one_pair.py --ros-args -p model:=MODEL
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import rclpy
from harness import PATIENCE, Probe, scene

import camf_ros
from camf_ros.nodes.fusion_node import FusionNode
from camf_ros.nodes.inputs import Inputs
from camf_ros.nodes.states import Active

PACKAGE = Path(camf_ros.__file__).parent
# Where the way of a pair begins in each of its two threads.
DOORS = (Inputs._arrived.__code__, Active._work.__code__)


class Tracer:
    """Files in which functions are called behind the doors, by any thread."""

    def __init__(self) -> None:
        self.on = False
        self.files: set[str] = set()
        self._inside = threading.local()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        depth = getattr(self._inside, "depth", 0)
        if event == "call" and (depth or (self.on and frame.f_code in DOORS)):
            self._inside.depth = depth + 1
            path = Path(frame.f_code.co_filename)
            # Generated ones are not read.
            if path.is_relative_to(PACKAGE) and path.parent.name != "msg":
                self.files.add(path.relative_to(PACKAGE).as_posix())
        elif event == "return" and depth:
            self._inside.depth = depth - 1


def main() -> None:
    tracer = Tracer()
    threading.setprofile(tracer)
    sys.setprofile(tracer)
    rclpy.init(args=sys.argv)
    node = FusionNode()
    executor = rclpy.executors.SingleThreadedExecutor()
    executor.add_node(node)
    probe = Probe()
    end = time.monotonic() + PATIENCE
    fused: list[int] = []

    def pair(seed: int) -> None:
        """Send one, and take it in, until its weights are back and the worker is done with it."""
        before, loaded = len(probe.weights), node._loaded.fusion
        last = loaded.last
        probe.send(*scene(seed))
        while len(probe.weights) == before or loaded.last is last:
            assert time.monotonic() < end, f"{len(fused)} pairs were fused"
            executor.spin_once(timeout_sec=0.01)
            probe.spin_for(0.01)
        time.sleep(0.1)
        fused.append(seed)

    while not (probe.rgb.get_subscription_count() and node.count_subscribers("fused/image")):
        assert time.monotonic() < end, "the node was not found"
        executor.spin_once(timeout_sec=0.01)
        probe.spin_for(0.01)
    probe.spin_for(0.5)
    for seed in range(3):
        pair(seed)
    tracer.on = True
    pair(3)
    tracer.on = False
    sys.setprofile(None)
    print(json.dumps(sorted(tracer.files)))
    probe.close()
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
