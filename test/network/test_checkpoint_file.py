"""Reading a checkpoint without PyTorch: the same tensors and the same weights as with it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from small_model import make_small_network

from camf_ros.models import find_model, shipped_models
from camf_ros.network import Architecture, CamfNetwork, load_checkpoint
from camf_ros.network.checkpoint_file import read_checkpoint_file, tensor_shapes


@pytest.mark.parametrize("fused", [(6,), (2, 6), (1, 6), (1, 2, 6)])
def test_shapes_are_those_of_the_network(fused: tuple[int, ...]) -> None:
    for network in (make_small_network(fused=fused), CamfNetwork(Architecture(fused=fused))):
        state = network.state_dict()
        assert tensor_shapes(network.architecture) == {name: tuple(value.shape) for name, value in state.items()}


@pytest.mark.parametrize("name", shipped_models())
def test_class_activation_weights_are_those_of_the_network(name: str) -> None:
    path = find_model(name)
    expected = load_checkpoint(path).network.class_activation_weights().numpy()
    weights = read_checkpoint_file(path).class_activation_weights()
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_no_pytorch_is_needed() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from camf_ros.models import find_model\n"
        "from camf_ros.network.checkpoint_file import read_checkpoint_file\n"
        "print(read_checkpoint_file(find_model('camf-lite')).hash)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == load_checkpoint(find_model("camf-lite")).hash
