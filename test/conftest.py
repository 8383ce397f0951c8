"""What every test may need: one thread, no wall clock in property tests, and a small model with weights of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from camf_ros.network import CamfNetwork

# The same examples in every run, and no verdict that hangs on how busy the machine is.
hypothesis.settings.register_profile("camf", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("camf")

#: Gain that the small model's checkpoint names.
SMALL_GAIN = 0.8


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order, so that equal runs give equal bits. Tests without PyTorch do not pay for its import."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_small_network(seed: int = 7) -> CamfNetwork:
    """A network of a few channels with biases and classifier weights that matter, as after a training."""
    import torch  # noqa: PLC0415 - only for tests that use it

    from camf_ros.network import Architecture, CamfNetwork  # noqa: PLC0415

    random = torch.Generator().manual_seed(seed)
    network = CamfNetwork(Architecture(encoder=(2, 3, 4, 5, 5, 5), decoder=(5, 5, 4, 3, 3)))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            fan_in = parameter[0].numel()
            scale = 0.1 if name.endswith("bias") else (2 / fan_in) ** 0.5
            parameter.copy_(torch.randn(parameter.shape, generator=random) * scale)
    return network.eval().requires_grad_(False)


@pytest.fixture
def small_network() -> CamfNetwork:
    return make_small_network()


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint file of the small network. Tests read it and never write it."""
    from camf_ros.network import save_checkpoint  # noqa: PLC0415

    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_checkpoint(path, make_small_network(), name="small", gain=SMALL_GAIN, training={"command": "made by a test"})
    return path
