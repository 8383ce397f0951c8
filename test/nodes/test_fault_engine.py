"""Engines that fail in the middle of the work."""

from __future__ import annotations

import resource
import signal

import psutil
import pytest
from harness import scene
from std_srvs.srv import Trigger
from trouble import Trouble, assert_nothing_leaked, counted, settled, start_watched

from camf_ros.nodes.inputs import SENSOR_INPUT
from camf_ros.nodes.publishers import image_message

pytestmark = [pytest.mark.ros, pytest.mark.fault]

MIB = 2**20


def test_an_engine_that_raises(processes, probe, model, tmp_path, monkeypatch):
    trouble = Trouble(tmp_path, monkeypatch)
    node = start_watched(processes, probe, model)
    before = settled(probe, node.pid)
    rejected = 0
    for kind, reason in (("RuntimeError", "engine"), ("MemoryError", "engine"), ("KeyError", "internal")):
        trouble.order(kind)
        for number in range(5):
            probe.send(*scene(number))
            rejected += 1
            assert probe.spin_until(lambda: counted(probe, "rejected") == rejected), f"{kind}: {probe.diagnostics}"  # noqa: B023
        assert counted(probe, f"rejected: {reason}") >= 5
        trouble.order("")
        probe.fuse(*scene())
    assert_nothing_leaked(probe, node.pid, before)
    node.send_signal(signal.SIGINT)
    log, _ = node.communicate(timeout=60)
    assert node.returncode == 0
    assert "as ordered" in log
    assert log.count("not fused (engine)") < 6, "the log is throttled"


def nothing_is_loading(probe) -> bool:
    """What the next message on /diagnostics says."""
    probe.diagnostics.clear()
    assert probe.spin_until(lambda: "state" in probe.diagnostics)
    return "loading" not in probe.diagnostics


def test_a_model_that_is_loaded_again_and_again(processes, probe, model):
    node = start_watched(processes, probe, model)
    client = probe.client(Trigger, "fusion/reload")
    before = settled(probe, node.pid)
    for number in range(6):
        future = client.call_async(Trigger.Request())
        assert probe.spin_until(future.done)
        assert future.result().success
        assert any(nothing_is_loading(probe) for _ in range(500))
        probe.fuse(*scene(number))
    assert_nothing_leaked(probe, node.pid, before)


def fill_the_middleware(probe, thermal, rgb) -> None:
    """Let the node receive as many messages of this size as it queues, and refuse them before anything is done.

    Fast DDS keeps the memory of each message in a queue for the next one: so many of the largest that ever came.
    """
    messages = (
        (probe.thermal, image_message(thermal, "mono16", probe.header("thermal_frame"))),
        (probe.rgb, image_message(rgb, "rgb8", probe.header("rgb_frame"))),
    )
    for _ in range(3):
        # Faster than it takes them.
        for _ in range(2 * SENSOR_INPUT.depth):
            probe.advance()
            for publisher, message in messages:
                message.encoding, message.header = "of_no_camera", probe.header(message.header.frame_id)
                publisher.publish(message)
        probe.spin_for(0.5)
        probe.fuse(*scene())
    assert counted(probe, "rejected: encoding") > 0


def test_no_memory_for_a_large_picture(processes, probe, model):
    node = start_watched(processes, probe, model)
    large = scene(1, (2000, 1500), (2000, 1500))
    fill_the_middleware(probe, *large)
    before = settled(probe, node.pid)
    used = psutil.Process(node.pid).memory_info().vms
    # Enough for the messages, half of what the network takes at that size.
    resource.prlimit(node.pid, resource.RLIMIT_AS, (used + 150 * MIB, resource.RLIM_INFINITY))
    for _ in range(30):
        rejected = counted(probe, "rejected")
        for _ in range(60):  # best effort: the middleware may lose a part of such a message
            probe.send(*large)
            if probe.spin_until(lambda: counted(probe, "rejected") > rejected, 2.0):  # noqa: B023
                break
        assert counted(probe, "rejected") > rejected, probe.diagnostics
        probe.fuse(*scene())
    resource.prlimit(node.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    # Where it runs out, in the engine or on the way there, is chance.
    assert counted(probe, "rejected: engine") + counted(probe, "rejected: internal") >= 30, probe.diagnostics
    # Less than one plane of grey levels of each of them.
    assert_nothing_leaked(probe, node.pid, before, memory=80)
