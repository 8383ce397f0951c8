"""Outputs that are there, left over or in the way."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from recordings import FUSED, raw, read, refused, scene, street, write

from camf_ros.bag.reader import BagError

Fuse = Any
STORAGES = pytest.mark.parametrize("storage", ["mcap", "sqlite3"])


def test_an_output_that_is_there_stays(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", street(2))
    fuse(source, tmp_path / "out")
    before = raw(tmp_path / "out")
    assert "--overwrite" in refused(fuse, source, tmp_path / "out")
    other = write(tmp_path / "other", street(3))
    assert fuse(other, tmp_path / "out", overwrite=True).fused == 3
    assert len(read(tmp_path / "out", FUSED)) == 3
    assert raw(tmp_path / "out") != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "other", "out"]


def test_only_recordings_are_overwritten(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", street(2))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    assert "no recording" in refused(fuse, source, tmp_path / "out", overwrite=True)


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_outputs_without_a_name(tmp_path: Path, fuse: Fuse, name: str) -> None:
    source = write(tmp_path / "in", street(2))
    with pytest.raises(BagError, match="name of a folder"):
        fuse(source, Path(name), overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_appears_at_the_output_meanwhile_stays(tmp_path: Path, fuse: Fuse, overwrite: bool) -> None:
    source = write(tmp_path / "in", street(2))

    def progress(messages: Any, _: int) -> Any:
        yield from messages
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.txt").write_text("years of work")

    with pytest.raises(BagError, match="no recording" if overwrite else "exists"):
        fuse(source, tmp_path / "out", progress=progress, overwrite=overwrite)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_a_run_that_was_killed_between_the_renamings(tmp_path: Path, fuse: Fuse) -> None:
    """The recording that was to be replaced gets its place again before anything else."""
    source = write(tmp_path / "in", street(2))
    fuse(source, tmp_path / "out")
    before = raw(tmp_path / "out")
    part = tmp_path / "out.part"

    def as_killed() -> None:
        part.mkdir()
        (part / "camf-bag.lock").touch()
        (tmp_path / "out").rename(part / "replaced")
        write(part / "out", street(1))

    as_killed()
    with pytest.raises(BagError, match="exists"):
        fuse(source, tmp_path / "out")
    assert raw(tmp_path / "out") == before
    assert not part.exists()
    as_killed()
    fuse(write(tmp_path / "other", street(3)), tmp_path / "out", overwrite=True)
    assert len(read(tmp_path / "out", FUSED)) == 3
    assert not part.exists()


def test_an_end_between_the_renamings(tmp_path: Path, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "in", street(2))
    fuse(source, tmp_path / "out")
    before = raw(tmp_path / "out")
    rename = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if path == tmp_path / "out.part" / "out":
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fuse(source, tmp_path / "out", overwrite=True)
    assert raw(tmp_path / "out") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


@STORAGES
def test_a_full_disk(tmp_path: Path, fuse: Fuse, storage: str) -> None:
    """Whatever library meets it, at whatever moment: a sentence, and nothing is left."""
    source = write(tmp_path / "in", street(30), storage)
    size = next(path for path in source.iterdir() if path.suffix != ".yaml").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (size // 8, size // 2, size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(BagError, match="cannot be written"):
                fuse(source, tmp_path / "out")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert [path.name for path in tmp_path.iterdir()] == ["in"]
        still_open = [os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()]
        assert not [path for path in still_open if path.startswith(str(tmp_path))]


@pytest.mark.parametrize("name", ["in", "in/out", "in/../in", "."])
def test_the_input_is_never_the_output(tmp_path: Path, fuse: Fuse, name: str) -> None:
    source = write(tmp_path / "in", street(2))
    before = raw(source)
    with pytest.raises(BagError, match="output"):
        fuse(source, tmp_path / name, overwrite=True)
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(BagError, match="output"):
        fuse(tmp_path / "link", tmp_path / name, overwrite=True)
    with pytest.raises(BagError, match="output"):
        fuse(source / "in.mcap", source / "out")
    assert raw(source) == before


def test_topics_that_are_there_are_not_written_twice(tmp_path: Path, fuse: Fuse) -> None:
    fuse(write(tmp_path / "in", street(3)), tmp_path / "once")
    assert "--fused-only" in refused(fuse, tmp_path / "once", tmp_path / "twice")
    fuse(tmp_path / "once", tmp_path / "twice", topics={"fused": "/again/image", "weights": "/again/weights"})
    once, twice = read(tmp_path / "twice", FUSED), read(tmp_path / "twice", "/again/image")
    assert [(time, bytes(each.data)) for time, each in once] == [(time, bytes(each.data)) for time, each in twice]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, BagError("disk")])
def test_an_end_in_the_middle_leaves_nothing(tmp_path: Path, fuse: Fuse, failure: Any) -> None:
    source = write(tmp_path / "in", street(4))

    def progress(messages: Any, _: int) -> Any:
        for number, message in enumerate(messages):
            if number == 5:
                raise failure
            yield message

    with pytest.raises(failure if isinstance(failure, type) else BagError):
        fuse(source, tmp_path / "out", progress=progress)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert fuse(source, tmp_path / "out").fused == 4


def test_what_replaces_a_recording_does_so_only_when_it_is_complete(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", street(2))
    fuse(source, tmp_path / "out")
    before = raw(tmp_path / "out")

    def progress(messages: Any, _: int) -> Any:
        yield next(iter(messages))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fuse(source, tmp_path / "out", overwrite=True, progress=progress)
    assert raw(tmp_path / "out") == before


KILLED = """
import sys, time
from pathlib import Path
from camf_ros.bag.player import BagJob
from camf_ros.engines.choose import open_engine
from camf_ros.models import find_model
from camf_ros.settings.fusion_settings import FusionSettings
def slow(messages, count):
    for message in messages:
        print("message", flush=True)
        yield message
        time.sleep(0.2)
engine = lambda: open_engine("openvino", find_model(sys.argv[3]), device="cpu", precision="float32", threads=1)
BagJob(Path(sys.argv[1]), Path(sys.argv[2])).run(engine, FusionSettings(), slow)
"""


def test_a_killed_run_is_started_anew(tmp_path: Path, fuse: Fuse, small_model: Path) -> None:
    source, output = write(tmp_path / "in", street(100)), tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(source), str(output), str(small_model)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for _ in range(4):
            assert process.stdout.readline()
        assert "another run" in refused(fuse, source, output)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.part"]
    assert fuse(source, output).fused == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_a_folder_of_the_same_name_that_is_not_ours_stays(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", street(2))
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "mine.txt").write_text("mine")
    assert "not ours" in refused(fuse, source, tmp_path / "out")
    assert (tmp_path / "out.part" / "mine.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", street(2))
    (tmp_path / "file").write_text("")
    with pytest.raises(BagError, match="cannot be made"):
        fuse(source, tmp_path / "file" / "out")


def test_many_receive_times_that_go_back(tmp_path: Path, fuse: Fuse) -> None:
    """Files of several recorders put together."""
    messages = street(6)
    source = write(tmp_path / "in", messages[7:], "sqlite3")
    shutil.copytree(write(tmp_path / "second", messages[:7], "sqlite3"), tmp_path / "copy")
    from ruamel.yaml import YAML  # noqa: PLC0415

    (tmp_path / "copy" / "second.db3").rename(source / "second.db3")
    yaml = YAML(typ="safe")
    metadata = yaml.load((source / "metadata.yaml").read_text())
    metadata["rosbag2_bagfile_information"]["relative_file_paths"].append("second.db3")
    metadata["rosbag2_bagfile_information"]["topics_with_message_count"].append(
        yaml.load((tmp_path / "second" / "metadata.yaml").read_text())["rosbag2_bagfile_information"][
            "topics_with_message_count"
        ][0]
    )
    with (source / "metadata.yaml").open("w") as stream:
        yaml.dump(metadata, stream)
    tally = fuse(source, tmp_path / "out")
    assert sum(tally.frames.values()) == 12
    assert scene(0)[0].shape == (32, 40)
    times = [time for _, time, _ in raw(tmp_path / "out")]
    assert len(times) == 13 + 2 * tally.fused
