"""Recordings with depth images: fused as the node would, or a clear reason why not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import recordings

from camf_ros.imaging.camera_model import Extrinsics
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_scene.drive import StreetDrive
from camf_scene.recording import record

SIZE = (80, 60)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a drive, with its registration file beside it."""
    path: Path = tmp_path_factory.mktemp("drive") / "bag"
    drive = StreetDrive(1, rgb_size=SIZE, thermal_size=SIZE)
    record(path, drive, seconds=1.0, start=25.5, depth="16UC1")
    pose = Extrinsics(tuple(drive.rotation.ravel().tolist()), tuple(drive.translation.tolist()))
    write_registration(path.with_name("rig.yaml"), RegistrationFile(SIZE[::-1], SIZE[::-1], None, pose))
    return path


@pytest.fixture
def parameters(recording: Path) -> dict[str, object]:
    file = str(recording.with_name("rig.yaml"))
    return {"registration.mode": "depth", "registration.file": file, "registration.distance": 1.0}


def test_a_drive_is_fused_by_its_depth(fuse, recording: Path, parameters: dict[str, object], tmp_path: Path) -> None:
    tally = fuse(recording, tmp_path / "depth", parameters)
    assert tally.fused >= 8
    assert not any("in place of depth" in note for note in tally.notes)
    fuse(recording, tmp_path / "plane", parameters | {"registration.mode": "calibrated"})
    by_depth, by_plane = (recordings.read(tmp_path / name, recordings.FUSED) for name in ("depth", "plane"))
    assert len(by_depth) == len(by_plane) == tally.fused
    differences = [
        np.abs(recordings.pixels(one).astype(int) - recordings.pixels(other)).mean()
        for (_, one), (_, other) in zip(by_depth, by_plane, strict=True)
    ]
    assert min(differences) > 1


def test_pairs_without_depth_in_time_are_told(
    fuse, recording: Path, parameters: dict[str, object], tmp_path: Path
) -> None:
    with recordings.Reader(recording) as reader:
        kept = [
            (connection, time, bytes(data))
            for connection, time, data in reader.messages()
            if not (connection.topic == "/depth/image" and time - reader.start_time > 5e8)
        ]
        messages = [
            recordings.Message(
                connection.topic, connection.msgtype, time, recordings.STORE.deserialize_cdr(data, connection.msgtype)
            )
            for connection, time, data in kept
        ]
    recordings.write(tmp_path / "half", messages)
    tally = fuse(tmp_path / "half", tmp_path / "out", parameters)
    assert tally.fused >= 8
    (note,) = (note for note in tally.notes if "in place of depth" in note)
    assert int(note.split()[0]) in range(1, 7)
    assert "older than the RGB image" in note


def test_compressed_depth_gives_the_same(fuse, recording: Path, parameters: dict[str, object], tmp_path: Path) -> None:
    messages = []
    with recordings.Reader(recording) as reader:
        for connection, time, data in reader.messages():
            content = recordings.STORE.deserialize_cdr(bytes(data), connection.msgtype)
            topic, kind = connection.topic, connection.msgtype
            if topic == "/depth/image":
                topic, kind = "/depth/image/compressedDepth", "sensor_msgs/msg/CompressedImage"
                png = cv2.imencode(".png", np.frombuffer(content.data.tobytes(), np.uint16).reshape(SIZE[::-1]))[1]
                packed = np.concatenate([np.zeros(12, np.uint8), png.ravel()])
                content = recordings.make(kind, header=content.header, format="16UC1; compressedDepth png", data=packed)
            messages.append(recordings.Message(topic, kind, time, content))
    recordings.write(tmp_path / "packed", messages)
    text = recordings.refused(fuse, tmp_path / "packed", tmp_path / "out", parameters=parameters)
    assert "--set input_transport.depth=compressedDepth" in text
    tally = fuse(tmp_path / "packed", tmp_path / "out", parameters | {"input_transport.depth": "compressedDepth"})
    assert not any("in place of depth" in note for note in tally.notes)
    fuse(recording, tmp_path / "raw", parameters)
    one, other = (recordings.read(tmp_path / name, recordings.FUSED) for name in ("out", "raw"))
    assert len(one) == len(other) >= 8
    for (_, left), (_, right) in zip(one, other, strict=True):
        np.testing.assert_array_equal(left.data, right.data)


def test_a_recording_without_depth_images_is_refused(
    fuse, recording: Path, parameters: dict[str, object], tmp_path: Path
) -> None:
    text = recordings.refused(fuse, recording, tmp_path / "out", parameters=parameters, topics={"depth": "/other"})
    assert "has no topic /other" in text
    assert "--depth-topic" in text
