"""Registered thermal, mask and temperatures over real topics: made while somebody subscribes, and without an effect."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from camf_ros.msg import Temperatures
from harness import Probe, pixels, qos, scene, start_fusion
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.nodes import topics
from camf_ros.nodes.publishers import image_message
from camf_ros.settings.thermal_settings import ThermalSettings

pytestmark = pytest.mark.ros

IMAGES = (
    topics.REGISTERED_IMAGE,
    topics.REGISTERED_GREY,
    topics.FUSED_MASK,
    topics.THERMAL_COLOUR,
    topics.ISOTHERM,
)
LISTS = ("infrared_weight", "visible_weight", "infrared_activation", "visible_activation", "infrared_share")
# Thermal is 40 x 32, RGB 64 x 48; the thermal picture lies in it from (10, 8) on.
SHIFT = [[1.0, 0.0, 10.0], [0.0, 1.0, 8.0], [0.0, 0.0, 1.0]]
SEEN = np.s_[8 : 8 + 32, 10 : 10 + 40]


def values(message: Image) -> np.ndarray:
    dtype = {"16UC1": np.uint16, "32FC1": np.float32}.get(message.encoding)
    if dtype is None:
        return pixels(message)
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width)


@pytest.fixture
def started(processes, probe, model, tmp_path):
    file = tmp_path / "registration.yaml"
    sizes = {"thermal": {"width": 40, "height": 32}, "rgb": {"width": 64, "height": 48}}
    file.write_text(yaml.safe_dump({"camf_registration": 1, **sizes, "homography": SHIFT}))

    def start(**parameters):
        defaults = {
            "thermal__time_constant": 0.0,
            "diagnostics_period": 0.1,
            "source_check__enabled": False,
            "registration__mode": "homography",
            "registration__file": str(file),
        }
        return start_fusion(processes, probe, model, **{**defaults, **parameters})

    return start


class Listener:
    """Subscribes to topics, and feeds the node until it has noticed all of it."""

    def __init__(self, probe: Probe, wanted: dict[str, type], *, silent: tuple[str, ...] = ()) -> None:
        self._probe = probe
        self.messages: dict[str, list] = {topic: [] for topic in wanted}
        self._subscriptions = [
            probe.node.create_subscription(kind, topic, self.messages[topic].append, qos("reliable"))
            for topic, kind in wanted.items()
        ]
        feed(probe, lambda: all(self.messages[topic] for topic in wanted if topic not in silent))

    def leave(self) -> None:
        for subscription in self._subscriptions:
            self._probe.node.destroy_subscription(subscription)
        self._probe.spin_for(0.5)

    def of(self, header) -> dict:
        """Those of a header, once all are there that are not silent."""

        def found() -> dict:
            return {
                topic: each
                for topic, messages in self.messages.items()
                for each in messages
                if each.header.stamp == header.stamp
            }

        assert self._probe.spin_until(lambda: len(found()) == len(self.messages)), (
            found().keys(),
            self.messages.keys(),
        )
        return found()


def feed(probe: Probe, until) -> None:
    for _ in range(200):
        if until():
            return
        probe.fuse(*scene(99))
        probe.spin_for(0.05)
    pytest.fail(f"it never came true: {probe.diagnostics}")


def test_registered_thermal_mask_and_temperatures(started, probe):
    # Off: the time of the search for dead pixels depends on the stamps of earlier frames.
    options = {"thermal__unit": "centikelvin", "thermal__dead_pixels": "off"}
    started(**options, temperatures__spots="here 3 4", temperatures__boxes="there 10 10 5 6")
    info = CameraInfo(header=probe.header("rgb_frame"), width=64, height=48)
    info.k = [50.0, 0.0, 32.0, 0.0, 50.0, 24.0, 0.0, 0.0, 1.0]
    probe.rgb_info.publish(info)
    kinds = {**dict.fromkeys(IMAGES, Image), topics.REGISTERED_INFO: CameraInfo, topics.TEMPERATURES: Temperatures}
    listener = Listener(probe, kinds)
    thermal, rgb = scene(1)
    thermal += 22_000
    thermal[20, 30], thermal[5, 6] = 36_000, 27_000
    fused, _ = probe.fuse(thermal, rgb)
    got = listener.of(fused.header)
    expected = np.zeros((48, 64), np.uint16)
    expected[SEEN] = thermal
    assert got[topics.REGISTERED_IMAGE].encoding == "16UC1"
    np.testing.assert_array_equal(values(got[topics.REGISTERED_IMAGE]), expected)
    np.testing.assert_array_equal(pixels(got[topics.FUSED_MASK]), np.where(expected > 0, 255, 0))
    grey = pixels(got[topics.REGISTERED_GREY])
    alone = ThermalFrontEnd(ThermalSettings(time_constant=0.0, unit="centikelvin", dead_pixels="off"))
    np.testing.assert_array_equal(grey[SEEN], alone.apply(thermal, 1.0))
    assert not grey[expected == 0].any()
    for topic in (topics.REGISTERED_IMAGE, topics.REGISTERED_GREY, topics.FUSED_MASK, topics.REGISTERED_INFO):
        assert got[topic].header == fused.header
    assert probe.spin_until(lambda: any(each.header == fused.header for each in probe.infos))
    assert got[topics.REGISTERED_INFO] == next(each for each in probe.infos if each.header == fused.header)
    for topic in (topics.THERMAL_COLOUR, topics.ISOTHERM):
        assert (got[topic].encoding, got[topic].width, got[topic].height) == ("rgb8", 40, 32)
        assert got[topic].header.frame_id == "thermal_frame"
    message = got[topics.TEMPERATURES]
    assert message.header.frame_id == "thermal_frame"
    hottest, coldest = message.image.hottest, message.image.coldest
    assert (hottest.x, hottest.y, coldest.x, coldest.y) == (30, 20, 6, 5)
    assert hottest.temperature == pytest.approx(360 - 273.15, abs=1e-3)
    assert coldest.temperature == pytest.approx(270 - 273.15, abs=1e-3)
    (spot,), (box,) = message.spots, message.boxes
    around, part = thermal[3:6, 2:5] * 0.01 - 273.15, thermal[10:16, 10:15] * 0.01 - 273.15
    assert (spot.name, spot.x, spot.y) == ("here", 3, 4)
    assert spot.temperature == pytest.approx(around.mean(), abs=1e-3)
    assert (box.name, box.pixels, box.width, box.height) == ("there", 30, 5, 6)
    assert (box.mean, box.hottest.temperature) == (
        pytest.approx(part.mean(), abs=1e-3),
        pytest.approx(part.max(), abs=1e-3),
    )
    assert probe.diagnostics["thermal temperatures"] == "value * 0.01 - 273.15 °C"
    accepted, reason = probe.set_parameter("fusion", "temperatures.spots", "other 1 1")
    assert accepted, reason
    fused, _ = probe.fuse(thermal, rgb)
    assert [each.name for each in listener.of(fused.header)[topics.TEMPERATURES].spots] == ["other"]


def test_subscribers_that_come_and_go_change_nothing_else(started, probe):
    process = started(thermal__unit="centikelvin")
    before = [probe.fuse(*scene(seed)) for seed in (1, 2)]
    listener = Listener(probe, {**dict.fromkeys(IMAGES, Image), topics.TEMPERATURES: Temperatures})
    during = [probe.fuse(*scene(seed)) for seed in (1, 2)]
    listener.of(during[-1][0].header)
    listener.leave()
    counts = {topic: len(messages) for topic, messages in listener.messages.items()}
    after = [probe.fuse(*scene(seed)) for seed in (1, 2)]
    for (image, weights), *others in zip(before, during, after, strict=True):
        for other, its_weights in others:
            np.testing.assert_array_equal(pixels(other), pixels(image))
            for name in ("gain", "sources", "model_hash", *LISTS):
                np.testing.assert_array_equal(getattr(its_weights, name), getattr(weights, name), err_msg=name)
    assert counts == {topic: len(messages) for topic, messages in listener.messages.items()}
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert "Traceback" not in log


def test_without_a_unit_it_warns_once_and_recovers(started, probe):
    process = started()
    feed(probe, lambda: probe.levels.get("fusion", (b"", ""))[0] == b"\x00")
    assert probe.diagnostics["thermal temperatures"] == "none: thermal.unit is unknown"
    listener = Listener(probe, {topics.TEMPERATURES: Temperatures}, silent=(topics.TEMPERATURES,))
    feed(probe, lambda: "thermal.unit is unknown" in probe.levels["fusion"][1])
    assert probe.levels["fusion"][0] == b"\x01"
    for seed in range(5):
        probe.fuse(*scene(seed))
    assert not listener.messages[topics.TEMPERATURES]
    accepted, reason = probe.set_parameter("fusion", "thermal.unit", "0.04_kelvin")
    assert accepted, reason
    thermal, rgb = scene(7)
    fused, _ = probe.fuse(thermal, rgb)
    message = listener.of(fused.header)[topics.TEMPERATURES]
    assert message.image.hottest.temperature == pytest.approx(thermal.max() * 0.04 - 273.15, abs=1e-3)
    feed(probe, lambda: probe.levels["fusion"][0] == b"\x00")
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert log.count("thermal.unit is unknown: set it") == 1


def test_a_compressed_palette_picture(started, probe):
    started()
    listener = Listener(probe, {f"{topics.THERMAL_COLOUR}/compressed": CompressedImage})
    (message,) = {each.format for each in listener.messages[f"{topics.THERMAL_COLOUR}/compressed"]}
    assert message == "rgb8; jpeg compressed bgr8"


def test_while_rgb_is_missing(started, probe):
    """Thermal goes on in the geometry of the fused image, the mask is black."""
    started(thermal__unit="centikelvin", missing_timeout=0.3)
    listener = Listener(probe, {**dict.fromkeys(IMAGES, Image), topics.TEMPERATURES: Temperatures})
    sent = {}
    for seed in range(400):
        alone = [each for each in probe.weights if each.sources == each.SOURCE_THERMAL]
        if len(alone) >= 3:
            break
        probe.advance()
        message = image_message(scene(seed)[0], "mono16", probe.header("thermal_frame"))
        sent[message.header.stamp.sec, message.header.stamp.nanosec] = scene(seed)[0]
        probe.thermal.publish(message)
        probe.spin_for(0.05)
    assert len(alone) >= 3, probe.diagnostics
    header = alone[-1].header
    got = listener.of(header)
    expected = np.zeros((48, 64), np.uint16)
    expected[SEEN] = sent[header.stamp.sec, header.stamp.nanosec]
    np.testing.assert_array_equal(values(got[topics.REGISTERED_IMAGE]), expected)
    assert got[topics.REGISTERED_IMAGE].header == header
    assert not pixels(got[topics.FUSED_MASK]).any()


def test_names_follow_the_namespace(processes, model):
    probe = Probe(namespace="robot")
    try:
        processes.start(
            "fusion_node", "-r", "__ns:=/robot", model=str(model), device="cpu", precision="float32", threads=1
        )
        probe.wait_for_node()
        names = {name for name, _ in probe.node.get_publisher_names_and_types_by_node("fusion", "/robot")}
        assert {f"/robot/{topic}" for topic in (*IMAGES, topics.REGISTERED_INFO, topics.TEMPERATURES)} <= names
    finally:
        probe.close()
