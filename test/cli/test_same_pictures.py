"""All commands read the same pictures, and refuse one with the same sentence."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detecting import coco, write_detector, write_labels
from PIL import Image
from small_training import sharp, soft

from camf_ros.cli.main import main

pytestmark = pytest.mark.usefixtures("fresh_logging")

SIDES = (64, 80)
GREY = soft(1, *SIDES)
COLOUR = np.dstack([sharp(number, *SIDES) for number in (2, 3, 4)])
COMMANDS = ("fuse", "fuse folders", "explain", "calibrate", "evaluate", "evaluate --detector")


def encoded(array: Any, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def numpy_file(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


#: Of which camera, the file, and what every command says; empty where every command reads it.
FILES: dict[str, tuple[str, bytes, str]] = {
    "int32.tiff": ("infrared", encoded(GREY.astype(np.int32) * 300, "TIFF"), ""),
    "float32.tiff": ("infrared", encoded(GREY.astype(np.float32) / 7, "TIFF"), ""),
    "counts.npy": ("infrared", numpy_file(GREY.astype(">u2") * 100), ""),
    "lossless.webp": ("visible", encoded(COLOUR, "WEBP", lossless=True), ""),
    "without_ending": ("visible", encoded(COLOUR, "JPEG2000"), ""),
    "palette.png": ("infrared", encoded(COLOUR, "PNG"), "is in colour; expected grey values or counts"),
    "numbers.tiff": ("visible", encoded(GREY.astype(np.int32), "TIFF"), "has 1 channels of type int32; expected grey"),
    "pages.tiff": (
        "infrared",
        encoded(GREY, "TIFF", save_all=True, append_images=[Image.fromarray(GREY)]),
        "holds several pages or frames; expected one picture; save them as a folder of pictures",
    ),
    "cut.png": ("visible", half(encoded(COLOUR, "PNG")), "cannot be read as a picture (image file is truncated"),
    "empty.jpg": ("visible", b"", "is empty; expected PNG, JPEG, TIFF,"),
}  # fmt: skip


def answer(command: str, data: Path, model: Path, name: str) -> list[str]:
    """Runs it on the pair of a folder; the command line."""
    thermal, rgb = (next((data / source).iterdir()) for source in ("infrared", "visible"))
    options = ["--model", model.with_suffix(".onnx"), "--engine", "onnxruntime", "--threads", "1"]
    more: dict[str, list[Any]] = {
        "fuse": ["fuse", thermal, rgb, "-o", data / "out.png", "--quiet", *options],
        "fuse folders": ["fuse", thermal.parent, rgb.parent, "-o", data / "out", "--quiet", *options],
        "explain": ["explain", thermal, rgb, "--json", data / "out.json", *options],
        "calibrate": ["calibrate", "--data", data, "--search", "1,1,1", "--force", "--quiet"],
        "evaluate": ["evaluate", "--data", data, "--baseline", "max", "--quiet"],
        "evaluate --detector": [
            *("evaluate", "--data", data, "--baseline", "rgb", "--draws", 2, "--quiet", "--threads", 1),
            *("--detector", data / "detector.onnx", "--labels", data / "labels.json", "--classes", "lamp"),
        ],
    }
    if command == "evaluate --detector":
        pytest.importorskip("pycocotools")
        content = coco({name: [(0, 0)]}, time="day")
        content["images"][0].update(width=SIDES[1], height=SIDES[0])
        write_labels(data / "labels.json", content)
        write_detector(data / "detector.onnx", names=True)
    return [str(part) for part in more[command]]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", FILES)
def test_all_commands_agree(
    tmp_path: Path, name: str, command: str, small_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, content, words = FILES[name]
    stem = Path(name).stem
    for folder, image in (("infrared", GREY), ("visible", COLOUR)):
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / (name if folder == source else f"{stem}.png")
        file.write_bytes(content if folder == source else encoded(image, "PNG"))
    arguments = answer(command, tmp_path, small_model, stem)
    capfd.readouterr()
    logging.getLogger().handlers[:] = []  # the command makes its own
    status = main(arguments)
    err = capfd.readouterr().err
    assert status == (1 if words else 0), err
    assert "Traceback" not in err
    assert "OpenCV" not in err
    if words:
        assert f"{tmp_path / source / name} {words}" in err


def test_a_fifo_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.png").write_bytes(encoded(COLOUR, "PNG"))
    os.mkfifo(tmp_path / "b.png")
    for command in (["fuse", "-o", str(tmp_path / "out.png")], ["explain", "--at", "1", "1"]):
        name, *options = command
        assert main([name, str(tmp_path / "b.png"), str(tmp_path / "a.png"), *options]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{tmp_path / 'b.png'} is no regular file; expected a picture" in line
