"""camf calibrate --bag: from a recording of both cameras to the files with which the node runs."""

from __future__ import annotations

import argparse
import logging
import math
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.bag.reader import BagTopics
from camf_ros.bag.recorded_pairs import RecordedPairs
from camf_ros.calibration.align import Pair, Reach
from camf_ros.calibration.checkerboard import lens_of
from camf_ros.calibration.collection import FEWEST_PAIRS, Motion
from camf_ros.calibration.rig import LEAST_DEPTHS, Rig, View, calibrate_rig
from camf_ros.calibration.selection import Moment, choose
from camf_ros.calibration.time_offset import TimeOffset, Track, time_offset
from camf_ros.cli.calibration_files import transform_command, write_camera_info, write_parameters
from camf_ros.cli.options import parameters_of
from camf_ros.errors import CamfError, DataError
from camf_ros.files import make_folder
from camf_ros.imaging.camera_model import Camera, Extrinsics, camera_of
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.imaging.warp import undistorting

if TYPE_CHECKING:
    from camf_ros.settings.fusion_settings import FusionSettings

_logger = logging.getLogger(__name__)

# RGB frames before each pair, and the seconds that they reach back at most: from them comes depth.
_BEFORE, _BACK = 12, 0.6
# A larger correction of the time offset by the pairs themselves means that the motion misled.
_MOST_LATE = 0.05
# Standard error, seconds, up to which the motion alone gives as good a time offset as the pairs.
_GOOD = 0.005

Tick = Callable[[str], None]


class Recording(NamedTuple):
    """What a recording gives for a calibration.

    Attributes:
        views: Chosen pairs, as they were recorded.
        cameras: Intrinsics, by camera; None where nobody knows them.
        frames: Their frame_id, by camera.
        offset: Of the thermal stamps.
        pairs: How many the node would form.
        unusable: Messages that could not be used.
    """

    views: list[View]
    cameras: dict[str, Camera | None]
    frames: dict[str, str]
    offset: TimeOffset
    pairs: int
    unusable: int

    def known(self) -> dict[str, Camera]:
        """The cameras whose intrinsics are known."""
        return {name: camera for name, camera in self.cameras.items() if camera is not None}


def read_recording(arguments: argparse.Namespace, start: RegistrationFile | None, tick: Tick) -> Recording:
    """Go through a recording: motion and time offset, pairs, and the pictures of the chosen ones.

    Raises:
        CamfError: If it cannot be read, or has nothing to calibrate from.
    """
    settings = parameters_of(arguments)
    names = {name: getattr(arguments, f"{name}_topic") for name in ("thermal", "rgb", "thermal_info", "rgb_info")}
    topics = BagTopics(**{name: f"/{topic.lstrip('/')}" for name, topic in names.items() if topic})
    with RecordedPairs(arguments.bag, topics, settings, arguments.distro) as recorded:
        cameras = {
            "thermal": camera_of(recorded.infos["thermal"]) or (start.thermal if start else None),
            "rgb": camera_of(recorded.infos["rgb"]) or (start.rgb if start else None),
        }
        tracks = _tracks(recorded, cameras, settings, tick)
        unusable = recorded.unusable
        given = settings.pairing.thermal_offset - settings.pairing.rgb_offset
        offset = time_offset(tracks["thermal"], tracks["rgb"])
        if offset.doubt:
            offset = offset._replace(seconds=given)
        moments = []
        for pair in recorded.pairs(offset.seconds):
            moments.append(Moment(pair.thermal_stamp, pair.rgb_stamp, pair.skew))
            tick("pairing")
        if len(moments) < FEWEST_PAIRS:
            counts = ", ".join(f"{len(track.stamps)} {camera}" for camera, track in tracks.items())
            raise DataError(
                f"{arguments.bag} gives {len(moments)} pairs, of {counts} frames that could be used",
                expected=f"{FEWEST_PAIRS} or more",
                remedy="record both cameras for 60 s; check pairing.slop and the stamps",
            )
        chosen = choose(moments, tracks["thermal"], tracks["rgb"], arguments.pairs)
        views = _views(recorded, offset.seconds, chosen, settings, tick)
        frames = {
            camera: str(info.header.frame_id) if info is not None else "" for camera, info in recorded.infos.items()
        }
    return Recording(views, cameras, frames, offset, len(moments), unusable)


def _tracks(
    recorded: RecordedPairs, cameras: dict[str, Camera | None], settings: FusionSettings, tick: Tick
) -> dict[str, Track]:
    """The motion of both pictures."""
    motion = Motion(cameras, settings)
    for frame in recorded.frames():
        try:
            motion.add(frame.camera, frame.message, frame.stamp)
        except CamfError:
            recorded.unusable += 1
            continue
        tick("motion")
    return motion.tracks


def _views(
    recorded: RecordedPairs, offset: float, chosen: list[Moment], settings: FusionSettings, tick: Tick
) -> list[View]:
    """The pictures of the chosen pairs."""
    wanted = {moment.thermal for moment in chosen}
    older: dict[float, tuple[list[NDArray[np.uint8]], float]] = {}
    recent: deque[tuple[float, Any]] = deque(maxlen=_BEFORE)
    needed = {moment.rgb for moment in chosen}
    for frame in recorded.frames():
        if frame.camera == "rgb":
            match = next((stamp for stamp in needed if abs(stamp - frame.stamp) < 1e-5), None)
            if match is not None:
                near = [(stamp, message) for stamp, message in recent if 0 < frame.stamp - stamp <= _BACK]
                greys = [RgbPicture(recorded.conversion.rgb(message)).luminance for _, message in near]
                older[match] = greys, frame.stamp - near[-1][0] if near else 0.0
            recent.append((frame.stamp, frame.message))
            tick("reading")
    views = []
    for pair in recorded.pairs(offset):
        if pair.thermal_stamp in wanted:
            # Each by itself: what the front end remembers is of another moment.
            thermal = ThermalFrontEnd(settings.thermal).apply(recorded.conversion.thermal(pair.thermal), 0.0)
            rgb = RgbPicture(recorded.conversion.rgb(pair.rgb)).luminance
            before, interval = older.get(pair.rgb_stamp, ([], 0.0))
            views.append(View(Pair(thermal, rgb, f"{pair.thermal_stamp:.3f} s"), before, interval, pair.skew))
            tick("reading")
    return views


class Answer(NamedTuple):
    """The rig and what could not be determined."""

    rig: Rig | None
    offset: TimeOffset
    unknown: list[str]


def find_rig(recording: Recording, reach: Reach, tick: Tick) -> Answer:
    """Extrinsics, where both lenses are known and the motion shows depth; and the time offset, as well as is known."""
    offset, unknown = recording.offset, []
    if offset.doubt:
        unknown.append(f"time offset: {offset.doubt}")
    lacks = [camera for camera, each in recording.cameras.items() if each is None]
    rig = None
    if lacks:
        unknown.append(f"extrinsics: the intrinsics of the {' and the '.join(lacks)} camera are not known")
    else:
        cameras = recording.known()
        views = undistorted(recording.views, cameras)
        rig = calibrate_rig(views, cameras["rgb"].k, cameras["thermal"].k, reach, timed=not offset.doubt, tick=tick)
        if rig is None:
            unknown.append(
                f"extrinsics: the motion of the RGB camera shows depth in fewer than {LEAST_DEPTHS} of {len(views)} "
                "pairs; drive or carry the cameras past things at several distances"
            )
        else:
            unknown += rig.unknown
            if not offset.doubt and not rig.doubts and abs(rig.pose.late) <= _MOST_LATE:
                # Neither is better than the other, where the motion was fast.
                share = 0.5 if offset.error < _GOOD else 1.0
                offset = offset._replace(seconds=offset.seconds + share * rig.pose.late)
    return Answer(rig, offset, unknown)


def undistorted(views: list[View], cameras: dict[str, Camera]) -> list[View]:
    """The same without the distortion of the lenses; raises DataError if the pictures have another size."""
    warps: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {}
    for name, camera in cameras.items():
        shape = (views[0].pair.thermal if name == "thermal" else views[0].pair.rgb).shape
        if shape != (camera.height, camera.width):
            raise DataError(
                f"the {name} pictures are {shape[1]} x {shape[0]} and the camera_info is for {camera.width} x "
                f"{camera.height}",
                remedy="correct the driver, or name another topic (--thermal-info-topic, --rgb-info-topic)",
            )
        if any(camera.coefficients) or camera.matrix[1]:
            to_ray = np.asarray(np.linalg.inv(camera.k), np.float64)
            warps[name] = undistorting(camera, to_ray, (camera.height, camera.width)).apply
        else:
            warps[name] = _unchanged
    return [
        view._replace(
            pair=view.pair._replace(thermal=warps["thermal"](view.pair.thermal), rgb=warps["rgb"](view.pair.rgb)),
            before=[warps["rgb"](each) for each in view.before],
        )
        for view in views
    ]


def _unchanged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image


def tell(answer: Answer, recording: Recording, baseline: float | None) -> None:
    """Say what was found, and what was not."""
    offset, rig = answer.offset, answer.rig
    if recording.unusable:
        print(f"{recording.unusable} messages could not be used", file=sys.stderr)
    if not recording.offset.doubt:
        late = "thermal" if offset.seconds < 0 else "RGB"
        print(
            f"time offset: {late} stamps are {1e3 * abs(offset.seconds):.1f} ms late (standard error "
            f"{1e3 * offset.error:.1f} ms, motions correlate by {offset.correlation:.3f})"
        )
    if rig is not None:
        turn = np.degrees(rig.pose.rotation_vector)
        print(
            f"rotation: {turn[0]:.2f}, {turn[1]:.2f}, {turn[2]:.2f} degrees about x, y, z (halves differ by "
            f"{rig.turn:.2f}); direction of the translation: {np.round(rig.pose.direction, 3).tolist()} (halves differ "
            f"by {rig.swing:.1f} degrees)"
        )
        if baseline is None:
            answer.unknown.append("length of the translation: measure it from lens to lens and give --baseline")
    for each in answer.unknown:
        print(f"not determined: {each}", file=sys.stderr)


def baseline_of(arguments: argparse.Namespace, start: RegistrationFile | None) -> float | None:
    """Metres between the cameras, as far as somebody said so."""
    if arguments.baseline is not None:
        return float(arguments.baseline)
    if start is not None and start.extrinsics is not None:
        return float(math.hypot(*start.extrinsics.translation)) or None
    return None


def find_lenses(
    recording: Recording, answer: Answer, boards: Mapping[str, Sequence[NDArray[np.float64]]], board: tuple[int, int]
) -> None:
    """Intrinsics, where there are none, from the corners of boards; what cannot be found is noted in the answer."""
    pair = recording.views[0].pair
    for name, picture in (("thermal", pair.thermal), ("rgb", pair.rgb)):
        if recording.cameras[name] is None:
            size = picture.shape[0], picture.shape[1]
            recording.cameras[name], doubt = lens_of(boards[name], board, size)
            if doubt:
                answer.unknown.append(f"intrinsics of the {name} camera: {doubt}")


def write_infos(output: Path, recording: Recording) -> None:
    """The camera_info files beside the registration file ``output``."""
    make_folder(output.parent)
    for name, camera in recording.known().items():
        path = output.with_name(f"{output.stem}_{name}_info.yaml")
        write_camera_info(path, name, camera)
        _logger.info("wrote %s", path)


def write(
    output: Path,
    recording: Recording,
    answer: Answer,
    mapping: NDArray[np.float64],
    *,
    baseline: float | None,
    provenance: dict[str, Any],
) -> None:
    """Write the registration file and what goes with it, and print the transform.

    ``mapping`` is (3, 3), RGB pixel to thermal pixel; of undistorted pictures where there is a rig.
    """
    rig, pair, cameras = answer.rig, recording.views[0].pair, recording.known()
    extrinsics = None
    if rig is not None:
        provenance["direction"] = rig.pose.direction.tolist()
        provenance["rotation"] = rig.pose.rotation.tolist()
        if baseline is not None and not rig.unknown:
            translation = baseline * rig.pose.direction
            extrinsics = Extrinsics(tuple(rig.pose.rotation.ravel().tolist()), tuple(translation.tolist()))
    if not recording.offset.doubt:
        provenance["thermal_offset_s"] = round(answer.offset.seconds, 5)
    # The node's homography is of pictures as they come.
    bent = rig is not None and any(any(camera.coefficients) for camera in cameras.values())
    homography = None if bent and extrinsics is not None else np.linalg.inv(mapping)
    if bent and extrinsics is None:
        provenance["doubts"] = [*provenance["doubts"], "the homography is of undistorted pictures"]
    content = RegistrationFile(
        (pair.thermal.shape[0], pair.thermal.shape[1]),
        (pair.rgb.shape[0], pair.rgb.shape[1]),
        None if homography is None else homography / homography[2, 2],
        extrinsics,
        cameras.get("thermal"),
        cameras.get("rgb"),
        provenance,
    )
    write_registration(output, content)
    written = [output, output.with_name(f"{output.stem}_params.yaml")]
    known = None if recording.offset.doubt else answer.offset.seconds
    write_parameters(written[1], output, calibrated=extrinsics is not None, offset=known)
    for path in written:
        _logger.info("wrote %s", path)
    if extrinsics is not None:
        print(transform_command(extrinsics, recording.frames))
