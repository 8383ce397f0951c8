"""The source check in the running node: what it says, and that it comes and goes with what it sees."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from harness import scene
from streets import night_street

pytestmark = pytest.mark.ros

OK, WARN = b"\x00", b"\x01"


@pytest.fixture(scope="module")
def street():
    """Pictures with structure, each with noise of its own, as a camera's."""
    night = night_street()
    thermal, rgb = night.thermal(0.0)[::2, ::2].copy(), night.rgb(0.0)[::3, ::3].copy()

    def at(number):
        rng = np.random.default_rng(number)
        warm, bright = (rng.integers(0, 3, image.shape, image.dtype) for image in (thermal, rgb))
        return thermal + warm, cv2.add(rgb, bright)

    return at


def watched(probe, street, rgb_of, until) -> None:
    """Pairs, each of them new, until a condition holds."""
    for number in range(2000):
        thermal, rgb = street(number)
        probe.send(thermal, rgb_of(rgb))
        probe.spin_for(0.05)
        if until():
            return
    pytest.fail(f"it never came: {probe.levels}, {probe.diagnostics}")


def as_it_is(rgb):
    return rgb


def black(rgb):
    """A covered lens: darkness and the sensor's noise."""
    return rgb % 3


def level(probe):
    return probe.levels.get("sources", (None, ""))[0]


def test_a_covered_lens_is_told_until_it_is_free(processes, probe, model, street):
    process = processes.start(
        "fusion_node",
        model=str(model),
        device="cpu",
        threads=1,
        diagnostics_period=0.1,
        source_check__period=0.2,
        source_check__patience=0.5,
        source_check__time_constant=0.3,
    )
    probe.wait_for_node()
    watched(probe, street, as_it_is, lambda: "rgb unchanged (s)" in probe.diagnostics)
    assert level(probe) == OK, probe.levels
    watched(probe, street, black, lambda: level(probe) == WARN)
    assert "RGB shows nothing" in probe.levels["sources"][1]
    assert "finding: covered" in probe.diagnostics
    watched(probe, street, as_it_is, lambda: level(probe) == OK)
    process.terminate()
    log, _ = process.communicate(timeout=30)
    assert log.count("source check: RGB shows nothing") == 1
    assert log.count("source check: nothing is wrong any more") == 1
    assert "Traceback" not in log


def test_it_can_be_left_out(processes, probe, model):
    processes.start("fusion_node", model=str(model), device="cpu", diagnostics_period=0.1, source_check__enabled=False)
    probe.wait_for_node()
    probe.fuse(*scene(1))
    assert probe.spin_until(lambda: int(probe.diagnostics.get("fused", 0)) > 0)
    assert "sources" not in probe.levels
