"""Models of a few channels: fast, and no layer of them is idle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from camf_ros.engines.choose import open_engine
from camf_ros.engines.engine import FusionEngine
from camf_ros.models import find_model
from camf_ros.network.architecture import BlendArchitecture, PaperArchitecture
from camf_ros.network.blend import BlendNetwork
from camf_ros.network.checkpoint import load_checkpoint, network_of, save_checkpoint
from camf_ros.network.inference import Network
from camf_ros.network.onnx_export import export
from camf_ros.network.paper import PaperNetwork

#: A constant gain, where a test wants one.
SMALL_GAIN = 0.8
_N = TypeVar("_N", bound=torch.nn.Module)
# One scale more than the classifier looks at by itself.
_SMALL = {"encoder": (3, 4, 5, 6), "heads": (2, 3, 4, 3)}


def make_small_network(seed: int = 7, **changes: Any) -> BlendNetwork:
    """A blending network of a few channels with weights that matter, as after a training."""
    network = network_of(BlendArchitecture(**{**_SMALL, **changes}))
    assert isinstance(network, BlendNetwork)
    return trained(network, seed)


def make_small_paper(seed: int = 7) -> PaperNetwork:
    """The paper's network likewise."""
    return trained(PaperNetwork(PaperArchitecture(encoder=(2, 3, 4, 5, 5, 5), decoder=(5, 5, 4, 3, 3))), seed)


def trained(network: _N, seed: int) -> _N:
    """Weights as after a training."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            fan_in = parameter[0].numel()
            scale = 0.1 if name.endswith("bias") else (2 / fan_in) ** 0.5
            parameter.copy_(torch.randn(parameter.shape, generator=random) * scale)
    return network.eval().requires_grad_(False)


def write_model(path: Path, network: Network, *, name: str = "small") -> Path:
    """Write a checkpoint and both its graphs; returns the checkpoint, which ``path`` names."""
    save_checkpoint(path, network, name=name, training={"command": "made by a test"})
    export(load_checkpoint(path), path.with_suffix(".onnx"))
    return path


def open_small(path: Path) -> FusionEngine:
    """The model of a checkpoint in PyTorch: float32, one thread."""
    engine = open_engine("torch", find_model(str(path)), device="cpu", precision="float32", threads=1)
    assert isinstance(engine, FusionEngine)
    return engine


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.trace,)
