"""What the tests of camf fuse share: pictures and videos, and the command as a function."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from small_training import sharp, soft

from camf_ros.cli.main import main

SHAPE = (24, 32)
Array = NDArray[Any]


def thermal(seed: int, warm: int = 0) -> Array:
    """Counts of a 16-bit camera; warmer scenes lie higher."""
    return soft(seed, *SHAPE).astype(np.uint16) * 9 + np.uint16(20000 + warm)


def colour(seed: int, shape: tuple[int, int] = SHAPE) -> Array:
    """Blue, green, red."""
    grey = sharp(seed, *shape)
    return np.dstack([grey // 2, grey, 255 - grey])


def save(path: Path, image: Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def load(path: Path) -> Array:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return np.asarray(image)


def save_all(folder: Path, frames: list[Array]) -> str:
    for number, frame in enumerate(frames):
        save(folder / f"f_{number:03d}.png", frame)
    return str(folder / "f_%03d.png")


def write_video(path: Path, frames: list[Array], rate: float) -> Path:
    """Lossless: grey of 8 or 16 bits, or colour."""
    first = frames[0]
    options = [cv2.VIDEOWRITER_PROP_IS_COLOR, int(first.ndim == 3)]
    if first.dtype == np.uint16:
        options += [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U]
    size = (first.shape[1], first.shape[0])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), rate, size, options)
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no lossless video")
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def write_varying(path: Path, frames: list[Array], times: list[float]) -> Path:
    """A video of frames in colour at any times, in hundredths of a second; each is a JPEG."""
    size = (frames[0].shape[1], frames[0].shape[0])
    if not hasattr(cv2, "VIDEOWRITER_PROP_PTS"):
        pytest.skip("this OpenCV writes no times of frames")
    options = [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 100.0, size, options)
    for frame, time in zip(frames, times, strict=True):
        writer.set(cv2.VIDEOWRITER_PROP_PTS, round(100 * time))
        writer.set(cv2.VIDEOWRITER_PROP_KEY_FLAG, 1)
        writer.write(cv2.imencode(".jpg", frame)[1].reshape(1, -1))
    writer.release()
    return path


def read_video(path: Path) -> tuple[float, list[Array]]:
    capture = cv2.VideoCapture(str(path))
    assert capture.isOpened()
    frames = []
    while True:
        found, frame = capture.read()
        if not found:
            return capture.get(cv2.CAP_PROP_FPS), frames
        frames.append(np.asarray(frame))


def frames_of(folder: Path) -> list[Array]:
    return [load(path) for path in sorted(folder.iterdir())]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class Fuse:
    def __init__(self, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._more = [
            "--model",
            str(model),
            "--engine",
            "torch",
            "--device",
            "cpu",
            "--precision",
            "float32",
            "--quiet",
        ]
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, list[str]]:
        """Exit status and the lines on stderr; nothing is ever on stdout."""
        self._capsys.readouterr()
        logging.getLogger().handlers[:] = []
        status = main(["fuse", *map(str, arguments), *self._more])
        out, err = self._capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        return status, err.splitlines()
