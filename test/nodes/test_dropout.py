"""One camera stops, freezes or comes back while the fusion node runs: what it publishes then, over DDS."""

from __future__ import annotations

import numpy as np
import pytest
from camf_ros.msg import ChannelWeights
from harness import pixels, scene, start_fusion
from sensor_msgs.msg import CameraInfo

from camf_ros.nodes.publishers import image_message

pytestmark = [pytest.mark.ros, pytest.mark.fault]

WARN = b"\x01"
TIMEOUT = 0.3


def started(processes, probe, model, **parameters):
    return start_fusion(processes, probe, model, missing_timeout=TIMEOUT, diagnostics_period=0.1, **parameters)


def rgb_message(probe, seed):
    probe.advance()
    return image_message(scene(seed)[1], "rgb8", probe.header("rgb_frame"))


def thermal_message(probe, seed):
    probe.advance()
    return image_message(scene(seed)[0], "mono16", probe.header("thermal_frame"))


def feed(probe, publisher, make, until) -> list:
    """Publish frames of one camera until a condition holds; the messages."""
    sent = []
    while not until():
        assert len(sent) < 400, f"nothing came of {len(sent)} frames; diagnostics: {probe.diagnostics}"
        sent.append(make(probe, 100 + len(sent)))
        publisher.publish(sent[-1])
        probe.spin_for(0.05)
    return sent


def of_source(probe, source):
    return [message for message in probe.weights if message.sources == source]


def test_rgb_goes_on_alone_and_is_fused_again(processes, probe, model):
    process = started(processes, probe, model)
    for seed in range(3):
        image, _ = probe.fuse(*scene(seed))
    size = (image.height, image.width)

    sent = feed(
        probe,
        probe.rgb,
        rgb_message,
        lambda: (
            len(of_source(probe, ChannelWeights.SOURCE_RGB)) >= 3 and probe.diagnostics["thermal state"] == "silent"
        ),
    )
    alone = of_source(probe, ChannelWeights.SOURCE_RGB)[-1]
    assert (alone.gain, len(alone.infrared_weight), len(alone.infrared_share)) == (0.0, 0, 0)
    assert (alone.thermal_stamp.sec, alone.rgb_stamp) == (0, alone.header.stamp)
    assert alone.model_name == "small"
    by_stamp = {message.header.stamp.sec * 10**9 + message.header.stamp.nanosec: message for message in sent}
    passed = [message for message in probe.fused if stamp(message) in by_stamp]
    assert len(passed) >= 3
    for message in passed:
        assert (message.height, message.width, message.header.frame_id) == (*size, "rgb_frame")
        np.testing.assert_array_equal(pixels(message), pixels(by_stamp[stamp(message)]))
    assert probe.levels["inputs"][0] == WARN
    assert "rgb alone is passed through" in probe.levels["inputs"][1]
    assert probe.spin_until(lambda: int(probe.diagnostics["rgb passed through alone"]) >= 3)

    fused = len(of_source(probe, ChannelWeights.SOURCE_BOTH))
    for seed in range(50, 56):
        probe.fuse(*scene(seed))
    assert len(of_source(probe, ChannelWeights.SOURCE_BOTH)) >= fused + 5
    assert probe.spin_until(lambda: probe.diagnostics["thermal state"] == "there")
    stamps = [stamp(message) for message in probe.fused]
    assert stamps == sorted(set(stamps)), "in order, none twice"
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert log.count("the thermal camera sends nothing: rgb frames are passed through alone") == 1
    assert log.count("both cameras: back to normal") == 1


def test_thermal_alone_is_shown_in_the_geometry_and_the_colours_of_rgb(processes, probe, model):
    started(processes, probe, model)
    info = CameraInfo(width=64, height=48, k=[50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0])
    info.header = probe.header("rgb_frame")
    probe.rgb_info.publish(info)
    probe.fuse(*scene(1))
    probe.spin_until(lambda: bool(probe.infos))
    feed(probe, probe.thermal, thermal_message, lambda: len(of_source(probe, ChannelWeights.SOURCE_THERMAL)) >= 2)
    message = of_source(probe, ChannelWeights.SOURCE_THERMAL)[-1]
    assert (message.rgb_stamp.sec, message.thermal_stamp) == (0, message.header.stamp)
    image = next(image for image in probe.fused if image.header.stamp == message.header.stamp)
    assert (image.height, image.width, image.encoding, image.header.frame_id) == (48, 64, "rgb8", "rgb_frame")
    assert np.ptp(pixels(image)) > 0, "grey levels, not counts"
    assert probe.spin_until(lambda: any(info.header == image.header for info in probe.infos))


def test_a_thermal_camera_that_never_came_is_shown_by_rgb_alone(processes, probe, model):
    started(processes, probe, model)
    feed(probe, probe.rgb, rgb_message, lambda: len(of_source(probe, ChannelWeights.SOURCE_RGB)) >= 2)


def test_frozen_thermal_frames_are_left_out_until_they_move(processes, probe, model):
    started(processes, probe, model)
    stuck = scene(7)[0]
    probe.fuse(*scene(7))
    for seed in range(100, 500):
        probe.send(stuck, scene(seed)[1])
        probe.spin_for(0.05)
        if len(of_source(probe, ChannelWeights.SOURCE_RGB)) >= 3:
            break
    assert probe.spin_until(lambda: probe.diagnostics["thermal state"] == "frozen")
    assert "the same frame over and over" in probe.levels["inputs"][1]
    probe.fuse(*scene(8))
    assert probe.weights[-1].sources == ChannelWeights.SOURCE_BOTH


def test_wait_waits_and_can_be_changed(processes, probe, model):
    started(processes, probe, model, on_missing="wait")
    probe.fuse(*scene(1))
    feed(probe, probe.rgb, rgb_message, lambda: probe.diagnostics.get("thermal state") == "silent")
    assert len(probe.fused) == 1
    assert probe.set_parameter("fusion", "on_missing", "pass_through") == (True, "")
    feed(probe, probe.rgb, rgb_message, lambda: len(of_source(probe, ChannelWeights.SOURCE_RGB)) >= 1)


def stamp(message) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
