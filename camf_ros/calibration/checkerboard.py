"""A heated checkerboard that both cameras see: its inner corners in both pictures.

The board must stand at the working distance, and be tilted little between pictures if a homography is wanted: it is one
of the board's plane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from camf_ros.calibration.align import Pair
from camf_ros.calibration.motions import Motion, fitted, mapped
from camf_ros.imaging.camera_model import Camera

# Pixels of the RGB picture beyond which a corner counts for less.
_ROBUST = 2.0
#: Largest median residual of the corners, pixels of the RGB picture, that is trusted.
MOST_CORNER_RESIDUAL = 1.5
_FEWEST_CORNERS = 8
#: Fewest boards for intrinsics, and the largest standard error of the focal length, a share of it.
FEWEST_BOARDS, MOST_FOCAL_ERROR = 6, 0.01

Points = NDArray[np.float64]


class BoardResult(NamedTuple):
    """A mapping from the corners of boards.

    Attributes:
        residual: Median distance of the corners in the RGB picture, pixels.
        used: Names of the pairs in both of whose pictures the board was found; ``left_out``: names of the others.
        best: Index of a pair that was used.
        doubts: Why the result is not to be trusted; empty if it is.
        thermal: Corners of each board in the thermal picture; ``rgb`` likewise.
    """

    motion: Motion
    residual: float
    used: tuple[str, ...]
    left_out: tuple[str, ...]
    best: int
    doubts: tuple[str, ...]
    thermal: Sequence[Points] = ()
    rgb: Sequence[Points] = ()


def board_corners(grey: NDArray[np.uint8], board: tuple[int, int]) -> Points | None:
    """Inner corners, (across * down, 2) x and y, row by row; None if the board was not found.

    ``board`` is inner corners across and down. Warm squares may be bright or dark.
    """
    for picture in (grey, 255 - grey):
        found, corners = cv2.findChessboardCornersSB(picture, board, flags=cv2.CALIB_CB_NORMALIZE_IMAGE)
        if found:
            return _sharpened(grey, np.asarray(corners, np.float32), board)
    return None


def _sharpened(grey: NDArray[np.uint8], corners: NDArray[np.float32], board: tuple[int, int]) -> Points:
    """Corners to a tenth or two of a pixel, from the gradients within half a square around each."""
    rows = corners.reshape(board[1], board[0], 2)
    square = float(np.median(np.linalg.norm(np.diff(rows, axis=1), axis=2)))
    reach = max(2, min(int(0.3 * square), 11))
    until = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 0.001)
    sharp = cv2.cornerSubPix(grey, corners.reshape(-1, 1, 2), (reach, reach), (-1, -1), until)
    return np.asarray(sharp, np.float64).reshape(-1, 2)


def from_boards(
    pairs: Sequence[Pair], motion: Motion, board: tuple[int, int], *, tick: Callable[[str], None] = lambda _: None
) -> BoardResult:
    """The mapping that lays the boards over each other; ``motion`` tells which end of a board is which."""
    rgb: list[Points] = []
    thermal: list[Points] = []
    used: list[str] = []
    left_out: list[str] = []
    best = 0
    for number, pair in enumerate(pairs):
        there, here = board_corners(pair.rgb, board), board_corners(pair.thermal, board)
        tick("searching")
        if there is None or here is None:
            left_out.append(pair.name)
            continue
        best = number if not used else best
        used.append(pair.name)
        rgb.append(there)
        # The detector may start at either end. Both cameras are assumed to be upright, more or less.
        expected = mapped(motion.matrix(), there)
        thermal.append(min(here, here[::-1], key=lambda corners: _direction_error(corners, expected)))
    corners = sum(len(points) for points in rgb)
    if corners < _FEWEST_CORNERS:
        doubt = f"the board of {board[0]} x {board[1]} inner corners was found in both pictures of {len(used)} pairs"
        return BoardResult(motion, float("inf"), tuple(used), tuple(left_out), best, (doubt,))
    fixed, moving = np.concatenate(rgb), np.concatenate(thermal)
    motion = fitted(fitted(motion, fixed, moving), fixed, moving, robust=_ROBUST)
    back = mapped(np.asarray(np.linalg.inv(motion.matrix()), np.float64), moving)
    residual = float(np.median(np.linalg.norm(back - fixed, axis=1)))
    doubts = []
    if residual > MOST_CORNER_RESIDUAL:
        doubts.append(
            f"the corners of the boards are {residual:.1f} px off (expected {MOST_CORNER_RESIDUAL:g} or less): "
            "boards at different distances, or lenses with distortion"
        )
    return BoardResult(motion, residual, tuple(used), tuple(left_out), best, tuple(doubts), thermal, rgb)


def lens_of(boards: Sequence[Points], board: tuple[int, int], size: tuple[int, int]) -> tuple[Camera | None, str]:
    """Intrinsics of a camera of (height, width) from the corners of boards; or None and why they are not to be trusted.

    The boards must be tilted in several ways: from boards that face the camera the focal length does not show.
    """
    if len(boards) < FEWEST_BOARDS:
        return None, f"the board was found in {len(boards)} pictures (expected {FEWEST_BOARDS} or more)"
    flat = np.zeros((board[0] * board[1], 3), np.float32)
    flat[:, :2] = np.mgrid[0 : board[0], 0 : board[1]].T.reshape(-1, 2)
    views: Any = [np.asarray(each, np.float32).reshape(-1, 1, 2) for each in boards]
    calibrate: Any = cv2.calibrateCameraExtended
    flags = cv2.CALIB_FIX_K3
    rms, k, d, _, _, deviations, _, _ = calibrate([flat] * len(views), views, size[::-1], None, None, flags=flags)
    error = float(deviations[0, 0]) / float(k[0, 0])
    if rms > MOST_CORNER_RESIDUAL or error > MOST_FOCAL_ERROR:
        return None, (
            f"corners are {rms:.2f} px off and the focal length is known to {100 * error:.1f} % (expected "
            f"{MOST_CORNER_RESIDUAL:g} and {100 * MOST_FOCAL_ERROR:g} or less): show the board larger and tilted"
        )
    return Camera(size[1], size[0], tuple(map(float, k.ravel())), "plumb_bob", tuple(map(float, d.ravel()[:5]))), ""


def _direction_error(corners: Points, expected: Points) -> float:
    ours, theirs = corners[-1] - corners[0], expected[-1] - expected[0]
    return -float(ours @ theirs)
