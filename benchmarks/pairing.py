"""Skew and delay of the pairing policies at the rates and latencies of real cameras, simulated.

    python3 benchmarks/pairing.py [--json FILE] [--seconds 60]

Both cameras run freely, each by its own beat with jitter; their frames arrive a constant time after their stamps.
Every policy gets the same frames in the order of their arrival. Needs message_filters (a ROS 2 installation, or the
package in underlay/), whose exact and approximate filters are fed directly, without a network in between. Prints a
Markdown table: for each slop the mean skew of the pairs that were formed, ms; at the widest slop the mean of the
nearest possible, the pairs in percent of the slower camera's frames, and the delay, from the arrival of the later frame
of a pair to the pair, ms. The JSON file has all of it for every slop.
"""

from __future__ import annotations

import argparse
from bisect import bisect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import message_filters
from builtin_interfaces.msg import Time
from script import write_json
from std_msgs.msg import Header

from camf_ros.nodes.source_node import CameraClock
from camf_ros.nodes.statistics import summarise
from camf_ros.pairing.arrivals import Frame as Waiting
from camf_ros.pairing.nearest import NearestStamps

_NANO = 1_000_000_000
_QUEUE = 10
_MAX_DELAY = 0.1

_AT_WIDEST = ("nearest_possible_mean_ms", "pairs_percent", "delay_mean_ms", "delay_p95_ms", "delay_max_ms")


class Camera(NamedTuple):
    """A simulated camera: frames a second, seconds of the first frame, from stamp to arrival, and of jitter."""

    rate: float
    offset: float = 0.0
    latency: float = 0.0
    jitter: float = 0.0


class Scene(NamedTuple):
    """What is simulated."""

    name: str
    thermal: Camera
    rgb: Camera


class Arrival(NamedTuple):
    """A frame: when it comes (s), from which camera (0 thermal, 1 RGB), its stamp (ns)."""

    time: float
    camera: int
    stamp: int


class Result(NamedTuple):
    """Pairs as (thermal stamp, RGB stamp), ns, and the delay of each, s."""

    pairs: list[tuple[int, int]]
    delays: list[float]


SCENES = (
    Scene("one trigger for both, 30 Hz, RGB late by 20 ms", Camera(30), Camera(30, latency=0.02)),
    Scene("thermal 9 Hz, RGB 30 Hz late by 50 ms", Camera(9, 0.001), Camera(30, latency=0.05)),
    Scene("thermal 9 Hz late by 50 ms, RGB 30 Hz", Camera(9, 0.001, 0.05), Camera(30)),
    Scene("thermal 60 Hz late by 50 ms, RGB 30 Hz", Camera(60, 0.0047, 0.05), Camera(30)),
    Scene("both 30 Hz, 5 ms apart", Camera(30, 0.005, jitter=0.0005), Camera(30, latency=0.02, jitter=0.0005)),
    Scene("both 30 Hz, half a period apart", Camera(30, 1 / 60, jitter=0.0005), Camera(30, jitter=0.0005)),
    Scene("thermal 25 Hz, RGB 30 Hz late by 20 ms", Camera(25, 0.003, jitter=0.0005), Camera(30, 0, 0.02, 0.0005)),
)
SLOPS = (0.016, 0.033, 0.05, 0.1)


def arrivals(scene: Scene, seconds: float) -> list[Arrival]:
    """The frames of both cameras in the order in which they come."""
    result = []
    for camera, beat in enumerate((scene.thermal, scene.rgb)):
        clock = CameraClock(beat.rate, offset=1 + beat.offset, jitter=beat.jitter, seed=camera)
        for _ in range(round(seconds * beat.rate)):
            time = clock.next()
            result.append(Arrival(time + beat.latency, camera, round(time * _NANO)))
    return sorted(result)


def nearest_policy(frames: Sequence[Arrival], slop: float) -> Result:
    """The package's own filter, its waiting time ended exactly when it is due."""
    matcher = NearestStamps(slop=round(slop * _NANO), max_delay=_MAX_DELAY, queue_size=_QUEUE)
    result = Result([], [])

    def note(pairs: Sequence[Any], now: float) -> None:
        for first, second in pairs:
            result.pairs.append((first.time, second.time))
            result.delays.append(now - max(first.since, second.since))

    for frame in frames:
        while (due := matcher.deadline()) is not None and due < frame.time:
            note(matcher.expire(due), due)
        note(matcher.add(frame.camera, Waiting(None, frame.stamp, frame.time), frame.time), frame.time)
    return result


class _Message(NamedTuple):
    header: Header


def filter_policy(make: Callable[[list[Any], float], Any]) -> Callable[[Sequence[Arrival], float], Result]:
    """A synchroniser of message_filters, which pairs on arrival or never: without delay."""

    def policy(frames: Sequence[Arrival], slop: float) -> Result:
        inputs = [message_filters.SimpleFilter(), message_filters.SimpleFilter()]
        synchroniser = make(inputs, slop)
        result = Result([], [])

        def note(*messages: _Message) -> None:
            thermal, rgb = (m.header.stamp.sec * _NANO + m.header.stamp.nanosec for m in messages)
            result.pairs.append((thermal, rgb))
            result.delays.append(0.0)

        synchroniser.registerCallback(note)
        for frame in frames:
            sec, nanosec = divmod(frame.stamp, _NANO)
            inputs[frame.camera].signalMessage(_Message(Header(stamp=Time(sec=sec, nanosec=nanosec))))
        return result

    return policy


POLICIES: dict[str, Callable[[Sequence[Arrival], float], Result]] = {
    "nearest": nearest_policy,
    "approximate": filter_policy(
        lambda inputs, slop: message_filters.ApproximateTimeSynchronizer(inputs, queue_size=_QUEUE, slop=slop)
    ),
    "exact": filter_policy(lambda inputs, _: message_filters.TimeSynchronizer(inputs, _QUEUE)),
}


def nearest_possible(scene: Scene, frames: Sequence[Arrival], slop: float) -> list[int]:
    """Distance of each frame of the slower camera from the other camera's nearest one, if within the slop; ns."""
    slower = 0 if scene.thermal.rate <= scene.rgb.rate else 1
    others = sorted(frame.stamp for frame in frames if frame.camera != slower)
    places = [(frame.stamp, bisect(others, frame.stamp)) for frame in frames if frame.camera == slower]
    distances = (min(abs(stamp - other) for other in others[max(0, at - 1) : at + 1]) for stamp, at in places)
    return [distance for distance in distances if distance <= slop * _NANO]


def figures(scene: Scene, frames: Sequence[Arrival], slop: float) -> list[dict[str, object]]:
    """One row for each policy."""
    best = summarise([distance / 1e6 for distance in nearest_possible(scene, frames, slop)])
    slower = min(sum(frame.camera == camera for frame in frames) for camera in (0, 1))
    rows: list[dict[str, object]] = []
    for name, policy in POLICIES.items():
        result = policy(frames, slop)
        skew = summarise([abs(a - b) / 1e6 for a, b in result.pairs])
        delay = summarise([1e3 * value for value in result.delays])
        rows.append(
            {
                "scene": scene.name,
                "slop_ms": 1e3 * slop,
                "policy": name,
                "pairs_percent": 100 * len(result.pairs) / slower,
                "skew_mean_ms": skew.mean if result.pairs else None,
                "skew_p95_ms": skew.p95 if result.pairs else None,
                "nearest_possible_mean_ms": best.mean,
                "delay_mean_ms": delay.mean if result.pairs else None,
                "delay_p95_ms": delay.p95 if result.pairs else None,
                "delay_max_ms": 1e3 * max(result.delays) if result.pairs else None,
            }
        )
    return rows


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="simulated time of each scene (default %(default)s)"
    )
    arguments = parser.parse_args()
    rows: list[dict[str, object]] = []
    for scene in SCENES:
        frames = arrivals(scene, arguments.seconds)
        for slop in SLOPS:
            rows += figures(scene, frames, slop)
    print(f"| cameras | policy | {' | '.join(f'slop {1e3 * slop:.0f}' for slop in SLOPS)} ", end="")
    print("| nearest possible | pairs, % | delay: mean | p95 | max |")
    print("|---" * (len(SLOPS) + 7) + "|")
    for scene in SCENES:
        for policy in POLICIES:
            group = [row for row in rows if (row["scene"], row["policy"]) == (scene.name, policy)]
            cells = [row["skew_mean_ms"] for row in group]
            cells += [group[-1][column] for column in _AT_WIDEST]
            print(f"| {scene.name} | {policy} | {' | '.join(map(_cell, cells))} |")
    if arguments.json:
        settings = {"seconds": arguments.seconds, "max_delay_ms": 1e3 * _MAX_DELAY, "queue_size": _QUEUE}
        write_json(arguments.json, {"settings": settings, "rows": rows})


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else "–" if value is None else str(value)


if __name__ == "__main__":
    main()
