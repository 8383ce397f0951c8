"""Calibration of two cameras with known lenses from a recording: the whole way, and whether to trust the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.align import Pair, Reach, align, levels_of
from camf_ros.calibration.comparison import LEAST_AGREEMENT
from camf_ros.calibration.depth_from_motion import depth_from_motion, flow_of
from camf_ros.calibration.extrinsics import Pose, Sight, estimate
from camf_ros.calibration.motions import Matrix, TurnMotion
from camf_ros.imaging.camera_model import Extrinsics

Grey = NDArray[np.uint8]

# Longer sides of the RGB picture for the rough and for the exact alignment, pixels, and pairs for the rough one.
_ROUGH, _EXACT = (128, 192, 288), (128, 192, 288, 432)
_FEW = 8
#: Fewest pairs whose depth is known.
LEAST_DEPTHS = 8
#: Largest angles between the results of both halves of the pairs, degrees.
MOST_TURN, MOST_SWING = 0.3, 9.0


class View(NamedTuple):
    """A pair of undistorted pictures with the RGB frames before it.

    Attributes:
        before: The frames before ``pair.rgb``, oldest first.
        interval: From the last of them to ``pair.rgb``, seconds.
        skew: How much later the thermal picture was taken, seconds.
    """

    pair: Pair
    before: Sequence[Grey]
    interval: float
    skew: float


class Rig(NamedTuple):
    """The result.

    Attributes:
        pose: Both cameras.
        mapping: (3, 3), RGB pixel to thermal pixel of undistorted pictures, at a typical distance.
        agreement: Of the edges, 0 to 1.
        turn: Angle between the rotations of the first and the second half of the pairs, degrees; ``swing``: of the
            directions. An error that both halves share does not show.
        used: Names of the pairs that it rests on; ``left_out``: of those whose depth did not become clear.
        best: Index of the pair that shows it best.
        doubts: Why the result is not to be trusted; empty if it is.
        unknown: What could not be determined, and why.
    """

    pose: Pose
    mapping: Matrix
    agreement: float
    turn: float
    swing: float
    used: tuple[str, ...]
    left_out: tuple[str, ...]
    best: int
    doubts: tuple[str, ...]
    unknown: tuple[str, ...]


def calibrate_rig(
    views: Sequence[View],
    rgb: Matrix,
    thermal: Matrix,
    reach: Reach,
    *,
    timed: bool,
    tick: Callable[[str], None] = lambda _: None,
) -> Rig | None:
    """Rotation and direction of the translation; ``rgb`` and ``thermal`` are K, (3, 3).

    ``timed``: whether the time offset is refined. None if the camera's motion shows depth in too few of the views.
    """
    depths = []
    for view in views:
        depths.append(depth_from_motion([*view.before, view.pair.rgb], rgb) if view.before else None)
        tick("depth")
    good = [index for index, depth in enumerate(depths) if depth is not None]
    if len(good) < LEAST_DEPTHS:
        return None
    nothing = Extrinsics((1, 0, 0, 0, 1, 0, 0, 0, 1), (0.0, 0.0, 0.0))
    size = (views[0].pair.rgb.shape[0], views[0].pair.rgb.shape[1])
    few = [views[index].pair for index in good[:: -(-len(good) // _FEW)]]
    rough = align(few, TurnMotion(rgb, thermal, nothing, 1.0, size), reach, sides=_ROUGH, tick=tick)
    assert isinstance(rough, TurnMotion)
    sights = []
    for index in good:
        view, depth = views[index], depths[index]
        assert depth is not None
        levels = levels_of(view.pair, rough.matrix(), _EXACT)
        sights.append(Sight(levels, depth, flow_of(view.before[-1], view.pair.rgb, view.interval), view.skew))
        tick("reading")
    found = estimate(sights, rgb, thermal, rough.extrinsics.r, timed=timed, tick=tick)
    pose, turn, swing = found.pose, float(np.degrees(found.turn)), float(np.degrees(found.swing))
    doubts, unknown = [], []
    if found.agreement < LEAST_AGREEMENT:
        doubts.append(
            f"edges agree by {found.agreement:.2f}, which is little more than by chance (expected {LEAST_AGREEMENT:g} "
            "or more): the pictures show few edges that both cameras see, or the cameras look elsewhere"
        )
    if turn > MOST_TURN:
        doubts.append(
            f"both halves of the pairs put the cameras {turn:.2f} degrees apart (expected {MOST_TURN:g} or less)"
        )
    if swing > MOST_SWING:
        unknown.append(
            f"direction of the translation: both halves of the pairs differ by {swing:.0f} degrees (expected "
            f"{MOST_SWING:g} or less); drive past things that are near"
        )
    plane = np.eye(3) - np.outer(pose.plane, [0.0, 0.0, 1.0])
    mapping = thermal @ pose.rotation.T @ plane @ np.linalg.inv(rgb)
    names = [view.pair.name for view in views]
    return Rig(
        pose,
        np.asarray(mapping / mapping[2, 2]),
        found.agreement,
        turn,
        swing,
        tuple(names[index] for index in good),
        tuple(name for index, name in enumerate(names) if index not in good),
        good[found.best],
        tuple(doubts),
        tuple(unknown),
    )


def quaternion(rotation: Matrix) -> tuple[float, float, float, float]:
    """x, y, z, w of a rotation matrix."""
    turn = cv2.Rodrigues(rotation)[0].ravel()
    angle = float(np.linalg.norm(turn))
    x, y, z = (float(each) for each in turn * (np.sin(angle / 2) / angle if angle > 1e-12 else 0.5))
    return x, y, z, float(np.cos(angle / 2))
