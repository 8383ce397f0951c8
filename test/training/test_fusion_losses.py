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
    brightness_loss,
    contrast_loss,
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
TERMS = ("information", "edge", "difference", "structure", "gradient", "contrast", "brightness", "range")
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


def test_copy_of_one_camera_does_not_satisfy_the_gradient() -> None:
    """Each source has detail where the other has none: only a picture with both is without loss."""
    left, right = (batch(picture(seed, 3, 96, 192)) for seed in (1, 2))
    left[..., 96:], right[..., :96] = 128, 128
    both = torch.cat((left[..., :96], right[..., 96:]), dim=-1)
    lost = {
        name: float(gradient_loss(left, right, made))
        for name, made in (("left", left), ("right", right), ("both", both))
    }
    assert lost["both"] < 0.1 * min(lost["left"], lost["right"])
    # Nor does the average, which halves everything, nor a negative.
    assert float(gradient_loss(left, right, (left + right) / 2)) > 5 * lost["both"]
    flat = torch.full_like(both, 128)
    assert float(gradient_loss(left, right, 255 - both)) > 1.9 * float(gradient_loss(left, right, flat))


def plain_contrast(infrared: Picture, visible: Picture, fused: Picture, aim: float) -> float:
    """Square by square, at every half side; what is beyond the border is in no mean."""
    losses, (height, width) = [], infrared.shape
    for side in (8, 16, 32):
        lost = []
        for top in range(0, height - side + 1, side // 2):
            for left in range(0, width - side + 1, side // 2):
                inner = slice(top, top + side), slice(left, left + side)
                outer = slice(max(0, top - side), top + 2 * side), slice(max(0, left - side), left + 2 * side)
                one, other, own = (float(x[inner].mean() - x[outer].mean()) for x in (infrared, visible, fused))
                wanted = one if abs(one) >= abs(other) else other
                lost.append(max(0.0, aim * abs(wanted) - np.sign(wanted) * own))
        losses.append(np.mean(lost))
    return float(np.mean(losses))


@pytest.mark.parametrize("aim", [1.0, 1.1])
@pytest.mark.parametrize("blur", BLURS)
def test_contrast_loss(blur: float, aim: float) -> None:
    for triple in triples(blur):
        loss = float(contrast_loss(*(batch(image) for image in triple), aim))
        assert loss == pytest.approx(plain_contrast(*triple, aim), rel=1e-4, abs=1e-4)


def person(level: float, around: float) -> Tensor:
    """A square of the size of a person before a wall."""
    image = torch.full((1, 1, 96, 96), float(around))
    image[..., 40:56, 40:56] = level
    return image


def test_weaker_camera_s_contrast_is_not_enough() -> None:
    """Nor is the stronger one's with the other sign; that one itself costs nothing, nor does more of it."""
    infrared, visible = person(200, 60), person(110, 120)
    stronger = float(contrast_loss(infrared, visible, infrared))
    average = float(contrast_loss(infrared, visible, (infrared + visible) / 2))
    weaker = float(contrast_loss(infrared, visible, visible))
    negative = float(contrast_loss(infrared, visible, 255 - infrared))
    assert stronger == pytest.approx(0, abs=1e-4)
    # Half of 140 less half of 10, all of 140 and another 10, twice 140: contrasts add up.
    assert average / weaker == pytest.approx(75 / 150, rel=1e-3)
    assert negative / weaker == pytest.approx(280 / 150, rel=1e-3)
    assert weaker > 1
    assert float(contrast_loss(visible, infrared, visible)) == weaker, "it does not matter which camera is which"
    # More contrast is as good; a greater aim asks for more.
    assert float(contrast_loss(infrared, visible, person(230, 40))) == pytest.approx(0, abs=1e-4)
    assert float(contrast_loss(infrared, visible, infrared, 1.5)) == pytest.approx(weaker * 70 / 150, rel=1e-3)


def plain_brightness(infrared: Picture, visible: Picture, fused: Picture) -> float:
    """Square by square of 8 x 8; evenness is the variance of all pixels of the squares around it."""
    height, width = (side // 8 for side in infrared.shape)
    total = 0.0
    for row in range(height):
        for column in range(width):
            here = slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8)
            around = (
                slice(8 * max(0, row - 1), 8 * min(height, row + 2)),
                slice(8 * max(0, column - 1), 8 * min(width, column + 2)),
            )
            level = visible[here].mean()
            even = np.exp(-infrared[around].var() / 400 - visible[around].var() / 60)
            total += even / (1 + np.exp(-(level - 150) / 10)) * abs(fused[here].mean() - level)
    return float(total / (height * width))


def sky(level: float, seed: int = 5) -> Picture:
    """An upper half of one level with a little noise, above rough ground."""
    noise = np.random.default_rng(seed).normal(0, 2, (80, 96))
    image = level + noise
    image[40:] = 90 + 20 * noise[40:]
    return np.asarray(image.clip(0, 255).round().astype(np.uint8))


def test_brightness_loss() -> None:
    pictures = [sky(20, 1), sky(220, 2), sky(165, 3), sky(150, 4), picture(1, 8, 80, 96), picture(2, 1.5, 80, 96)]
    found = []
    for triple in product(pictures, repeat=3):
        found.append(one_loss(brightness_loss, triple))
        assert found[-1] == pytest.approx(plain_brightness(*triple), rel=1e-3, abs=1e-4)
    assert max(found) > 50


def test_grey_sky_costs_brightness() -> None:
    """Half of the picture is sky, bright and even in visible and black in infrared."""
    infrared, visible = batch(sky(20, 1)), batch(sky(220, 2))
    grey = float(brightness_loss(infrared, visible, batch(sky(120, 3))))
    assert 20 < grey < 0.5 * 100
    assert float(brightness_loss(infrared, visible, (infrared + visible) / 2)) == pytest.approx(grey, rel=0.1)
    assert float(brightness_loss(infrared, visible, infrared)) > 1.9 * grey
    assert float(brightness_loss(infrared, visible, visible)) == 0
    # Brighter than it is there is as wrong.
    assert float(brightness_loss(infrared, visible, visible + 20)) > 0.1 * grey


def test_brightness_is_asked_for_in_bright_even_parts_alone() -> None:
    flat = torch.full((1, 1, 96, 96), 220.0)
    warm = person(200, 60)
    # Where infrared shows something nothing is asked, and everything where it is even.
    lost = flat.clone().requires_grad_()
    brightness_loss(warm, flat, lost - 50).backward()
    assert lost.grad is not None
    places = lost.grad[0, 0].abs() / lost.grad.abs().max()
    assert float(places[40:56, 40:56].max()) < 0.01
    assert float(places[:24].min()) > 0.99
    # Nothing in a dark part, nor in a rough one.
    dark, rough = torch.full_like(flat, 60), batch(picture(1, 1.5, 96, 96)) + 90
    for visible in (dark, rough):
        assert float(brightness_loss(flat, visible, visible - 50)) < 0.01 * float(
            brightness_loss(flat, flat, flat - 50)
        )


@pytest.mark.parametrize("loss", [contrast_loss, brightness_loss], ids=lambda loss: loss.__name__)
def test_gradients_of_contrast_and_brightness_are_finite(loss: Loss) -> None:
    for level in (0.0, 93.0, 255.0):
        flat = torch.full((1, 1, 64, 64), level)
        fused = flat.clone().requires_grad_()
        loss(flat, flat, fused).backward()
        assert fused.grad is not None
        assert bool(torch.isfinite(fused.grad).all())


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
