"""camf fuse: fuse two pictures, two folders of pictures, or two videos, in colour."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from camf_ros.cli.engine_options import engine_of
from camf_ros.cli.settings_options import add_picture_option, add_settings_options, settings_of, wanted_of
from camf_ros.errors import DataError

_logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("infrared", metavar="INFRARED", help="picture, folder, or video (also frame_%%04d.png)")
    parser.add_argument("visible", metavar="VISIBLE", help="likewise; pictures of folders are paired by their names")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="OUT", help="name of a .png, a folder, or for videos an .mp4"
    )
    add_picture_option(parser, both=False)
    add_settings_options(parser, steady=", from the pictures; steady in a video")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Fuse; tell what was fused, and what was skipped and why."""
    # Before PyTorch is imported: a wrong path is told at once.
    from camf_ros.cli import stills, videos

    settings = settings_of(arguments)
    for source in (arguments.infrared, arguments.visible):
        # Numbered pictures and streams are found by who reads them.
        if "%" not in source and "://" not in source and not Path(source).exists():
            raise DataError(f"{source} does not exist", remedy="check the path")
    kind = _kind(arguments.infrared)
    if (other := _kind(arguments.visible)) != kind:
        raise DataError(
            f"{arguments.infrared} is a {kind} and {arguments.visible} a {other}", expected="two inputs of one kind"
        )
    job: stills.StillsJob | videos.VideoJob
    if kind == "video":
        job = videos.VideoJob(arguments.infrared, arguments.visible, arguments.output)
    else:
        job = stills.StillsJob(Path(arguments.infrared), Path(arguments.visible), arguments.output)

    engine = engine_of(arguments)
    outcome = job.run(engine, settings, for_detector=wanted_of(arguments).detector, quiet=arguments.quiet)
    for note in outcome.notes:
        _logger.info("%s", note)
    for reason, names in outcome.skipped.items():
        _logger.warning("skipped %s: %s", ", ".join(names), reason)
    _logger.info("%d fused into %s, %d skipped", outcome.fused, arguments.output, outcome.skipped_count)
    return 1 if outcome.skipped else 0


def _kind(source: str) -> str:
    from camf_ros.files import is_picture

    path = Path(source)
    if path.is_dir():
        return "folder"
    return "picture" if is_picture(path) else "video"
