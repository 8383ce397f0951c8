"""Boards in both pictures, warm squares bright or dark."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from camf_ros.calibration.align import Pair
from camf_ros.calibration.checkerboard import board_corners, from_boards, lens_of
from camf_ros.calibration.motions import PlaneMotion, corner_distance

BOARD, SIZE = (9, 6), (240, 320)
TRUTH = np.array([[0.8, -0.06, 20.0], [0.05, 0.82, 12.0], [5e-5, 2e-5, 1.0]])


def drawn(place: np.ndarray, *, inverted: bool = False) -> np.ndarray:
    """A board under a homography from its squares to pixels, with a margin and some blur and noise."""
    cells = 20
    squares = (np.indices((BOARD[1] + 1, BOARD[0] + 1)).sum(axis=0) % 2 == 0).astype(np.uint8)
    board = np.full(((BOARD[1] + 3) * cells, (BOARD[0] + 3) * cells), 200, np.uint8)
    board[cells:-cells, cells:-cells] = np.kron(np.where(squares, 40, 200), np.ones((cells, cells))).astype(np.uint8)
    picture = cv2.warpPerspective(board, place @ np.diag([1 / cells, 1 / cells, 1.0]), SIZE[::-1], borderValue=200)
    if inverted:
        picture = 255 - picture
    noise = np.random.default_rng(1).normal(0, 3, SIZE)
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 0.8) + noise, 0, 255).astype(np.uint8)


def pairs(count: int, *, inverted: bool = False) -> list[Pair]:
    found = []
    for number in range(count):
        place = np.array([[16.0, 1.5 * number, 40 + 10 * number], [-number, 16.0, 40], [0, 0, 1.0]])
        found.append(Pair(drawn(TRUTH @ place, inverted=inverted), drawn(place), str(number)))
    return found


@pytest.mark.parametrize("inverted", [False, True])
def test_mapping_of_boards(inverted: bool) -> None:
    ticks: list[str] = []
    blank = Pair(np.full(SIZE, 90, np.uint8), np.full(SIZE, 90, np.uint8), "blank")
    start = PlaneMotion("homography", np.eye(3), SIZE)
    result = from_boards([blank, *pairs(3, inverted=inverted)], start, BOARD, tick=ticks.append)
    assert corner_distance(result.motion.matrix(), TRUTH, SIZE) < 0.5
    assert result.residual < 0.3
    assert (result.used, result.left_out, result.best) == (("0", "1", "2"), ("blank",), 1)
    assert result.doubts == ()
    assert len(ticks) == 4


def test_without_boards_there_is_doubt() -> None:
    blank = Pair(np.full(SIZE, 90, np.uint8), np.full(SIZE, 90, np.uint8), "blank")
    result = from_boards([blank], PlaneMotion("homography", np.eye(3), SIZE), BOARD)
    assert board_corners(blank.rgb, BOARD) is None
    assert "found in both pictures of 0 pairs" in result.doubts[0]


def test_a_stiff_family_that_does_not_fit_is_doubted() -> None:
    tilted = [
        pair._replace(thermal=drawn(TRUTH @ np.array([[16.0, 0, 40], [0, 22.0, 40], [0, 0.01, 1.0]])))
        for pair in pairs(1)
    ]
    result = from_boards(tilted, PlaneMotion("similarity", np.eye(3), SIZE), BOARD)
    assert "px off" in result.doubts[0]


def _projected(turns: list[tuple[float, float]]) -> list[np.ndarray]:
    """Corners of boards that are turned about x and y, with a tenth of a pixel of noise."""
    rng = np.random.default_rng(2)
    flat = np.zeros((BOARD[0] * BOARD[1], 3))
    flat[:, :2] = np.mgrid[0 : BOARD[0], 0 : BOARD[1]].T.reshape(-1, 2) - [4, 2.5]
    k, d = np.array([[300.0, 0, 158], [0, 304.0, 121], [0, 0, 1]]), np.array([-0.2, 0.05, 0, 0, 0])
    places = [
        cv2.projectPoints(flat, np.array([x, y, 0.1]), np.array([x, -y, 12.0]), k, d)[0].reshape(-1, 2)
        for x, y in turns
    ]
    return [each + rng.normal(0, 0.1, each.shape) for each in places]


def test_lens_from_tilted_boards() -> None:
    turns = [(0.5, 0.0), (-0.5, 0.1), (0.1, 0.5), (0.0, -0.5), (0.4, 0.4), (-0.4, 0.3), (0.3, -0.4), (-0.3, -0.3)]
    camera, doubt = lens_of(_projected(turns), BOARD, SIZE)
    assert not doubt
    assert camera is not None
    assert camera.k[0, 0] == pytest.approx(300, rel=0.01)
    assert camera.k[1, 1] == pytest.approx(304, rel=0.01)
    assert camera.k[:2, 2] == pytest.approx([158, 121], abs=3)
    assert (camera.width, camera.height) == (320, 240)


def test_no_lens_from_few_boards_or_from_boards_that_face_the_camera() -> None:
    assert lens_of(_projected([(0.5, 0.0)]), BOARD, SIZE)[1].startswith("the board was found in 1 pictures")
    camera, doubt = lens_of(_projected([(0.01 * number, 0.0) for number in range(8)]), BOARD, SIZE)
    assert camera is None
    assert "focal length" in doubt
