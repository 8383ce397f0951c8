"""The detector image of the running node: made while somebody subscribes, and without any effect on the fused image."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from camf_ros.msg import ChannelWeights
from harness import pixels, qos, scene, start_fusion
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import Trigger

from camf_ros.engines.choose import choose_engine
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.nodes import topics
from camf_ros.nodes.publishers import image_message
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings
from camf_ros.settings.thermal_settings import ThermalSettings

pytestmark = pytest.mark.ros

BOTH = f"{topics.FUSED_IMAGE}, {topics.DETECTOR_IMAGE}"
LISTS = ("infrared_weight", "visible_weight", "infrared_activation", "visible_activation", "infrared_share")


def started(processes, probe, model, **parameters):
    # Levels of each frame alone: those that follow the scene depend on what came before.
    return start_fusion(processes, probe, model, thermal__time_constant=0.0, diagnostics_period=0.1, **parameters)


class Listener:
    """Subscribes to the detector image, and feeds the node until that has noticed."""

    def __init__(self, probe, kind=Image, suffix="") -> None:
        self._probe = probe
        self.messages = []
        topic = topics.DETECTOR_IMAGE + suffix
        self._subscription = probe.node.create_subscription(kind, topic, self.messages.append, qos("reliable"))
        feed(probe, lambda: bool(self.messages))

    def leave(self) -> None:
        self._probe.node.destroy_subscription(self._subscription)
        feed(self._probe, lambda: self._probe.diagnostics.get("pictures") == topics.FUSED_IMAGE)

    def take(self, count: int) -> Image:
        """The newest message, once there are more than so many."""
        assert self._probe.spin_until(lambda: len(self.messages) > count), self._probe.diagnostics
        return self.messages[-1]


def feed(probe, until) -> None:
    """Publish pairs, at the pace of their fusion, until a condition holds."""
    for _ in range(200):
        if until():
            return
        weights = len(probe.weights)
        probe.send(*scene(99))
        assert probe.spin_until(lambda weights=weights: len(probe.weights) > weights), probe.diagnostics
        probe.spin_for(0.1)
    pytest.fail(f"it never came true: {probe.diagnostics}")


def without_eyes(probe) -> None:
    """Leave the fused image; pairs come until the node has noticed."""
    probe.node.destroy_subscription(probe.fused_subscription)
    feed(probe, lambda: probe.diagnostics.get("pictures") == topics.DETECTOR_IMAGE)


def test_it_is_the_pipelines_picture_in_colour_under_the_header_of_the_fused_image(processes, probe, model):
    started(processes, probe, model)
    listener = Listener(probe)
    settings = FusionSettings(
        model=str(model),
        device="cpu",
        precision="float32",
        threads=1,
        thermal=ThermalSettings(time_constant=0.0),
    )
    pipeline = FusionPipeline(choose_engine(settings).engine, settings)
    for seed, grey in ((1, False), (2, True), (3, False)):
        thermal, rgb = scene(seed)
        rgb = rgb[:, :, 1].copy() if grey else rgb
        probe.advance()
        info = CameraInfo(header=probe.header("rgb_frame", 0.1), width=64, height=48)
        info.k = [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]
        probe.rgb_info.publish(info)
        probe.spin_for(0.2)
        count = len(listener.messages)
        fused, weights = probe.fuse(thermal, rgb)
        message = listener.take(count)
        assert (message.encoding, message.width, message.height, message.step) == ("rgb8", 64, 48, 3 * 64)
        assert fused.encoding == ("mono8" if grey else "rgb8")
        assert message.header == fused.header == weights.header
        assert probe.spin_until(lambda message=message: any(each.header == message.header for each in probe.infos))
        prepared = pipeline.prepare(thermal, rgb, 1.0)
        np.testing.assert_array_equal(pixels(message), pipeline.for_detector(prepared).image)
        np.testing.assert_array_equal(pixels(fused), pipeline.for_eyes(prepared).image)
        assert not np.array_equal(pixels(message), np.atleast_3d(pixels(fused)) * np.ones((1, 1, 3), np.uint8))


def test_made_while_somebody_subscribes_and_the_fused_image_does_not_notice(processes, probe, model):
    process = started(processes, probe, model)
    before = [probe.fuse(*scene(seed)) for seed in (1, 2)]
    assert probe.spin_until(lambda: probe.diagnostics.get("pictures") == topics.FUSED_IMAGE)
    listener = Listener(probe)
    during = []
    for seed in (1, 2):
        count = len(listener.messages)
        during.append(probe.fuse(*scene(seed)))
        listener.take(count)
    assert probe.spin_until(lambda: probe.diagnostics["pictures"] == BOTH)
    listener.leave()
    count = len(listener.messages)
    after = [probe.fuse(*scene(seed)) for seed in (1, 2)]
    for (image, weights), *others in zip(before, during, after, strict=True):
        for other, its_weights in others:
            np.testing.assert_array_equal(pixels(other), pixels(image))
            for name in ("gain", "sources", "model_hash", *LISTS):
                np.testing.assert_array_equal(getattr(its_weights, name), getattr(weights, name), err_msg=name)
    assert len(listener.messages) == count
    assert probe.diagnostics["pictures"] == topics.FUSED_IMAGE
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert "Traceback" not in log


def test_without_a_subscriber_of_its_own_the_fused_image_is_not_made(processes, probe, model):
    started(processes, probe, model)
    listener = Listener(probe)
    count = len(listener.messages)
    probe.fuse(*scene(1))
    both = pixels(listener.take(count))
    without_eyes(probe)
    count = len(listener.messages)
    probe.send(*scene(1))
    message = listener.take(count)
    np.testing.assert_array_equal(pixels(message), both)
    assert probe.spin_until(lambda: probe.weights[-1].header == message.header)
    weights = probe.weights[-1]
    assert (weights.sources, weights.gain) == (ChannelWeights.SOURCE_BOTH, 0.0)
    assert all(len(getattr(weights, name)) == 0 for name in LISTS), "they belong to the fused image"
    assert 0 < weights.inference_time <= weights.latency
    assert (weights.rgb_stamp, weights.thermal_stamp) == (message.header.stamp, message.header.stamp)
    assert int(probe.diagnostics["fused"]) >= 2, "the pair counts all the same"
    # An explanation is of the fused image, which is made for it.
    panels = []
    probe.node.create_subscription(Image, "fusion/explanation", panels.append, qos("reliable"))
    feed(probe, lambda: bool(panels))
    assert probe.spin_until(lambda: probe.diagnostics["pictures"] == BOTH)


def test_with_nobody_there_the_fused_image_is_published_as_ever(processes, probe, model):
    """A subscriber that comes later finds the next picture; weights and /diagnostics go on."""
    started(processes, probe, model)
    probe.node.destroy_subscription(probe.fused_subscription)
    feed(probe, lambda: probe.diagnostics.get("pictures") == topics.FUSED_IMAGE)
    assert len(probe.weights[-1].infrared_share) == 16


def test_compressed(processes, probe, model):
    started(processes, probe, model, compressed__format="png")
    raw, compressed = Listener(probe), Listener(probe, CompressedImage, "/compressed")
    counts = len(raw.messages), len(compressed.messages)
    probe.fuse(*scene(5))
    image, message = raw.take(counts[0]), compressed.take(counts[1])
    assert message.header == image.header
    assert message.format == "rgb8; png compressed bgr8"
    decoded = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decoded[:, :, ::-1], pixels(image))


def test_compressed_alone_is_enough(processes, probe, model):
    started(processes, probe, model)
    listener = Listener(probe, CompressedImage, "/compressed")
    assert listener.messages[-1].format == "rgb8; jpeg compressed bgr8"
    without_eyes(probe)


@pytest.mark.parametrize("left", ["thermal", "rgb"])
def test_while_a_camera_is_missing_it_carries_the_one_that_is_left(processes, probe, model, left):
    started(processes, probe, model, missing_timeout=0.3)
    listener = Listener(probe)
    publisher = probe.thermal if left == "thermal" else probe.rgb
    source = ChannelWeights.SOURCE_THERMAL if left == "thermal" else ChannelWeights.SOURCE_RGB
    sent = {}
    for seed in range(400):
        alone = [each for each in probe.weights if each.sources == source]
        if len(alone) >= 3:
            break
        probe.advance()
        encoding = {"thermal": "mono16", "rgb": "rgb8"}[left]
        picture = scene(seed)[0 if left == "thermal" else 1]
        message = image_message(picture, encoding, probe.header(f"{left}_frame"))
        sent[message.header.stamp.sec, message.header.stamp.nanosec] = picture
        publisher.publish(message)
        probe.spin_for(0.05)
    assert len(alone) >= 3, probe.diagnostics
    header = alone[-1].header
    assert header.frame_id == "rgb_frame"

    def of(messages):
        return next((each for each in messages if each.header == header), None)

    assert probe.spin_until(lambda: of(listener.messages) is not None and of(probe.fused) is not None)
    picture = sent[header.stamp.sec, header.stamp.nanosec]
    if left == "thermal":
        grey = ThermalFrontEnd(ThermalSettings(time_constant=0.0)).apply(picture, 1.0)
        expected, shown = (
            cv2.cvtColor(cv2.resize(levels, (64, 48), interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2RGB)
            for levels in (255 - grey, grey)
        )
    else:
        expected = shown = picture
    assert of(listener.messages).encoding == "rgb8"
    np.testing.assert_array_equal(pixels(of(listener.messages)), expected)
    np.testing.assert_array_equal(pixels(of(probe.fused)), shown)


def test_snapshot_has_what_was_made(processes, probe, model, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    started(processes, probe, model)
    client = probe.client(Trigger, "fusion/save_snapshot")

    def save():
        future = client.call_async(Trigger.Request())
        assert probe.spin_until(future.done)
        assert future.result().success, future.result().message
        newest = Path(future.result().message)
        assert probe.spin_until(newest.is_dir)
        pictures = {path.stem: cv2.imread(str(path)) for path in newest.glob("*.png")}
        return pictures, json.loads((newest / "weights.json").read_text())

    probe.fuse(*scene(1))
    assert probe.spin_until(lambda: probe.diagnostics.get("pictures") == topics.FUSED_IMAGE)
    assert set(save()[0]) == {"thermal", "rgb", "registered", "fused", "explanation"}
    listener = Listener(probe)
    count = len(listener.messages)
    probe.fuse(*scene(2))
    message = listener.take(count)
    for _ in range(50):  # it is published a moment before it can be saved
        pictures, numbers = save()
        if "detector" in pictures and np.array_equal(pictures["detector"][:, :, ::-1], pixels(message)):
            break
    assert set(pictures) == {"thermal", "rgb", "registered", "fused", "explanation", "detector"}
    np.testing.assert_array_equal(pictures["detector"][:, :, ::-1], pixels(message))
    assert len(numbers["infrared_share"]) == 16
    without_eyes(probe)
    pictures, numbers = save()
    assert set(pictures) == {"thermal", "rgb", "registered", "detector"}
    assert set(numbers) == {"model", "model_hash", "reference", "overlap"}
