"""What is in the recording that is written: frames as the pipeline makes them, the originals as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from recordings import (
    DETECTOR,
    FUSED,
    INFO,
    MS,
    OWN,
    RGB,
    START,
    STORE,
    THERMAL,
    WEIGHTS,
    Message,
    header,
    image,
    info,
    make,
    pixels,
    raw,
    read,
    scene,
    street,
    text,
    topics,
    transforms,
    write,
)
from rosbags.rosbag2 import Reader

from camf_ros.detector_picture import Wanted
from camf_ros.engines.engine import Engine
from camf_ros.errors import ParameterError
from camf_ros.imaging.camera_model import Extrinsics
from camf_ros.imaging.registration_file import RegistrationFile, write_registration
from camf_ros.pairing.arrivals import seconds
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings

Fuse = Any
STORAGES = pytest.mark.parametrize("storage", ["mcap", "sqlite3"])


def originals(path: Path) -> list[tuple[str, int, bytes]]:
    return [each for each in raw(path) if each[0] not in (FUSED, INFO, WEIGHTS)]


@STORAGES
def test_frames_are_those_of_the_pipeline(tmp_path: Path, fuse: Fuse, engine: Engine, storage: str) -> None:
    source = write(tmp_path / "in", street(6), storage)
    tally = fuse(source, tmp_path / "out")
    assert (tally.fused, tally.unpaired("thermal"), tally.unpaired("rgb")) == (6, 0, 0)
    assert not tally.rejected
    pipeline = FusionPipeline(engine, FusionSettings())
    fused, weights = read(tmp_path / "out", FUSED), read(tmp_path / "out", WEIGHTS)
    assert len(fused) == len(weights) == 6
    for number, ((_, picture), (_, weight)) in enumerate(zip(fused, weights, strict=True)):
        thermal, rgb = scene(number)
        stamp = seconds(START + number * 100 * MS + 4 * MS)
        expected = pipeline.fuse(thermal + np.uint16(50 * number), rgb, stamp)
        np.testing.assert_array_equal(pixels(picture), expected.image)
        np.testing.assert_array_equal(weight.infrared_weight, expected.weights[0])
        np.testing.assert_array_equal(weight.visible_activation, expected.visible_activation)
        np.testing.assert_array_equal(weight.infrared_share, expected.infrared_share)
        assert weight.gain == np.float32(expected.gain)
        assert (weight.model_name, weight.model_hash) == (engine.model_name, engine.model_hash)
        assert picture.header == weight.header == header(START + number * 100 * MS, "rgb")
        assert weight.thermal_stamp == header(START + number * 100 * MS + 4 * MS).stamp
        assert weight.skew == pytest.approx(0.004, abs=1e-12)
        assert (weight.sources, weight.latency, weight.inference_time) == (0, 0, 0)


@STORAGES
def test_originals_stay_byte_for_byte_and_the_input_is_not_touched(tmp_path: Path, fuse: Fuse, storage: str) -> None:
    source = write(tmp_path / "in", [*street(4), text("/chatter", START + 10**9, "end")], storage)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in source.iterdir()}
    fuse(source, tmp_path / "out")
    assert originals(tmp_path / "out") == raw(source)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in source.iterdir()} == before
    times = [time for _, time, _ in raw(tmp_path / "out")]
    assert times == sorted(times)


@pytest.mark.parametrize(("storage", "other"), [("mcap", "sqlite3"), ("sqlite3", "mcap")])
def test_storage_is_that_of_the_input_or_what_is_asked_for(
    tmp_path: Path, fuse: Fuse, storage: str, other: str
) -> None:
    source = write(tmp_path / "in", street(2), storage)
    fuse(source, tmp_path / "same")
    fuse(source, tmp_path / "other", storage=other)
    suffixes = {"mcap": ".mcap", "sqlite3": ".db3"}
    assert (tmp_path / "same" / f"same{suffixes[storage]}").is_file()
    assert (tmp_path / "other" / f"other{suffixes[other]}").is_file()
    assert raw(tmp_path / "same") == raw(tmp_path / "other")


def test_a_single_file_will_do(tmp_path: Path, fuse: Fuse) -> None:
    for storage, name in (("mcap", "in.mcap"), ("sqlite3", "in.db3")):
        source = write(tmp_path / storage / "in", street(2), storage)
        fuse(source, tmp_path / storage / "whole")
        lone = (source / name).rename(tmp_path / name)
        fuse(lone, tmp_path / storage / "lone")
        assert raw(tmp_path / storage / "lone") == raw(tmp_path / storage / "whole")


@pytest.mark.parametrize("eyes", [False, True])
def test_pictures_for_detectors(tmp_path: Path, fuse: Fuse, engine: Engine, eyes: bool) -> None:
    """Of pairs, and of RGB alone at the end; fused images and weights are those of a run without them."""
    messages = street(4)
    end = START + 400 * MS
    messages += [image(RGB, scene(50 + k)[1], end + k * 50 * MS) for k in range(20)]
    source = write(tmp_path / "in", messages)
    tally = fuse(source, tmp_path / "out", wanted=Wanted(eyes=eyes, detector=True))
    fuse(source, tmp_path / "plain")
    assert (tally.fused, tally.passed["rgb"]) == (4, 11)
    detector, weights = (read(tmp_path / "out", topic) for topic in (DETECTOR, WEIGHTS))
    assert len(detector) == len(weights) == 15
    pipeline = FusionPipeline(engine, FusionSettings())
    for number in range(4):
        thermal, rgb = scene(number)
        stamp = seconds(START + number * 100 * MS + 4 * MS)
        prepared = pipeline.prepare(thermal + np.uint16(50 * number), rgb, stamp)
        time, picture = detector[number]
        np.testing.assert_array_equal(pixels(picture), pipeline.for_detector(prepared).image)
        assert (picture.encoding, picture.header) == ("rgb8", header(START + number * 100 * MS, "rgb"))
        assert (time, picture.header) == (weights[number][0], weights[number][1].header)
    for (_, picture), (_, weight) in zip(detector[4:], weights[4:], strict=True):
        k = (weight.header.stamp.sec * 10**9 + weight.header.stamp.nanosec - end) // (50 * MS)
        np.testing.assert_array_equal(pixels(picture), scene(50 + k)[1])
        assert picture.header == weight.header
    if eyes:
        for topic in (FUSED, WEIGHTS):
            own, plain = ([each for each in raw(tmp_path / run) if each[0] == topic] for run in ("out", "plain"))
            assert own == plain
    else:
        assert FUSED not in topics(tmp_path / "out")
        for _, weight in weights:
            assert weight.gain == 0
            assert len(weight.infrared_weight) == len(weight.visible_activation) == len(weight.infrared_share) == 0
        assert [weight.sources for _, weight in weights] == [0] * 4 + [2] * 11


def test_fused_only(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", street(3))
    fuse(source, tmp_path / "out", fused_only=True)
    assert set(topics(tmp_path / "out")) == {FUSED, INFO, WEIGHTS}
    assert originals(tmp_path / "out") == []
    assert len(read(tmp_path / "out", FUSED)) == 3


def test_types_that_nobody_knows_are_copied_and_empty_topics_stay(tmp_path: Path, fuse: Fuse) -> None:
    own = Message("/own", OWN, START + 1, make(OWN, value=7))
    source = write(tmp_path / "in", [*street(2), own], empty=[("/nothing", "std_msgs/msg/String")])
    fuse(source, tmp_path / "out")
    assert topics(tmp_path / "out")["/nothing"] == "std_msgs/msg/String"
    assert read(tmp_path / "out", "/own")[0][1].value == 7
    with Reader(source) as before, Reader(tmp_path / "out") as after:
        definitions = [{each.topic: (each.digest, each.msgdef) for each in bag.connections} for bag in (before, after)]
    assert definitions[1].items() >= definitions[0].items()


def test_results_have_the_time_of_what_completed_them(tmp_path: Path, fuse: Fuse) -> None:
    """Thermal arrives late; the last pair waits until nothing nearer is waited for any more."""
    thermal, rgb = scene(0)
    messages = [image(RGB, rgb, START + k * 100 * MS, START + (k * 100 + 5) * MS) for k in range(3)]
    messages += [image(THERMAL, thermal, START + (k * 100 + 2) * MS, START + (k * 100 + 60) * MS) for k in range(3)]
    source = write(tmp_path / "in", sorted(messages, key=lambda each: each.received))
    fuse(source, tmp_path / "out", {"pairing.max_delay": 0.5})
    times = [(time - START) / MS for time, _ in read(tmp_path / "out", FUSED)]
    # Until the beat is known the next RGB frame decides; after the last one, the longest wait does.
    assert times == [105, 205, 760]


def test_a_missing_camera_is_passed_over_as_by_the_node(tmp_path: Path, fuse: Fuse) -> None:
    messages = street(5)
    end = START + 500 * MS
    messages += [image(RGB, scene(50 + k)[1], end + k * 100 * MS) for k in range(15)]
    source = write(tmp_path / "in", messages)
    tally = fuse(source, tmp_path / "out")
    assert tally.fused == 5
    weights = [weight for _, weight in read(tmp_path / "out", WEIGHTS)]
    alone = [weight for weight in weights if weight.sources == weight.SOURCE_RGB]
    # Silent for more than half a second, which began with the last thermal frame.
    assert tally.passed == {"rgb": len(alone)}
    assert len(alone) == 10
    assert all(len(weight.infrared_weight) == 0 and weight.gain == 0 for weight in alone)
    assert alone[0].rgb_stamp == alone[0].header.stamp == header(end + 500 * MS).stamp
    assert alone[0].thermal_stamp == header(0).stamp
    picture = read(tmp_path / "out", FUSED)[5][1]
    np.testing.assert_array_equal(pixels(picture), scene(55)[1])
    assert tally.unpaired("rgb") == 5
    assert fuse(source, tmp_path / "wait", {"on_missing": "wait"}).passed == {}


def test_a_camera_of_which_nothing_can_be_used_is_passed_over(tmp_path: Path, fuse: Fuse) -> None:
    """A palette on the thermal topic for 1.5 s, then counts."""
    messages: list[Message] = []
    for number in range(25):
        thermal, rgb = scene(number)
        stamp = START + number * 100 * MS
        messages.append(image(THERMAL, scene(99 + number)[1] if number < 15 else thermal, stamp))
        messages.append(image(RGB, rgb, stamp))
    tally = fuse(write(tmp_path / "in", messages), tmp_path / "out")
    weights = [weight for _, weight in read(tmp_path / "out", WEIGHTS)]
    alone = [weight for weight in weights if weight.sources == weight.SOURCE_RGB]
    # After half a second of frames that cannot be used, until one can be.
    assert tally.passed == {"rgb": len(alone)}
    assert 9 <= len(alone) <= 11
    np.testing.assert_array_equal(pixels(read(tmp_path / "out", FUSED)[0][1]), scene(15 - len(alone) + 1)[1])
    assert tally.fused == len(weights) - len(alone) >= 8
    assert list(tally.rejected) == ["encoding"]
    assert "palette" in tally.texts["encoding"]
    waits = fuse(write(tmp_path / "in2", messages), tmp_path / "wait", {"on_missing": "wait"})
    assert (waits.passed, waits.fused) == ({}, 10)


def test_pictures_that_need_too_much_memory(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", street(4))
    tally = fuse(source, tmp_path / "out", {"memory_limit": 1, "registration.output_width": 2000})
    assert tally.rejected == {"image": 4}
    assert "raise memory_limit" in tally.texts["image"]


def test_camera_info_comes_beside_the_images(tmp_path: Path, fuse: Fuse) -> None:
    """Of the reference camera, also for frames that were recorded before it."""
    messages = [*street(3), info("/rgb/camera_info", START + 150 * MS, (64, 48))]
    source = write(tmp_path / "in", sorted(messages, key=lambda each: each.received))
    tally = fuse(source, tmp_path / "out", {"registration.output_width": 128})
    infos = [message for _, message in read(tmp_path / "out", INFO)]
    assert [each.header for each in infos] == [message.header for _, message in read(tmp_path / "out", FUSED)]
    assert [(each.width, each.height, each.k[0]) for each in infos] == [(128, 96, 100.0)] * 3
    assert tally.notes == []


def test_camera_info_of_another_size_is_left_out_and_told(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", [info("/rgb/camera_info", START, (640, 480)), *street(2)])
    tally = fuse(source, tmp_path / "out")
    assert read(tmp_path / "out", INFO) == []
    assert len(tally.notes) == 1
    assert tally.notes[0].startswith("2 fused images: rgb camera_info is for 640 x 480")


def calibrated(*extra: Message) -> list[Message]:
    return [
        info("/rgb/camera_info", START, (64, 48), frame="rgb"),
        info("/thermal/camera_info", START, (40, 32), frame="thermal"),
        *extra,
        *street(3),
    ]


CALIBRATED = {"registration.mode": "calibrated", "registration.extrinsics": "tf"}


def test_calibrated_registration_by_transforms(tmp_path: Path, fuse: Fuse) -> None:
    links = transforms("/tf_static", START, ("base", "rgb", (0.0, 0.0, 1.0)), ("base", "thermal", (0.1, 0.0, 1.0)))
    by_file = tmp_path / "file.yaml"
    pose = Extrinsics(tuple(np.eye(3).ravel()), (0.1, 0.0, 0.0))
    write_registration(by_file, RegistrationFile((32, 40), (48, 64), extrinsics=pose))
    one = write(tmp_path / "one", calibrated(links))
    assert fuse(one, tmp_path / "tf", CALIBRATED).fused == 3
    assert (
        fuse(one, tmp_path / "file", {"registration.mode": "calibrated", "registration.file": str(by_file)}).fused == 3
    )
    frames = [[pixels(message) for _, message in read(tmp_path / name, FUSED)] for name in ("tf", "file")]
    np.testing.assert_array_equal(frames[0], frames[1])
    plain = fuse(one, tmp_path / "plain")
    assert plain.fused == 3
    assert not np.array_equal(frames[0][0], pixels(read(tmp_path / "plain", FUSED)[0][1]))


def test_without_transforms_pairs_are_rejected(tmp_path: Path, fuse: Fuse) -> None:
    tally = fuse(write(tmp_path / "in", calibrated()), tmp_path / "out", CALIBRATED)
    assert tally.rejected == {"registration": 3}
    assert tally.fused == 0
    assert originals(tmp_path / "out") == raw(tmp_path / "in")


def test_compressed_images(tmp_path: Path, fuse: Fuse) -> None:
    messages = []
    for message in street(3):
        if message.kind == "sensor_msgs/msg/Image":
            dtype, channels = (np.uint16, 1) if message.topic == THERMAL else (np.uint8, 3)
            picture = np.frombuffer(message.content.data, dtype).reshape(message.content.height, -1, channels)
            done, data = cv2.imencode(".png", np.ascontiguousarray(picture[:, :, ::-1]))
            assert done
            encoding = message.content.encoding
            name = f"{encoding}; png compressed " + ("bgr8" if channels == 3 else "")
            kind = "sensor_msgs/msg/CompressedImage"
            content = make(kind, header=message.content.header, format=name.strip(), data=data.ravel())
            message = Message(f"{message.topic}/compressed", kind, message.received, content)  # noqa: PLW2901
        messages.append(message)
    source = write(tmp_path / "in", messages)
    both = {"input_transport.thermal": "compressed", "input_transport.rgb": "compressed"}
    assert fuse(source, tmp_path / "out", both).fused == 3
    fuse(write(tmp_path / "raw", street(3)), tmp_path / "expected")
    frames = [[pixels(message) for _, message in read(tmp_path / name, FUSED)] for name in ("out", "expected")]
    np.testing.assert_array_equal(frames[0], frames[1])


def test_what_cannot_be_used_is_counted_and_the_rest_is_fused(tmp_path: Path, fuse: Fuse) -> None:
    messages: list[Any] = street(6)
    broken = next(each for each in messages if each.topic == RGB and each.received == START + 107 * MS)
    broken.content.encoding = "32FC7"
    unstamped = next(each for each in messages if each.topic == THERMAL and each.received == START + 211 * MS)
    unstamped.content.header = header(0)
    place = next(number for number, each in enumerate(messages) if each.received == START + 307 * MS)
    messages[place] = (messages[place], STORE.serialize_cdr(messages[place].content, messages[place].kind)[:90])
    source = write(tmp_path / "in", messages)
    tally = fuse(source, tmp_path / "out")
    assert tally.rejected == {"encoding": 1, "stamp": 1, "message": 1}
    assert "'32FC7'" in tally.texts["encoding"]
    assert "pairing.zero_stamps" in tally.texts["stamp"]
    assert tally.fused == 3
    assert originals(tmp_path / "out") == raw(source), "also what is broken is copied as it is"


def test_exact_policy(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", [*street(2), *street(4, skew=0)[5:]])
    tally = fuse(source, tmp_path / "out", {"pairing.policy": "exact"})
    assert tally.fused == 2


def test_approximate_policy_needs_message_filters(tmp_path: Path, fuse: Fuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "message_filters", None)
    monkeypatch.delitem(__import__("sys").modules, "camf_ros.nodes.inputs", raising=False)
    source = write(tmp_path / "in", street(2))
    with pytest.raises(ParameterError, match="nearest"):
        fuse(source, tmp_path / "out", {"pairing.policy": "approximate"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_approximate_policy(tmp_path: Path, fuse: Fuse) -> None:
    pytest.importorskip("message_filters")
    source = write(tmp_path / "in", street(4))
    assert fuse(source, tmp_path / "out", {"pairing.policy": "approximate"}).fused == 4


def test_two_runs_write_the_same(tmp_path: Path, fuse: Fuse) -> None:
    source = write(tmp_path / "in", street(4))
    fuse(source, tmp_path / "one" / "out")
    fuse(source, tmp_path / "two" / "out")
    for path in (tmp_path / "one" / "out").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / "out" / path.name).read_bytes()
