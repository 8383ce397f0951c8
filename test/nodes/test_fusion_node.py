"""The fusion node over real DDS, in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from harness import Probe, pixels, scene
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from camf_ros.engines.create import choose_engine
from camf_ros.network.checkpoint_file import read_checkpoint_file
from camf_ros.nodes.image_messages import image_message
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion import FusionSettings

pytestmark = pytest.mark.ros


def seconds(stamp):
    return stamp.sec + 1e-9 * stamp.nanosec


def test_colour_pair_comes_back_fused_in_the_size_and_under_the_header_of_rgb(fusion, probe):
    thermal, rgb = scene()
    fused, weights = probe.fuse(thermal, rgb, skew=0.004)
    assert (fused.width, fused.height, fused.encoding, fused.step) == (64, 48, "rgb8", 64 * 3)
    assert fused.header == probe.header("rgb_frame")
    assert weights.header == fused.header
    assert weights.rgb_stamp == probe.header("").stamp
    assert weights.thermal_stamp == probe.header("", 0.004).stamp
    assert weights.skew == pytest.approx(0.004, abs=1e-12)
    assert 0 < weights.inference_time <= weights.latency < 60
    assert weights.sources == weights.SOURCE_BOTH


def test_weights_are_complete_and_in_their_ranges(fusion, probe, model):
    _, weights = probe.fuse(*scene())
    assert weights.model_name == "small"
    assert weights.model_hash == read_checkpoint_file(Path(model)).hash
    assert 0.5 <= weights.gain <= 1.5
    for name in ("infrared_weight", "visible_weight"):
        values = np.array(getattr(weights, name))
        assert values.shape == (16,)
        assert values.min() >= 0
        assert values.mean() == pytest.approx(weights.gain, rel=1e-5)
    infrared, visible = np.array(weights.infrared_activation), np.array(weights.visible_activation)
    assert infrared.shape == visible.shape == (16,)
    assert min(infrared.min(), visible.min()) >= 0
    parts = np.array(weights.infrared_weight) * infrared, np.array(weights.visible_weight) * visible
    total = parts[0] + parts[1]
    expected = np.where(total > 0, parts[0] / np.where(total > 0, total, 1), 0.5)
    np.testing.assert_allclose(weights.infrared_share, expected, rtol=1e-5)
    assert len(set(np.round(weights.infrared_share, 3))) > 3, "random weights and pictures give different shares"


def test_what_is_published_equals_what_the_pipeline_computes(fusion, probe, model):
    # Thermal levels and gain follow the scene over time: the same pairs in the same order give the same pictures.
    engine = choose_engine(FusionSettings(model=str(model), device="cpu", precision="float32", threads=1)).engine
    pipeline = FusionPipeline(engine)
    for seed in range(3):
        thermal, rgb = scene(seed)
        fused, weights = probe.fuse(thermal + np.uint16(200 * seed), rgb)
        expected = pipeline.fuse(thermal + np.uint16(200 * seed), rgb, seconds(weights.thermal_stamp))
        np.testing.assert_array_equal(pixels(fused), expected.image)
        np.testing.assert_array_equal(weights.infrared_activation, expected.infrared_activation)
        assert weights.gain == expected.gain
        np.testing.assert_array_equal(weights.visible_weight, expected.weights[1])
        np.testing.assert_array_equal(weights.infrared_share, expected.infrared_share)


@pytest.mark.parametrize("inputs", ["reliable", "best_effort"])
@pytest.mark.parametrize("outputs", ["reliable", "best_effort"])
def test_both_kinds_of_quality_of_service(processes, model, inputs, outputs):
    probe = Probe(inputs, outputs)
    try:
        processes.start("fusion_node", model=model, device="cpu")
        probe.wait_for_node()
        fused, _ = probe.fuse(*scene())
        assert fused.encoding == "rgb8"
    finally:
        probe.close()


def test_grey_rgb_camera_gives_grey_and_colour_comes_back_with_colour(fusion, probe):
    thermal, rgb = scene()
    fused, _ = probe.fuse(thermal, rgb[:, :, 0].copy())
    assert (fused.encoding, fused.step) == ("mono8", 64)
    fused, _ = probe.fuse(thermal, rgb)
    assert fused.encoding == "rgb8"


def test_size_and_encoding_may_change_in_mid_stream(fusion, probe):
    for seed, (rgb_size, thermal_size) in enumerate([((64, 48), (40, 32)), ((33, 71), (80, 61)), ((120, 90), (5, 7))]):
        fused, _ = probe.fuse(*scene(seed, rgb_size, thermal_size))
        assert (fused.width, fused.height) == rgb_size


def test_thermal_as_reference(processes, probe, model):
    processes.start("fusion_node", model=model, device="cpu", reference="thermal")
    probe.wait_for_node()
    probe.thermal_info.publish(CameraInfo(width=40, height=32))
    probe.spin_for(0.2)
    fused, weights = probe.fuse(*scene(), skew=-0.003)
    assert (fused.width, fused.height, fused.encoding) == (40, 32, "rgb8")
    assert fused.header == probe.header("thermal_frame", -0.003) == weights.header
    assert probe.spin_until(lambda: bool(probe.infos))
    assert (probe.infos[-1].width, probe.infos[-1].header) == (40, fused.header)


def test_camera_info_of_the_reference_comes_under_the_header_of_the_fused_image(fusion, probe):
    info = CameraInfo(width=64, height=48, distortion_model="plumb_bob", d=[0.1, 0.2, 0.0, 0.0, 0.3])
    info.k = [50.0, 0.0, 31.5, 0.0, 51.0, 23.5, 0.0, 0.0, 1.0]
    info.p = [50.0, 0.0, 31.5, 0.0, 0.0, 51.0, 23.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    probe.fuse(*scene())
    assert probe.infos == [], "nothing is made up where a camera does not say how it is calibrated"
    probe.rgb_info.publish(info)
    probe.spin_for(0.2)
    fused, _ = probe.fuse(*scene())
    assert probe.spin_until(lambda: bool(probe.infos))
    got = probe.infos[-1]
    assert got.header == fused.header
    assert list(got.k) == list(info.k)
    assert list(got.p) == list(info.p)
    assert list(got.d) == list(info.d)
    assert (got.width, got.height, got.distortion_model) == (64, 48, "plumb_bob")


def broken(kind: str) -> tuple[Image, Image]:
    """A pair with one bad message; BROKEN has the reason under which it must be counted."""
    thermal, rgb = scene()
    good = image_message(thermal, "mono16", Header()), image_message(rgb, "rgb8", Header())
    if kind == "unknown encoding":
        good[1].encoding = "jpeg-in-disguise"
    elif kind == "rgb topic with counts":
        good[1].encoding = "16UC1"
    elif kind == "coloured thermal":
        return image_message(rgb, "rgb8", good[0].header), good[1]
    elif kind == "empty encoding":
        good[0].encoding = ""
    elif kind == "zero size":
        good[0].height = good[0].width = good[0].step = 0
        del good[0].data[:]
    elif kind == "zero height":
        good[1].height = 0
    elif kind == "truncated":
        del good[1].data[-10:]
    elif kind == "no data":
        del good[0].data[:]
    elif kind == "step too small":
        good[1].step = 100
    elif kind == "gigantic":
        good[0].height = good[0].width = 2**31
    elif kind == "all NaN":
        return image_message(np.full((32, 40), np.nan, np.float32), "32FC1", good[0].header), good[1]
    return good


BROKEN = {
    "unknown encoding": "encoding",
    "rgb topic with counts": "encoding",
    "coloured thermal": "encoding",
    "empty encoding": "encoding",
    "zero size": "image",
    "zero height": "image",
    "truncated": "image",
    "no data": "image",
    "step too small": "image",
    "gigantic": "image",
    "all NaN": "image",
}


def test_broken_messages_are_counted_by_reason_and_the_next_good_pair_is_fused(processes, probe, model):
    fusion = processes.start("fusion_node", model=model, device="cpu", diagnostics_period=0.1)
    probe.wait_for_node()
    expected = {"encoding": 0, "image": 0}

    def counted() -> dict[str, int]:
        return {reason: int(probe.diagnostics.get(f"rejected: {reason}", 0)) for reason in expected}

    for kind, reason in BROKEN.items():
        probe.send(*broken(kind))
        expected[reason] += 1
        assert probe.spin_until(lambda: counted() == expected), f"{kind}: {probe.diagnostics}"
        fused, _ = probe.fuse(*scene())
        assert fused.header == probe.header("rgb_frame"), f"after {kind}"
    assert fusion.poll() is None
    assert int(probe.diagnostics["rejected"]) == len(BROKEN)
    fusion.send_signal(signal.SIGINT)
    log, _ = fusion.communicate(timeout=30)
    assert "jpeg-in-disguise" in log
    assert "expected one of" in log
    assert "Traceback" not in log
    assert log.count("pair not fused (encoding)") < 4, "the log is throttled"


def test_nothing_is_lost_silently(fusion, probe):
    thermal, rgb = scene(0, (640, 480), (640, 480))
    for _ in range(30):
        probe.send(thermal, rgb)

    def accounted() -> int:
        keys = ("fused", "dropped for a newer pair", "rejected")
        return sum(int(probe.diagnostics.get(key, 0)) for key in keys)

    # What the middleware itself drops never was a pair; each pair is fused, displaced or rejected.
    assert probe.spin_until(
        lambda: (
            int(probe.diagnostics.get("dropped for a newer pair", 0)) > 0
            and accounted() == int(probe.diagnostics["pairs"])
        )
    ), probe.diagnostics


def test_stamps_too_far_apart_are_no_pair_and_the_node_says_so(processes, probe, model):
    fusion = processes.start("fusion_node", model=model, device="cpu", no_data_timeout=0.5, diagnostics_period=0.2)
    probe.wait_for_node()
    thermal, rgb = scene()
    for _ in range(15):
        probe.send(thermal, rgb, skew=0.05)
        probe.spin_for(0.1)
    assert probe.fused == []
    assert "no pair" in probe.levels["inputs"][1]
    assert probe.levels["inputs"][0] == b"\x01"
    fusion.send_signal(signal.SIGINT)
    log, _ = fusion.communicate(timeout=30)
    assert "pairing.slop" in log


def test_pairs_that_stop_coming_are_reported_although_there_were_some(processes, probe, model):
    processes.start("fusion_node", model=model, device="cpu", no_data_timeout=0.5, diagnostics_period=0.2)
    probe.wait_for_node()
    thermal, rgb = scene()
    probe.fuse(thermal, rgb)

    def reported() -> bool:
        probe.send(thermal, rgb, skew=0.05)
        probe.spin_for(0.1)
        return "no pair for" in probe.levels["inputs"][1]

    assert any(reported() for _ in range(100)), probe.levels
    assert probe.levels["inputs"][0] == b"\x01"


def test_a_stamp_before_all_time_is_counted_and_the_next_pair_is_fused(processes, probe, model):
    processes.start("fusion_node", model=model, device="cpu", diagnostics_period=0.1)
    probe.wait_for_node()
    message = image_message(scene()[1], "rgb8", Header())
    message.header.stamp.sec = -7
    probe.rgb.publish(message)
    assert probe.spin_until(lambda: probe.diagnostics.get("rejected: stamp") == "1"), probe.diagnostics
    probe.fuse(*scene())


def test_simulated_time_that_stands_still_is_named(processes, probe, model):
    fusion = processes.start("fusion_node", model=model, device="cpu", use_sim_time=True, no_data_timeout=0.5)
    probe.wait_for_node()
    assert probe.spin_until(lambda: bool(probe.diagnostics)), "diagnostics go on by the steady clock"
    probe.fuse(*scene())
    probe.spin_for(1.5)
    fusion.send_signal(signal.SIGINT)
    log, _ = fusion.communicate(timeout=30)
    assert "/clock" in log


def test_camera_info_of_another_size_is_not_passed_on(fusion, probe):
    probe.rgb_info.publish(CameraInfo(width=640, height=480))
    probe.spin_for(0.2)
    probe.fuse(*scene())
    probe.spin_for(0.3)
    assert probe.infos == []
    fusion.send_signal(signal.SIGINT)
    log, _ = fusion.communicate(timeout=30)
    assert "640 x 480" in log


def test_whole_numbers_are_taken_where_numbers_are_wanted(processes, probe, model):
    processes.start("fusion_node", model=model, device="cpu", gain=1)
    probe.wait_for_node()
    _, weights = probe.fuse(*scene())
    assert weights.gain == 1.0


def test_without_the_runtime_the_node_says_what_to_install(processes, model, tmp_path, monkeypatch):
    (tmp_path / "safetensors.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    process = processes.start("fusion_node", model=model)
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "pip install openvino onnx safetensors, or torch safetensors" in log
    assert "Traceback" not in log


def test_silence_is_explained(processes, probe, model):
    fusion = processes.start("fusion_node", model=model, device="cpu", no_data_timeout=0.5, diagnostics_period=0.2)
    probe.wait_for_node()
    probe.spin_for(1.5)
    assert probe.levels["inputs"] == (b"\x01", "no frames from thermal and rgb")
    fusion.send_signal(signal.SIGINT)
    log, _ = fusion.communicate(timeout=30)
    assert log.count("shared-memory") == 2, "once for each camera"


def test_exact_policy_takes_equal_stamps_only(processes, probe, model):
    processes.start("fusion_node", model=model, device="cpu", pairing__policy="exact")
    probe.wait_for_node()
    probe.send(*scene(), skew=0.0001)
    _, weights = probe.fuse(*scene())
    assert weights.skew == 0.0
    probe.spin_for(0.3)
    assert len(probe.fused) == 1


def test_fusion_goes_on_after_the_stamps_jump_back(fusion, probe):
    thermal, rgb = scene()
    for _ in range(12):  # one camera alone fills its queue
        probe.advance()
        probe.rgb.publish(image_message(rgb, "rgb8", probe.header("rgb_frame")))
    probe.spin_for(0.3)
    probe.advance(-500.0)
    fused, _ = probe.fuse(thermal, rgb)
    assert fused.header == probe.header("rgb_frame")


def test_gain_changes_at_run_time_and_the_rest_is_refused_with_a_reason(fusion, probe):
    _, weights = probe.fuse(*scene())
    automatic = weights.gain
    assert abs(automatic - 1.5) > 0.1
    assert probe.set_parameter("fusion", "gain", 1.5) == (True, "")
    _, weights = probe.fuse(*scene())
    assert weights.gain == pytest.approx(1.5)
    assert np.mean(weights.visible_weight) == pytest.approx(1.5, rel=1e-5)
    for name, value, word in (
        ("gain", 99.0, "gain"),
        ("gain", "much", "gain"),
        ("gain_time_constant", -1.0, "gain_time_constant"),
        ("reference", "lidar", "lidar"),
        ("model", "other", "read"),
    ):
        accepted, reason = probe.set_parameter("fusion", name, value)
        assert not accepted
        assert word in reason, reason
    _, weights = probe.fuse(*scene())
    assert weights.gain == pytest.approx(1.5)
    assert probe.set_parameter("fusion", "gain", 0.0) == (True, "")
    _, weights = probe.fuse(*scene())
    assert weights.gain == pytest.approx(automatic, rel=1e-5)


def test_diagnostics_tell_the_gain_and_where_it_comes_from(processes, probe, model):
    processes.start("fusion_node", model=model, device="cpu", diagnostics_period=0.1)
    probe.wait_for_node()

    def told() -> tuple[str | None, str | None]:
        return probe.diagnostics.get("gain"), probe.diagnostics.get("gain mode")

    assert probe.spin_until(lambda: told() == ("none yet", "automatic")), probe.diagnostics
    _, weights = probe.fuse(*scene())
    assert probe.spin_until(lambda: told() == (f"{weights.gain:.3f}", "automatic")), probe.diagnostics
    assert probe.set_parameter("fusion", "gain", 0.7) == (True, "")
    assert probe.spin_until(lambda: told() == ("0.700", "constant")), probe.diagnostics


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"model": "no-such-model"}, ["no-such-model", "camf train"]),
        ({"model": "/no/such/file.safetensors"}, ["/no/such/file.safetensors"]),
        ({"gain": 99.0}, ["gain"]),
        ({"reference": "lidar"}, ["reference", "lidar", "rgb | thermal"]),
        ({"gain": "much"}, ["gain"]),
        ({"pairing__slop": 0.0}, ["pairing.slop", "exact"]),
    ],
)
def test_unusable_settings_end_the_node_with_a_clear_line(processes, model, parameters, words):
    process = processes.start("fusion_node", **{"model": model, **parameters})
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in log
    for word in words:
        assert word in log


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ends_cleanly_when_told_to(fusion, probe, how):
    probe.fuse(*scene())
    fusion.send_signal(how)
    log, _ = fusion.communicate(timeout=30)
    assert fusion.returncode == 0, log
    assert "Traceback" not in log


def test_two_nodes_in_namespaces_do_not_meet(processes, model):
    probe = Probe(namespace="front")
    try:
        processes.start("fusion_node", "-r", "__ns:=/front", model=model, device="cpu")
        processes.start("fusion_node", "-r", "__ns:=/rear", model=model, device="cpu")
        probe.wait_for_node()
        probe.fuse(*scene())
        probe.spin_for(0.3)
        assert len(probe.fused) == len(probe.weights) == 1
    finally:
        probe.close()


def test_a_crashing_cv_bridge_does_not_stop_the_node(processes, probe, model, tmp_path, monkeypatch):
    package = tmp_path / "cv_bridge"
    package.mkdir()
    (package / "__init__.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    processes.start("fusion_node", model=model, device="cpu")
    probe.wait_for_node()
    probe.fuse(*scene())
    assert probe.spin_until(lambda: probe.diagnostics.get("image conversion") == "own")


def test_the_installed_executable_is_the_one_of_this_python():
    # A guard for the harness: were the interpreters different, the tests above would test another installation.
    result = subprocess.run(
        ["env", "python3", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == sys.prefix


def test_engine_that_fails_is_replaced_and_told(processes, probe, model):
    """On a machine without TensorRT: fused all the same, with a warning in the log and a state that is not OK."""
    fusion = processes.start("fusion_node", model=model, device="cpu", engine="tensorrt", diagnostics_period=0.2)
    probe.wait_for_node()
    fused, _ = probe.fuse(*scene())
    assert fused.encoding == "rgb8"
    assert probe.spin_until(lambda: probe.levels.get("fusion", (b"", ""))[0] == b"\x01")
    assert "engine tensorrt failed, openvino runs instead" in probe.levels["fusion"][1]
    fusion.send_signal(signal.SIGINT)
    log, _ = fusion.communicate(timeout=30)
    assert log.count("engine tensorrt failed, openvino runs instead") == 1
    assert "[WARN]" in log
