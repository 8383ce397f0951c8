"""The blending network against its second, plain version, and what must hold whatever its weights are."""

from __future__ import annotations

from typing import Any

import numpy as np
import plain_camf
import pytest
import torch
from numpy.typing import NDArray
from small_model import make_small_network
from torch import Tensor

from camf_ros.errors import ImageError
from camf_ros.network.architecture import BlendArchitecture
from camf_ros.network.blend import BlendNetwork, bands, blend, collapse
from camf_ros.network.inference import BlendInference, BlendInspection

#: Every way in which an architecture can differ but for its widths.
VARIANTS: list[dict[str, Any]] = [
    {},
    {"heads": (0, 0, 0, 0)},
    {"heads": (0, 3, 0, 2)},
    {"encoder": (3, 4), "heads": (2, 3)},
    {"encoder": (3, 4, 5), "heads": (2, 0, 3)},
    {"encoder": (3, 4), "heads": (2, 0), "coarse": 3},
    {"encoder": (2, 3, 4, 3, 4, 3), "heads": (0, 2, 3, 2, 0, 3), "limit": 2.0},
]


def plain_weights(network: torch.nn.Module) -> dict[str, NDArray[np.float64]]:
    return {name: value.double().numpy() for name, value in network.state_dict().items()}


def pair(height: int, width: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    random = np.random.default_rng(seed)
    infrared, visible = random.integers(0, 256, (2, height, width)).astype(np.uint8)
    return infrared, visible


def tensors(pictures: tuple[NDArray[np.uint8], ...], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return [torch.from_numpy(picture)[None, None].to(dtype) for picture in pictures]


@pytest.mark.parametrize("variant", VARIANTS)
def test_forward_pass_is_the_plain_one(variant: dict[str, Any]) -> None:
    network = make_small_network(**variant)
    weights = plain_weights(network)
    step = network.architecture.step
    pictures = pair(2 * step, 3 * step)
    output = network.double()(*tensors(pictures, torch.float64), network.class_activation_weights())
    limit = network.architecture.limit
    plain = plain_camf.fuse_blend(weights, *(picture.astype(np.float64) for picture in pictures), limit=limit)
    assert len(output.amounts) == len(plain.amounts) == network.architecture.levels
    for got, expected in zip(output.amounts, plain.amounts, strict=True):
        np.testing.assert_allclose(got[0].numpy(), expected, atol=1e-9)
        assert expected.std() > 1e-3, "nothing is compared with a constant"
    for part, expected in zip((output.infrared_part, output.visible_part), plain.parts, strict=True):
        np.testing.assert_allclose(part[0, 0].numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("variant", VARIANTS)
def test_folded_network_is_the_network(variant: dict[str, Any]) -> None:
    """Amounts to what is 1e-4 of a grey level in the picture; activations over the grid."""
    network = make_small_network(**variant)
    step = network.architecture.step
    pictures = pair(2 * step, 3 * step, seed=3)
    *amounts, activation = BlendInference(network)(*tensors(pictures, torch.uint8))
    output = network(*tensors(pictures), network.class_activation_weights())
    for got, expected in zip(amounts, output.amounts, strict=True):
        torch.testing.assert_close(got, expected, atol=2e-6, rtol=0)
    # The same function but for float32's rounding: what comes out is float32 in any case.
    *amounts, _ = BlendInference(network.double(), torch.float64)(*tensors(pictures, torch.uint8))
    output = network(*tensors(pictures, torch.float64), network.class_activation_weights())
    for got, expected in zip(amounts, output.amounts, strict=True):
        torch.testing.assert_close(got.double(), expected, atol=1e-4 / 255, rtol=0)
    limit = network.architecture.limit
    plain = plain_camf.fuse_blend(plain_weights(network), *(each.astype(np.float64) for each in pictures), limit=limit)
    np.testing.assert_allclose(activation.numpy(), [plain.infrared, plain.visible], atol=1e-5)


def test_inspection_takes_any_weights_and_asks_the_classifier() -> None:
    network = make_small_network()
    pictures = pair(112, 128)
    given = torch.rand(2, network.architecture.channels)
    *amounts, logits = BlendInspection(network)(*tensors(pictures, torch.uint8), given)
    expected = network(*tensors(pictures), given)
    for got, wanted in zip(amounts, expected.amounts, strict=True):
        torch.testing.assert_close(got, wanted)
    weights = plain_weights(network)
    for row, picture in enumerate(pictures):
        scores = plain_camf.classify(weights, plain_camf.encode_scales(weights, picture.astype(np.float64)))
        np.testing.assert_allclose(logits[row].numpy(), scores, rtol=1e-4, atol=1e-4)


def test_it_begins_as_the_average_of_both_cameras() -> None:
    """Detail of both whole, half of each low-pass rest."""
    network = BlendNetwork().eval()
    output = network(*tensors(pair(64, 128)), network.class_activation_weights())
    for amounts in output.amounts[:-1]:
        assert float((amounts - 1).abs().max()) < 0.3
    assert float((output.amounts[-1] - 0.5).abs().max()) < 0.2


def test_cameras_differ_by_their_weights_alone() -> None:
    network = make_small_network()
    one, other = tensors(pair(32, 48))
    weights = network.class_activation_weights()
    output = network(one, other, weights)
    turned = network(other, one, weights.flip(0))
    torch.testing.assert_close(output.infrared_part, turned.visible_part)
    torch.testing.assert_close(output.visible_part, turned.infrared_part)


def test_each_pair_of_a_batch_is_fused_alone() -> None:
    network = make_small_network().double()  # a batch may be summed in another order
    infrared, visible = (torch.rand(3, 1, 32, 48).double() * 255 for _ in range(2))
    weights = network.class_activation_weights()
    together = network(infrared, visible, weights)
    for row in range(3):
        alone = network(infrared[row, None], visible[row, None], weights)
        torch.testing.assert_close(together.infrared_part[row, None], alone.infrared_part)
        torch.testing.assert_close(together.amounts[2][row, None], alone.amounts[2])


def test_pyramid_with_amounts_of_1_is_the_picture() -> None:
    image = torch.rand(2, 1, 32, 48) * 255
    levels = bands(image, 5)
    sizes = [level.shape[-2:] for level in levels]
    assert sizes == [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
    ones = [torch.ones(2, 1, 16, 24), *(torch.ones(2, 1, *size) for size in sizes[1:])]
    torch.testing.assert_close(collapse(levels, ones), image, atol=1e-4, rtol=0)
    nothing = [torch.cat((each, torch.zeros_like(each)), 1) for each in ones]
    infrared, visible = blend(image, torch.rand_like(image), nothing)
    torch.testing.assert_close(infrared, image, atol=1e-4, rtol=0)
    assert not visible.any()


@pytest.mark.parametrize(
    ("infrared", "visible"),
    [
        ((1, 1, 32, 48), (1, 1, 48, 32)),
        ((1, 1, 32, 47), (1, 1, 32, 47)),
        ((1, 1, 24, 48), (1, 1, 24, 48)),
        ((1, 3, 32, 48), (1, 3, 32, 48)),
        ((32, 48), (32, 48)),
        ((1, 1, 0, 48), (1, 1, 0, 48)),
    ],
)
def test_shapes_that_do_not_fit(
    small_network: BlendNetwork, infrared: tuple[int, ...], visible: tuple[int, ...]
) -> None:
    with pytest.raises(ImageError, match=r"H and W multiples of 16; pad both"):
        small_network(torch.zeros(infrared), torch.zeros(visible), small_network.class_activation_weights())


def test_default_network_is_small() -> None:
    network = BlendNetwork(BlendArchitecture())
    assert network.architecture.channels == 176
    assert network.class_activation_weights().shape == (2, 176)
    assert sum(each.numel() for part in (network.encoder, network.heads) for each in part.parameters()) < 150_000
