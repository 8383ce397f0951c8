"""Losses of the fusion stage: they are the metrics turned into losses, and their gradients are numbers everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from loss_pictures import BLURS, Loss, Picture, batch, one_loss, person, picture, triples
from numpy.typing import NDArray
from torch import Tensor

from camf_ros.evaluation.metrics import METRICS
from camf_ros.training import fusion_losses
from camf_ros.training.config import FusionRecipe
from camf_ros.training.fusion_losses import (
    brightness_loss,
    contrast_loss,
    difference_loss,
    edge_loss,
    gradient_loss,
    information_loss,
    range_loss,
    structure_loss,
    weighted_losses,
    without_faint_detail,
)

LOSSES: list[Loss] = [information_loss, edge_loss, difference_loss, structure_loss]
TERMS = ("information", "edge", "difference", "structure", "gradient", "contrast", "brightness", "range")


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


def test_range_loss() -> None:
    fused = torch.tensor([0.0, 255, 128, -3, 265]).reshape(1, 1, 1, 5)
    assert float(range_loss(fused)) == pytest.approx(13 / 5)


def recipe(**weights: float) -> FusionRecipe:
    return FusionRecipe(**{**{f"{term}_weight": 0.0 for term in TERMS}, **weights})  # type: ignore[arg-type]


def test_weighted_sum() -> None:
    rows = triples(1.5)
    infrared, visible, fused = (batch(*images) for images in zip(*rows, strict=True))
    wide = 3 * fused - 256
    images = infrared, visible, wide.clamp(0, 255)
    every = [*LOSSES, gradient_loss, contrast_loss, brightness_loss]
    weights = dict(zip(TERMS, (1.0, 2.5, 0.5, 3.0, 0.2, 0.7, 0.4, 0.3), strict=True))
    values = [float(loss(*images)) for loss in every] + [float(range_loss(wide))]
    assert min(values) > 0
    settings = recipe(
        **{f"{term}_weight": weight for term, weight in weights.items()}, gradient_boost=1, contrast_aim=1
    )
    expected = sum(weight * value for weight, value in zip(weights.values(), values, strict=True))
    assert float(weighted_losses(infrared, visible, wide, settings)) == pytest.approx(expected, rel=1e-5)
    faint = replace(settings, faint_detail=12.0)
    goal = without_faint_detail(infrared, visible, 12.0), *images[1:]
    values = [float(loss(*(goal if number < 5 else images))) for number, loss in enumerate(every)]
    values.append(float(range_loss(wide)))
    expected = sum(weight * value for weight, value in zip(weights.values(), values, strict=True))
    assert float(weighted_losses(infrared, visible, wide, faint)) == pytest.approx(expected, rel=1e-5)
    boosted = recipe(gradient_weight=1.0, contrast_weight=1.0, gradient_boost=1.2, contrast_aim=1.4)
    expected = float(gradient_loss(*images, 1.2)) + float(contrast_loss(*images, 1.4))
    assert float(weighted_losses(infrared, visible, wide, boosted)) == pytest.approx(expected, rel=1e-5)


def test_person_above_white_does_not_stand_out() -> None:
    """Contrast that is cut off is lost; surroundings that leave room for it bring it back."""
    infrared, visible = person(200, 60), person(200, 60)
    settings = recipe(contrast_weight=1.0, contrast_aim=1.0)
    bright = weighted_losses(infrared, visible, person(330, 190), settings)
    assert float(bright) == pytest.approx(float(contrast_loss(infrared, visible, person(255, 190), 1.0)))
    assert float(bright) > 1
    assert float(weighted_losses(infrared, visible, person(250, 110), settings)) == pytest.approx(0, abs=1e-4)
    surroundings = person(330, 190).requires_grad_()
    weighted_losses(infrared, visible, surroundings, settings).backward()  # type: ignore[no-untyped-call]
    assert surroundings.grad is not None
    assert float(surroundings.grad.sum()) > 0, "darker surroundings lower the loss"


@pytest.mark.parametrize("left_out", range(8))
def test_term_of_weight_0_is_not_computed(monkeypatch: pytest.MonkeyPatch, left_out: int) -> None:
    called = []

    def spy(name: str) -> Callable[..., Tensor]:
        def loss(*images: Any) -> Tensor:
            called.append(name)
            return torch.ones(())

        return loss

    names = [loss.__name__ for loss in (*LOSSES, gradient_loss, contrast_loss, brightness_loss, range_loss)]
    for term, name in zip(TERMS, names, strict=True):
        monkeypatch.setattr(fusion_losses, name, spy(term))
    weights = {f"{term}_weight": float(number != left_out) for number, term in enumerate(TERMS)}
    images = [batch(picture(seed, 1)) for seed in range(3)]
    assert float(weighted_losses(*images, recipe(**weights))) == 7
    assert called == [term for number, term in enumerate(TERMS) if number != left_out]
