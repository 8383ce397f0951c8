"""The fusion node over real DDS, in a process of its own."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys

import numpy as np
import pytest
from harness import Probe, Processes, pixels, scene, start_fusion
from sensor_msgs.msg import CameraInfo

from camf_ros.engines.choose import choose_engine
from camf_ros.models import find_model
from camf_ros.pipeline import FusionPipeline
from camf_ros.settings.fusion_settings import FusionSettings

pytestmark = pytest.mark.ros


def seconds(stamp):
    return stamp.sec + 1e-9 * stamp.nanosec


class TestOneNode:
    """What leaves the node as it is: one runs for all of it."""

    @pytest.fixture(scope="class")
    def probe(self, model):
        processes, probe = Processes(), Probe()
        try:
            start_fusion(processes, probe, model)
            yield probe
        finally:
            processes.close()
            probe.close()

    def test_colour_pair_comes_back_fused_in_the_size_and_under_the_header_of_rgb(self, probe):
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

    def test_weights_are_complete_and_in_their_ranges(self, probe, model):
        _, weights = probe.fuse(*scene())
        assert weights.model_name == "small"
        assert weights.model_hash == find_model(str(model)).info().hash
        assert weights.gain == 1.0
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

    def test_grey_rgb_camera_gives_grey_and_colour_comes_back_with_colour(self, probe):
        thermal, rgb = scene()
        fused, _ = probe.fuse(thermal, rgb[:, :, 0].copy())
        assert (fused.encoding, fused.step) == ("mono8", 64)
        fused, _ = probe.fuse(thermal, rgb)
        assert fused.encoding == "rgb8"

    def test_camera_info_of_the_reference_comes_under_the_header_of_the_fused_image(self, probe):
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


def test_both_kinds_of_quality_of_service(processes, model):
    """One node, and one camera and listener after the other."""
    processes.start("fusion_node", model=model, device="cpu")
    for number, (inputs, outputs) in enumerate(itertools.product(("reliable", "best_effort"), repeat=2)):
        probe = Probe(inputs, outputs)
        try:
            probe.wait_for_node()
            probe.advance(10.0 * number)
            fused, _ = probe.fuse(*scene())
            assert fused.encoding == "rgb8", (inputs, outputs)
        finally:
            probe.close()


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


def test_whole_numbers_are_taken_where_numbers_are_wanted(processes, probe, paper_model):
    processes.start("fusion_node", model=paper_model, device="cpu", gain=1)
    probe.wait_for_node()
    _, weights = probe.fuse(*scene())
    assert weights.gain == 1.0


def test_gain_changes_at_run_time_and_the_rest_is_refused_with_a_reason(processes, probe, paper_model):
    processes.start("fusion_node", model=paper_model, device="cpu", precision="float32", threads=1)
    probe.wait_for_node()
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
        ("model", "other", "model 'other' is unknown"),
        ("pairing.queue_size", 3, "deactivate the node first"),
    ):
        accepted, reason = probe.set_parameter("fusion", name, value)
        assert not accepted
        assert word in reason, reason
    _, weights = probe.fuse(*scene())
    assert weights.gain == pytest.approx(1.5)
    assert probe.set_parameter("fusion", "gain", 0.0) == (True, "")
    _, weights = probe.fuse(*scene())
    assert weights.gain == pytest.approx(automatic, rel=1e-5)


def test_diagnostics_tell_the_gain_and_where_it_comes_from(processes, probe, model, paper_model):
    processes.start("fusion_node", model=paper_model, device="cpu", diagnostics_period=0.1)
    probe.wait_for_node()

    def told() -> tuple[str | None, str | None]:
        return probe.diagnostics.get("gain"), probe.diagnostics.get("gain mode")

    assert probe.spin_until(lambda: told() == ("none yet", "automatic")), probe.diagnostics
    _, weights = probe.fuse(*scene())
    assert probe.spin_until(lambda: told() == (f"{weights.gain:.3f}", "automatic")), probe.diagnostics
    assert probe.set_parameter("fusion", "gain", 0.7) == (True, "")
    assert probe.spin_until(lambda: told() == ("0.700", "constant")), probe.diagnostics
    assert probe.set_parameter("fusion", "model", str(model)) == (True, "")
    assert probe.spin_until(lambda: told() == ("1.000", "this model has none")), probe.diagnostics


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
        topics = [
            f"/{robot}/{name}" for robot in ("front", "rear") for name in ("fused/image", "fusion/channel_weights")
        ]
        assert probe.spin_until(lambda: all(probe.node.count_publishers(topic) == 1 for topic in topics))
        assert probe.node.count_publishers("/fused/image") == 0
        probe.fuse(*scene())
        probe.spin_for(0.3)
        assert len(probe.fused) == len(probe.weights) == 1
    finally:
        probe.close()


def test_the_installed_executable_is_the_one_of_this_python():
    # A guard for the harness: were the interpreters different, the tests above would test another installation.
    result = subprocess.run(
        ["env", "python3", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == sys.prefix


def test_rows_that_are_no_picture_are_named_until_they_are_cropped(processes, probe, model):
    node = start_fusion(processes, probe, model, diagnostics_period=0.1, thresholds__latency=0.0)
    thermal, rgb = scene(1, (64, 48), (80, 64))
    telemetry = np.zeros((2, 80), np.uint16)
    telemetry[:, ::5] = np.random.default_rng(0).integers(0, 65536, (2, 16))
    for _ in range(3):
        probe.fuse(np.vstack([thermal, telemetry]), rgb)
    warning = "the last 2 thermal rows are no picture (telemetry?): set thermal.crop_bottom to 2"
    assert probe.spin_until(lambda: warning in probe.levels["fusion"][1]), probe.levels
    assert probe.diagnostics["thermal no scene (%)"] == f"{100 * 2 / 66:.1f} (2 rows below)"
    assert probe.set_parameter("fusion", "thermal.crop_bottom", 2) == (True, "")
    probe.fuse(np.vstack([thermal, telemetry]), rgb)
    assert probe.spin_until(lambda: probe.levels["fusion"][0] == b"\x00"), probe.levels
    assert probe.diagnostics["thermal no scene (%)"] == "0.0"
    node.terminate()
    assert warning in node.communicate(timeout=30)[0]


def test_bytes_in_the_wrong_order_are_named_until_they_are_turned_round(processes, probe, model):
    node = start_fusion(processes, probe, model, diagnostics_period=0.1, thresholds__latency=0.0)
    y, x = np.mgrid[:64, :80]
    smooth = (7000 + 9 * x + 11 * y + np.random.default_rng(0).integers(0, 5, (64, 80))).astype(np.uint16)
    rgb = scene(1)[1]
    for _ in range(3):
        probe.fuse(smooth.byteswap(), rgb)
    assert probe.spin_until(lambda: "bytes seem to be in the wrong order" in probe.levels["fusion"][1]), probe.levels
    assert probe.set_parameter("fusion", "thermal.byte_order", "swapped") == (True, "")
    assert probe.set_parameter("fusion", "thermal.time_constant", 0.0) == (True, "")
    probe.fuse(smooth.byteswap(), rgb)
    low, high = smooth.min(), smooth.max()
    assert probe.spin_until(lambda: probe.diagnostics["thermal levels"].startswith(str(low)[:2])), probe.diagnostics
    assert low - 20 <= float(probe.diagnostics["thermal levels"].split(" to ")[0]) <= high
    assert probe.spin_until(lambda: probe.levels["fusion"][0] == b"\x00"), probe.levels
    node.terminate()
    assert "set thermal.byte_order to swapped" in node.communicate(timeout=30)[0]
