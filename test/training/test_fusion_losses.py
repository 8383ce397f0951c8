"""Losses of the fusion stage: they are the metrics turned into losses, and their gradients are numbers everywhere."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from camf_ros.evaluation.metrics import METRICS
from camf_ros.training import fusion_losses
from camf_ros.training.config import FusionRecipe
from camf_ros.training.fusion_losses import (
    coarse_gradient_loss,
    difference_loss,
    edge_loss,
    gradient_loss,
    information_loss,
    range_loss,
    structure_loss,
    weighted_losses,
)

Picture = NDArray[np.uint8]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
LOSSES: list[Loss] = [information_loss, edge_loss, difference_loss, structure_loss]
TERMS = ("information", "edge", "difference", "structure", "gradient", "coarse_gradient", "range")
#: Standard deviations of the blur, pixels: from noise to clouds.
BLURS = (0.0, 0.7, 1.5, 4.0, 8.0)


def picture(seed: int, blur: float, height: int = 77, width: int = 94) -> Picture:
    """Noise of one contrast, however smooth."""
    noise = np.random.default_rng(seed).normal(0, 1, (height, width))
    if blur:
        noise = cv2.GaussianBlur(noise, (0, 0), blur)
    return np.asarray((128 + 35 * noise / noise.std()).clip(0, 255).round().astype(np.uint8))


def triples(blur: float) -> list[tuple[Picture, Picture, Picture]]:
    """Two sources, one of them sharper, and pictures fused well, badly and not at all."""
    one, other = picture(1, blur), picture(2, blur / 2)
    mean = ((one.astype(int) + other) // 2).astype(np.uint8)
    pale = (96 + one // 4).astype(np.uint8)
    strong = (1.4 * mean.astype(float) - 51).clip(0, 255).astype(np.uint8)
    return [(one, other, fused) for fused in (mean, np.maximum(one, other), pale, strong, one, picture(3, blur))]


def batch(*pictures: Picture) -> Tensor:
    return torch.from_numpy(np.stack(pictures).astype(np.float32))[:, None]


def one_loss(loss: Loss, triple: tuple[Picture, Picture, Picture]) -> float:
    return float(loss(*(batch(image) for image in triple)))


@pytest.mark.parametrize("blur", BLURS)
@pytest.mark.parametrize(
    ("loss", "metric", "tolerance"),
    [
        # A little is added to the variances and to the sum that is divided by, for the sake of the gradients.
        (information_loss, "VIF", 0.015),
        (difference_loss, "SCD", 1e-4),
        # The constants that steady the quotients are larger than the metric's.
        (structure_loss, "SSIM", 0.01),
    ],
)
def test_loss_is_two_less_the_metric(loss: Loss, metric: str, tolerance: float, blur: float) -> None:
    for triple in triples(blur):
        assert one_loss(loss, triple) == pytest.approx(2 - METRICS[metric].value(*triple), abs=tolerance)


def plain_edges(infrared: Picture, visible: Picture, fused: Picture, *, jump: bool) -> float:
    """Qabf of the inside of pictures. Without the jump, orientations are 90 degrees apart at most, as lines are."""

    def gradient(image: Picture) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x = image.astype(np.float64)
        across = sum(w * (x[r : len(x) - 2 + r, 2:] - x[r : len(x) - 2 + r, :-2]) for r, w in enumerate((1, 2, 1)))
        wide = x.shape[1]
        up = sum(w * (x[:-2, c : wide - 2 + c] - x[2:, c : wide - 2 + c]) for c, w in enumerate((1, 2, 1)))
        return np.hypot(across, up), np.where(across == 0, np.pi / 2, np.arctan(up / np.where(across == 0, 1, across)))

    strength_f, angle_f = gradient(fused)
    kept = available = 0.0
    for source in (infrared, visible):
        strength, angle = gradient(source)
        ratio = np.minimum(strength, strength_f) / np.maximum(np.maximum(strength, strength_f), 1e-9)
        apart = np.abs(angle - angle_f)
        if not jump:
            apart = np.minimum(apart, np.pi - apart)
        preserved = (
            0.9994 / (1 + np.exp(-15 * (ratio - 0.5))) * 0.9879 / (1 + np.exp(-22 * (0.2 - apart / (np.pi / 2))))
        )
        kept += float((strength * preserved).sum())
        available += float(strength.sum())
    return kept / available


@pytest.mark.parametrize("blur", BLURS)
def test_edge_loss_is_one_less_the_metric(blur: float) -> None:
    """But for two things: the metric surrounds pictures by zeros, whose edge the fused picture always keeps; and its
    angle jumps from +90 to -90 degrees, so that it calls near lines far apart, on few pixels of such pictures."""
    for triple in triples(blur):
        framed = [np.pad(image, 1) for image in triple]
        assert plain_edges(*framed, jump=True) == pytest.approx(METRICS["Qabf"].value(*triple), abs=1e-3)
        loss = one_loss(edge_loss, triple)
        # Edges of less than a grey level count a little more than in the metric, for the sake of the gradients.
        assert loss == pytest.approx(1 - plain_edges(*triple, jump=False), abs=0.001)
        assert loss == pytest.approx(1 - plain_edges(*triple, jump=True), abs=0.03)


def test_lines_on_both_sides_of_the_upright_are_near_each_other() -> None:
    """Where the metric's angle jumps from +90 to -90 degrees, the loss does not."""
    columns, rows = np.meshgrid(np.arange(60.0), np.arange(60.0))

    def slope(degrees: float) -> Tensor:
        angle = np.radians(degrees)
        return torch.from_numpy(128 + columns * np.cos(angle) + rows * np.sin(angle)).float()[None, None]

    losses = {degrees: float(edge_loss(slope(89), slope(89), slope(degrees))) for degrees in (89, 91, 87, 0, -1, 179)}
    assert losses[91] == pytest.approx(losses[87], abs=1e-3)
    assert losses[91] < losses[89] + 0.01
    assert losses[0] == pytest.approx(losses[179], abs=1e-3)
    assert losses[-1] > 0.9


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_loss_of_a_batch_is_the_mean(loss: Loss) -> None:
    rows = triples(1.5)
    each = [one_loss(loss, triple) for triple in rows]
    together = float(loss(*(batch(*images) for images in zip(*rows, strict=True))))
    # Quotients of sums of single precision.
    assert together == pytest.approx(np.mean(each), abs=1e-4)
    assert max(each) - min(each) > 0.05


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_sources_are_treated_alike(loss: Loss) -> None:
    for infrared, visible, fused in triples(1.5):
        swapped = one_loss(loss, (visible, infrared, fused))
        assert one_loss(loss, (infrared, visible, fused)) == pytest.approx(swapped, abs=1e-4)


@pytest.mark.parametrize("loss", [information_loss, edge_loss, structure_loss], ids=lambda loss: loss.__name__)
def test_copy_of_two_equal_sources_loses_next_to_nothing(loss: Loss) -> None:
    for blur in BLURS:
        image = picture(1, blur)
        # The logistic curves of the edge term end at 0.987.
        assert one_loss(loss, (image, image, image)) == pytest.approx(0, abs=0.03)


def test_difference_loss_of_the_sum_is_zero() -> None:
    one, other = (picture(seed, 4) // 2 for seed in (1, 2))
    assert one_loss(difference_loss, (one, other, one + other)) == pytest.approx(0, abs=1e-4)


FLAT = {"black": 0.0, "grey": 93.0, "white": 255.0}


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize(
    "kinds", [*product(["texture", *FLAT], ["texture", "other", *FLAT], ["texture", *FLAT])], ids="-".join
)
def test_gradients_are_finite(loss: Loss, kinds: tuple[str, str, str]) -> None:
    """For flat pictures and for equal ones, where quotients of variances and angles of nothing lie in wait."""
    made = {"texture": batch(picture(1, 1.5)), "other": batch(picture(2, 1.5))}
    infrared, visible, fused = (
        made[kind].clone() if kind in made else torch.full((1, 1, 77, 94), FLAT[kind]) for kind in kinds
    )
    fused.requires_grad_()
    value = loss(infrared, visible, fused)
    value.backward()
    assert bool(torch.isfinite(value))
    assert fused.grad is not None
    assert bool(torch.isfinite(fused.grad).all())


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_way_down_leads_to_a_better_picture(loss: Loss) -> None:
    """Following the gradient from a poor picture raises what the loss stands for."""
    infrared, visible = batch(picture(1, 4)), batch(picture(2, 1.5))
    fused = (96 + visible / 4).requires_grad_()
    before = float(loss(infrared, visible, fused.detach()))
    optimizer = torch.optim.Adam([fused], lr=4)
    for _ in range(8):
        optimizer.zero_grad()
        loss(infrared, visible, fused).backward()
        optimizer.step()
    assert float(loss(infrared, visible, fused.detach())) < before - 0.1


@pytest.mark.parametrize(("size", "loss"), [(41, information_loss), (3, edge_loss), (7, structure_loss)])
def test_smallest_pictures(size: int, loss: Loss) -> None:
    images = [batch(picture(seed, 1, size, size)) for seed in range(3)]
    assert bool(torch.isfinite(loss(*images)))


def plain_gradient(infrared: Picture, visible: Picture, fused: Picture, boost: float) -> float:
    """Pixel by pixel, from its left and its upper neighbour."""

    def slope(image: NDArray[Any], row: int, column: int) -> tuple[float, float]:
        here = float(image[row, column])
        return here - float(image[row, column - 1]), here - float(image[row - 1, column])

    total, height, width = 0.0, *infrared.shape
    for row in range(1, height):
        for column in range(1, width):
            own, other = slope(infrared, row, column), slope(visible, row, column)
            goal = own if np.hypot(*own) >= np.hypot(*other) else other
            got = slope(fused, row, column)
            total += abs(got[0] - boost * goal[0]) + abs(got[1] - boost * goal[1])
    return total / ((height - 1) * (width - 1))


@pytest.mark.parametrize("boost", [1.0, 1.15])
def test_gradient_loss(boost: float) -> None:
    for triple in triples(1.5):
        small = [image[:20, :25] for image in triple]
        loss = float(gradient_loss(*(batch(image) for image in small), boost))
        assert loss == pytest.approx(plain_gradient(*small, boost), rel=1e-5)


def test_coarse_gradient_loss() -> None:
    def halved(image: NDArray[np.float64]) -> NDArray[np.float64]:
        height, width = (side // 2 for side in image.shape)
        return image[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))

    for triple in triples(4):
        images, terms = [image.astype(np.float64) for image in triple], []
        for _ in range(4):
            images = [halved(image) for image in images]
            terms.append(plain_gradient(*images, 1.3))
        loss = float(coarse_gradient_loss(*(batch(image) for image in triple), 1.3))
        assert loss == pytest.approx(np.mean(terms), rel=1e-4)


@pytest.mark.parametrize("loss", [gradient_loss, coarse_gradient_loss], ids=lambda loss: loss.__name__)
def test_copy_of_one_camera_does_not_satisfy_the_gradient(loss: Loss) -> None:
    """Each source has detail where the other has none: only a picture with both is without loss."""
    left, right = (batch(picture(seed, 3, 96, 192)) for seed in (1, 2))
    left[..., 96:], right[..., :96] = 128, 128
    both = torch.cat((left[..., :96], right[..., 96:]), dim=-1)
    lost = {name: float(loss(left, right, made)) for name, made in (("left", left), ("right", right), ("both", both))}
    assert lost["both"] < 0.1 * min(lost["left"], lost["right"])
    # Nor does the average, which halves everything, nor a negative.
    assert float(loss(left, right, (left + right) / 2)) > 5 * lost["both"]
    assert float(loss(left, right, 255 - both)) > 1.9 * float(loss(left, right, torch.full_like(both, 128)))


def test_range_loss() -> None:
    fused = torch.tensor([0.0, 255, 128, -3, 265]).reshape(1, 1, 1, 5)
    assert float(range_loss(fused)) == pytest.approx(13 / 5)


def recipe(**weights: float) -> FusionRecipe:
    return FusionRecipe(**{**{f"{term}_weight": 0.0 for term in TERMS}, **weights})  # type: ignore[arg-type]


def test_weighted_sum() -> None:
    rows = triples(1.5)
    infrared, visible, fused = (batch(*images) for images in zip(*rows, strict=True))
    images = infrared, visible, 3 * fused - 256
    every = [*LOSSES, gradient_loss, coarse_gradient_loss]
    weights = dict(zip(TERMS, (1.0, 2.5, 0.5, 3.0, 0.2, 0.7, 0.3), strict=True))
    values = [float(loss(*images)) for loss in every] + [float(range_loss(images[2]))]
    settings = recipe(
        **{f"{term}_weight": weight for term, weight in weights.items()}, gradient_boost=1, coarse_gradient_boost=1
    )
    expected = sum(weight * value for weight, value in zip(weights.values(), values, strict=True))
    assert float(weighted_losses(*images, settings)) == pytest.approx(expected, rel=1e-5)
    boosted = recipe(gradient_weight=1.0, coarse_gradient_weight=1.0, gradient_boost=1.2, coarse_gradient_boost=1.4)
    expected = float(gradient_loss(*images, 1.2)) + float(coarse_gradient_loss(*images, 1.4))
    assert float(weighted_losses(*images, boosted)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("left_out", range(7))
def test_term_of_weight_0_is_not_computed(monkeypatch: pytest.MonkeyPatch, left_out: int) -> None:
    called = []

    def spy(name: str) -> Callable[..., Tensor]:
        def loss(*images: Any) -> Tensor:
            called.append(name)
            return torch.ones(())

        return loss

    names = [loss.__name__ for loss in (*LOSSES, gradient_loss, coarse_gradient_loss, range_loss)]
    for term, name in zip(TERMS, names, strict=True):
        monkeypatch.setattr(fusion_losses, name, spy(term))
    weights = {f"{term}_weight": float(number != left_out) for number, term in enumerate(TERMS)}
    images = [batch(picture(seed, 1)) for seed in range(3)]
    assert float(weighted_losses(*images, recipe(**weights))) == 6
    assert called == [term for number, term in enumerate(TERMS) if number != left_out]
