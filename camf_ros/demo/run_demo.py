"""The demo: starts source node, fusion node and monitor as processes that communicate over DDS.

It starts the same executables with the same parameter files as the launch files, but does not need ``launch``.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from camf_ros.nodes.topics import private_environment
from camf_ros.resources import share_file
from camf_ros.settings.demo_settings import PAGE, STRIP, SUMMARY
from camf_ros.settings.fusion_settings import FusionSettings

# A node answers SIGTERM at once, but may have an inference to finish; after 30 s it ends itself and says what hangs.
_GRACE = 35.0
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo.

    Returns:
        Exit status: 0 only if fused pictures came back over the topic.
    """
    arguments = _parse(argv)
    environment = private_environment(arguments.domain)
    settings = " ".join(f"{name}={environment[name]}" for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE"))
    print(f"to watch the topics: {settings} ros2 topic echo /fusion/channel_weights", flush=True)
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    for old in (SUMMARY, STRIP, PAGE):  # a result of an earlier run must not pass for one of this run
        (output / old).unlink(missing_ok=True)
    source = {"rate": arguments.rate}
    if arguments.pairs:
        source |= {"pairs": str(arguments.pairs.resolve())}
    # Diagnostics often enough that the summary's counters are those of its end.
    fusion = {"model": arguments.model, "reference": arguments.reference, "diagnostics_period": 0.2}
    monitor = {"output": str(output.resolve()), "seconds": arguments.seconds, "view": arguments.view}
    # A closed terminal and SIGTERM end the demo as Ctrl-C does: by way of the finally below.
    for number in _ENDS:
        signal.signal(number, signal.default_int_handler)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes.append(_start("fusion_node", "fusion.yaml", fusion, environment))
        processes.append(_start("source_node", "source.yaml", source, environment))
        watcher = _start("demo_monitor", "demo_monitor.yaml", monitor, environment)
        processes.append(watcher)
        status = _wait(watcher, processes)
    except KeyboardInterrupt:
        print("interrupted")
        status = 130
    finally:
        _stop(processes)
    if status == 0:
        print(f"\n{(output / SUMMARY).read_text(encoding='utf-8')}\nPictures: {output / STRIP}")
        if arguments.view:
            print(f"Page for a browser: {(output / PAGE).resolve().as_uri()}")
    elif status == 1:
        print("the demo failed: no fused image was received; see the messages above", file=sys.stderr)
    return status


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="demo", description="Fuse simulated or recorded thermal and RGB images over ROS 2 topics."
    )
    parser.add_argument(
        "--pairs",
        type=Path,
        metavar="DIR",
        help="folder of pairs: images of equal names in infrared/ and visible/ (default: a simulated scene)",
    )
    parser.add_argument("--seconds", type=float, default=15.0, metavar="N", help="duration (default: %(default)g)")
    parser.add_argument(
        "--rate", type=float, default=10.0, metavar="HZ", help="frame rate of both cameras (default: %(default)g)"
    )
    parser.add_argument("--model", default=FusionSettings().model, help="model name or file (default: %(default)s)")
    parser.add_argument(
        "--reference",
        default="rgb",
        choices=("rgb", "thermal"),
        help="camera whose geometry is kept (default: rgb)",
    )
    parser.add_argument(
        "--domain", type=int, choices=range(233), metavar="N", help="ROS_DOMAIN_ID (default: a free one)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo_output"), metavar="DIR", help="output folder (default: %(default)s)"
    )
    parser.add_argument(
        "--view",
        action="store_true",
        help=f"also write {PAGE} for a browser: images, detector image, explanation, rates and channel weights",
    )
    arguments = parser.parse_args(argv)
    if arguments.pairs and not arguments.pairs.is_dir():
        parser.error(f"--pairs {arguments.pairs} is not a folder")
    if not 0.5 <= arguments.seconds <= 86400:
        parser.error(f"--seconds {arguments.seconds:g} is not between 0.5 and 86400")
    return arguments


def _start(
    executable: str, parameter_file: str, parameters: dict[str, object], environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    prefix = share_file("package.xml").parents[2]
    command = [str(prefix / "lib" / "camf_ros" / executable), "--ros-args"]
    command += ["--params-file", str(share_file(f"config/{parameter_file}"))]
    for name, value in parameters.items():
        # ROS reads the value as YAML, and JSON is YAML in which a path stays the text it is.
        command += ["-p", f"{name}:={json.dumps(value)}"]
    # A session of its own, so that Ctrl-C in the terminal reaches this process alone and it ends the others in order.
    return subprocess.Popen(command, env=environment, start_new_session=True, preexec_fn=_end_with_parent)  # noqa: PLW1509 (no threads here)


def _end_with_parent() -> None:
    """In the child: ask Linux for a SIGTERM when the demo itself is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait(watcher: subprocess.Popen[bytes], processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """Until the monitor has seen enough, or another process ends, which none should."""
    while watcher.poll() is None:
        dead = [process for process in processes if process is not watcher and process.poll() is not None]
        if dead:
            print(f"a process ended by itself with status {dead[0].returncode}: {dead[0].args!r}", file=sys.stderr)
            return 1
        time.sleep(0.1)
    return watcher.returncode


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """SIGTERM, then SIGKILL for what does not listen. Of SIGINT Python says something where it has only just begun."""
    for number in _ENDS:  # an impatient second Ctrl-C must not leave the rest of them running
        signal.signal(number, signal.SIG_IGN)
    for process in processes:
        if process.poll() is None:
            process.terminate()
    end = time.monotonic() + _GRACE
    for process in processes:
        try:
            process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
