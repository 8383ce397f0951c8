"""camf fuse: fuse two images, two folders of images, or two videos."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from tqdm import tqdm

from camf_ros.cli.fuse_videos import Outcome, VideoJob
from camf_ros.cli.options import (
    add_output,
    add_picture_option,
    add_quiet,
    add_settings_options,
    engine_of,
    settings_of,
    wanted_of,
)
from camf_ros.engines.engine import Engine
from camf_ros.errors import CamfError, DataError
from camf_ros.files import Guard, make_folder
from camf_ros.imaging.memory_budget import MemoryBudget
from camf_ros.imaging.pairs import paired
from camf_ros.imaging.picture_files import FORMATS, is_picture, read_picture, rgb_of, thermal_of, write_png
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings

_logger = logging.getLogger(__name__)
# What is neither a folder nor a picture is opened as a video.
_NAMES = {"video": "a video, or a picture of another kind"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("thermal", metavar="THERMAL", help="image, folder, or video (also frame_%%04d.png)")
    parser.add_argument("rgb", metavar="RGB", help="the same for RGB; images of folders are paired by name")
    add_output(parser, "OUT", "output: .png file, folder, or .mp4 file for videos", required=True)
    add_picture_option(parser, both=False)
    add_settings_options(parser, steady=", from the images; smoothed over time in a video")
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Fuse; report what was fused, and what was skipped and why."""
    settings = settings_of(arguments)
    for source in (arguments.thermal, arguments.rgb):
        # Numbered pictures and streams are found by who reads them.
        if "%" not in source and "://" not in source and not Path(source).exists():
            raise DataError(f"{source} does not exist", remedy="check the path")
    kind, other = _kind(arguments.thermal), _kind(arguments.rgb)
    if other != kind:
        thermal, rgb = (_NAMES.get(each, f"a {each}") for each in (kind, other))
        raise DataError(
            f"{arguments.thermal} is {thermal} and {arguments.rgb} {rgb}",
            expected="two inputs of one kind",
            remedy=f"pictures are {FORMATS}" if "video" in (kind, other) else "",
        )
    job: StillsJob | VideoJob
    if kind == "video":
        job = VideoJob(arguments.thermal, arguments.rgb, arguments.output)
    else:
        job = StillsJob(Path(arguments.thermal), Path(arguments.rgb), arguments.output)

    engine = engine_of(arguments)
    outcome = job.run(engine, settings, for_detector=wanted_of(arguments).detector, quiet=arguments.quiet)
    for note in outcome.notes:
        _logger.info("%s", note)
    for reason, names in outcome.skipped.items():
        _logger.warning("skipped %s: %s", ", ".join(names), reason)
    _logger.info("%d fused into %s, %d skipped", outcome.fused, arguments.output, outcome.skipped_count)
    return 1 if outcome.skipped else 0


def _kind(source: str) -> str:
    path = Path(source)
    if path.is_dir():
        return "folder"
    if path.is_fifo() or path.is_socket():  # opening one waits for who writes
        raise DataError(f"{source} is no regular file", expected="a picture, a folder of pictures, or a video")
    return "picture" if is_picture(path) else "video"


class StillsJob:
    """Two pictures, or two folders with pictures of equal names.

    Each pair is fused on its own: no thermal level and no gain carries over from one to the next.
    """

    def __init__(self, thermal: Path, rgb: Path, output: Path) -> None:
        """Find the pictures.

        ``output`` is the name of a .png, or for folders the folder that gets NAME.png for each pair.

        Raises:
            DataError: If there is nothing to fuse, or the output does not fit or is an input.
        """
        self._outcome = Outcome()
        self._pairs: list[tuple[Path, Path, Path]] = []
        if thermal.is_dir():
            self._find(thermal, rgb, output)
        elif output.suffix.lower() != ".png" or output.is_dir():
            raise DataError(f"the output is {output}", expected="the name of a .png file for one fused picture")
        else:
            Guard([thermal, rgb]).check(output)
            self._pairs.append((thermal, rgb, output))

    def run(self, engine: Engine, settings: FusionSettings, *, for_detector: bool, quiet: bool) -> Outcome:
        """Fuse them; ``for_detector``: write the picture for detectors, not the one for eyes."""
        # Its maps are the same for pictures of one size.
        registration = PlannedRegistration.checked(settings.registration)
        budget = MemoryBudget.of(settings.memory_limit)
        for thermal_file, rgb_file, output in tqdm(self._pairs, desc="fusing", unit="picture", disable=quiet):
            make_folder(output.parent)
            try:
                thermal = thermal_of(read_picture(thermal_file, budget), str(thermal_file))
                rgb = rgb_of(read_picture(rgb_file, budget), str(rgb_file))
                pipeline = FusionPipeline(engine, settings, registration, budget=budget, tell=self._outcome.note)
                prepared = pipeline.prepare(thermal, rgb, stamp=0.0)
                fused = (pipeline.for_detector if for_detector else pipeline.for_eyes)(prepared).image
            except CamfError as error:
                self._outcome.skip(thermal_file.stem, str(error))
                continue
            write_png(output, fused)
            self._outcome.fused += 1
        return self._outcome

    def _find(self, thermal: Path, rgb: Path, output: Path) -> None:
        if output.exists() and not output.is_dir():
            raise DataError(f"the output {output} is a file", expected="a folder for the fused pictures of folders")
        folders = (thermal, rgb)
        Guard(folders).check(output)
        found = paired(folders)
        for folder, others in found.ignored.items():
            names = ", ".join(path.name for path in others)
            self._outcome.notes.append(f"not pictures, ignored in {folder}: {names}")
        guard = Guard(found.files)
        for name, reason in found.problems.items():
            self._outcome.skip(name, reason)
        for name, (first, second) in found.pairs.items():
            self._pairs.append((first, second, guard.check(output / f"{name}.png")))
        if not self._pairs and not self._outcome.skipped:
            raise DataError(f"there are no pictures in {thermal} and {rgb}", expected=FORMATS)
