"""Fusion of two videos: each frame of the reference camera with the frame of the other camera nearest in time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from camf_ros.engines.engine import Engine
from camf_ros.errors import CamfError, DataError, ImageError
from camf_ros.files import Guard, make_folder, replacing
from camf_ros.imaging.picture_files import rgb_of, thermal_of, write_png
from camf_ros.imaging.registration import PlannedRegistration
from camf_ros.imaging.video_files import VideoReader
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings

# Frames a second where neither video names a rate, as numbered pictures do not.
_RATE = 25.0
# MPEG-4 Part 2: the codec for .mp4 that every build of OpenCV has.
_CODEC = "mp4v"
# Seconds; times nearer to each other are equal.
_EQUAL = 1e-6

#: A frame as read, or why it could not be.
Read = NDArray[Any] | CamfError


@dataclass
class Outcome:
    """What became of a fusion of many pictures.

    Attributes:
        fused: Pictures or frames written.
        skipped: Names of what was left out, by reason.
        skipped_count: How many pictures or frames those are.
        notes: What the user should know besides.
    """

    fused: int = 0
    skipped: dict[str, list[str]] = field(default_factory=dict)
    skipped_count: int = 0
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say something at the end, once."""
        if text not in self.notes:
            self.notes.append(text)

    def skip(self, name: str, reason: str, count: int = 1) -> None:
        """Note a picture, or a run of ``count`` frames, that was left out."""
        self.skipped.setdefault(reason, []).append(name)
        self.skipped_count += count


class VideoJob:
    """Two videos that start together, or pairing.thermal_offset and pairing.rgb_offset apart.

    Thermal levels and gain follow the scene from frame to frame, as in the node.
    """

    def __init__(self, thermal: str, rgb: str, output: Path) -> None:
        """Open the videos; ``output`` is an .mp4 file, or a folder for numbered PNGs.

        Raises:
            DataError: If a video cannot be opened, or the output does not fit or is an input.
        """
        self._to_folder = output.is_dir() or not (output.suffix or output.exists())
        if not self._to_folder and output.suffix.lower() != ".mp4":
            raise DataError(f"the output is {output}", expected="an .mp4 file, or a folder for the frames")
        inputs = [Path(source) for source in (thermal, rgb)]
        # Numbered pictures are not found under their pattern: their whole folder is an input.
        Guard([*inputs, *(path.parent for path in inputs if "%" in path.name)]).check(output)
        self._output = output
        self._thermal = VideoReader(thermal)
        self._rgb = VideoReader(rgb)

    def run(self, engine: Engine, settings: FusionSettings, *, for_detector: bool, quiet: bool) -> Outcome:
        """Fuse them, up to the end of the shorter one; ``for_detector``: the picture for detectors, not that for eyes.

        Raises:
            DataError: If the output cannot be written, or the registration file not be read.
            RegistrationError: If that lacks what the mode needs.
        """
        registration = PlannedRegistration.checked(settings.registration)
        by_thermal = settings.reference == "thermal"
        lead, other = (self._thermal, self._rgb) if by_thermal else (self._rgb, self._thermal)
        outcome = Outcome()
        _settle_rates(lead, other, outcome)
        offset = settings.pairing.thermal_offset - settings.pairing.rgb_offset
        pairing = _Pairing(lead, other, -offset if by_thermal else offset)
        pipeline = FusionPipeline(engine, settings, registration, tell=outcome.note)
        failed: dict[str, list[int]] = {}
        with ExitStack() as stack:
            stack.callback(lead.close)
            stack.callback(other.close)
            sink: _PngFolder | _Mp4File
            if self._to_folder:
                sink = _PngFolder(self._output)
            else:
                make_folder(self._output.parent)
                sink = _Mp4File(self._output, stack.enter_context(replacing(self._output)), lead.rate)
                stack.callback(sink.close)
            bar = tqdm(pairing, total=lead.announced or None, desc="fusing", unit="frame", disable=quiet)
            try:
                for pair in bar:
                    thermal, rgb = (pair.lead, pair.other) if by_thermal else (pair.other, pair.lead)
                    try:
                        thermal_values = thermal_of(_whole(thermal), "the thermal frame")
                        colours = rgb_of(_whole(rgb), "the RGB frame")
                        # The leading camera's time, also where that is RGB: it goes on while a slower thermal camera's
                        # frame is shown again, and what follows the scene by a time that stands still starts anew.
                        prepared = pipeline.prepare(thermal_values, colours, pair.time)
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
                pairing.account(outcome)
            except KeyboardInterrupt:  # this is how a stream ends: what was fused until now is kept
                outcome.skip("the rest", "interrupted")
            for reason, indices in failed.items():
                outcome.skip(_ranges(indices), reason, len(indices))
            if note := sink.finish(varies=lead.varies):
                outcome.note(note)
        return outcome


def _settle_rates(lead: VideoReader, other: VideoReader, outcome: Outcome) -> None:
    """A video without a rate has that of the other one."""
    if not (lead.rate and other.rate):
        lead.rate = other.rate = lead.rate or other.rate or _RATE
        outcome.note(f"not every input names its frame rate: taken to be {lead.rate:g} frames a second")
    elif not math.isclose(lead.rate, other.rate, rel_tol=1e-3):
        outcome.note(
            f"{lead.rate:g} and {other.rate:g} frames a second: each frame of {lead.source} was fused with the one of "
            f"{other.source} that is nearest in time"
        )


class _Pair(NamedTuple):
    """Two frames, the number of the leading one, and its time from the start in seconds."""

    number: int
    time: float
    lead: Read
    other: Read


class _Pairing:
    """Every frame of one video with the nearest one of the other, by the times of both, until either ends.

    A frame is nearest to none where the other video has not begun yet or has ended: half an interval beyond its ends.
    """

    def __init__(self, lead: VideoReader, other: VideoReader, offset: float) -> None:
        """``offset``: seconds to add to the other video's times."""
        self._lead, self._other, self._offset = lead, other, offset
        self._pairs = self._early = 0
        #: Frames of the other video up to the first one that was wanted, and to the last.
        self._first, self._used = 0, 0

    def __iter__(self) -> Iterator[_Pair]:
        lead, other = self._lead, self._other
        held: Read | None = None
        begin = at = 0.0
        gap = 1 / other.rate
        ahead = other.skip()
        while (time := lead.skip()) is not None:
            while ahead is not None:
                ahead_at = ahead + self._offset
                if held is not None and abs(ahead_at - time) > abs(at - time) + _EQUAL:
                    break
                if held is None:
                    begin = ahead_at
                else:
                    gap = ahead_at - at
                held, at = _read(other), ahead_at
                self._used = other.frames_read
                ahead = other.skip()
            if held is None or (ahead is None and time > at + gap / 2 - _EQUAL):
                return
            if time < begin - 0.5 / other.rate - _EQUAL:
                self._early += 1
                continue
            if not self._pairs:
                self._first = self._used - 1
            self._pairs += 1
            yield _Pair(lead.frames_read - 1, time, _read(lead), held)

    def account(self, outcome: Outcome) -> None:
        """Note frames without a counterpart, and those that a damaged file did not give."""
        lead, other = self._lead, self._other
        for video in (lead, other):
            # A stream may never end.
            while video.announced and video.skip() is not None:
                pass
            # Containers may be off by one; at varying intervals the number is an estimate from length and rate.
            missing = 0 if video.varies else video.announced - video.frames_read
            if missing > 1:
                reason = f"{video.source} ends after {video.frames_read} of the {video.announced} frames it announces"
                outcome.skip(f"{missing} frames", reason, missing)
            if video.varies:
                outcome.note(f"the frames of {video.source} come at varying intervals: paired by the time of each")
        late = lead.frames_read - self._early - self._pairs
        # Of a faster video some are nearest to none: as many as fit between two frames of the slower one.
        spare = max(1.0, other.rate / lead.rate)
        unused = other.frames_read - self._used if self._pairs else 0
        for count, least, source, reason in (
            (self._early, 1, lead.source, f"{other.source} has not begun"),
            (late, 1, lead.source, f"{other.source} has ended"),
            (self._first, spare, other.source, f"{lead.source} has not begun"),
            (unused, spare, other.source, f"{lead.source} has ended"),
        ):
            if count >= least:
                outcome.skip(f"{count} frames of {source}", reason, count)


def _read(video: VideoReader) -> Read:
    try:
        return video.image()
    except CamfError as error:
        return error


def _whole(frame: Read) -> NDArray[Any]:
    if isinstance(frame, CamfError):
        raise frame
    return frame


class _PngFolder:
    """Numbered pictures: nothing is lost."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, number: int, image: NDArray[np.uint8]) -> None:
        make_folder(self._folder)
        write_png(self._folder / f"{number:06d}.png", image)

    def finish(self, *, varies: bool) -> str:  # noqa: ARG002 (they are numbered, not timed)
        return ""


class _Mp4File:
    """A video; the caller gives it its name when it is complete."""

    def __init__(self, path: Path, temporary: Path, rate: float) -> None:
        self._path, self._temporary, self._rate = path, temporary, rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._written = 0

    def write(self, number: int, image: NDArray[np.uint8]) -> None:  # noqa: ARG002 (a video has no gaps)
        """Take a frame: ImageError if it does not fit to those before it, DataError if no video can be written."""
        size = (image.shape[1], image.shape[0])
        if self._writer is None:
            writer = cv2.VideoWriter(str(self._temporary), cv2.VideoWriter.fourcc(*_CODEC), self._rate, size)
            if not writer.isOpened():
                raise DataError(
                    f"{self._path} cannot be written as a video of {size[0]} x {size[1]}",
                    remedy="name a folder as the output, for PNGs",
                )
            self._writer, self._size = writer, size
        if size != self._size:
            raise ImageError(
                f"the frame is {size[0]} x {size[1]}", expected=f"{self._size[0]} x {self._size[1]} as the first one"
            )
        code = cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_RGB2BGR
        self._writer.write(cv2.cvtColor(image, code))
        self._written += 1

    def finish(self, *, varies: bool) -> str:
        """Complete it; what the user should know, or an empty text. DataError if it is not whole."""
        if self._writer is None:
            return ""
        self.close()
        # OpenCV's writer tells of no failure, and a video without its end cannot be opened.
        if (readable := _frames(self._temporary)) != self._written:
            raise DataError(
                f"{self._path} cannot be written: {readable} of {self._written} frames can be read back",
                remedy="is the disk full?",
            )
        notes = []
        if self._size[0] % 2 or self._size[1] % 2:
            notes.append(
                "the last row or column is missing in the .mp4, whose sides are even: a folder of PNGs keeps all"
            )
        if varies:
            notes.append(f"the .mp4 shows all frames at one rate, {self._rate:g} a second")
        return "; ".join(notes)

    def close(self) -> None:
        """Write no more."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None


def _frames(path: Path) -> int:
    """How many frames a video says that it has; 0 if it cannot be opened."""
    reader = cv2.VideoCapture(str(path))
    try:
        return int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
    finally:
        reader.release()


def _ranges(indices: Sequence[int]) -> str:
    """Ascending numbers in words: ``frames 3 to 17, 20``."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return "frames " + ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in runs)
