"""Engines that fail in the middle of the work."""

from __future__ import annotations

import resource
import signal

import psutil
import pytest
from harness import scene
from std_srvs.srv import Trigger
from trouble import Trouble, assert_nothing_leaked, counted, settled, start_watched

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


def test_no_memory_for_a_large_picture(processes, probe, model):
    node = start_watched(processes, probe, model)
    before = settled(probe, node.pid)
    used = psutil.Process(node.pid).memory_info().vms
    # Enough for the messages, nowhere near enough for the network at that size.
    resource.prlimit(node.pid, resource.RLIMIT_AS, (used + 400 * MIB, resource.RLIM_INFINITY))
    large = scene(1, (4000, 3000), (4000, 3000))
    for _ in range(2):
        rejected = counted(probe, "rejected")
        for _ in range(60):  # best effort: the middleware may lose a part of such a message
            probe.send(*large)
            if probe.spin_until(lambda: counted(probe, "rejected") > rejected, 2.0):  # noqa: B023
                break
        assert counted(probe, "rejected") > rejected, probe.diagnostics
        probe.fuse(*scene())
    resource.prlimit(node.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    # Where it runs out, in the engine or on the way there, is chance.
    assert counted(probe, "rejected: engine") + counted(probe, "rejected: internal") >= 2, probe.diagnostics
    # The last large picture is still held until another takes its place.
    assert_nothing_leaked(probe, node.pid, before, memory=128)
