"""Does the node stay what it is? Hours of frames, with a fault every few seconds.

    python3 benchmarks/soak.py --minutes 30 --output soak.json --plot soak.png

Starts the fusion node as users start it and two cameras, each a process of its own in a ROS domain of its own. One
after another cameras are killed by SIGKILL and started again, broken messages, other resolutions and stamps are
injected, pairs come at ten times the rate, parameters change, the model is reloaded, the node is paused, and a
subscriber sleeps. After each of these a pair of the cameras must be fused.

Every 10 s the memory, threads and open files of the node's process, the latency from stamp to reception, and the node's
own counts are written down. Exit status 1 if a fault was not overcome, if the node ended, or if a run of ten minutes or
more is not flat after its first quarter: memory, latency, threads and open files have bounds, which are options.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from node_benchmark.ends import now, ros_node
from node_benchmark.processes import BenchmarkError, Processes, environment, node_command
from node_benchmark.report import machine
from script import write_json
from soak_run.camera import draw
from soak_run.cameras import CAMERAS, Cameras
from soak_run.faults import Faults
from soak_run.observer import Observer
from soak_run.windows import WARM_UP, Windows, plot, verdict

# Loading a runtime and a model.
_START_PATIENCE = 120.0
# A shorter run is nearly all warm-up, and its slopes mean nothing.
_LEAST_JUDGED = 10 * 60.0
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak; exit status 0 if all went well."""
    arguments = _parse(argv)
    for number in _ENDS:
        signal.signal(number, signal.default_int_handler)
    around = environment(arguments.domain)
    os.environ.update(around)  # this process is a ROS node as well
    processes = Processes(around)
    scratch = TemporaryDirectory(prefix="soak-")
    file = Path(scratch.name) / "frames.npz"
    cameras = Cameras(around, file, arguments.rate)
    report: dict[str, Any] = {}
    status = 0
    try:
        draw(file, arguments.width, arguments.height)
        _soak(arguments, processes, cameras, file, report)
    except BenchmarkError as error:
        report["problems"] = [*report.get("problems", []), str(error)]
    except KeyboardInterrupt:
        _note("interrupted")
        status = 130
    finally:
        for number in _ENDS:
            signal.signal(number, signal.SIG_IGN)
        cameras.stop()
        processes.stop()
        scratch.cleanup()
    for problem in report.get("problems", []):
        _note(f"PROBLEM: {problem}")
        status = status or 1
    write_json(arguments.output, report)
    if arguments.plot and report.get("windows"):
        plot(report, arguments.plot)
    return status


def _soak(
    arguments: argparse.Namespace, processes: Processes, cameras: Cameras, file: Path, report: dict[str, Any]
) -> None:
    report |= {
        "machine": machine(),
        **{name: getattr(arguments, name) for name in ("model", "rate", "width", "height", "every")},
        "warm_up": WARM_UP,
        "faults": [],
        "problems": [],
    }
    parameters = {"model": arguments.model, "threads": arguments.threads, "no_data_timeout": 30.0}
    process = psutil.Process(processes.start(node_command(parameters), talks=False).pid)
    for camera in CAMERAS:
        cameras.start(camera)
    period = round(1e9 / arguments.rate)
    windows: Windows | None = None

    def meanwhile() -> None:
        processes.check()
        cameras.check()
        if windows is not None:
            windows.look(observer)

    with ros_node("soak") as node:
        observer = Observer(node, period, meanwhile)
        if not observer.fused_after(0, _START_PATIENCE):
            raise BenchmarkError("nothing was fused at the start")
        windows = Windows(process)
        report["windows"] = windows.rows
        faults = Faults(observer, cameras, file, period, arguments.seed)
        shuffle = random.Random(arguments.seed)
        waiting: list[str] = []
        while windows.elapsed < 60 * arguments.minutes:
            if not waiting:
                waiting = sorted(faults.all)
                shuffle.shuffle(waiting)
            observer.spin(arguments.every)
            _inflict(waiting.pop(), faults, observer, windows, report)
        observer.spin(arguments.every)
        report["seconds"] = windows.elapsed
        report["counts"] = {key: observer.values.get(key) for key in ("pairs", "fused", "rejected")}
        report["rejected"] = {key: value for key, value in observer.values.items() if key.startswith("rejected: ")}
    _judge(arguments, report)


def _inflict(name: str, faults: Faults, observer: Observer, windows: Windows, report: dict[str, Any]) -> None:
    fault = {"name": name, "moment_s": windows.elapsed}
    report["faults"].append(fault)
    windows.faults.append(name)
    faults.all[name]()
    over = now()
    fault["overcome"] = observer.fused_after(over)
    fault["fused_after_s"] = 1e-9 * (now() - over)
    _note(f"{fault['moment_s']:.0f} s: {name}, fused again after {fault['fused_after_s']:.1f} s")
    if not fault["overcome"]:
        raise BenchmarkError(f"after '{name}' nothing was fused any more; diagnostics: {observer.values}")


def _judge(arguments: argparse.Namespace, report: dict[str, Any]) -> None:
    if not report["windows"]:
        return
    report["bounds"] = {
        "slope_bound": arguments.slope,
        "latency_bound": arguments.latency,
        "more_bound": arguments.more,
    }
    report["verdict"] = verdict(report["windows"], **report["bounds"])
    if report["seconds"] >= _LEAST_JUDGED:
        report["problems"] += report["verdict"]["problems"]
    _note(json.dumps(report["verdict"], indent=1))


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, metavar="N", help="how long (default: %(default)g)")
    parser.add_argument("--every", type=float, default=8.0, metavar="S", help="between faults (default: %(default)g)")
    parser.add_argument("--model", default="camf-lite", help="model name or file (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="parameter of the node (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=5.0, metavar="HZ", help="pairs a second (default: %(default)g)")
    parser.add_argument("--width", type=int, default=640, help="of both images (default: %(default)s)")
    parser.add_argument("--height", type=int, default=480, help="of both images (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the faults (default: %(default)s)")
    parser.add_argument(
        "--slope", type=float, default=20.0, metavar="MIB", help="most growth of memory an hour (default: %(default)g)"
    )
    parser.add_argument(
        "--latency", type=float, default=2.0, metavar="FACTOR", help="most growth of the median (default: %(default)g)"
    )
    parser.add_argument(
        "--more", type=int, default=3, metavar="N", help="most growth of threads and open files (default: %(default)s)"
    )
    parser.add_argument(
        "--domain", type=int, choices=range(233), metavar="N", help="ROS_DOMAIN_ID (default: a free one)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them")
    arguments = parser.parse_args(argv)
    if min(arguments.rate, arguments.minutes, arguments.every) <= 0 or min(arguments.width, arguments.height) < 32:
        parser.error("rate, minutes and the time between faults must be above 0, sides at least 32 pixels")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
