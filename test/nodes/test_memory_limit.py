"""Pictures that need more memory than they may: refused before anything is allocated for them, over DDS."""

from __future__ import annotations

import pytest
from camf_ros.msg import ChannelWeights
from harness import scene, start_fusion
from trouble import Footprint, counted

pytestmark = [pytest.mark.ros, pytest.mark.fault]

WARN = b"\x01"


def started(processes, probe, model, **parameters):
    return start_fusion(processes, probe, model, diagnostics_period=0.1, source_check__enabled=False, **parameters)


def ended(process) -> str:
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return log


def test_a_pair_that_needs_too_much_is_refused(processes, probe, model):
    """The camera of the large pictures is a missing one then."""
    node = started(processes, probe, model, memory_limit=60, missing_timeout=0.3)
    for seed in range(5):
        probe.fuse(*scene(seed))
    before = Footprint.of(node.pid)
    _, large = scene(1, (1600, 1200))
    for seed in range(200):
        probe.send(scene(seed)[0], large)
        probe.spin_for(0.05)
        if any(message.sources == ChannelWeights.SOURCE_THERMAL for message in probe.weights):
            break
    assert probe.spin_until(lambda: probe.levels["inputs"][0] == WARN), probe.levels
    assert "RGB image: size is 1600 x 1200 would need about" in probe.levels["inputs"][1]
    assert "expected at most 60 MB" in probe.levels["inputs"][1]
    assert counted(probe, "rejected: image") > 0
    # Beside what the middleware keeps of large messages: six of them, in two processes at most.
    assert Footprint.of(node.pid).private < before.private + 12 * large.nbytes / 2**20 + 16
    probe.send(*scene(7))
    probe.spin_for(0.2)
    probe.fuse(*scene(8))
    assert "raise memory_limit" in ended(node)


def test_large_rgb_with_small_thermal_is_fused_at_a_smaller_size(processes, probe, model):
    node = started(processes, probe, model, memory_limit=300)
    for seed in range(2):
        image, _ = probe.fuse(*scene(seed, (1600, 1200)))
        assert (image.width, image.height) == (1600, 1200)
    log = ended(node)
    assert log.count("the network works at 43x32 for fused images of 1600x1200: thermal has 40x32") == 1


def test_sizes_of_parameters_count(processes, probe, model):
    node = started(processes, probe, model, memory_limit=200, registration__output_width=8192)
    for seed in range(200):
        probe.send(*scene(seed))
        probe.spin_for(0.05)
        if counted(probe, "rejected: image") >= 5:
            break
    assert probe.fused == []
    assert probe.set_parameter("fusion", "registration.output_width", 128) == (True, "")
    probe.fuse(*scene(9))
    assert "set a smaller registration.output_width" in ended(node)
