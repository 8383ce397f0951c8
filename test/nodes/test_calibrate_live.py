"""calibrate_live over real topics: from the drive to the files of the node, and what ends it early."""

from __future__ import annotations

import signal
import subprocess
import threading
import time

import numpy as np
import pytest
import yaml
from harness import PATIENCE, executable
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import CameraInfo, Image

from camf_ros.imaging.registration_file import read_registration
from camf_scene.drive import DELAY, StreetDrive
from camf_scene.recording import record

pytestmark = pytest.mark.ros
DEEP = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST, depth=1000)


class Live:
    """The executable, and what it has said so far."""

    def __init__(self, *options: object) -> None:
        command = [executable("calibrate_live"), *map(str, options)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self._reader.start()

    @property
    def ended(self) -> bool:
        """Whether the recording has."""
        return self.process.poll() is not None or any("the recording ends" in line for line in self.lines)

    def end(self) -> tuple[int, str]:
        status = self.process.wait(20 * PATIENCE)
        self._reader.join(PATIENCE)
        return status, "".join(self.lines)


@pytest.fixture
def live():
    started = []

    def start(*options):
        started.append(Live(*options))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


@pytest.fixture
def cameras(probe, tmp_path):
    """Plays a small recording of the drive on other topics than the node's own, as long as somebody listens."""
    drive = StreetDrive(1, rgb_size=(240, 180), thermal_size=(240, 192), baseline=0.2, oversampling=1)
    record(tmp_path / "drive", drive, seconds=10.0, start=16.0, jitter=0.0005)
    kinds = {"image_raw": Image, "camera_info": CameraInfo}
    publishers = {
        f"/{camera}/{name}": probe.node.create_publisher(kind, f"/robot/{camera}/{name}", DEEP)
        for camera in ("thermal", "rgb")
        for name, kind in kinds.items()
    }

    def play(process: Live) -> None:
        assert probe.spin_until(lambda: all(each.get_subscription_count() for each in publishers.values())), (
            process.lines
        )
        probe.spin_for(0.5)
        with Reader(tmp_path / "drive") as reader:
            began = time.monotonic()
            for connection, received, data in reader.messages():
                probe.spin_until(lambda due=received: 1e-9 * (due - reader.start_time) < time.monotonic() - began)
                if process.ended:
                    return
                kind = kinds[connection.topic.rpartition("/")[2]]
                publishers[connection.topic].publish(deserialize_message(bytes(data), kind))
        # A busy machine looks at the last of it late.
        if not probe.spin_until(lambda: process.ended, 5.0):
            process.process.send_signal(signal.SIGINT)

    return drive, play


TOPICS = ("thermal/image_raw", "thermal/camera_info", "rgb/image_raw", "rgb/camera_info")
# Nothing is lost, however busy the machine is.
QOS = {"reliability": "reliable", "depth": 1000}
ROS = [part for name in TOPICS for part in ("-r", f"{name}:=/robot/{name}")]
ROS += [
    part
    for name in TOPICS
    for key, value in QOS.items()
    for part in ("-p", f"qos_overrides./robot/{name}.subscription.{key}:={value}")
]


def test_from_live_topics_to_the_files_of_the_node(live, cameras, tmp_path):
    drive, play = cameras
    output = tmp_path / "out" / "rig.yaml"
    output.parent.mkdir()
    process = live(
        "-o", output, "--baseline", 0.2, "--pairs", 10, "--overlay", tmp_path / "rig.png", "--keep", tmp_path / "kept",
        "--force",  # few and small pictures
        "--ros-args", *ROS, "-p", "pairing.slop:=0.05",
    )  # fmt: skip
    play(process)
    status, said = process.end()
    assert status == 0, said
    assert "Traceback" not in said
    assert "calibrate_live: calibrating from" in said
    file = read_registration(output)
    assert file.provenance["thermal_offset_s"] == pytest.approx(-DELAY, abs=0.01)
    assert file.extrinsics is not None, said
    turn = drive.rotation.T @ file.extrinsics.r
    assert np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))) < 1.0
    assert file.rgb.k == pytest.approx(drive.rgb_camera.matrix)
    parameters = yaml.safe_load((tmp_path / "out" / "rig_params.yaml").read_text())["/**"]["ros__parameters"]
    assert parameters["registration"]["mode"] == "calibrated"
    assert (tmp_path / "rig.png").is_file()
    with Reader(tmp_path / "kept") as reader:
        counts = {each.topic: each.msgcount for each in reader.connections}
    assert counts.keys() == {"/thermal/image_raw", "/thermal/camera_info", "/rgb/image_raw", "/rgb/camera_info"}
    if "the recording ends" not in said:
        assert counts["/rgb/image_raw"] == 150
        assert counts["/thermal/image_raw"] == 90
    assert sorted(each.name for each in output.parent.iterdir()) == [
        "rig.yaml", "rig_params.yaml", "rig_rgb_info.yaml", "rig_thermal_info.yaml",
    ]  # fmt: skip


def test_an_end_before_there_is_enough_is_one_sentence(live, tmp_path):
    process = live("-o", tmp_path / "rig.yaml")
    end = time.monotonic() + PATIENCE
    while not any("recording" in line for line in process.lines):
        assert time.monotonic() < end, process.lines
        time.sleep(0.1)
    process.process.send_signal(signal.SIGINT)
    status, said = process.end()
    assert status == 1
    assert said.splitlines()[-1] == "calibrate_live: nothing calibrated: no images have arrived"
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--seconds", "0"), "--seconds is 0"),
        (("-o", "rig.txt"), "expected the name of a .yaml file"),
        (("--keep", "."), "which exists"),
        (("--checkerboard", "9"), "--checkerboard is '9'"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_recorded(live, options, said):
    status, text = live(*options).end()
    assert status == 1
    assert text.startswith("cannot start: ")
    assert said in text
