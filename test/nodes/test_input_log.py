"""What the log and /diagnostics say of inputs that are not as they should be."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from harness import PATIENCE, executable, qos, scene, start_fusion
from rcl_interfaces.msg import Log
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from camf_ros.nodes import topics
from camf_ros.nodes.publishers import image_message

pytestmark = pytest.mark.ros

# Large images by a middleware that does not know our profile: they exceed its segment, and get lost.
LARGE = """
import time, rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node("large")
quality = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
publisher = node.create_publisher(Image, "rgb/image_raw", quality)
message = Image(height=1000, width=2000, encoding="mono8", step=2000, data=bytes(2000000))
while True:
    message.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(message)
    time.sleep(0.02)
"""


def started(processes, probe, model, **parameters):
    quick = {"diagnostics_period": 0.2, "no_data_timeout": 1.0, "source_check__enabled": False}
    return start_fusion(processes, probe, model, **{**quick, **parameters})


def until_inputs_say(probe, text, send=lambda: None):
    """Send, until the status of the inputs has the text; returns its level."""

    def said():
        send()
        return text in probe.levels.get("inputs", (b"", ""))[1]

    assert probe.spin_until(said), probe.levels
    return probe.levels["inputs"][0]


def until_log_says(probe, heard, text, send=lambda: None):
    """The same for the log, as /rosout has it."""

    def said():
        send()
        return any(text in message.msg for message in heard)

    assert probe.spin_until(said), [message.msg for message in heard]


def log_of(process):
    process.terminate()
    return process.communicate(timeout=PATIENCE)[0]


@pytest.mark.parametrize("policy", ["nearest", "approximate", "exact"])
def test_clocks_that_differ(processes, probe, model, policy):
    heard = []
    probe.node.create_subscription(Log, "/rosout", heard.append, 10)
    node = started(processes, probe, model, pairing__policy=policy)
    level = until_inputs_say(probe, "37.", lambda: probe.send(*scene(), skew=37.0))
    text = probe.levels["inputs"][1]
    assert level == DiagnosticStatus.WARN
    assert "ahead of those of the RGB camera: synchronise their clocks, or set pairing." in text
    assert ("pairing.policy to nearest" in text) == (policy == "exact")
    assert "slop" not in text
    line = "frames of both cameras arrive, but no pair: the stamps of the thermal camera are 37."
    until_log_says(probe, heard, line, lambda: probe.send(*scene(), skew=37.0))
    assert log_of(node).count(line) == 1


def test_a_healthy_node_says_once_that_it_fuses(processes, probe, model):
    node = started(processes, probe, model, no_data_timeout=30.0)
    for seed in range(5):
        probe.fuse(*scene(seed))
    frames = int(probe.diagnostics["fused"])
    assert probe.spin_until(lambda: int(probe.diagnostics["fused"]) > frames)
    assert probe.levels["inputs"][0] == DiagnosticStatus.OK
    log = log_of(node)
    line = (
        "fusing /thermal/image_raw (40x32 mono16) and /rgb/image_raw (64x48 rgb8) "
        f"with {model} into /fused/image (64x48)"
    )
    assert log.count(line) == 1
    assert "back to normal" not in log
    assert "[WARN]" not in log


def test_two_publishers_on_one_topic_are_named(processes, probe, model):
    node = started(processes, probe, model)
    other = rclpy.create_node("other_camera", context=probe.context, namespace="left")
    other.create_publisher(Image, f"/{topics.RGB_IMAGE}", qos("reliable"))
    text = "2 publishers send on /rgb/image_raw: /left/other_camera, /probe; their frames are mixed"
    seeds = iter(range(10**6))
    assert until_inputs_say(probe, text, lambda: probe.send(*scene(next(seeds)))) == DiagnosticStatus.WARN
    other.destroy_node()
    level = until_inputs_say(probe, "both cameras send frames", lambda: probe.send(*scene(next(seeds))))
    assert level == DiagnosticStatus.OK
    log = log_of(node)
    assert log.count(text) == 1
    assert "thermal publishers" not in log


def test_cameras_that_end_together(processes, probe, model):
    heard = []
    probe.node.create_subscription(Log, "/rosout", heard.append, 10)
    node = started(processes, probe, model, no_data_timeout=3.0)
    for seed in range(3):
        probe.fuse(*scene(seed))
    assert probe.spin_until(lambda: probe.levels["inputs"][0] == DiagnosticStatus.STALE)
    line = "both cameras stopped together: is a recording paused, or a connection lost?"
    until_log_says(probe, heard, line)
    log = log_of(node)
    assert log.count(line) == 1
    assert "frames stopped arriving" not in log
    assert "back to normal" not in log


def test_cameras_get_time_to_start(processes, model):
    command = [executable("fusion_node"), "--ros-args", "-p", f"model:={model}", "-p", "no_data_timeout:=0.5"]
    command += ["-p", "diagnostics_period:=0.2", "-p", "threads:=1"]
    node = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    lines = []
    while not lines or "is the topic remapped" not in lines[-1]:
        lines.append(node.stderr.readline())
        assert lines[-1], lines
    node.terminate()
    node.communicate(timeout=PATIENCE)
    waiting = [number for number, line in enumerate(lines) if "waiting for the thermal camera" in line]
    assert len(waiting) == 1
    assert "[INFO]" in lines[waiting[0]]
    stamps = [float(line.split("[")[2].partition("]")[0]) for line in (lines[waiting[0]], lines[-1])]
    # Said after one timeout, and asked after five.
    assert stamps[1] - stamps[0] > 1.5
    assert not any("remapped" in line for line in lines[:-1])


@pytest.mark.parametrize(
    ("transport", "kind", "carries"),
    [
        (
            "raw",
            CompressedImage,
            "/thermal/image_raw carries sensor_msgs/msg/CompressedImage, not sensor_msgs/msg/Image",
        ),
        ("compressed", Image, "/thermal/image_raw/compressed carries sensor_msgs/msg/Image, not sensor_msgs/msg/Com"),
        ("raw", CameraInfo, "/thermal/image_raw carries sensor_msgs/msg/CameraInfo, not sensor_msgs/msg/Image"),
    ],
)
def test_a_topic_of_a_wrong_type(processes, model, transport, kind, carries):
    context = rclpy.Context()
    context.init()
    driver = rclpy.create_node("driver", context=context)
    topic = "thermal/image_raw" + ("/compressed" if transport == "compressed" else "")
    driver.create_publisher(kind, topic, 10)
    parameters = {"model": str(model), "no_data_timeout": 1.5, "diagnostics_period": 0.2, "threads": 1}
    node = processes.start("fusion_node", input_transport__thermal=transport, **parameters)
    lines = []
    while not lines or carries not in lines[-1]:
        lines.append(node.stdout.readline())
        assert lines[-1], lines
    driver.destroy_node()
    context.try_shutdown()
    assert "set input_transport.thermal, or remap the topic" in lines[-1]
    assert not any("is the thermal camera running" in line or "lost on the way" in line for line in lines)


def test_both_cameras_that_repeat_a_frame(processes, probe, model):
    heard = []
    probe.node.create_subscription(Log, "/rosout", heard.append, 10)
    node = started(processes, probe, model, source_check__frozen_after=1.0)
    text = "both cameras have repeated one frame each, bit for bit, for "
    assert until_inputs_say(probe, text, lambda: probe.send(*scene())) == DiagnosticStatus.WARN
    until_log_says(probe, heard, text, lambda: probe.send(*scene()))
    seeds = iter(range(10**6))
    level = until_inputs_say(probe, "both cameras send frames", lambda: probe.send(*scene(next(seeds))))
    assert level == DiagnosticStatus.OK
    assert log_of(node).count(text) == 1


def test_images_that_do_not_come_though_camera_info_does(processes, probe, model):
    """As where the middleware does not tell what it loses."""
    started(processes, probe, model)
    numbers = iter(range(10**6))

    def send():
        number = next(numbers)
        thermal, rgb = scene(number)
        probe.advance()
        probe.thermal.publish(image_message(thermal, "mono16", probe.header("thermal_frame")))
        probe.rgb_info.publish(CameraInfo(header=probe.header("rgb_frame")))
        if number % 10 == 0:
            probe.rgb.publish(image_message(rgb, "rgb8", probe.header("rgb_frame")))

    assert until_inputs_say(probe, "by the stamps of its camera_info", send) == DiagnosticStatus.WARN
    assert " images of the rgb camera arrived" in probe.levels["inputs"][1]
    assert "images of the thermal camera" not in probe.levels["inputs"][1]


def test_images_that_are_lost_on_the_way(processes, probe, model, tmp_path):
    node = started(processes, probe, model)
    script = tmp_path / "large.py"
    script.write_text(LARGE)
    profiles = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
    environment = {name: value for name, value in os.environ.items() if name not in profiles}
    camera = subprocess.Popen([sys.executable, str(script)], env=environment)
    try:
        assert until_inputs_say(probe, "images of the rgb camera were lost on the way") == DiagnosticStatus.WARN
        assert "with the same Fast DDS profile" in probe.levels["inputs"][1]
        assert int(probe.diagnostics["rgb lost on the way"]) > 0
        assert probe.diagnostics["thermal lost on the way"] == "0"
    finally:
        camera.kill()
        camera.wait()
    assert "images of the rgb camera were lost on the way" in log_of(node)


@pytest.mark.parametrize("policy", ["nearest", "exact"])
def test_stamps_of_both_cameras_that_are_zero(processes, probe, model, policy):
    node = started(processes, probe, model, pairing__policy=policy)

    def send():
        thermal, rgb = scene()
        probe.thermal.publish(image_message(thermal, "mono16", Header()))
        probe.rgb.publish(image_message(rgb, "rgb8", Header()))

    until_inputs_say(probe, "set pairing.zero_stamps to arrival", send)
    level, text = probe.levels["inputs"]
    assert level == DiagnosticStatus.WARN
    assert "thermal: no frame that can be used" in text
    assert "rgb: no frame that can be used" in text
    assert ("pairing.policy to nearest" in text) == (policy == "exact")
    log = log_of(node)
    for camera in ("thermal", "rgb"):
        assert f"not fused (stamp): {camera} frame: stamp is 0 s" in log, "throttled by camera, too"
    assert "slop" not in log


def test_thermal_frames_without_a_number(processes, probe, model):
    node = started(processes, probe, model)
    nothing = np.full((32, 40), np.nan, np.float32)
    until_inputs_say(
        probe, "thermal: no frame that can be used", lambda: probe.send(nothing, scene()[1], thermal_encoding="32FC1")
    )
    assert "finite" in probe.levels["inputs"][1]
    log = log_of(node)
    assert "the thermal camera sends nothing that can be used: rgb frames are passed through alone" in log
    assert "slop" not in log


@pytest.mark.parametrize("on_missing", ["pass_through", "wait"])
def test_a_camera_that_repeats_a_frame(processes, probe, model, on_missing):
    heard = []
    probe.node.create_subscription(Log, "/rosout", heard.append, 10)
    node = started(processes, probe, model, on_missing=on_missing)
    thermal, seeds = scene()[0], iter(range(10**6))
    until_inputs_say(probe, "thermal: the same frame over and over", lambda: probe.send(thermal, scene(next(seeds))[1]))
    until_log_says(
        probe, heard, "the thermal camera repeats one frame", lambda: probe.send(thermal, scene(next(seeds))[1])
    )
    assert "stopped arriving" not in log_of(node)


def test_a_long_frame_id_is_refused(processes, probe, model):
    node = started(processes, probe, model)
    probe.fuse(*scene())
    count = len(probe.fused)

    def send():
        probe.advance()
        thermal, rgb = scene()
        probe.thermal.publish(image_message(thermal, "mono16", probe.header("thermal_frame")))
        probe.rgb.publish(image_message(rgb, "rgb8", probe.header("x" * 500_000)))

    assert probe.spin_until(lambda: send() or int(probe.diagnostics.get("rejected: image", 0)) > 0)
    assert all(len(message.header.frame_id) < 256 for message in probe.fused[count:])
    assert "the frame_id has 500000 characters; expected at most 255" in log_of(node)
