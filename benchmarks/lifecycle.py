"""Resident memory of the fusion node in each of its states, and how long its transitions take.

    python3 benchmarks/lifecycle.py --model camf --json docs/figures/lifecycle.json

Starts the node with ``autostart: false``, takes it through its states twice, with pairs of the simulated scene fused
while it is active, and looks at its process after each transition. The second round shows what cleaning up gives back,
and that nothing is left over.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from node_benchmark.processes import Processes, environment, node_command
from script import machine, versions, write_json

_PATIENCE = 120.0
_ROUNDS = 2


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="camf")
    parser.add_argument("--pairs", type=int, default=30, help="fused in each round (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    around = environment(None)
    os.environ.update(around)  # before rclpy is imported
    processes = Processes(around)
    try:
        process = processes.start(node_command({"autostart": False, "model": arguments.model}), talks=False)
        rows = _rounds(psutil.Process(process.pid), arguments.pairs)
    finally:
        processes.stop()
    for row in rows:
        print(f"round {row['round']}  {row['state']:<14} {row['resident_mb']:8.0f} MB  {row['seconds']:6.2f} s")
    if arguments.json:
        report = {
            "machine": machine(),
            "versions": versions(),
            "model": arguments.model,
            "pairs": arguments.pairs,
            "rows": rows,
        }
        write_json(arguments.json, report)


def _rounds(process: psutil.Process, pairs: int) -> list[dict[str, Any]]:
    import rclpy  # noqa: PLC0415
    from lifecycle_msgs.msg import Transition  # noqa: PLC0415
    from lifecycle_msgs.srv import ChangeState  # noqa: PLC0415

    rclpy.init()
    node = rclpy.create_node("lifecycle_benchmark")
    try:
        client = node.create_client(ChangeState, "fusion/change_state")
        if not client.wait_for_service(_PATIENCE):
            raise RuntimeError("the fusion node did not come up")
        cameras = _Cameras(node)
        rows: list[dict[str, Any]] = []

        def note(number: int, state: str, seconds: float) -> None:
            resident = process.memory_info().rss / 1e6
            rows.append({"round": number, "state": state, "resident_mb": resident, "seconds": seconds})

        def change(transition: int) -> float:
            started = time.monotonic()
            future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
            rclpy.spin_until_future_complete(node, future, timeout_sec=_PATIENCE)
            if not future.done() or not future.result().success:
                raise RuntimeError(f"transition {transition} failed")
            return time.monotonic() - started

        note(0, "unconfigured", 0.0)
        for number in range(1, _ROUNDS + 1):
            note(number, "inactive", change(Transition.TRANSITION_CONFIGURE))
            seconds = change(Transition.TRANSITION_ACTIVATE)
            cameras.fuse(pairs)
            note(number, "active", seconds)
            note(number, "inactive again", change(Transition.TRANSITION_DEACTIVATE))
            note(number, "cleaned up", change(Transition.TRANSITION_CLEANUP))
        return rows
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


class _Cameras:
    """Publishes pairs, and waits for each to be fused."""

    def __init__(self, node: Any) -> None:
        from sensor_msgs.msg import Image  # noqa: PLC0415
        from std_msgs.msg import Header  # noqa: PLC0415

        from camf_ros.nodes import topics  # noqa: PLC0415
        from camf_ros.nodes.publishers import OUTPUT, image_message  # noqa: PLC0415
        from camf_scene import NightStreet  # noqa: PLC0415

        self._node, self._message, self._header = node, image_message, Header
        self._scene = NightStreet(1)
        self._thermal = node.create_publisher(Image, topics.THERMAL_IMAGE, OUTPUT)
        self._rgb = node.create_publisher(Image, topics.RGB_IMAGE, OUTPUT)
        self._fused = 0
        node.create_subscription(Image, topics.FUSED_IMAGE, self._count, OUTPUT)

    def _count(self, _: Any) -> None:
        self._fused += 1

    def fuse(self, pairs: int) -> None:
        self._wait(lambda: self._thermal.get_subscription_count() > 0 and self._rgb.get_subscription_count() > 0)
        wanted = self._fused + pairs
        while self._fused < wanted:
            before = self._fused
            stamp = self._node.get_clock().now().to_msg()
            t = 0.1 * self._fused
            for publisher, image, encoding in (
                (self._thermal, self._scene.thermal(t), "mono16"),
                (self._rgb, self._scene.rgb(t), "rgb8"),
            ):
                publisher.publish(self._message(image, encoding, self._header(stamp=stamp, frame_id="camera")))
            self._wait(lambda before=before: self._fused > before)

    def _wait(self, condition: Callable[[], bool]) -> None:
        import rclpy  # noqa: PLC0415

        end = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise RuntimeError("the node does not fuse")
            rclpy.spin_once(self._node, timeout_sec=0.05)


if __name__ == "__main__":
    main()
