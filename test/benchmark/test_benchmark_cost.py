"""The computed cost against what PyTorch does: operations, and what each convolution reads and writes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_model import make_small_network
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from camf_ros.benchmark.cost import Cost, Layer, cost_of
from camf_ros.benchmark.floor import Peak, floor, layered_floor
from camf_ros.network import CamfNetwork


def forward(network: CamfNetwork, width: int, height: int) -> None:
    pictures = [torch.zeros(1, 1, height, width) for _ in range(2)]
    with torch.no_grad():
        network(*pictures, network.class_activation_weights())


@pytest.mark.parametrize("fused", [(6,), (2, 6), (1, 6), (1, 2, 6)])
@pytest.mark.parametrize(("width", "height"), [(40, 32), (41, 33), (38, 35), (1, 1)])
def test_every_layer(fused: tuple[int, ...], width: int, height: int) -> None:
    network = make_small_network(fused=fused)
    seen: list[tuple[int, int, int]] = []

    def note(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        weights = sum(parameter.numel() for parameter in layer.parameters())
        seen.append((weights, inputs[0].numel(), output.numel()))

    for part in (network.encoder, network.decoder):
        for layer in part.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(note)
    with FlopCounterMode(display=False) as counter:
        forward(network, width, height)
    cost = cost_of(network.architecture, width, height)
    assert [(layer.weights, layer.inputs, layer.outputs) for layer in cost.layers] == seen
    assert cost.flops == counter.get_total_flops()
    assert cost.pixels == width * height


def test_the_papers_network() -> None:
    """About 72 billion operations at 640 x 480, and what PyTorch counts on the network itself."""
    with torch.device("meta"):
        network = CamfNetwork().eval()
        pictures = [torch.zeros(1, 1, 480, 640) for _ in range(2)]
        with FlopCounterMode(display=False) as counter:
            network(*pictures, torch.zeros(2, 128))
    assert cost_of(network.architecture, 640, 480).flops == counter.get_total_flops() == pytest.approx(72e9, rel=0.02)


COST = Cost((Layer(flops=800, weights=10, inputs=100, outputs=90), Layer(40, 5, 90, 5)), pixels=20)


def test_floor_is_the_longer_of_both() -> None:
    assert COST.least_bytes(4) == 3 * 20 + 4 * 15
    assert floor(COST, 4, Peak(flops=84.0, bandwidth=1e9)) == 10.0
    assert floor(COST, 4, Peak(flops=1e9, bandwidth=12.0)) == 10.0
    assert floor(COST, 2, Peak(flops=1e9, bandwidth=10.0)) == 9.0


def test_layered_floor_takes_each_layer_by_itself() -> None:
    # 800 operations take 8 s against 2 s for 800 bytes; 40 take 0.4 s against 1 s for 400 bytes.
    assert layered_floor(COST, 4, Peak(flops=100.0, bandwidth=400.0)) == 8.0 + 1.0
    assert layered_floor(COST, 2, Peak(flops=100.0, bandwidth=400.0)) == 8.0 + 0.5
