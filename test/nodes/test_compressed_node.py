"""Compressed images into the fusion node and out of it, over DDS."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from harness import pixels, qos, scene, start_fusion
from sensor_msgs.msg import CompressedImage

from camf_ros.nodes import topics
from camf_ros.nodes.publishers import byte_array

pytestmark = pytest.mark.ros


def compressed(image, ending, text, header):
    good, data = cv2.imencode(ending, image)
    assert good
    return CompressedImage(header=header, format=text, data=byte_array(data))


def test_compressed_frames_give_the_image_of_their_raw_ones(processes, probe, model):
    """PNG loses nothing, so the fused image is the very same."""
    process = start_fusion(processes, probe, model)
    thermal, rgb = scene(3)
    expected = pixels(probe.fuse(thermal, rgb)[0])
    process.terminate()
    process.wait(30)

    node = probe.node
    publishers = {
        camera: node.create_publisher(CompressedImage, f"{topic}/compressed", qos("reliable"))
        for camera, topic in (("thermal", topics.THERMAL_IMAGE), ("rgb", topics.RGB_IMAGE))
    }
    processes.start(
        "fusion_node",
        model=str(model),
        device="cpu",
        precision="float32",
        threads=1,
        input_transport__thermal="compressed",
        input_transport__rgb="compressed",
    )
    assert probe.spin_until(lambda: all(p.get_subscription_count() for p in publishers.values()))
    assert probe.spin_until(lambda: probe.node.count_publishers(topics.FUSED_IMAGE) > 0)
    probe.spin_for(0.5)
    before = len(probe.fused)
    probe.advance()
    header = probe.header("rgb_frame")
    publishers["thermal"].publish(compressed(thermal, ".png", "mono16; png compressed ", probe.header("thermal_frame")))
    publishers["rgb"].publish(compressed(rgb[:, :, ::-1], ".png", "rgb8; png compressed bgr8", header))
    assert probe.spin_until(lambda: len(probe.fused) > before), probe.diagnostics
    np.testing.assert_array_equal(pixels(probe.fused[-1]), expected)
    assert probe.fused[-1].header == header

    # Nonsense is counted, and the next good pair is fused.
    probe.advance()
    for publisher in publishers.values():
        broken = CompressedImage(
            header=probe.header("x"), format="rgb8; jpeg compressed bgr8", data=b"\xff\xd8nonsense"
        )
        publisher.publish(broken)
    assert probe.spin_until(lambda: probe.diagnostics.get("rejected") == "1"), probe.diagnostics
    probe.advance()
    publishers["thermal"].publish(compressed(thermal, ".png", "16UC1; png compressed ", probe.header("thermal_frame")))
    publishers["rgb"].publish(compressed(rgb[:, :, ::-1], ".jpg", "rgb8; jpeg compressed bgr8", probe.header("rgb")))
    assert probe.spin_until(lambda: len(probe.fused) > before + 1), probe.diagnostics


def test_fused_image_is_compressed_for_who_asks(processes, probe, model):
    """In the format that is set at the moment."""
    process = start_fusion(processes, probe, model, compressed__jpeg_quality=95)
    got = []
    topic = f"{topics.FUSED_IMAGE}/compressed"
    probe.node.create_subscription(CompressedImage, topic, got.append, qos("reliable"))
    assert probe.spin_until(lambda: probe.node.count_publishers(topic) > 0)
    probe.spin_for(0.5)
    rgb = cv2.GaussianBlur(scene(4)[1], (0, 0), 4)
    image, _ = probe.fuse(scene(4)[0], rgb)
    assert probe.spin_until(lambda: bool(got))
    assert got[-1].format == "rgb8; jpeg compressed bgr8"
    assert got[-1].header == image.header
    shown = cv2.imdecode(np.frombuffer(got[-1].data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert np.abs(shown.astype(int) - pixels(image)).mean() < 6

    assert probe.set_parameter("fusion", "compressed.format", "png") == (True, "")
    image, _ = probe.fuse(scene(5)[0], rgb)
    assert probe.spin_until(lambda: got[-1].header == image.header)
    assert got[-1].format == "rgb8; png compressed bgr8"
    shown = cv2.imdecode(np.frombuffer(got[-1].data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    np.testing.assert_array_equal(shown, pixels(image))
    assert process.poll() is None


def test_compressed_topics_follow_a_remapped_image_topic(processes, probe, model):
    process = processes.start(
        "fusion_node",
        "-r",
        f"{topics.RGB_IMAGE}:=/front/image",
        "-r",
        f"{topics.FUSED_IMAGE}:=/night/image",
        model=str(model),
        device="cpu",
        input_transport__rgb="compressed",
    )
    names = ("/front/image/compressed", "/night/image/compressed")
    assert probe.spin_until(
        lambda: probe.node.count_subscribers(names[0]) > 0 and probe.node.count_publishers(names[1]) > 0
    )
    assert process.poll() is None
