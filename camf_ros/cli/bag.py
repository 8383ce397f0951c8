"""camf bag: fuse a recording (rosbag2) as the fusion node does, and write a new recording."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camf_ros.cli.options import (
    add_output,
    add_picture_option,
    add_quiet,
    add_settings_options,
    engine_of,
    settings_of,
    wanted_of,
)
from camf_ros.errors import ParameterError
from camf_ros.outputs import OTHERS
from camf_ros.settings.fusion_settings import FusionSettings

if TYPE_CHECKING:
    from camf_ros.bag.player import Tally
    from camf_ros.bag.reader import BagTopics

_logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2: a folder, or one .mcap or .db3 file")
    add_output(parser, "OUT", "folder of the new recording")
    text = "do not fuse: write the pairs to DIR/infrared and DIR/visible, for camf calibrate --data and camf fuse"
    parser.add_argument("--pairs", type=Path, metavar="DIR", help=text)
    parser.add_argument("--storage", choices=("mcap", "sqlite3"), help="storage of the new recording (default: as BAG)")
    parser.add_argument("--fused-only", action="store_true", help="do not copy the recorded topics")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is a recording")
    for name, what in (
        ("thermal", "thermal images (default: /thermal/image_raw)"),
        ("rgb", "RGB images (default: /rgb/image_raw)"),
        ("depth", "depth images aligned to RGB, for registration.mode depth (default: /depth/image)"),
        ("thermal-info", "thermal camera_info (default: beside the images)"),
        ("rgb-info", "RGB camera_info (default: beside the images)"),
        ("depth-info", "depth camera_info (default: beside the images)"),
        ("fused", "fused images to write, with camera_info beside them (default: /fused/image)"),
        ("detector", "detector images to write (default: /fused/detector_image)"),
        ("weights", "channel weights to write (default: /fusion/channel_weights)"),
    ):
        parser.add_argument(f"--{name}-topic", metavar="TOPIC", help=what)
    add_picture_option(parser, both=True)
    parser.add_argument(
        "--also",
        action="append",
        choices=OTHERS,
        default=[],
        help="also write this topic of the node; can be repeated. registered: thermal/registered/image; mono8: "
        "thermal/registered/mono8; mask: fused/mask; others: thermal/NAME",
    )
    parser.add_argument(
        "--distro", default="", metavar="NAME", help="ROS 2 distribution of BAG, if BAG does not name it"
    )
    add_settings_options(parser)
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Fuse; tell what became of the frames."""
    from camf_ros.bag.player import BagJob
    from camf_ros.bag.reader import BagTopics

    if (arguments.output is None) == (arguments.pairs is None):
        raise ParameterError("--output and --pairs are both given or both missing", expected="one of them")
    settings = settings_of(arguments)
    names = {name: getattr(arguments, f"{name}_topic") for name in BagTopics.__dataclass_fields__}
    topics = BagTopics(**{name: _absolute(topic) for name, topic in names.items() if topic})
    if arguments.pairs is not None:
        return _write_pairs(arguments, topics, settings)
    job = BagJob(
        arguments.bag,
        arguments.output,
        topics,
        wanted=wanted_of(arguments)._replace(others=frozenset(arguments.also)),
        storage=arguments.storage or "",
        distro=arguments.distro,
        fused_only=arguments.fused_only,
        overwrite=arguments.overwrite,
    )

    def progress(messages: Iterable[Any], count: int) -> Iterable[Any]:
        from tqdm import tqdm

        bar: Iterable[Any] = tqdm(messages, total=count, unit="msg", disable=arguments.quiet, leave=False)
        return bar

    try:
        tally = job.run(lambda: engine_of(arguments), settings, progress)
    except KeyboardInterrupt:
        _logger.warning("nothing was written: %s is as it was", arguments.output)
        raise
    return _report(tally, settings, arguments.output)


def _write_pairs(arguments: argparse.Namespace, topics: BagTopics, settings: FusionSettings) -> int:
    from camf_ros.bag.recorded_pairs import RecordedPairs, write_pairs

    pairing = settings.pairing
    with RecordedPairs(arguments.bag, topics, settings, arguments.distro) as recorded:
        written = write_pairs(recorded, arguments.pairs, pairing.thermal_offset - pairing.rgb_offset)
    if recorded.unusable:
        _logger.warning("%d messages could not be used", recorded.unusable)
    _logger.info("%d pairs in %s", written, arguments.pairs)
    return 0 if written else 1


def _report(tally: Tally, settings: FusionSettings, output: Path) -> int:
    for note in tally.notes:
        _logger.warning("%s", note)
    for reason, count in tally.rejected.items():
        _logger.warning("%d rejected (%s): %s", count, reason, tally.texts[reason])
    _logger.info("%d pairs fused into %s", tally.fused, output)
    for camera in ("thermal", "rgb"):
        reasons = ", ".join(
            f"{count} {name.removeprefix(camera).strip()}"
            for name, count in tally.dropped.items()
            if name.startswith(f"{camera} ")
        )
        _logger.info(
            "%s: %d frames, %d passed through alone, %d unpaired%s",
            camera,
            tally.frames[camera],
            tally.passed[camera],
            tally.unpaired(camera),
            f"; in no pair: {reasons}" if reasons else "",
        )
    if not tally.fused and not tally.rejected:
        _logger.warning(
            "no pair: no two stamps are within pairing.slop (%g s) of each other, or one camera sends nothing",
            settings.pairing.slop,
        )
    return 1 if tally.rejected or not tally.fused else 0


def _absolute(topic: str) -> str:
    return topic if topic.startswith("/") else f"/{topic}"
