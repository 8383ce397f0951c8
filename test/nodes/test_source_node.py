"""The source node over real DDS: it must look like two cameras."""

from __future__ import annotations

import signal
import sys

import cv2
import numpy as np
import pytest
import rclpy
from harness import PATIENCE, pixels, qos
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image

from camf_ros.errors import ParameterError
from camf_ros.nodes import topics
from camf_ros.nodes.source_node import SceneMaterial
from camf_scene.drive import DELAY, StreetDrive

pytestmark = pytest.mark.ros


class Listener:
    """Collects what the source publishes."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        self.context.init()
        self.node = rclpy.create_node("listener", context=self.context)
        self.images: dict[str, list[Image]] = {topics.THERMAL_IMAGE: [], topics.RGB_IMAGE: []}
        self.infos: dict[str, list[CameraInfo]] = {topics.THERMAL_INFO: [], topics.RGB_INFO: []}
        for topic, into in self.images.items():
            self.node.create_subscription(Image, topic, into.append, qos("best_effort"))
        for topic, into in self.infos.items():
            self.node.create_subscription(CameraInfo, topic, into.append, qos("best_effort"))
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def spin_until(self, condition) -> bool:
        end = self.node.get_clock().now().nanoseconds + PATIENCE * 1e9
        while not condition():
            if self.node.get_clock().now().nanoseconds > end:
                return False
            self.executor.spin_once(timeout_sec=0.05)
        return True

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def listener():
    result = Listener()
    yield result
    result.close()


def nanoseconds(message) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def received(listener: Listener, count: int) -> bool:
    return listener.spin_until(lambda: all(len(messages) >= count for messages in listener.images.values()))


def test_the_simulated_scene_as_two_cameras_see_it(processes, listener):
    processes.start("source_node", rate=10.0, thermal_rate=5.0, thermal_offset=0.03, jitter=0.001)
    assert received(listener, 4)
    rgb, thermal = listener.images[topics.RGB_IMAGE], listener.images[topics.THERMAL_IMAGE]
    assert {(m.encoding, m.width, m.height, m.step) for m in rgb} == {("rgb8", 1280, 720, 3840)}
    assert {(m.encoding, m.width, m.height, m.step) for m in thermal} == {("mono16", 640, 512, 1280)}
    assert {m.header.frame_id for m in rgb} == {"rgb_optical_frame"}
    assert {m.header.frame_id for m in thermal} == {"thermal_optical_frame"}
    for messages, period in ((rgb, 0.1), (thermal, 0.2)):
        steps = np.diff([nanoseconds(m) for m in messages]) * 1e-9
        # Frames may be left out on a loaded machine; stamps stay on the camera's own beat.
        assert np.all(np.abs(steps / period - np.round(steps / period)) * period < 0.005)
        assert steps.min() > 0
    # Every thermal frame is one thermal_offset after the beat of RGB.
    offset = (nanoseconds(thermal[0]) - nanoseconds(rgb[0])) * 1e-9 % 0.1
    assert offset == pytest.approx(0.03, abs=0.005)
    assert not np.array_equal(rgb[0].data, rgb[1].data), "the scene moves"


def test_camera_info_fits_the_images(processes, listener):
    processes.start("source_node", rate=5.0)
    assert listener.spin_until(lambda: all(listener.infos.values()))
    rgb, thermal = listener.infos[topics.RGB_INFO][0], listener.infos[topics.THERMAL_INFO][0]
    assert (rgb.width, rgb.height) == (1280, 720)
    assert (thermal.width, thermal.height) == (640, 512)
    # One field of view for both.
    assert rgb.k[0] / rgb.width == pytest.approx(thermal.k[0] / thermal.width)
    assert rgb.k[4] / rgb.height == pytest.approx(thermal.k[4] / thermal.height)
    assert list(rgb.p[:3]) == list(rgb.k[:3])


def test_both_cameras_show_the_same_pair_of_a_folder(processes, listener, tmp_path):
    for source in ("infrared", "visible"):
        (tmp_path / source).mkdir()
    for index in range(5):
        cv2.imwrite(str(tmp_path / "infrared" / f"{index}.png"), np.full((20, 30), 40 * index, np.uint8))
        cv2.imwrite(str(tmp_path / "visible" / f"{index}.png"), np.full((24, 36, 3), 40 * index, np.uint8))
    processes.start("source_node", pairs=tmp_path, rate=40.0, hold=0.05, thermal_offset=0.006, jitter=0.001)
    assert received(listener, 40)
    thermal = [(nanoseconds(m), int(pixels(m)[0, 0])) for m in listener.images[topics.THERMAL_IMAGE]]
    rgb = {nanoseconds(m): int(pixels(m)[0, 0, 0]) for m in listener.images[topics.RGB_IMAGE]}
    compared = 0
    for stamp, value in thermal:
        nearest = min(rgb, key=lambda other: abs(other - stamp))
        if abs(nearest - stamp) < 10_000_000:
            assert rgb[nearest] == value
            compared += 1
    assert compared > 20
    assert {value for _, value in thermal} == {0, 40, 80, 120, 160}, "all pairs are shown"


def test_sixteen_bit_pictures_stay_sixteen_bit_and_grey_stays_grey(processes, listener, tmp_path):
    for source in ("infrared", "visible"):
        (tmp_path / source).mkdir()
    counts = np.arange(600, dtype=np.uint16).reshape(20, 30) + 7000
    cv2.imwrite(str(tmp_path / "infrared" / "a.tiff"), counts)
    cv2.imwrite(str(tmp_path / "visible" / "a.png"), np.full((24, 36), 7, np.uint8))
    processes.start("source_node", pairs=tmp_path)
    assert received(listener, 1)
    thermal, rgb = listener.images[topics.THERMAL_IMAGE][0], listener.images[topics.RGB_IMAGE][0]
    assert (thermal.encoding, rgb.encoding) == ("mono16", "mono8")
    np.testing.assert_array_equal(np.frombuffer(thermal.data, np.uint16).reshape(20, 30), counts)


def test_stops_after_the_wanted_number_of_frames(processes, listener, tmp_path):
    for source in ("infrared", "visible"):
        (tmp_path / source).mkdir()
        cv2.imwrite(str(tmp_path / source / "a.png"), np.zeros((8, 8), np.uint8))
    source = processes.start(
        "source_node", pairs=tmp_path, rate=40.0, thermal_rate=20.0, count=320, reliability="reliable"
    )
    assert received(listener, 1)
    rgb, thermal = listener.images[topics.RGB_IMAGE], listener.images[topics.THERMAL_IMAGE]

    def fell_silent() -> bool:
        before = len(rgb), len(thermal)
        end = listener.node.get_clock().now().nanoseconds + 1_500_000_000
        listener.spin_until(lambda: listener.node.get_clock().now().nanoseconds > end)
        return (len(rgb), len(thermal)) == before

    assert any(fell_silent() for _ in range(20)), "it goes on for ever"
    assert len(rgb) <= 320
    assert len(thermal) <= 160
    assert source.poll() is None, "the node itself stays"
    source.send_signal(signal.SIGINT)
    log, _ = source.communicate(timeout=20)
    assert source.returncode == 0, log


def test_a_folder_without_pairs_is_refused_with_a_reason(processes, tmp_path):
    for source in ("infrared", "visible"):
        (tmp_path / source).mkdir()
    (tmp_path / "infrared" / "lonely.png").write_bytes(b"")
    process = processes.start("source_node", pairs=tmp_path)
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "lonely" in log
    assert "Traceback" not in log


def test_a_build_without_the_scene_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "camf_scene", None)
    with pytest.raises(ParameterError, match=r"pairs is ''.*set pairs, or build with -DCAMF_SCENE=ON"):
        SceneMaterial(1)


def test_the_drive_has_a_late_thermal_clock_and_depth_of_the_rgb_images(processes, listener):
    depth, infos = [], []
    listener.node.create_subscription(Image, topics.DEPTH_IMAGE, depth.append, qos("best_effort"))
    listener.node.create_subscription(CameraInfo, topics.DEPTH_INFO, infos.append, qos("best_effort"))
    processes.start("source_node", rig="drive", rate=2.0, jitter=0.0, thermal_offset=0.0, reliability="reliable")
    assert listener.spin_until(lambda: all(listener.infos.values()) and all(listener.images.values()))
    rgb = listener.images[topics.RGB_IMAGE]
    assert listener.spin_until(lambda: infos and {nanoseconds(m) for m in depth} & {nanoseconds(m) for m in rgb})
    metres = np.frombuffer(depth[0].data, np.float32).reshape(480, 640)
    assert (depth[0].encoding, infos[0].k[0]) == ("32FC1", listener.infos[topics.RGB_INFO][0].k[0])
    assert 0.5 < metres.min() < 5
    assert np.isinf(metres[0]).any()
    material, scene = SceneMaterial(1, "drive"), StreetDrive(1, oversampling=1)
    assert np.array_equal(material.thermal(2.0), scene.thermal(2.0 - DELAY))
    assert np.array_equal(material.rgb(2.0), scene.rgb(2.0))
    for topic, camera in ((topics.RGB_INFO, scene.rgb_camera), (topics.THERMAL_INFO, scene.thermal_camera)):
        info = listener.infos[topic][0]
        assert (info.width, info.height) == (camera.width, camera.height)
        assert np.reshape(info.k, (3, 3)) == pytest.approx(camera.matrix)
