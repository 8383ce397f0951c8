"""Quality of service can be overridden by parameters, as in every ROS 2 node that allows it."""

from __future__ import annotations

import pytest
from rclpy.qos import DurabilityPolicy, HistoryPolicy, ReliabilityPolicy

pytestmark = pytest.mark.ros


def test_overrides_are_honoured_and_the_rest_keeps_its_default(processes, probe, model, tmp_path):
    overrides = tmp_path / "qos.yaml"
    overrides.write_text(
        """
/fusion:
  ros__parameters:
    qos_overrides:
      /fused/image: {publisher: {reliability: best_effort, depth: 7}}
      /rgb/image_raw: {subscription: {reliability: reliable, history: keep_last, depth: 1}}
      /fused/camera_info: {publisher: {durability: transient_local}}
"""
    )
    processes.start("fusion_node", "--params-file", str(overrides), model=str(model), device="cpu")
    names = ("/fused/image", "/fused/camera_info", "/fusion/channel_weights")
    assert probe.spin_until(lambda: all(probe.node.count_publishers(name) for name in names))
    assert probe.spin_until(lambda: all(probe.node.count_subscribers(f"/{c}/image_raw") for c in ("thermal", "rgb")))

    def publisher(topic):
        (info,) = probe.node.get_publishers_info_by_topic(topic)
        return info.qos_profile

    def subscription(topic):
        (info,) = probe.node.get_subscriptions_info_by_topic(topic)
        return info.qos_profile

    assert publisher("/fused/image").reliability == ReliabilityPolicy.BEST_EFFORT
    assert publisher("/fused/camera_info").durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert publisher("/fusion/channel_weights").reliability == ReliabilityPolicy.RELIABLE
    assert publisher("/fusion/channel_weights").durability == DurabilityPolicy.VOLATILE
    assert subscription("/rgb/image_raw").reliability == ReliabilityPolicy.RELIABLE
    assert subscription("/thermal/image_raw").reliability == ReliabilityPolicy.BEST_EFFORT
    assert subscription("/thermal/image_raw").history in (HistoryPolicy.KEEP_LAST, HistoryPolicy.UNKNOWN)


def test_an_override_that_is_none_ends_with_its_name(processes, model):
    process = processes.start(
        "fusion_node", "-p", "qos_overrides./fused/image.publisher.reliability:=soon", model=str(model), device="cpu"
    )
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "soon" in log


def test_an_override_of_no_topic_is_named_with_the_one_that_was_meant(processes, probe, model):
    wrong = ("qos_overrides./fused/imag.publisher.depth:=3", "qos_overrides./fused/image.publisher.dept:=3")
    right = "qos_overrides./fused/image.publisher.depth:=3"
    given = [part for each in (*wrong, right) for part in ("-p", each)]
    process = processes.start("fusion_node", *given, model=str(model), device="cpu")
    probe.wait_for_node()
    process.terminate()
    log, _ = process.communicate(timeout=30)
    told = [line.partition("parameter ")[2] for line in log.splitlines() if "qos_overrides" in line]
    assert told == [
        f"'{each[:-3]}' is ignored: no topic here has such a setting; did you mean {right[:-3]}?" for each in wrong
    ]


@pytest.mark.parametrize("name", ["source_node", "demo_monitor", "detector_example"])
def test_an_override_of_a_node_that_has_none(processes, name, tmp_path):
    given = [f"output:={tmp_path}"] if name == "demo_monitor" else []
    given += ["qos_overrides./a.publisher.depth:=3"]
    process = processes.start(name, *[part for each in given for part in ("-p", each)])
    for line in process.stdout:
        if "qos_overrides" in line:
            break
    else:
        pytest.fail("nothing was said")
    assert "parameter 'qos_overrides./a.publisher.depth' is ignored" in line


def test_a_misspelled_parameter_is_named_with_the_one_that_was_meant(processes, probe, model):
    process = processes.start("fusion_node", model=str(model), device="cpu", modle="x", registraton__mode="homography")
    probe.wait_for_node()
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert "parameter 'modle' is none of this node's and is ignored; did you mean model?" in log
    assert "did you mean registration.mode?" in log
    assert "use_sim_time" not in log
