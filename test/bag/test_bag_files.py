"""Recordings that are damaged, missing or something else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from recordings import FUSED, RGB, START, THERMAL, info, raw, read, refused, street, text, topics, write
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from camf_ros.bag.message_types import MessageTypes, distro_of
from camf_ros.bag.reader import BagReader
from camf_ros.errors import DataError, ParameterError

Fuse = Any
STORAGES = pytest.mark.parametrize("storage", ["mcap", "sqlite3"])


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
