"""One recording through the running node, over DDS, and through `camf bag`: the same frames, bit for bit."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="needs rosbags: pip install rosbags")

from camf_ros.msg import ChannelWeights
from harness import pixels, qos
from rclpy.serialization import deserialize_message, serialize_message
from recordings import (
    DETECTOR,
    FUSED,
    INFO,
    MS,
    RGB,
    START,
    THERMAL,
    WEIGHTS,
    Message,
    image,
    info,
    raw,
    read,
    scene,
    write,
)
from sensor_msgs.msg import CameraInfo, Image
from streets import night_street

from camf_ros.bag.message_types import MessageTypes
from camf_ros.cli.main import main
from camf_ros.outputs import BOX, CHANNEL_WEIGHTS, SPOT, TEMPERATURES
from camf_ros.resources import share_file

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures("fresh_logging")]

KINDS = {THERMAL: Image, RGB: Image, "/rgb/camera_info": CameraInfo}
# Not equal by their nature: a recording has no latency.
TIMES = ("latency", "inference_time")


def recorded_street(seconds: float) -> list[Message]:
    """The simulated street, thermal at 9 Hz in 16 bits, RGB at 30 Hz and late: no message sets two pairs free."""
    street = night_street((160, 96), (80, 64))
    found = [info("/rgb/camera_info", START, (160, 96))]
    for number in range(int(30 * seconds)):
        stamp = START + round(number * 1000 / 30) * MS
        found.append(image(RGB, street.rgb(number / 30), stamp, stamp + 60 * MS))
    for number in range(int(9 * seconds)):
        taken = START + round(3 + number * 1000 / 9) * MS
        # Stamped 20 ms after the exposure, which the offset takes back.
        picture = street.thermal((taken - START) * 1e-9)
        found.append(image(THERMAL, picture, taken + 20 * MS, taken + 32 * MS))
    return sorted(found, key=lambda each: each.received)


def parameters(file: Path, model: Path, engine: str, **more: object) -> list[str]:
    """One parameter file for both."""
    values = {
        "model": str(model),
        "engine": engine,
        "device": "cpu",
        "precision": "float32",
        "threads": 1,
        "gain_time_constant": 0.3,
        "pairing.thermal_offset": -0.02,
        "registration.output_width": 128,
        "registration.output_height": 80,
        **more,
    }
    file.write_text(json.dumps({"/**": {"ros__parameters": values}}), encoding="utf-8")
    return ["--params-file", str(file)]


def play(probe: Any, source: Path, before: Callable[[str, int], object], after: Callable[[str, int], object]) -> None:
    """Publish the messages of a recording in their order; calls back before and after each, with topic and time."""
    publishers = {THERMAL: probe.thermal, RGB: probe.rgb, "/rgb/camera_info": probe.rgb_info}
    for topic, time, data in raw(source):
        before(topic, time)
        publishers[topic].publish(deserialize_message(data, KINDS[topic]))
        after(topic, time)


def detector_images(probe: Any) -> list[Image]:
    """What the node that is started next publishes of them."""
    found: list[Image] = []
    probe.node.create_subscription(Image, DETECTOR, found.append, qos("reliable"))
    return found


def assert_equal(live: tuple[Any, ...], offline: tuple[Any, ...]) -> None:
    """Channel weights, and pictures."""
    for got, expected in zip(live, offline, strict=True):
        assert stamp(got.header.stamp) == stamp(expected.header.stamp)
        assert got.header.frame_id == expected.header.frame_id
    for got, expected in zip(live[1:], offline[1:], strict=True):
        assert got.encoding == expected.encoding
        np.testing.assert_array_equal(pixels(got), pixels(expected))
    for name in ChannelWeights.get_fields_and_field_types():
        if name not in ("header", *TIMES):
            got, expected = getattr(live[0], name), getattr(offline[0], name)
            if name.endswith("_stamp"):
                assert stamp(got) == stamp(expected)
            else:
                np.testing.assert_array_equal(got, expected, err_msg=name)


def stamp(time: Any) -> tuple[int, int]:
    return time.sec, time.nanosec


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_the_same_frames(processes, probe, model, tmp_path, engine):
    source = write(tmp_path / "in", recorded_street(1.5), "sqlite3" if engine == "torch" else "mcap")
    # Waits so long that nothing hangs on how fast this machine is.
    options = parameters(
        tmp_path / "fusion.yaml",
        model,
        engine,
        missing_timeout=60.0,
        **{"pairing.max_delay": 10.0, "pairing.slop": 0.1},
    )
    options_of_node = ["-p", "diagnostics_period:=0.1"]
    detector = detector_images(probe)
    processes.start("fusion_node", *options, *options_of_node)
    probe.wait_for_node()
    status = main(["bag", str(source), "--output", str(tmp_path / "out"), "--for", "both", "--quiet", *options])
    assert status == 0
    pictures, weights, inverted = (read(tmp_path / "out", topic) for topic in (FUSED, WEIGHTS, DETECTOR))
    end = raw(source)[-1][1]
    assert len({time for time, _ in weights}) == len(weights), "of two pairs at once a node drops one"
    sent = {THERMAL: 0, RGB: 0}
    keys = {THERMAL: "thermal frames", RGB: "rgb frames"}

    def after(topic: str, time: int) -> None:
        """Until the node has the frame and has published what follows from it: nothing overtakes or displaces."""
        if topic in sent:
            sent[topic] += 1
            assert probe.spin_until(lambda: probe.diagnostics.get(keys[topic]) == str(sent[topic])), topic
        due = sum(each <= time for each, _ in weights)
        assert probe.spin_until(lambda: min(map(len, (probe.fused, probe.weights, detector))) >= due), f"{due} are due"
        assert len(probe.weights) == due, "the node paired earlier"

    play(probe, source, lambda *_: None, after)
    # Those that no further frame sets free: when their waiting time is over.
    assert probe.spin_until(lambda: len(probe.fused) == len(probe.weights) == len(detector) == len(weights))
    assert sum(each <= end for each, _ in weights) >= 10, "most pairs hang on no clock"
    live = zip(probe.weights, probe.fused, detector, strict=True)
    for one, *offline in zip(live, weights, pictures, inverted, strict=True):
        assert_equal(one, tuple(message for _, message in offline))
    infos = [message for _, message in read(tmp_path / "out", INFO)]
    assert probe.spin_until(lambda: len(probe.infos) == len(infos) == len(weights))
    for got, expected in zip(probe.infos, infos, strict=True):
        for name in ("width", "height", "distortion_model", "d", "k", "r", "p", "binning_x", "binning_y"):
            np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)
    assert len({pixels(picture).tobytes() for _, picture in pictures}) == len(pictures), "all frames differ"


def test_the_same_frames_while_a_camera_is_missing(processes, probe, model, tmp_path):
    """At the pace of the recording, since what is missing hangs on time. Which frame is the first one to pass may."""
    second = 1000 * MS
    messages = []
    for number in range(14):
        thermal, rgb = scene(number)
        stamp_ns = START + number * second // 4
        messages.append(image(RGB, rgb, stamp_ns))
        if number < 3 or number > 11:
            messages.append(image(THERMAL, thermal, stamp_ns))
    source = write(tmp_path / "in", messages)
    options = parameters(
        tmp_path / "fusion.yaml", model, "torch", missing_timeout=1.0, **{"pairing.thermal_offset": 0.0}
    )
    detector = detector_images(probe)
    processes.start("fusion_node", *options)
    probe.wait_for_node()
    command = ["bag", str(source), "--output", str(tmp_path / "out"), "--for", "both", "--quiet", *options]
    assert main(command) == 0
    begin: list[int] = []

    def before(_: str, time: int) -> None:
        now = probe.node.get_clock().now().nanoseconds
        begin[:] = begin or [now - time]
        probe.spin_for(1e-9 * (begin[0] + time - now))

    play(probe, source, before, lambda *_: probe.spin_for(0.02))
    offline = {
        (stamp(weight.header.stamp), weight.sources): (weight, *pictures)
        for weight, *pictures in zip(
            *([message for _, message in read(tmp_path / "out", topic)] for topic in (WEIGHTS, FUSED, DETECTOR)),
            strict=True,
        )
    }
    last = max(offline)
    # The detector image of a pair comes after its weights.
    assert probe.spin_until(
        lambda: (
            any(stamp(each.header.stamp) == last[0] for each in probe.weights)
            and len(probe.weights) == len(probe.fused) == len(detector)
        )
    )
    live = {
        (stamp(weight.header.stamp), weight.sources): (weight, *pictures)
        for weight, *pictures in zip(probe.weights, probe.fused, detector, strict=True)
    }
    both = live.keys() & offline.keys()
    sources = [source for _, source in both]
    assert sources.count(ChannelWeights.SOURCE_RGB) >= 3, (sorted(live), sorted(offline))
    assert sources.count(ChannelWeights.SOURCE_BOTH) >= 3, (sorted(live), sorted(offline))
    for key in both:
        assert_equal(live[key], offline[key])


def test_temperatures_are_the_message_that_ros_has():
    types = MessageTypes()
    description = json.loads(share_file("msg/Temperatures.json").read_text(encoding="utf-8"))
    hashes = {each["type_name"]: each["hash_string"] for each in description["type_hashes"]}
    for name in (SPOT, BOX, TEMPERATURES):
        assert types.definition(name)[1] == hashes[name]


def test_channel_weights_are_the_message_that_ros_has(tmp_path):
    """The definition that goes into recordings gives the hash and the bytes of the generated type."""
    types = MessageTypes()
    description = json.loads(share_file("msg/ChannelWeights.json").read_text(encoding="utf-8"))
    hashes = {each["type_name"]: each["hash_string"] for each in description["type_hashes"]}
    assert types.definition(CHANNEL_WEIGHTS)[1] == hashes[CHANNEL_WEIGHTS]
    ours = ChannelWeights(model_name="camf", gain=0.5, infrared_weight=[1.0, 2.0], skew=-0.25, sources=2)
    data = serialize_message(ours)
    again = bytes(types.encode(types.decode(data, CHANNEL_WEIGHTS), CHANNEL_WEIGHTS))
    assert deserialize_message(again, ChannelWeights) == ours


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("camf_ros")
    before = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(before)
