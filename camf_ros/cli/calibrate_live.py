"""calibrate_live, an executable of the package: record both cameras from their topics, then camf calibrate --bag."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NoReturn

import yaml

from camf_ros.calibration.collection import FEWEST_PAIRS
from camf_ros.cli import calibrate
from camf_ros.cli.main import main as camf
from camf_ros.errors import CamfError, ParameterError, plain, to_install
from camf_ros.imaging.registration_file import read_registration
from camf_ros.nodes.live_recording import LiveRecording, Plan, Write, said
from camf_ros.nodes.running import run_node
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.table import specs

_NAME, _ROS = "calibrate_live", "--ros-args"
# Groups of the fusion node's parameters that camf calibrate --bag heeds.
_HEEDED = ("input_transport.", "pairing.", "thermal.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"ros2 run camf_ros {_NAME}",
        description="Record both cameras until there is enough, then calibrate. Ctrl-C ends the recording earlier. "
        "Further options are those of camf calibrate --bag; parameters and topics are those of fusion_node.",
        allow_abbrev=False,
        epilog=f"ros2 run camf_ros {_NAME} -o rig.yaml --baseline 0.12 {_ROS} -r thermal/image_raw:=/boson/image_raw",
    )
    text = "stop after so long, with what there is (default: %(default)s)"
    parser.add_argument("--seconds", type=float, default=180.0, metavar="S", help=text)
    text = "stop at this size of the recording (default: %(default)s)"
    parser.add_argument("--size", type=float, default=8000.0, metavar="MB", help=text)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the recording as this rosbag2 folder")
    return parser


def _recorder(path: Path) -> Callable[[FusionSettings], AbstractContextManager[Write]]:
    """Opens a rosbag2 of both cameras, with the names that camf calibrate --bag expects."""
    from camf_ros.bag.message_types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, MessageTypes
    from camf_ros.bag.reader import RGB, THERMAL
    from camf_ros.bag.writer import BagWriter

    @contextmanager
    def recording(settings: FusionSettings) -> Iterator[Write]:
        with BagWriter(path, "mcap", MessageTypes(), overwrite=False, source=None) as writer:
            connections = {}
            for camera, topic in (("thermal", THERMAL), ("rgb", RGB)):
                raw = getattr(settings.input_transport, camera) == "raw"
                name, kind = (topic, IMAGE) if raw else (f"{topic}/compressed", COMPRESSED_IMAGE)
                connections[camera, False] = writer.topic(name, kind)
                connections[camera, True] = writer.topic(f"{topic.rpartition('/')[0]}/camera_info", CAMERA_INFO)
            yield lambda camera, info, time, data: writer.write(connections[camera, info], time, data)

    return recording


def _options(typed: Sequence[str]) -> tuple[argparse.Namespace, list[str], argparse.Namespace]:
    """Ours, those for camf calibrate, and these parsed.

    Raises:
        CamfError: If they cannot be used.
    """
    own, others = _parser().parse_known_args(typed)
    for option, value in (("--seconds", own.seconds), ("--size", own.size)):
        if not 1 <= value <= 1e6:
            raise ParameterError(f"{option} is {value:g}", expected="1 to 1000000")
    if own.keep is not None and own.keep.exists():
        raise ParameterError(f"--keep is {own.keep}, which exists", expected="the name of a new folder")
    parser = argparse.ArgumentParser(prog=f"ros2 run camf_ros {_NAME}")
    calibrate.add_arguments(parser)
    arguments = parser.parse_args(["--bag", str(own.keep or "live"), *others])
    calibrate.check(arguments)
    return own, others, arguments


def main() -> NoReturn:
    """Record, calibrate, and end the process with the status of camf calibrate."""
    typed = sys.argv[1:]
    typed = typed[: typed.index(_ROS)] if _ROS in typed else typed
    try:
        own, others, arguments = _options(typed)
        start = read_registration(arguments.start) if arguments.start else None
        disk = next(each for each in (own.keep or arguments.output or Path()).resolve().parents if each.is_dir())
        # Beside what is written: elsewhere, temporary files may lie in the memory.
        bag = own.keep or disk / f".{_NAME}-{os.getpid()}"
        recorder = _recorder(bag)
    except ModuleNotFoundError as error:
        sys.exit(f"cannot start: {error.name} is not installed; {to_install(error)}")
    except (CamfError, OSError) as error:
        sys.exit(f"cannot start: {plain(str(error))}")
    LiveRecording.plan = Plan(
        recorder,
        disk,
        {"thermal": start.thermal if start else None, "rgb": start.rgb if start else None},
        arguments.pairs,
        own.seconds,
        own.size * 1e6,
    )
    made: list[LiveRecording] = []

    def record(node: LiveRecording) -> int:
        made.append(node)
        return node.record()

    def then() -> int:
        try:
            return _calibrate(made, bag, others)
        finally:
            if own.keep is None:
                shutil.rmtree(bag, ignore_errors=True)

    sys.argv[1:] = sys.argv[1 + len(typed) :]  # those of ROS
    run_node(_NAME, LiveRecording, FusionSettings, record, then)


def _calibrate(made: list[LiveRecording], bag: Path, others: Sequence[str]) -> int:
    progress = made[0].progress if made else None
    found = said(progress, made[0].plan.pairs) if progress else "no images have arrived"
    # What was recorded may be more than was looked at.
    if progress is None or (progress.pairs < FEWEST_PAIRS and not made[0].skipped):
        print(f"{_NAME}: nothing calibrated: {found}", file=sys.stderr)
        return 1
    print(f"{_NAME}: calibrating from {found}", file=sys.stderr, flush=True)
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    return camf(["calibrate", "--bag", str(bag), *_assignments(made[0].settings), *quiet, *others])


def _assignments(settings: FusionSettings) -> list[str]:
    """What the node's parameters are in options of the command."""
    result = []
    for name, spec in specs(FusionSettings).items():
        if name.startswith(_HEEDED):
            value: object = settings
            for part in name.split("."):
                value = getattr(value, part)
            if value != spec.default:
                result += ["--set", f"{name}={yaml.safe_dump(value).splitlines()[0]}"]
    return result
