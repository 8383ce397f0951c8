"""The computed floor: convolutions as PyTorch counts them, the blending's bytes by hand, and chains that do run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engine_benchmark import floor
from engine_benchmark.floor import Convolution, blending_bytes, chain_seconds, convolutions, floor_of
from torch.utils.flop_counter import FlopCounterMode

from camf_ros.errors import CamfError
from camf_ros.models import find_model
from camf_ros.network.architecture import BlendArchitecture, PaperArchitecture
from camf_ros.network.checkpoint import load_checkpoint
from camf_ros.network.inference import inference
from camf_ros.timing import Sample

openvino = pytest.importorskip("openvino")


@pytest.mark.parametrize("name", ["tiny", "camf-paper"])
def test_convolutions_are_those_that_pytorch_counts(name: str, tiny_model: Path) -> None:
    model = find_model(str(tiny_model) if name == "tiny" else name)
    width, height = 96, 64
    found = convolutions(openvino.Core().read_model(model.read_graph().data), height, width)
    assert model.checkpoint is not None
    module = inference(load_checkpoint(model.checkpoint).network)
    inputs = [torch.zeros(1, 1, height, width, dtype=torch.uint8)] * 2
    inputs += [torch.zeros(1), torch.zeros(1)] if name == "camf-paper" else []
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*inputs)
    assert sum(layer.flops for layer in found) == counter.get_total_flops()


def test_a_pair_of_encoders_is_a_batch_of_two(tiny_model: Path) -> None:
    graph = find_model(str(tiny_model)).read_graph()
    first, second, *_ = convolutions(openvino.Core().read_model(graph.data), 64, 96)
    assert first == Convolution(pictures=2, inputs=4, outputs=2, kernel=first.kernel, size=(32, 48))
    assert (second.pictures, second.inputs, second.outputs, second.size) == (2, 2, 3, (16, 24))


def test_bytes_of_the_blending_by_hand() -> None:
    """Levels of 256, 64, 16 and 4 pixels."""
    means = 2 * ((256 + 4 * 64) + 4 * (64 + 16) + 4 * (16 + 4))
    rest = 2 * 4 * (4 + 4) + 4 * 4
    third = 2 * 4 * (16 + 4 + 16) + 4 * (4 + 16)
    second = 2 * 4 * (64 + 16 + 64) + 4 * (16 + 64)
    three = BlendArchitecture((2, 3, 4), (2, 2, 2))
    first = 2 * (256 + 4 * 64 + 4 * 64) + 4 * 64 + 256
    assert blending_bytes(three, 16, 16) == means + rest + third + second + first
    # 15 x 9 are padded to 16 x 16.
    assert blending_bytes(three, 15, 9) == means + rest + third + second + first
    assert blending_bytes(PaperArchitecture(), 16, 16) == 0


def test_floor_is_the_sum_over_convolutions_and_the_blending(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "chain_seconds", lambda *_: Sample(1.0, 2.0))
    monkeypatch.setattr(floor, "seconds_of_a_byte", lambda *_: Sample(0.5, 0.25))
    found = floor_of(str(tiny_model), 96, 64, "float32", 1)
    layers = convolutions(openvino.Core().read_model(find_model(str(tiny_model)).read_graph().data), 64, 96)
    assert found.convolutions == (len(layers), 2 * len(layers))
    moved = blending_bytes(find_model(str(tiny_model)).info().architecture, 96, 64)
    assert found.blending == (0.5 * moved, 0.25 * moved)
    assert found.flops == sum(layer.flops for layer in layers)


def test_chains_run_for_every_kernel() -> None:
    for kernel in ((3, 3), (1, 1)):
        assert chain_seconds(Convolution(2, 3, 5, kernel, (16, 24)), "float32", 1).wall > 0


def test_what_has_no_floor(tiny_model: Path) -> None:
    with pytest.raises(CamfError, match="there is no floor in int8"):
        floor_of(str(tiny_model), 40, 32, "int8", 1)
