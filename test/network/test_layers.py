"""The layer table: channels, strides, sizes, parameters, and that channels stay apart in the classifier."""

from __future__ import annotations

import json

import pytest
import torch
from small_model import make_small_network
from torch import Tensor, nn

from camf_ros.errors import CheckpointError, ImageError
from camf_ros.network import Architecture, CamfNetwork
from camf_ros.network.classifier import MIN_FEATURE_SIZE, AuxiliaryClassifier


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def output_shapes(module: nn.Module, layers: nn.Module, *inputs: object) -> list[tuple[int, ...]]:
    """Shapes that the layers put out while the module runs, in the order of their calls."""
    shapes: list[tuple[int, ...]] = []
    hooks = [
        layer.register_forward_hook(lambda _layer, _inputs, output: shapes.append(tuple(output.shape)))
        for layer in layers.children()
    ]
    with torch.no_grad():
        module(*inputs)
    for hook in hooks:
        hook.remove()
    return shapes


@pytest.fixture(scope="module")
def paper() -> CamfNetwork:
    return CamfNetwork()


def test_parameter_counts(paper: CamfNetwork) -> None:
    assert count(paper.encoder) == 9 * (16 + 16 * 32 + 32 * 64 + 64 * 128 + 2 * 128 * 128) + 16 + 32 + 64 + 3 * 128
    assert count(paper.encoder) + count(paper.decoder) == 789_025
    assert count(paper.classifier) == 4 * 4 * (9 + 1) * 128 + 128 * 2 + 2


@pytest.mark.parametrize(("height", "width"), [(36, 52), (37, 51)])
def test_encoder_shapes(paper: CamfNetwork, height: int, width: int) -> None:
    half, quarter = [(-(-height // n), -(-width // n)) for n in (2, 4)]
    assert output_shapes(paper.encoder, paper.encoder.layers, torch.zeros(2, 1, height, width)) == [
        (2, 16, height, width),
        (2, 32, *half),
        (2, 64, *quarter),
        (2, 128, *quarter),
        (2, 128, *quarter),
        (2, 128, *quarter),
    ]


@pytest.mark.parametrize(("height", "width"), [(36, 52), (37, 51)])
def test_decoder_shapes(paper: CamfNetwork, height: int, width: int) -> None:
    half, quarter = [(-(-height // n), -(-width // n)) for n in (2, 4)]
    features = [torch.zeros(2, 128, *quarter)]
    assert output_shapes(paper.decoder, paper.decoder.layers, features, (height, width)) == [
        (2, 128, *quarter),
        (2, 128, *quarter),
        (2, 64, *half),
        (2, 32, height - 2, width - 2),
        (2, 32, height - 4, width - 4),
    ]
    with torch.no_grad():
        assert paper.decoder(features, (height, width)).shape == (2, 1, height - 4, width - 4)


def test_classifier_shapes(paper: CamfNetwork) -> None:
    shapes = output_shapes(paper.classifier, paper.classifier.stages, [torch.zeros(3, 128, 32, 21)])
    assert shapes == [(3, 128, 30, 19), (3, 128, 14, 9), (3, 128, 12, 7), (3, 128, 5, 3)]
    with torch.no_grad():
        assert paper.classifier([torch.zeros(3, 128, 32, 21)]).shape == (3, 2)


def test_every_classifier_stage_is_depthwise_with_four_branches(paper: CamfNetwork) -> None:
    convolutions = [module for module in paper.classifier.modules() if isinstance(module, nn.Conv2d)]
    assert [layer.stride for layer in convolutions] == [(1, 1), (2, 2), (1, 1), (2, 2)]
    for layer in convolutions:
        assert (layer.groups, layer.out_channels, layer.kernel_size, layer.padding) == (128, 512, (3, 3), (0, 0))


@pytest.mark.parametrize("fused", [(6,), (1, 6), (2, 6), (1, 2, 6)])
def test_channels_stay_apart_in_the_classifier(fused: tuple[int, ...]) -> None:
    """A change of fused channel k reaches the linear layer in its entry k and nowhere else."""
    network = make_small_network(fused=fused)
    classifier = network.classifier
    for parameter in classifier.stages.parameters():
        parameter.abs_()  # so that no channel is shut
    pooled: list[Tensor] = []
    classifier.linear.register_forward_pre_hook(lambda _layer, inputs: pooled.append(inputs[0]))
    torch.manual_seed(3)
    sizes = {1: (66, 79), 2: (33, 40), 6: (17, 20)}
    counts = network.architecture.fused_channels
    features = [torch.rand(1, count, *sizes[layer]) for layer, count in zip(fused, counts, strict=True)]
    classifier(features)
    number = 0
    for place, count in enumerate(counts):
        for channel in range(count):
            changed = [layer.clone() for layer in features]
            changed[place][:, channel] += torch.rand(sizes[fused[place]])
            classifier(changed)
            differs = pooled[-1][0] != pooled[0][0]
            assert differs.tolist() == [row == number for row in range(sum(counts))]
            number += 1


@pytest.mark.parametrize(("height", "width"), [(36, 52), (37, 51)])
def test_finer_layers_are_features_of_their_size(height: int, width: int) -> None:
    half, quarter = [(-(-height // n), -(-width // n)) for n in (2, 4)]
    network = CamfNetwork(Architecture(fused=(1, 2, 6)))
    with torch.no_grad():
        features = network.encoder(torch.rand(2, 1, height, width))
        assert [tuple(layer.shape) for layer in features] == [
            (2, 16, height, width),
            (2, 32, *half),
            (2, 128, *quarter),
        ]
        assert all(bool((layer >= 0).all()) for layer in features)
        assert network.decoder(features, (height, width)).shape == (2, 1, height - 4, width - 4)
    assert [tuple(layer.weight.shape[:2]) for layer in network.decoder.layers] == [
        (128, 128),
        (128, 128),
        (64, 128 + 32),
        (32, 64 + 16),
        (32, 32),
    ]
    assert network.classifier.linear.weight.shape == (2, 16 + 32 + 128)


def test_encoder_does_not_depend_on_what_is_fused() -> None:
    """The same layers, of which more are shown."""
    image = torch.rand(1, 1, 20, 24)
    everything = make_small_network(fused=(1, 2, 6))
    for fused in ((6,), (1, 6), (2, 6)):
        network = make_small_network(fused=fused)
        network.encoder.load_state_dict(everything.encoder.state_dict())
        wanted = [layer for layer, number in zip(everything.encoder(image), (1, 2, 6), strict=True) if number in fused]
        got = network.encoder(image)
        assert len(got) == len(fused)
        assert all(torch.equal(one, other) for one, other in zip(got, wanted, strict=True))


def test_decoder_wants_every_fused_layer() -> None:
    network = make_small_network(fused=(2, 6))
    with pytest.raises(ValueError, match="zip"):
        network.decoder(network.encoder(torch.rand(1, 1, 20, 24))[-1:], (20, 24))


def test_smallest_features_of_the_classifier(small_network: CamfNetwork) -> None:
    assert MIN_FEATURE_SIZE == 13
    assert small_network.classifier([torch.ones(1, 5, 13, 13)]).shape == (1, 2)
    for size in ((12, 40), (40, 12)):
        with pytest.raises(ImageError, match="too small for the classifier"):
            small_network.classifier([torch.ones(1, 5, *size)])


def test_classifier_starts_without_knowing_the_answer() -> None:
    """Fresh weights are different for every seed: folds of a cross-validation are trainings of their own."""
    architecture = Architecture(encoder=(2, 3, 4, 5, 5, 5), decoder=(5, 5, 4, 3, 3))
    first, second = (AuxiliaryClassifier(architecture).linear.weight for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    "widths",
    [
        {"encoder": (16, 32, 64, 128, 128)},
        {"decoder": (1, 2, 3, 4, 5, 6)},
        {"encoder": (16, 32, 64, 128, 128, 0)},
        {"encoder": (16, 32, 64, 128, 128, 10**9)},
        {"encoder": (16, 32, 64, 128, 128, True)},
        {"encoder": (16, 32, 64, 128, 128, 128.0)},
        {"decoder": (16, 32, 64, 128, "128")},
    ],
)
def test_impossible_widths(widths: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(CheckpointError, match=r"architecture has (encoder|decoder) widths"):
        Architecture(**widths)


@pytest.mark.parametrize(
    "fused",
    [(), (1,), (2,), (1, 2), (3, 6), (6, 1), (2, 1, 6), (6, 6), (1, 1, 6), (0, 6), (-1, 6), (6.0,), (True, 6), ("6",)],
)
def test_impossible_fused_layers(fused: tuple[int, ...]) -> None:
    """Without the deepest layer there is no CAMF; layers beside the last of each size, or in another order, are not."""
    with pytest.raises(
        CheckpointError, match=r"architecture has fused layers .*one of \(6,\), .*\(1, 2, 6\)"
    ) as caught:
        Architecture(fused=fused)
    assert repr(fused) in str(caught.value)


@pytest.mark.parametrize(
    ("fused", "channels"), [((6,), (7,)), ((1, 6), (2, 7)), ((2, 6), (3, 7)), ((1, 2, 6), (2, 3, 7))]
)
def test_architecture_as_plain_data(fused: tuple[int, ...], channels: tuple[int, ...]) -> None:
    architecture = Architecture(encoder=(2, 3, 4, 5, 6, 7), decoder=(1, 2, 3, 4, 5), fused=fused)
    plain = architecture.to_dict()
    assert plain == {"encoder": [2, 3, 4, 5, 6, 7], "decoder": [1, 2, 3, 4, 5], "fused": list(fused)}
    assert Architecture.from_dict(json.loads(json.dumps(plain))) == architecture
    assert architecture.fused_channels == channels
    assert architecture.channels == sum(channels)


WIDTHS = {"encoder": [1] * 6, "decoder": [1] * 5}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"encoder": [1] * 6},
        WIDTHS,
        {**WIDTHS, "fused": [6], "x": 1},
        {**WIDTHS, "fused": [6], "encoder": 3},
        {**WIDTHS, "fused": 6},
        {**WIDTHS, "fused": None},
        {**WIDTHS, "fused": [1, 2]},
        {**WIDTHS, "fused": [[6]]},
        {**WIDTHS, "fused": {"6": 1}},
        {**WIDTHS, "fused": "6"},
    ],
)
def test_architecture_data_that_does_not_fit(data: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="architecture"):
        Architecture.from_dict(data)
