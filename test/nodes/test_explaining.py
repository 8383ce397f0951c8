"""The explanation of the running node: a picture on a topic, while somebody looks."""

from __future__ import annotations

import numpy as np
import pytest
from harness import pixels, qos, scene, start_fusion
from sensor_msgs.msg import Image

from camf_ros.explain.panel import DEFAULT_SIZE

pytestmark = pytest.mark.ros

TOPIC = "fusion/explanation"


def started(processes, probe, model, **parameters):
    process = start_fusion(processes, probe, model, explanation_period=0.05, **parameters)
    assert probe.spin_until(lambda: probe.node.count_publishers(TOPIC) == 1)
    return process


def test_it_shows_the_newest_fused_image_under_its_header(processes, probe, model):
    process = started(processes, probe, model)
    panels = []
    probe.fuse(*scene(1))
    subscription = probe.node.create_subscription(Image, TOPIC, panels.append, qos("reliable"))
    assert probe.spin_until(lambda: bool(panels)), "of what was fused before somebody looked"
    image, _ = probe.fuse(*scene(2))
    assert probe.spin_until(lambda: panels[-1].header == image.header)
    assert (panels[-1].width, panels[-1].height, panels[-1].encoding) == (*DEFAULT_SIZE, "rgb8")
    assert len(np.unique(pixels(panels[-1]).reshape(-1, 3), axis=0)) > 1000, "it shows something"
    assert not np.array_equal(pixels(panels[0]), pixels(panels[-1]))
    count = len(panels)
    probe.spin_for(0.5)
    assert len(panels) == count, "each image once"
    probe.node.destroy_subscription(subscription)
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert "Traceback" not in log


def test_a_pixel_is_asked_for_while_the_picture_stands_still(processes, probe, model):
    started(processes, probe, model)
    panels = []
    probe.node.create_subscription(Image, TOPIC, panels.append, qos("reliable"))
    probe.fuse(*scene(1))
    assert probe.spin_until(lambda: len(panels) == 1)
    for name, value in (("explanation_x", 30), ("explanation_y", 20)):
        assert probe.set_parameter("fusion", name, value) == (True, "")
    assert probe.spin_until(lambda: len(panels) == 2)
    assert panels[1].header == panels[0].header
    assert not np.array_equal(pixels(panels[0]), pixels(panels[1]))


def test_fused_pictures_are_the_same_whether_somebody_looks(processes, probe, model):
    # Levels of each frame alone: those that follow the scene depend on what came before.
    started(processes, probe, model, thermal__time_constant=0.0)
    before = [pixels(probe.fuse(*scene(seed))[0]) for seed in (1, 2)]
    panels = []
    probe.node.create_subscription(Image, TOPIC, panels.append, qos("reliable"))
    assert probe.spin_until(lambda: bool(panels))
    for seed, expected in zip((1, 2), before, strict=True):
        count = len(panels)
        np.testing.assert_array_equal(pixels(probe.fuse(*scene(seed))[0]), expected)
        assert probe.spin_until(lambda count=count: len(panels) > count)


def test_a_model_that_does_not_blend_is_said_once_and_counted(processes, probe, small_paper_model):
    process = started(processes, probe, small_paper_model, diagnostics_period=0.2)
    panels = []
    probe.node.create_subscription(Image, TOPIC, panels.append, qos("reliable"))
    for seed in range(3):
        probe.fuse(*scene(seed))
        probe.spin_for(0.3)
    assert panels == []
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert log.count("explanation: model paper does not blend") == 1, log
    assert "Traceback" not in log
