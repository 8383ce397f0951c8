"""What both cameras have shown so far: how their pictures moved, and whether that is enough to calibrate from."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.depth_from_motion import depth_from_motion
from camf_ros.calibration.rig import LEAST_DEPTHS
from camf_ros.calibration.selection import Moment, choose
from camf_ros.calibration.time_offset import TimeOffset, Track, time_offset
from camf_ros.imaging.camera_messages import ImageConversion
from camf_ros.imaging.camera_model import Camera
from camf_ros.imaging.luminance import RgbPicture
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.imaging.warp import undistorting
from camf_ros.pairing.arrivals import seconds
from camf_ros.pairing.synchronizer import Stamped, pairs_of
from camf_ros.settings.fusion_settings import FusionSettings

# From one view to the next the picture moves by this share of its longer side.
_VIEW = 0.1
# A part of the picture with less than this share of the mean detail is bare; so many of the parts may be, as a share.
_BARE, _MOST_BARE = 0.1, 0.5
# Depth is tried this often, seconds, over this many frames.
_TRY, _FRAMES = 1.0, 9
# So many views with depth are enough: some pairs are left out later.
_DEPTHS = 2 * LEAST_DEPTHS
#: From so many pairs on a calibration can be tried.
FEWEST_PAIRS = 8


class Motion:
    """Follows both pictures, from messages.

    Attributes:
        tracks: By camera.
    """

    def __init__(self, cameras: Mapping[str, Camera | None], settings: FusionSettings) -> None:
        """``cameras``: intrinsics, as far as known: of the RGB picture as much is followed as the thermal one shows."""
        thermal, rgb = (_field(cameras[name]) for name in ("thermal", "rgb"))
        share = min(max(thermal / rgb, 0.3), 1.0) if thermal and rgb else 1.0
        self.tracks = {"thermal": Track(), "rgb": Track(share)}
        self._front_end, self._conversion = ThermalFrontEnd(settings.thermal), ImageConversion()

    def add(self, camera: str, message: Any, stamp: float) -> NDArray[np.uint8]:
        """Take the next frame of a camera, stamp in seconds; returns its grey levels.

        Raises:
            CamfError: If it cannot be used.
        """
        if camera == "thermal":
            grey = self._front_end.apply(self._conversion.thermal(message), stamp)
        else:
            grey = RgbPicture(self._conversion.rgb(message)).luminance
        self.tracks[camera].add(grey, stamp)
        return grey


def _field(camera: Camera | None) -> float:
    return camera.width / camera.matrix[0] if camera else 0.0


class Progress(NamedTuple):
    """How far a collection is.

    Attributes:
        pairs: Sharp pairs of different views.
        depths: Views in which the motion of the RGB camera shows depth.
        offset: Between the cameras' stamps.
        missing: What is still missing, and what to do; empty if nothing is.
    """

    pairs: int
    depths: int
    offset: TimeOffset
    missing: tuple[str, ...]


class Collection:
    """Frames of both cameras as they come. It keeps no pictures but the last few."""

    def __init__(self, settings: FusionSettings, cameras: Mapping[str, Camera | None], wanted: int) -> None:
        """Begin; ``cameras`` are the intrinsics, as far as known, ``wanted`` is the number of pairs."""
        self._settings, self._wanted = settings, wanted
        self._motion = Motion(cameras, settings)
        self._frames: list[Stamped] = []
        self._recent: deque[NDArray[np.uint8]] = deque(maxlen=_FRAMES)
        # Only then can depth be used.
        self._camera = cameras["rgb"] if all(cameras.values()) else None
        self._tried, self._depths = 0.0, 0

    def add(self, camera: str, time: int, message: Any) -> None:
        """Take an image message, with the time to pair it by, nanoseconds; raises CamfError if it cannot be used."""
        stamp = seconds(time)
        grey = self._motion.add(camera, message, stamp)
        self._frames.append(Stamped(camera, time, time, None))
        if camera == "rgb" and self._camera is not None:
            self._recent.append(grey)
            if len(self._recent) == _FRAMES and abs(stamp - self._tried) >= _TRY:
                self._tried = stamp
                self._depths += depth_from_motion(_straight(self._recent, self._camera), self._camera.k) is not None

    def progress(self) -> Progress:
        """How far it is; takes some tenths of a second."""
        thermal, rgb = (self._motion.tracks[name] for name in ("thermal", "rgb"))
        silent = [name for name, track in self._motion.tracks.items() if len(track.stamps) < 2]
        if silent:
            nothing = TimeOffset(0.0, float("inf"), 0.0, "unknown")
            return Progress(0, 0, nothing, (f"images of the {' and the '.join(silent)} camera",))
        pairing = self._settings.pairing
        offset, missing = time_offset(thermal, rgb), []
        if offset.doubt:
            missing.append(f"the time offset: {offset.doubt}")
            offset = offset._replace(seconds=pairing.thermal_offset - pairing.rgb_offset)
        found = [
            Moment(pair.time, pair.time + offset.seconds - pair.skew, pair.skew)
            for pair in pairs_of(sorted(self._frames, key=lambda frame: frame.time), self._settings, offset.seconds)
        ]
        way = float(np.linalg.norm(np.nan_to_num(np.array(rgb.shifts)), axis=1).sum())
        views = min(self._wanted, int(way / _VIEW), len(found))
        chosen = choose(found, thermal, rgb, views) if views else []
        if len(found) < FEWEST_PAIRS:
            missing.append("pairs: check pairing.slop and the stamps")
        elif views < self._wanted:
            missing.append(f"{self._wanted - views} views: turn and move the cameras")
        elif len(chosen) < self._wanted:
            missing.append(f"{self._wanted - len(chosen)} sharp pairs: move the cameras more slowly")
        if chosen and _bare(chosen, thermal, rgb) > _MOST_BARE:
            missing.append("detail in most parts of the images: point the cameras at edges that both see")
        if self._camera is not None and self._depths < min(_DEPTHS, self._wanted):
            missing.append("depth: drive or carry the cameras past things that are near and far")
        return Progress(len(chosen), self._depths, offset, tuple(missing))


def _straight(frames: Iterable[NDArray[np.uint8]], camera: Camera) -> list[NDArray[np.uint8]]:
    """The frames without the distortion of the lens."""
    if not any(camera.coefficients):
        return list(frames)
    inverse = np.asarray(np.linalg.inv(camera.k), np.float64)
    warp = undistorting(camera, inverse, (camera.height, camera.width))
    return [np.asarray(warp.apply(frame), np.uint8) for frame in frames]


def _bare(chosen: list[Moment], thermal: Track, rgb: Track) -> float:
    """Share of the picture's parts in which one camera or the other shows hardly any detail in all of the pairs."""
    details = []
    for track, stamps in ((thermal, [each.thermal for each in chosen]), (rgb, [each.rgb for each in chosen])):
        rows = np.clip(np.searchsorted(track.stamps, np.array(stamps) - 1e-6), 0, len(track.stamps) - 1)
        detail = np.array(track.detail)[rows].max(axis=0)
        details.append(detail < _BARE * detail.mean())
    return float(np.logical_or(*details).mean())
