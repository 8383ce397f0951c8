"""The example of a detector, in a process of its own, downstream of a fusion node in another."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from camf_ros.msg import ChannelWeights
from geometry_msgs.msg import PoseArray
from harness import pixels, qos
from sensor_msgs.msg import CameraInfo, Image

from camf_ros.examples.finders import Objects
from camf_ros.nodes import topics
from camf_ros.nodes.publishers import image_message
from camf_ros.settings.demo_settings import DetectorSettings

pytestmark = pytest.mark.ros

WIDTH, HEIGHT, FOCAL, RADIUS = 320, 240, 300.0, 16
HOT = [(80, 60), (240, 90), (150, 170)]


@pytest.fixture
def found(probe):
    """What the detector publishes, by topic."""
    messages = {"bearings": [], "image": []}
    probe.node.create_subscription(PoseArray, "detections/bearings", messages["bearings"].append, qos("reliable"))
    probe.node.create_subscription(Image, "detections/image", messages["image"].append, qos("reliable"))
    return messages


def info(header) -> CameraInfo:
    k = [FOCAL, 0.0, WIDTH / 2, 0.0, FOCAL, HEIGHT / 2, 0.0, 0.0, 1.0]
    return CameraInfo(header=header, width=WIDTH, height=HEIGHT, distortion_model="plumb_bob", d=[0.0] * 5, k=k)


def disc(background: float, level: float, centre: tuple[int, int], seed: int) -> np.ndarray:
    """Something round on noise."""
    picture = np.random.default_rng(seed).normal(background, 0.02 * background, (HEIGHT, WIDTH)).astype(np.float32)
    cv2.circle(picture, centre, RADIUS, level, -1)
    return picture


def pair(centre: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Something warm that RGB does not see. Grey already, so that the levels are the test's own."""
    thermal = disc(60, 240, centre, seed).astype(np.uint8)
    rgb = np.random.default_rng(seed).integers(20, 32, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return thermal, rgb


def started(processes, probe, **parameters):
    """A running detector, matched with the probe."""
    process = processes.start("detector_example", **parameters)
    names = [probe.node.resolve_topic_name(f"detections/{name}") for name in ("bearings", "image")]
    assert probe.spin_until(lambda: all(probe.node.count_publishers(name) for name in names)), "no detector"
    probe.spin_for(0.5)
    return process


def detected(probe, found, centre, seed) -> Image:
    """The fused image of a pair, once the detector has answered it.

    Until all processes have found each other, a message may be lost between two of them: then comes another pair.
    """
    for _ in range(20):
        probe.advance()
        header = probe.header("rgb_frame", 0.1)  # the stamp that `fuse` gives the pair
        probe.rgb_info.publish(info(header))
        probe.spin_for(0.2)
        fused, _ = probe.fuse(*pair(centre, seed))
        assert fused.header == header

        def answered(fused: Image = fused) -> bool:
            return all(messages and messages[-1].header == fused.header for messages in found.values())

        if probe.spin_until(answered, 5.0):
            return fused
    pytest.fail(f"the detector never answered: {found}")


def nanoseconds(message) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def direction(pose) -> np.ndarray:
    """Where a pose's x axis points."""
    q = pose.orientation
    return np.array([1 - 2 * (q.y**2 + q.z**2), 2 * (q.x * q.y + q.w * q.z), 2 * (q.x * q.z - q.w * q.y)], np.float64)


def degrees_off(pose, centre: tuple[int, int]) -> float:
    """Angle between a pose and the ray of a pixel."""
    ray = np.array([(centre[0] - WIDTH / 2) / FOCAL, (centre[1] - HEIGHT / 2) / FOCAL, 1.0])
    return float(np.degrees(np.arccos(np.clip(direction(pose) @ ray / np.linalg.norm(ray), -1, 1))))


def test_what_only_thermal_sees_is_found_in_the_fused_picture(processes, probe, found):
    processes.start("fusion_node", model="camf-lite", device="cpu", threads=1)
    probe.wait_for_node()
    process = started(processes, probe, threshold=100.0)
    for seed, centre in enumerate(HOT):
        fused = detected(probe, found, centre, seed)
        poses = found["bearings"][-1].poses
        assert min(degrees_off(pose, centre) for pose in poses) < 0.5, [direction(pose) for pose in poses]
        drawn = found["image"][-1]
        assert (drawn.height, drawn.width, drawn.encoding) == (HEIGHT, WIDTH, "rgb8")
        changed = np.abs(pixels(drawn).astype(int) - pixels(fused)).max(axis=2) > 30
        x, y = centre
        assert changed[y - RADIUS - 8 : y + RADIUS + 8, x - RADIUS - 8 : x + RADIUS + 8].any(), "no box there"
        assert not changed[y, x], "the box is around the spot, not over it"
    stamps, fused = ([nanoseconds(m) for m in messages] for messages in (found["bearings"], probe.fused))
    assert stamps == sorted(set(stamps)), "one result a picture, in order"
    assert set(stamps) <= set(fused)
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert log.count("images are fused") == 1


def write_detector(path: Path) -> Path:
    """A network in the form of YOLOv8 that finds one box in the middle, the likelier the brighter the picture is."""
    cells = 16 + 4 + 1  # of strides 8, 16 and 32 in 32 x 32 pixels
    boxes, scored = np.zeros((1, 6, cells), np.float32), np.zeros((1, 6, cells), np.float32)
    boxes[0, :4, 0] = (16, 12, 8, 6)
    scored[0, 5, 0] = 1
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["images"], ["colours"]),
            helper.make_node("ReduceMean", ["colours"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "scored"], ["scores"]),
            helper.make_node("Add", ["scores", "boxes"], ["output0"]),
        ],
        "brightness",
        [helper.make_tensor_value_info("images", kind, (1, 3, 32, 32))],
        [helper.make_tensor_value_info("output0", kind, (1, 6, cells))],
        [onnx.numpy_helper.from_array(boxes, "boxes"), onnx.numpy_helper.from_array(scored, "scored")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    entry = model.metadata_props.add()
    entry.key, entry.value = "names", "{0: 'night', 1: 'day'}"
    onnx.save(model, path)
    return path


def test_a_model_looks_at_the_detector_image(processes, probe, found, tmp_path):
    """What it finds is what it finds in the very picture that the fusion node publishes for it."""
    model = write_detector(tmp_path / "brightness.onnx")
    images = []
    processes.start("fusion_node", model="camf-lite", device="cpu", threads=1)
    probe.wait_for_node()
    process = started(processes, probe, model=str(model), least_score=0.01, threads=1)
    probe.node.create_subscription(Image, topics.DETECTOR_IMAGE, images.append, qos("reliable"))
    for seed, centre in enumerate(HOT):
        fused = detected(probe, found, centre, seed)
        assert probe.spin_until(lambda fused=fused: bool(images) and images[-1].header == fused.header)
        (pose,) = found["bearings"][-1].poses
        assert degrees_off(pose, (160, 120)) < 0.5, "ten pixels of the picture are one of the network's"
        picture = pixels(images[-1])
        (expected,) = Objects(DetectorSettings(model=str(model), least_score=0.01)).find(picture)
        assert (expected.label, expected.width, expected.height) == ("day", 80, 60)
        x, y = centre
        assert picture[y, x].mean() < picture[10, 10].mean(), "what is hot is dark"
        changed = np.abs(pixels(found["image"][-1]).astype(int) - picture).max(axis=2) > 30
        left, top = round(expected.column - expected.width / 2), round(expected.row - expected.height / 2)
        assert changed[top + 10 : top + 50, left].mean() > 0.5, "its box"
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert f"detecting on {topics.DETECTOR_IMAGE} with YOLOv8 of 2 classes" in log
    assert "Traceback" not in log


def test_a_model_that_is_none_ends_the_node_with_its_name(processes, tmp_path):
    process = processes.start("detector_example", model=str(tmp_path / "none.onnx"))
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "none.onnx" in log
    assert "Traceback" not in log


class Fusion:
    """Stands in for the fusion node: publishes what it would, as fast as is asked for."""

    def __init__(self, probe) -> None:
        self._probe = probe
        node, names = probe.node, (topics.FUSED_IMAGE, topics.FUSED_INFO, "fusion/channel_weights")
        kinds = (Image, CameraInfo, ChannelWeights)
        self._publishers = [node.create_publisher(k, n, qos("reliable")) for k, n in zip(kinds, names, strict=True)]

    def wait(self) -> None:
        # The probe listens to each of them too.
        assert self._probe.spin_until(lambda: all(p.get_subscription_count() == 2 for p in self._publishers))
        self._probe.spin_for(0.5)

    def publish(self, picture: np.ndarray, *, sources: int = 0, encoding: str = "mono8", weights: bool = True) -> int:
        self._probe.advance()
        header = self._probe.header("rgb_frame")
        image, camera, channels = self._publishers
        image.publish(image_message(picture, encoding, header))
        if weights:
            channels.publish(ChannelWeights(header=header, sources=sources))
        camera.publish(info(header))
        return header.stamp.sec * 10**9 + header.stamp.nanosec


def spot(centre: tuple[int, int], seed: int = 0) -> np.ndarray:
    return disc(60, 230, centre, seed).astype(np.uint8)


def test_a_slow_detector_takes_the_newest_picture_and_not_the_next(processes, probe, found):
    fusion = Fusion(probe)
    started(processes, probe, extra_time=1.0)
    fusion.wait()
    sent = []
    for seed in range(25):
        sent.append(fusion.publish(spot(HOT[seed % 3], seed)))
        probe.spin_for(0.02)
    last = sent[-1]
    assert probe.spin_until(lambda: bool(found["bearings"]) and nanoseconds(found["bearings"][-1]) == last)
    stamps = [nanoseconds(message) for message in found["bearings"]]
    assert len(stamps) < len(sent) / 2, "old pictures are dropped"
    assert stamps == sorted(set(stamps)) and set(stamps) <= set(sent), "stamps intact"
    assert degrees_off(found["bearings"][-1].poses[0], HOT[24 % 3]) < 0.5, "the header is that of its own picture"


@pytest.mark.parametrize("only_fused", [False, True])
def test_it_knows_which_cameras_a_picture_is_from(processes, probe, found, only_fused):
    fusion = Fusion(probe)
    process = started(processes, probe, only_fused=only_fused)
    fusion.wait()
    kinds = (ChannelWeights.SOURCE_BOTH, ChannelWeights.SOURCE_RGB, ChannelWeights.SOURCE_THERMAL, 0)
    wanted = []
    for number, sources in enumerate(kinds):
        stamp = fusion.publish(spot(HOT[0], number), sources=sources)
        if not only_fused or sources == ChannelWeights.SOURCE_BOTH:
            wanted.append(stamp)
            assert probe.spin_until(lambda stamp=stamp: stamp in map(nanoseconds, found["bearings"]))
        else:
            probe.spin_for(0.5)
    assert [nanoseconds(message) for message in found["bearings"]] == wanted
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert [log.count(f"images are {name}") for name in ("fused", "RGB alone", "thermal alone")] == [2, 1, 1]


def test_a_picture_without_its_weights_is_left_out_and_named(processes, probe, found):
    fusion = Fusion(probe)
    process = started(processes, probe)
    fusion.wait()
    fusion.publish(spot(HOT[0]), weights=False)
    for line in process.stdout:
        if "no messages with equal stamps yet on" in line:
            break
    assert "fusion/channel_weights (1 publishers)" in line
    stamp = fusion.publish(np.full((HEIGHT, WIDTH), 60, np.uint8))
    assert probe.spin_until(lambda: bool(found["bearings"]))
    assert [(nanoseconds(message), message.poses) for message in found["bearings"]] == [(stamp, [])], (
        "looked, none there"
    )


def test_what_cannot_be_read_is_named_and_the_next_picture_is_looked_at(processes, probe, found):
    fusion = Fusion(probe)
    process = started(processes, probe)
    fusion.wait()
    fusion.publish(np.zeros((HEIGHT, WIDTH), np.uint8), encoding="nonsense")
    for line in process.stdout:
        if "nonsense" in line:
            break
    stamp = fusion.publish(spot(HOT[1]))
    assert probe.spin_until(lambda: bool(found["bearings"]))
    assert [nanoseconds(message) for message in found["bearings"]] == [stamp]


def test_boxes_as_vision_msgs_where_they_are_installed(processes, probe, found):
    vision = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed")
    boxes = []
    probe.node.create_subscription(vision.Detection2DArray, "detections/boxes", boxes.append, qos("reliable"))
    fusion = Fusion(probe)
    started(processes, probe)
    fusion.wait()
    stamp = fusion.publish(spot(HOT[1]))
    assert probe.spin_until(lambda: bool(boxes))
    assert nanoseconds(boxes[0]) == stamp
    box = boxes[0].detections[0]
    assert box.header == boxes[0].header
    np.testing.assert_allclose((box.bbox.center.position.x, box.bbox.center.position.y), HOT[1], atol=2)
    np.testing.assert_allclose((box.bbox.size_x, box.bbox.size_y), 2 * RADIUS, atol=4)
