"""Fusion of two videos: each frame of the reference camera with the frame of the other one that is nearest in time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray
from tqdm import tqdm

from camf_ros.cli.frame_sinks import FrameSink, Mp4File, PngFolder
from camf_ros.cli.outcome import Outcome
from camf_ros.cli.outputs import Guard
from camf_ros.engines.engine import Engine
from camf_ros.errors import CamfError, DataError, ImageError
from camf_ros.imaging.picture_files import rgb_of, thermal_of
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.video_files import VideoReader
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings

# Frames a second where neither video names a rate, as numbered pictures do not.
_RATE = 25.0


class _Pair(NamedTuple):
    """Two frames as read, and the time of the leading one from the start in seconds."""

    number: int
    time: float
    lead: NDArray[Any]
    other: NDArray[Any]


class VideoJob:
    """Two videos that start together. Thermal levels and gain follow the scene from frame to frame, as in the node."""

    def __init__(self, infrared: str, visible: str, output: Path) -> None:
        """Open the videos.

        Args:
            infrared: What cv2.VideoCapture opens.
            visible: Likewise.
            output: An .mp4 file, or a folder for numbered PNGs.

        Raises:
            DataError: If a video cannot be opened, or the output does not fit or is an input.
        """
        self._to_folder = output.is_dir() or not (output.suffix or output.exists())
        if not self._to_folder and output.suffix.lower() != ".mp4":
            raise DataError(f"the output is {output}", expected="an .mp4 file, or a folder for the frames")
        inputs = [Path(source) for source in (infrared, visible)]
        # Numbered pictures are not found under their pattern: their whole folder is an input.
        Guard([*inputs, *(path.parent for path in inputs if "%" in path.name)]).check(output)
        self._output = output
        self._infrared = VideoReader(infrared)
        self._visible = VideoReader(visible)

    def run(self, engine: Engine, settings: FusionSettings, *, for_detector: bool, quiet: bool) -> Outcome:
        """Fuse them, up to the end of the shorter one.

        Args:
            engine: The model, ready to run.
            settings: As the node takes them.
            for_detector: Write the picture for detectors, not the one for eyes.
            quiet: No progress bar.

        Raises:
            DataError: If the output cannot be written, or the registration file not be read.
            RegistrationError: If that lacks what the mode needs.
        """
        registration = PlannedRegistration.checked(settings.registration)
        by_thermal = settings.reference == "thermal"
        lead, other = (self._infrared, self._visible) if by_thermal else (self._visible, self._infrared)
        outcome = Outcome()
        _settle_rates(lead, other, outcome)
        sink: FrameSink = PngFolder(self._output) if self._to_folder else Mp4File(self._output, lead.rate)
        pipeline = FusionPipeline(engine, settings, registration, tell=outcome.note)
        failed: dict[str, list[int]] = {}
        pairs = 0
        try:
            total = lead.announced or None
            for pair in tqdm(_pairs(lead, other), total=total, desc="fusing", unit="frame", disable=quiet):
                pairs += 1
                infrared, visible = (pair.lead, pair.other) if by_thermal else (pair.other, pair.lead)
                try:
                    thermal, rgb = thermal_of(infrared, "the infrared frame"), rgb_of(visible, "the visible frame")
                    # The leading camera's time, also where that is RGB: it goes on while a slower thermal camera's
                    # frame is shown again, and what follows the scene by a time that stands still starts anew.
                    prepared = pipeline.prepare(thermal, rgb, pair.time)
                    fused = (pipeline.for_detector if for_detector else pipeline.for_eyes)(prepared).image
                except CamfError as error:
                    failed.setdefault(str(error), []).append(pair.number)
                    continue
                try:
                    sink.write(pair.number, fused)
                except ImageError as error:  # one frame; an output that cannot be written ends the run
                    failed.setdefault(str(error), []).append(pair.number)
                    continue
                outcome.fused += 1
            _account_for_the_rest(lead, other, pairs, outcome)
        except KeyboardInterrupt:  # this is how a stream ends: what was fused until now is kept
            outcome.skip("the rest", "interrupted")
        except BaseException:
            sink.discard()
            raise
        finally:
            lead.close()
            other.close()
        for reason, indices in failed.items():
            outcome.skip(_ranges(indices), reason, len(indices))
        if note := sink.finish():
            outcome.notes.append(note)
        return outcome


def _settle_rates(lead: VideoReader, other: VideoReader, outcome: Outcome) -> None:
    """A video without a rate has that of the other one."""
    if not (lead.rate and other.rate):
        lead.rate = other.rate = lead.rate or other.rate or _RATE
        outcome.notes.append(f"not every input names its frame rate: taken to be {lead.rate:g} frames a second")
    elif not math.isclose(lead.rate, other.rate, rel_tol=1e-3):
        outcome.notes.append(
            f"{lead.rate:g} and {other.rate:g} frames a second: each frame of {lead.source} was fused with the one of "
            f"{other.source} that is nearest in time"
        )


def _pairs(lead: VideoReader, other: VideoReader) -> Iterator[_Pair]:
    """Every frame of one video with the nearest one of the other, until either ends."""
    held: NDArray[Any] | None = None
    for index in count():
        frame = lead.read()
        if frame is None:
            return
        nearest = math.floor(index * other.rate / lead.rate + 0.5)
        while other.frames_read < nearest and other.skip():
            pass
        if other.frames_read == nearest:
            held = other.read()
        if held is None or other.frames_read <= nearest:
            return
        yield _Pair(index, index / lead.rate, frame, held)


def _account_for_the_rest(lead: VideoReader, other: VideoReader, pairs: int, outcome: Outcome) -> None:
    """Note the frames of a longer video that have no counterpart, and those that a damaged file did not give."""
    other_used = other.frames_read
    for video in (lead, other):
        # A stream may never end.
        while video.announced and video.skip():
            pass
        missing = video.announced - video.frames_read
        # Containers may be off by one.
        if missing > 1:
            reason = f"{video.source} ends after {video.frames_read} of the {video.announced} frames that it announces"
            outcome.skip(f"{missing} frames", reason, missing)
    unpaired = lead.frames_read - pairs
    if unpaired:
        outcome.skip(f"{unpaired} frames of {lead.source}", f"{other.source} has ended", unpaired)
    unused = other.frames_read - other_used
    # A faster video has some frames after the last one that was wanted.
    if unused >= max(1.0, other.rate / lead.rate):
        outcome.skip(f"{unused} frames of {other.source}", f"{lead.source} has ended", unused)


def _ranges(indices: Sequence[int]) -> str:
    """Ascending numbers in words: ``frames 3 to 17, 20``."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return "frames " + ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in runs)
