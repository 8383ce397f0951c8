"""Fixtures for tests on real ROS 2: nodes in processes of their own, talked to over DDS."""

from __future__ import annotations

import os
import random

import pytest

# Before rclpy is imported anywhere: topics of our own, and images that fit into shared memory.
os.environ.setdefault("ROS_DOMAIN_ID", str(random.randint(1, 101)))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

pytest.importorskip("rclpy", reason="needs ROS 2: run scripts/test, which brings it")
pytest.importorskip("camf_ros.msg", reason="needs the colcon-built package: run scripts/test")

import torch
from harness import Probe, Processes

from camf_ros.network import Architecture, CamfNetwork, save_checkpoint


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A small network with random weights: the node does with it what it does with a trained one, only faster."""
    torch.manual_seed(5)
    network = CamfNetwork(Architecture(encoder=(4, 8, 8, 16, 16, 16), decoder=(16, 16, 8, 8, 8)))
    # Weights as far apart as a trained classifier's.
    torch.nn.init.normal_(network.classifier.linear.weight, std=1.0)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_checkpoint(path, network, name="small", training={})
    return path


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
