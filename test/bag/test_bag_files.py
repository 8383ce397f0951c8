"""Recordings that are damaged, missing or something else; outputs that are there, left over or in the way."""

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
from recordings import FUSED, RGB, START, THERMAL, info, raw, read, scene, street, text, topics, write
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from camf_ros.bag.reader import BagError, BagReader
from camf_ros.bag.types import MessageTypes, distro_of
from camf_ros.errors import DataError, ParameterError

Fuse = Any
STORAGES = pytest.mark.parametrize("storage", ["mcap", "sqlite3"])


def refused(fuse: Fuse, source: Path, output: Path, **options: Any) -> str:
    left = set(output.parent.iterdir())
    with pytest.raises(BagError) as error:
        fuse(source, output, **options)
    assert set(output.parent.iterdir()) == left
    return str(error.value)


# --- what is read ---------------------------------------------------------------------------------------------------


def test_no_such_bag(tmp_path: Path, fuse: Fuse) -> None:
    assert "does not exist" in refused(fuse, tmp_path / "none", tmp_path / "out")


def test_another_file(tmp_path: Path, fuse: Fuse) -> None:
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    assert "rosbags-convert" in refused(fuse, tmp_path / "old.bag", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    assert "no metadata.yaml" in refused(fuse, tmp_path / "empty", tmp_path / "out")


@STORAGES
def test_a_recorder_that_was_killed_leaves_no_metadata(tmp_path: Path, fuse: Fuse, storage: str) -> None:
    source = write(tmp_path / "in", street(2), storage)
    (source / "metadata.yaml").unlink()
    assert "ros2 bag reindex" in refused(fuse, source, tmp_path / "out")


@STORAGES
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.99])
def test_cut_off(tmp_path: Path, fuse: Fuse, storage: str, share: float) -> None:
    source = write(tmp_path / "in", street(30), storage)
    (file,) = (path for path in source.iterdir() if path.suffix != ".yaml")
    os.truncate(file, int(share * file.stat().st_size))
    said = refused(fuse, source, tmp_path / "out")
    assert "cannot be read" in said
    assert ("mcap recover" if storage == "mcap" else "sqlite3") in said


def test_database_that_was_not_closed(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", street(2), "sqlite3")
    (source / "in.db3-wal").write_bytes(b"messages")
    assert "not closed" in refused(fuse, source, tmp_path / "out")


def test_other_topics_are_named(tmp_path: Path, fuse: Fuse) -> None:
    messages = [each._replace(topic=each.topic.replace("/rgb", "/front/rgb")) for each in street(2)]
    source = write(tmp_path / "in", messages)
    said = refused(fuse, source, tmp_path / "out")
    assert f"no topic {RGB}" in said
    assert "/front/rgb/image_raw (Image, 2 messages)" in said
    assert fuse(source, tmp_path / "out", topics={"rgb": "/front/rgb/image_raw"}).fused == 2
    plain = write(tmp_path / "plain", [text("/chatter", START, "")])
    assert "no image topics" in refused(fuse, plain, tmp_path / "other")


def test_topics_of_another_type_or_none(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", street(2))
    assert "std_msgs/msg/String" in refused(fuse, source, tmp_path / "out", topics={"rgb": "/chatter"})
    assert "two topics" in refused(fuse, source, tmp_path / "out", topics={"rgb": THERMAL})
    assert "/nothing" in refused(fuse, source, tmp_path / "out", topics={"rgb_info": "/nothing"})
    said = refused(fuse, source, tmp_path / "out", parameters={"input_transport.rgb": "compressed"})
    assert "input_transport.rgb=raw" in said


def test_topics_without_messages(tmp_path: Path, fuse: Fuse) -> None:
    kind = "sensor_msgs/msg/Image"
    source = write(tmp_path / "in", [text("/chatter", START, "")], empty=[(RGB, kind), (THERMAL, kind)])
    assert "no messages" in refused(fuse, source, tmp_path / "out")
    source = write(tmp_path / "one", [each for each in street(20) if each.topic == RGB], empty=[(THERMAL, kind)])
    tally = fuse(source, tmp_path / "out")
    assert (tally.fused, tally.passed["rgb"]) == (0, 14), "alone after half a second, as for the node"


def test_info_topics_of_other_names(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", [info("/calibration", START, (64, 48)), *street(2)])
    fuse(source, tmp_path / "out", topics={"rgb_info": "/calibration", "fused": "/mine/picture"})
    assert topics(tmp_path / "out")["/mine/camera_info"] == "sensor_msgs/msg/CameraInfo"
    assert len(read(tmp_path / "out", "/mine/camera_info")) == len(read(tmp_path / "out", "/mine/picture")) == 2


def strip_to_humble(source: Path) -> None:
    """Metadata and tables as Humble writes them: no hashes, no definitions, no distribution."""
    import apsw  # noqa: PLC0415
    from ruamel.yaml import YAML  # noqa: PLC0415

    yaml, file = YAML(typ="safe"), source / "metadata.yaml"
    metadata = yaml.load(file.read_text())
    bag = metadata["rosbag2_bagfile_information"]
    bag["version"] = 5
    for name in ("custom_data", "ros_distro"):
        del bag[name]
    for topic in bag["topics_with_message_count"]:
        del topic["topic_metadata"]["type_description_hash"]
    with file.open("w") as stream:
        yaml.dump(metadata, stream)
    database = apsw.Connection(str(next(source.glob("*.db3"))))
    database.execute("DROP TABLE message_definitions; DROP TABLE schema; DROP TABLE metadata;")
    database.execute("ALTER TABLE topics DROP COLUMN type_description_hash;")
    database.close()


def test_a_bag_of_humble(tmp_path: Path, fuse: Fuse) -> None:
    from recordings import OWN, Message, make  # noqa: PLC0415

    own = Message("/own", OWN, START + 1, make(OWN, value=7))
    source = write(tmp_path / "in", [*street(3), own], "sqlite3", version=8)
    strip_to_humble(source)
    with BagReader(source) as bag:
        assert bag.silent
        assert bag.distro is None
        assert distro_of("", bag.distro, silent=bag.silent) == "humble"
    assert fuse(source, tmp_path / "out").fused == 3
    assert [each for each in raw(tmp_path / "out") if not each[0].startswith("/fus")] == raw(source)
    with Reader(tmp_path / "out") as written:
        digests = {connection.topic: connection.digest for connection in written.connections}
    assert digests[RGB] == MessageTypes("humble").definition("sensor_msgs/msg/Image")[1]
    assert digests["/own"] == "RIHS01_" + 64 * "0", "nobody knows it, and it is copied all the same"


def test_distributions() -> None:
    assert distro_of("jazzy", "kilted", silent=False) == "jazzy"
    assert distro_of("", "kilted", silent=False) == "kilted"
    assert MessageTypes("rosbags").distro == ""
    hashes = {MessageTypes(name).definition("camf_ros/msg/ChannelWeights") for name in ("humble", "jazzy", "lyrical")}
    assert len(hashes) == 1
    with pytest.raises(ParameterError, match="humble"):
        distro_of("melodic", None, silent=True)


@STORAGES
def test_topics_that_the_metadata_has_otherwise_are_not_left_out_in_silence(
    tmp_path: Path, fuse: Fuse, storage: str
) -> None:
    source = write(tmp_path / "in", street(3), storage)
    file = source / "metadata.yaml"
    metadata = file.read_text()
    assert "type: std_msgs/msg/String" in metadata
    file.write_text(metadata.replace("type: std_msgs/msg/String", "type: std_msgs/msg/Text"))
    said = refused(fuse, source, tmp_path / "out")
    assert "does not list /chatter as" in said
    assert "reindex" in said


@pytest.mark.parametrize("name", ["run#2", "run?x", "run%41"])
def test_databases_of_names_that_lead_elsewhere(tmp_path: Path, fuse: Fuse, name: str) -> None:
    source = write(tmp_path / "in", street(2), "sqlite3")
    assert "mcap" in refused(fuse, source, tmp_path / name)
    (tmp_path / name).mkdir()
    assert "mcap" in refused(fuse, source, tmp_path / name / "out")
    source.rename(tmp_path / name / "in")
    assert "rename it" in refused(fuse, tmp_path / name / "in", tmp_path / "out")
    other = write(tmp_path / name / "other", street(2))
    assert fuse(other, tmp_path / name / "out").fused == 2
    assert len(read(tmp_path / name / "out", FUSED)) == 2


def test_registration_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", street(2))
    parameters = {"registration.mode": "homography", "registration.file": str(tmp_path / "none.yaml")}
    with pytest.raises(DataError, match=r"none\.yaml"):
        fuse(source, tmp_path / "out", parameters=parameters)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_first_camera_info_that_is_none(tmp_path: Path, fuse: Fuse) -> None:
    """It is counted when its turn comes."""
    source = write(tmp_path / "in", [info("/rgb/camera_info", START, (64, 48)), *street(2)])
    whole = raw(source)
    broken = tmp_path / "broken"
    with Reader(source) as reader, Writer(broken, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        made = {
            each.topic: writer.add_connection(each.topic, each.msgtype, msgdef=each.msgdef.data, rihs01=each.digest)
            for each in reader.connections
        }
        for each, time, data in reader.messages():
            cut = each.topic == "/rgb/camera_info" and time == START
            writer.write(made[each.topic], time, data[:9] if cut else data)
    tally = fuse(broken, tmp_path / "out")
    assert (tally.fused, tally.rejected["message"]) == (2, 1)
    assert len(raw(broken)) == len(whole)


# --- what is written ------------------------------------------------------------------------------------------------


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
from camf_ros.bag.job import BagJob
from camf_ros.engines.torch_engine import TorchEngine
from camf_ros.settings.fusion import FusionSettings
def slow(messages, count):
    for message in messages:
        print("message", flush=True)
        yield message
        time.sleep(0.2)
engine = lambda: TorchEngine(Path(sys.argv[3]), device="cpu", precision="float32", threads=1)
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
