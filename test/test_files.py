"""Files are written whole or not at all: what was there stays, and nothing is left beside it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camf_ros.cli.main import main
from camf_ros.errors import DataError
from camf_ros.files import Guard, make_folder, replacing, write_json, write_whole
from camf_ros.imaging.picture_files import write_png, write_tiff
from camf_ros.imaging.registration_file import RegistrationFile, write_registration

NOISE = np.random.default_rng(0).integers(0, 256, (300, 400)).astype(np.uint8)


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """No file may be longer than so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_graphs(path: Path, model: Path) -> None:
    """As camf export does; both graphs or none."""
    pytest.importorskip("onnx")
    pytest.importorskip("torch")
    if main(["export", str(model), "--output", str(path)]):
        raise DataError("see the terminal")


def write_openvino(path: Path, model: Path) -> None:
    pytest.importorskip("openvino")
    if main(["export", str(model.with_suffix(".onnx")), "--openvino", str(path)]):
        raise DataError("see the terminal")


def write_explanation(path: Path, model: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("a.png", "b.png"):
        write_png(path.parent.parent / name, NOISE)
    inputs = [str(path.parent.parent / name) for name in ("a.png", "b.png")]
    if main(["explain", *inputs, "-o", str(path), "-m", str(model.with_suffix(".onnx")), "--threads", "1"]):
        raise DataError("see the terminal")


Writer = Callable[[Path, Path], None]
WRITERS: dict[str, tuple[str, Writer]] = {
    "bytes": ("a", lambda path, model: write_whole(path, bytes(10_000))),
    "json": ("a.json", lambda path, model: write_json(path, list(range(3000)))),
    "png": ("a.png", lambda path, model: write_png(path, NOISE)),
    "tiff": ("a.tiff", lambda path, model: write_tiff(path, NOISE.astype(np.float32))),
    "registration": (
        "a.yaml",
        lambda path, model: write_registration(
            path, RegistrationFile((2, 2), (2, 2), np.eye(3), provenance={"pairs": [f"{n:04d}" for n in range(2000)]})
        ),
    ),
    "graphs": ("a.onnx", write_graphs),
    "openvino": ("a.xml", write_openvino),
    "figure": ("a.pdf", write_explanation),
}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.usefixtures("fresh_logging")
@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, kind: str, small_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    name, write = WRITERS[kind]
    folder = tmp_path / "out"
    folder.mkdir()
    write(folder / name, small_model)
    before = content(folder)
    assert name in before
    # The second of two files fails, where there are two: neither may be new then.
    short = sorted(len(data) for data in before.values())[-1] - 1 if kind != "openvino" else 3000
    for file in before:
        (folder / file).write_bytes(b"an older one")
    capfd.readouterr()
    with full_disk(short), pytest.raises(DataError):
        write(folder / name, small_model)
    assert content(folder) == dict.fromkeys(before, b"an older one")
    assert "Traceback" not in capfd.readouterr().err
    write(folder / name, small_model)
    assert content(folder).keys() == before.keys()
    assert all(data != b"an older one" for data in content(folder).values())


def test_an_error_of_the_writer_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        assert (temporary.suffix, temporary.parent) == (".txt", tmp_path)
        temporary.write_text("half")
        raise ZeroDivisionError
    with replacing(path):
        pass  # nothing was written
    assert content(tmp_path) == {"a.txt": b"old"}


def test_links_are_followed_and_rights_are_kept(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "a.json"
    target.write_text("old")
    target.chmod(0o640)
    (tmp_path / "link.json").symlink_to(target)
    write_json(tmp_path / "link.json", [1])
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads(target.read_text()) == [1]
    assert target.stat().st_mode & 0o777 == 0o640


def test_what_is_no_regular_file_is_written_to(tmp_path: Path) -> None:
    """Renamed over, /dev/stdout would be gone."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    write_json(fifo, {"a": 1})
    reader.join(20)
    assert json.loads(read[0]) == {"a": 1}
    assert fifo.is_fifo()
    with pytest.raises(DataError, match=r"^/dev/full cannot be written \(No space left on device\)"):
        write_whole(Path("/dev/full"), b"x" * 10_000)
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize(
    ("name", "words"),
    [("x" * 300, "File name too long"), ("none/a", "No such file or directory"), ("folder", "Is a directory")],
)
def test_places_that_cannot_be_written(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=rf"cannot be written \({words}\)"):
        write_whole(tmp_path / name, b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_long_name_has_room_for_the_temporary_one(tmp_path: Path) -> None:
    write_whole(tmp_path / f"{'x' * 250}.json", b"x")
    assert len(list(tmp_path.iterdir())) == 1


def test_inputs_are_known_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    shutil.copy(tmp_path / "a", tmp_path / "other")
    guard = Guard([tmp_path / "a", tmp_path / "none"])
    for other in (tmp_path / "other", tmp_path / "new"):
        assert guard.check(other) == other
    for same in (tmp_path / "a", tmp_path / "link", tmp_path / "x" / ".." / "a"):
        make_folder(tmp_path / "x")
        with pytest.raises(DataError, match="is an input; name another output"):
            guard.check(same)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be made \(Not a directory\)"):
        make_folder(tmp_path / "file" / "folder")


def test_json_that_is_none(tmp_path: Path) -> None:
    unknown: Any = object()
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", unknown)
    assert not list(tmp_path.iterdir())
