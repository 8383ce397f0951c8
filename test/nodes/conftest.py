"""Fixtures for tests on real ROS 2: nodes in processes of their own, talked to over DDS."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run scripts/test, which brings it")
pytest.importorskip("camf_ros.msg", reason="needs the colcon-built package: run scripts/test")

from harness import Probe, Processes
from small_model import make_small_network, make_small_paper, write_model


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A small network with random weights: the node does with it what it does with a trained one, only faster."""
    network = make_small_network(5, encoder=(4, 4, 8), heads=(4, 4, 8))
    return write_model(tmp_path_factory.mktemp("model") / "small.safetensors", network)


@pytest.fixture(scope="session")
def paper_model(tmp_path_factory):
    """One of the paper's kind, which has a gain."""
    return write_model(tmp_path_factory.mktemp("paper") / "paper.safetensors", make_small_paper(), name="paper")


@pytest.fixture
def processes():
    """Starts executables of the package; whatever still runs at the end is ended."""
    running = Processes()
    yield running
    running.close()


@pytest.fixture
def probe():
    """A node of the test's own that publishes camera messages and collects what comes back."""
    node = Probe()
    yield node
    node.close()


@pytest.fixture
def fusion(processes, probe, model):
    """A running fusion node, matched with the probe."""
    process = processes.start("fusion_node", model=str(model), device="cpu", precision="float32", threads=1)
    probe.wait_for_node()
    return process
