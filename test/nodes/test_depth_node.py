"""Registration by depth in the running node: depth images come, stop, lag, and cannot be used."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from harness import PATIENCE, pixels, qos, start_fusion
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from camf_ros.imaging.camera_model import Extrinsics
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.nodes import topics
from camf_ros.nodes.publishers import image_message

pytestmark = pytest.mark.ros

THERMAL, RGB = (48, 64), (48, 64)
OK, WARN = b"\x00", b"\x01"


@pytest.fixture
def depth(probe):
    """Sends depth images with the stamp of the probe, or an older one."""

    class Depth:
        image = probe.node.create_publisher(Image, topics.DEPTH_IMAGE, qos("reliable"))
        packed = probe.node.create_publisher(CompressedImage, f"{topics.DEPTH_IMAGE}/compressedDepth", qos("reliable"))
        info = probe.node.create_publisher(CameraInfo, topics.DEPTH_INFO, qos("reliable"))

        def send(self, metres: np.ndarray, encoding: str = "32FC1", age: float = 0.0) -> None:
            # Under the stamp that the next pair will have.
            header = probe.header("rgb_frame", 0.1 - age)
            self.info.publish(info(probe, metres.shape, 60.0))
            self.image.publish(image_message(metres, encoding, header))
            probe.spin_for(0.3)

    return Depth()


def info(probe, size, focal):
    message = CameraInfo(width=size[1], height=size[0], distortion_model="plumb_bob", d=[0.0] * 5)
    message.k = [focal, 0.0, size[1] / 2, 0.0, focal, size[0] / 2, 0.0, 0.0, 1.0]
    message.p = [focal, 0.0, size[1] / 2, 0.0, 0.0, focal, size[0] / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    message.header = probe.header("camera")
    return message


@pytest.fixture
def start(processes, probe, model, depth, tmp_path):
    """Starts a node in mode depth whose plane is far too near."""

    def run(transport="raw", **parameters):
        path = tmp_path / "rig.yaml"
        pose = Extrinsics((1, 0, 0, 0, 1, 0, 0, 0, 1), (0.2, 0.0, 0.0))
        write_registration(path, RegistrationFile(THERMAL, RGB, None, pose))
        settings = {"mode": "depth", "file": path, "distance": 1.0, **parameters}
        settings = {f"registration__{name}": value for name, value in settings.items()}
        start_fusion(processes, probe, model, diagnostics_period=0.2, input_transport__depth=transport, **settings)
        images = depth.image if transport == "raw" else depth.packed
        assert probe.spin_until(lambda: images.get_subscription_count() and depth.info.get_subscription_count()), (
            "nobody subscribes to depth"
        )
        probe.thermal_info.publish(info(probe, THERMAL, 60.0))
        probe.rgb_info.publish(info(probe, RGB, 60.0))
        probe.spin_for(0.5)

    return run


def pair():
    """A wall 4 m away with a bar, as two cameras 20 cm apart see it: 3 columns apart."""
    thermal = np.full(THERMAL, 7000, np.uint16)
    thermal[:, 27:32] = 9000
    rgb = np.full((*RGB, 3), 60, np.uint8)
    rgb[:, 30:35] = 200
    return thermal, rgb


WALL = np.full(RGB, 4.0, np.float32)


def until_fusion(probe, level, words):
    assert probe.spin_until(
        lambda: probe.levels.get("fusion", (b"", ""))[0] == level and words in probe.levels["fusion"][1], PATIENCE
    ), probe.levels


def test_depth_moves_the_thermal_image_and_its_loss_is_a_warning_that_names_why(start, probe, depth):
    start()
    by_plane, _ = probe.fuse(*pair())
    until_fusion(probe, WARN, "registration by the plane in place of depth: no depth image has arrived")
    depth.send(WALL)
    by_depth, _ = probe.fuse(*pair())
    assert not np.array_equal(pixels(by_plane), pixels(by_depth))
    expected = "100 % of the last image, 1 depth images, 1 pairs without"
    assert probe.spin_until(lambda: probe.diagnostics.get("depth") == expected), probe.diagnostics
    assert probe.spin_until(lambda: "in place of depth" not in probe.levels["fusion"][1])
    # millimetres say the same
    depth.send((WALL * 1000).astype(np.uint16), "16UC1")
    again, _ = probe.fuse(*pair())
    np.testing.assert_array_equal(pixels(by_depth), pixels(again))
    # it stops
    probe.advance(1.0)
    back, _ = probe.fuse(*pair())
    np.testing.assert_array_equal(pixels(by_plane), pixels(back))
    until_fusion(probe, WARN, "older than the RGB image, allowed are 0.1 s")


def test_depth_that_lags_is_used_within_its_slop(start, probe, depth):
    start(depth_slop=0.5)
    depth.send(WALL, age=0.4)
    probe.fuse(*pair())
    assert probe.spin_until(lambda: "0 pairs without" in probe.diagnostics.get("depth", ""))
    probe.advance(1.0)
    depth.send(WALL, age=0.6)
    probe.fuse(*pair())
    until_fusion(probe, WARN, "0.6 s older than the RGB image, allowed are 0.5 s")


@pytest.mark.parametrize(
    ("image", "words"),
    [
        pytest.param((np.ones((24, 32), np.uint8), "mono8"), "encoding is 'mono8'", id="encoding"),
        pytest.param((np.zeros(RGB, np.uint16), "16UC1"), "hardly any depth", id="empty"),
    ],
)
def test_depth_images_that_cannot_be_used_are_a_warning_and_pairs_go_on(start, probe, depth, image, words):
    start()
    depth.send(*image)
    probe.fuse(*pair())
    until_fusion(probe, WARN, words)


def test_compressed_depth_and_damage_in_it(start, probe, depth):
    start(transport="compressedDepth")
    by_plane, _ = probe.fuse(*pair())
    millimetres = (WALL * 1000).astype(np.uint16)
    png = bytes(12) + cv2.imencode(".png", millimetres)[1].tobytes()
    for data, words in ((png[:60], "PNG ends after 48 bytes"), (png, "")):
        depth.info.publish(info(probe, RGB, 60.0))
        message = CompressedImage(header=probe.header("rgb_frame", 0.1), format="16UC1; compressedDepth png", data=data)
        depth.packed.publish(message)
        probe.spin_for(0.3)
        fused, _ = probe.fuse(*pair())
        if words:
            np.testing.assert_array_equal(pixels(by_plane), pixels(fused))
            until_fusion(probe, WARN, words)
    expected = "100 % of the last image, 2 depth images, 2 pairs without"
    assert probe.spin_until(lambda: probe.diagnostics.get("depth") == expected), probe.diagnostics
    assert not np.array_equal(pixels(by_plane), pixels(fused))


def test_the_mode_can_be_changed_while_the_node_runs(start, probe, depth):
    start()
    assert probe.set_parameter("fusion", "registration.mode", "calibrated")[0]
    assert probe.spin_until(lambda: depth.image.get_subscription_count() == 0), "depth is large"
    probe.fuse(*pair())
    assert probe.spin_until(lambda: "in place of depth" not in probe.levels["fusion"][1])
    assert probe.set_parameter("fusion", "registration.mode", "depth")[0]
    assert probe.spin_until(lambda: depth.image.get_subscription_count() == 1)
    probe.spin_for(0.5)
    depth.send(WALL)
    probe.fuse(*pair())
    assert probe.spin_until(lambda: "100 % of the last image" in probe.diagnostics.get("depth", ""))
