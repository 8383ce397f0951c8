"""A model of a few channels: fast, and no layer of it is idle."""

from __future__ import annotations

import torch

from camf_ros.network import Architecture, CamfNetwork

#: A constant gain, where a test wants one.
SMALL_GAIN = 0.8


def make_small_network(seed: int = 7, fused: tuple[int, ...] = (6,)) -> CamfNetwork:
    """A network of a few channels with biases and classifier weights that matter, as after a training."""
    random = torch.Generator().manual_seed(seed)
    network = CamfNetwork(Architecture(encoder=(2, 3, 4, 5, 5, 5), decoder=(5, 5, 4, 3, 3), fused=fused))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            fan_in = parameter[0].numel()
            scale = 0.1 if name.endswith("bias") else (2 / fan_in) ** 0.5
            parameter.copy_(torch.randn(parameter.shape, generator=random) * scale)
    return network.eval().requires_grad_(False)
