"""camf calibrate --bag --checkerboard: a heated board before both cameras gives intrinsics and extrinsics."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import recordings
import yaml
from numpy.typing import NDArray

from camf_ros.cli.main import main
from camf_ros.imaging.registration_file import read_registration

BOARD, CELL = (7, 5), 16
SIZES = {"thermal": (320, 256), "rgb": (320, 240)}
FOCAL = {"thermal": 340.0, "rgb": 300.0}
# X_rgb = R X_thermal + t, in squares of 4 cm.
ROTATION = cv2.Rodrigues(np.array([0.01, -0.03, 0.015]))[0]
TRANSLATION = np.array([1.5, 0.1, -0.1])
# How the board is turned about x and y, and where its middle is, in squares.
POSES = [
    (0.5, 0.0, -0.6, 0.2, 11.0),
    (-0.5, 0.1, 0.9, -0.3, 12.0),
    (0.1, 0.5, 0.0, 0.8, 10.5),
    (0.0, -0.5, 1.2, 0.0, 13.0),
    (0.4, 0.4, -0.4, -0.7, 11.5),
    (-0.4, 0.3, 0.3, 0.6, 12.5),
    (0.3, -0.4, 1.0, 0.9, 12.0),
    (-0.3, -0.3, 0.2, -0.9, 11.0),
]


def _k(name: str) -> NDArray[np.float64]:
    width, height = SIZES[name]
    return np.array([[FOCAL[name], 0, width / 2 - 2], [0, FOCAL[name], height / 2 + 1], [0, 0, 1]])


def _seen(name: str, pose: tuple[float, ...], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The board as one camera sees it."""
    across, down = BOARD
    squares = (np.indices((down + 1, across + 1)).sum(axis=0) % 2).astype(np.uint8)
    paper = np.full(((down + 3) * CELL, (across + 3) * CELL), 190, np.uint8)
    paper[CELL:-CELL, CELL:-CELL] = np.kron(40 + 150 * squares, np.ones((CELL, CELL), np.uint8))
    # Of paper pixels to squares, the middle at 0.
    flat = np.array([[1 / CELL, 0, -(across + 3) / 2], [0, 1 / CELL, -(down + 3) / 2], [0, 0, 1]])
    turned, place = cv2.Rodrigues(np.array([pose[0], pose[1], 0.1]))[0], np.array(pose[2:])
    if name == "thermal":
        turned, place = ROTATION.T @ turned, ROTATION.T @ (place - TRANSLATION)
    there = _k(name) @ np.column_stack([turned[:, :2], place]) @ flat
    size = SIZES[name]
    double = np.array([[4, 0, 1.5], [0, 4, 1.5], [0, 0, 1.0]])
    large = cv2.warpPerspective(paper, double @ there, (4 * size[0], 4 * size[1]), borderValue=110)
    picture = cv2.resize(large, size, interpolation=cv2.INTER_AREA) + rng.normal(0, 2, size[::-1])
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each pose is held for two frames."""
    rng, messages = np.random.default_rng(3), []
    for number, pose in enumerate(pose for pose in POSES for _ in range(2)):
        stamp = recordings.START + number * 100 * recordings.MS
        warm = 7000 + 8 * _seen("thermal", pose, rng).astype(np.uint16)
        colour = np.repeat(_seen("rgb", pose, rng)[..., None], 3, axis=2)
        messages += [
            recordings.image(recordings.THERMAL, warm, stamp),
            recordings.image(recordings.RGB, colour, stamp),
        ]
    path = tmp_path_factory.mktemp("board") / "bag"
    recordings.write(path, messages)
    return path


def test_a_board_gives_both_lenses_and_how_they_stand(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "rig.yaml"
    arguments = ["--bag", str(board), "--checkerboard", f"{BOARD[0]}x{BOARD[1]}", "--baseline", "0.06"]
    assert main(["calibrate", *arguments, "-o", str(output), "--quiet"]) == 0, capsys.readouterr().err
    for name, size in SIZES.items():
        info = yaml.safe_load((tmp_path / f"rig_{name}_info.yaml").read_text())
        assert (info["image_width"], info["image_height"]) == size
        k = np.array(info["camera_matrix"]["data"]).reshape(3, 3)
        assert k[[0, 1], [0, 1]] == pytest.approx(FOCAL[name], rel=0.02)
        assert k[:2, 2] == pytest.approx(_k(name)[:2, 2], abs=4)
    file = read_registration(output)
    assert file.extrinsics is not None
    assert file.homography is not None
    turn = np.degrees(np.linalg.norm(cv2.Rodrigues(ROTATION.T @ file.extrinsics.r)[0]))
    cosine = file.extrinsics.t @ TRANSLATION / np.linalg.norm(file.extrinsics.t) / np.linalg.norm(TRANSLATION)
    assert turn < 0.6
    assert np.degrees(np.arccos(cosine)) < 5
    assert np.linalg.norm(file.extrinsics.t) == pytest.approx(0.06)
    said = capsys.readouterr()
    assert "static_transform_publisher" in said.out
    assert "not determined: time offset" in said.err
    assert file.provenance["method"] == "checkerboard 7x5"


def test_without_the_board_nothing_is_written(board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "rig.yaml"
    assert main(["calibrate", "--bag", str(board), "--checkerboard", "9x8", "-o", str(output), "--quiet"]) == 1
    said = capsys.readouterr().err
    assert "was found in both pictures of 0 pairs" in said
    assert "intrinsics of the thermal camera: the board was found in 0 pictures" in said
    assert not list(tmp_path.iterdir())
