"""Losses of gradients, contrast and brightness against slow versions of them, and what they are there for."""

from __future__ import annotations

from itertools import product
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from loss_pictures import BLURS, Loss, Picture, batch, one_loss, person, picture, triples
from numpy.typing import NDArray

from camf_ros.training.fusion_losses import (
    brightness_loss,
    contrast_loss,
    gradient_loss,
    sky_difference,
    without_faint_detail,
)


def plain_gradient(infrared: Picture, visible: Picture, fused: Picture, boost: float) -> float:
    """Pixel by pixel, from its left and its upper neighbour."""

    def slope(image: NDArray[Any], row: int, column: int) -> tuple[float, float]:
        here = float(image[row, column])
        return here - float(image[row, column - 1]), here - float(image[row - 1, column])

    total, height, width = 0.0, *infrared.shape
    for row in range(1, height):
        for column in range(1, width):
            own, other = slope(infrared, row, column), slope(visible, row, column)
            share = 0.5 if np.dot(own, other) < 0 else 1.0
            goal = own if share * np.hypot(*own) > np.hypot(*other) else other
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


def test_readable_detail_has_the_sign_of_the_visible_picture() -> None:
    """A painted line, bright in visible and dark in infrared, where it has more contrast."""
    line = torch.zeros(1, 1, 64, 64)
    line[..., 30:34] = 1
    right, wrong = (
        [float(gradient_loss(100 - cold * line, 100 + 30 * line, 100 + 30 * sign * line)) for cold in (50, 90)]
        for sign in (1, -1)
    )
    assert right[0] == 0 and right[1] > 0, "up to twice the contrast of visible"
    assert wrong[0] > 0 and wrong[1] < right[1]
    # With one sign in both, the stronger one counts.
    assert float(gradient_loss(100 + 50 * line, 100 + 30 * line, 100 + 50 * line)) == 0


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
                weaker, stronger = sorted((one, other), key=abs)
                signs = [np.sign(stronger)] + [np.sign(weaker)] * (abs(weaker) >= 0.7 * abs(stronger))
                lost.append(min(max(0.0, aim * abs(stronger) - sign * own) for sign in signs))
        losses.append(np.mean(lost))
    return float(np.mean(losses))


@pytest.mark.parametrize("aim", [1.0, 1.1])
@pytest.mark.parametrize("blur", BLURS)
def test_contrast_loss(blur: float, aim: float) -> None:
    for triple in triples(blur):
        loss = float(contrast_loss(*(batch(image) for image in triple), aim))
        assert loss == pytest.approx(plain_contrast(*triple, aim), rel=1e-4, abs=1e-4)


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


def test_either_sign_between_opposite_contrasts_of_similar_strength() -> None:
    """A person as dark in one image as bright in the other may be either, but not lost between the two."""
    bright, dark, fainter = person(180, 100), person(35, 100), person(60, 100)
    lost = float(contrast_loss(bright, dark, person(100, 100)))
    assert lost > 1
    for fused in (bright, person(20, 100)):
        assert float(contrast_loss(bright, dark, fused)) == pytest.approx(0, abs=1e-4)
    assert float(contrast_loss(bright, dark, dark)) == pytest.approx(lost * 15 / 80, rel=1e-3)
    # Half as strong: only the stronger one's sign counts.
    assert float(contrast_loss(bright, fainter, fainter)) == pytest.approx(lost * 120 / 80, rel=1e-3)


def plain_brightness(infrared: Picture, visible: Picture, fused: Picture) -> float:
    """Place by place of 8 x 8; evenness is the variance of all pixels of the places around it."""
    height, width = (side // 8 for side in infrared.shape)
    place, level = np.zeros((height, width)), np.zeros((height, width))
    for row, column in np.ndindex(height, width):
        here = slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8)
        around = (
            slice(8 * max(0, row - 1), 8 * min(height, row + 2)),
            slice(8 * max(0, column - 1), 8 * min(width, column + 2)),
        )
        level[row, column] = visible[here].mean()
        even = np.exp(-infrared[around].var() / 1600 - visible[around].var() / 60)
        darker = level[row, column] - infrared[here].mean()
        place[row, column] = even / (1 + np.exp((185 - level[row, column]) / 10)) / (1 + np.exp((90 - darker) / 10))
    size = infrared.shape[::-1]
    near, bright = (cv2.resize(cv2.dilate(x, np.ones((9, 9))), size) for x in (place, place * level))
    sky = np.minimum(2 * near, 1) / (1 + np.exp((bright / np.maximum(near, 1e-3) - 25 - visible) / 5))
    mean, count = (
        cv2.blur(x.astype(float), (25, 25), borderType=cv2.BORDER_CONSTANT) for x in (infrared, np.ones(infrared.shape))
    )
    sky *= 1600 / (1600 + np.maximum(infrared - mean / count, 0) ** 2)
    return float((sky * np.abs(fused - np.minimum(visible, 235.0))).mean())


def sky(level: float, seed: int = 5) -> Picture:
    """An upper half of one level with a little noise, above rough ground."""
    noise = np.random.default_rng(seed).normal(0, 2, (80, 96))
    image = level + noise
    image[40:] = 90 + 20 * noise[40:]
    return np.asarray(image.clip(0, 255).round().astype(np.uint8))


def test_brightness_loss() -> None:
    pictures = [sky(20, 1), sky(220, 2), sky(185, 3), sky(95, 4), picture(1, 8, 80, 96), picture(2, 1.5, 80, 96)]
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
    assert float(brightness_loss(infrared, visible, visible.clamp_max(235))) == 0
    # Brighter than it is there is as wrong.
    assert float(brightness_loss(infrared, visible, visible + 20)) > 0.1 * grey


def test_saturated_sky_leaves_room_for_what_is_hot() -> None:
    infrared, visible = batch(sky(20, 1)), torch.full((1, 1, 80, 96), 255.0)
    assert float(brightness_loss(infrared, visible, visible - 20)) == 0
    assert float(brightness_loss(infrared, visible, visible)) > 5


def test_brightness_is_asked_for_in_bright_skies_alone() -> None:
    flat, cold = torch.full((1, 1, 96, 96), 220.0), torch.full((1, 1, 96, 96), 60.0)
    lost = flat.clone().requires_grad_()
    brightness_loss(person(200, 60), flat, lost - 50).backward()
    assert lost.grad is not None
    asked = lost.grad[0, 0].abs() / lost.grad.abs().max()
    assert float(asked[40:56, 40:56].max()) < 0.2, "where infrared shows something, little"
    assert float(asked[:24].min()) > 0.99
    wanted = float(brightness_loss(cold, flat, flat - 50))
    assert wanted > 40
    # Nothing in a dark part, in a rough one, or where infrared is bright too; nor for something dark before the sky.
    for infrared, visible in ((cold - 60, cold), (cold, batch(picture(1, 1.5, 96, 96)) + 90), (flat, flat)):
        assert float(brightness_loss(infrared, visible, visible - 50)) < 0.01 * wanted
    wire = torch.zeros_like(flat)
    wire[..., 48, :] = 60
    assert float(brightness_loss(cold, flat - wire, flat - wire - wire)) < 0.005 * wanted


def test_gaps_between_branches_are_sky() -> None:
    """Dark in infrared between warm branches, bright in visible: as bright in the fused picture."""
    infrared, visible = torch.full((1, 1, 96, 96), 20.0), torch.full((1, 1, 96, 96), 220.0)
    for column in range(58, 96, 12):
        infrared[..., column : column + 6], visible[..., column : column + 6] = 180, 60
    lost = visible.clone().requires_grad_()
    brightness_loss(infrared, visible, lost - 100).backward()
    assert lost.grad is not None
    asked = lost.grad[0, 0].abs() / lost.grad.abs().max()
    assert float(asked[:, 64:70].min()) > 0.9, "a gap"
    assert float(asked[:, 58:64].max()) < 0.01, "a branch"


def test_stripes_in_a_sky_cost_brightness() -> None:
    """The mean of the sky is right, and still it is not the visible one."""
    infrared, visible = batch(sky(20, 1)), batch(sky(220, 2))
    striped = visible.clone()
    striped[..., :32:4] += 10
    striped[..., 2:32:4] -= 10
    assert float(brightness_loss(infrared, visible, striped)) > 0.5


def test_sky_difference() -> None:
    infrared, visible = sky(20, 1), sky(220, 2)
    brighter = (visible.astype(int) + 12).astype(np.uint8)
    assert sky_difference(infrared, visible, visible) == 0
    assert sky_difference(infrared, visible, brighter) == pytest.approx(12, abs=0.1)
    assert sky_difference(infrared, visible[:77, :93], brighter[:77, :93]) == pytest.approx(12, abs=0.1)
    assert np.isnan(sky_difference(infrared, sky(60, 2), visible)), "a night sky"


def test_faint_detail_of_infrared_is_left_out_in_a_bright_sky_alone() -> None:
    infrared, visible = batch(sky(20, 1)), batch(sky(220, 2))
    infrared[:, :, :40, ::8] += 6
    infrared[..., 10:14, 40:44] += 150
    goal = without_faint_detail(infrared, visible, 10.0)
    stripes = [float(x[0, 0, 16:32, ::8].mean() - x[0, 0, 16:32, 4::8].mean()) for x in (infrared, goal)]
    assert stripes[1] < 0.5 * stripes[0]
    assert float(goal[..., 10:14, 40:44].mean()) > float(infrared[..., 10:14, 40:44].mean()) - 10, "a wire"
    assert torch.allclose(goal[..., 60:, :], infrared[..., 60:, :], atol=0.1), "the ground"
    dark = batch(sky(60, 2))
    assert torch.allclose(without_faint_detail(infrared, dark, 10.0), infrared, atol=0.5), "a night sky"
    assert torch.allclose(without_faint_detail(infrared, visible, 0.0), infrared, atol=0.1)


@pytest.mark.parametrize("loss", [contrast_loss, brightness_loss], ids=lambda loss: loss.__name__)
def test_gradients_of_contrast_and_brightness_are_finite(loss: Loss) -> None:
    for level in (0.0, 93.0, 255.0):
        flat = torch.full((1, 1, 64, 64), level)
        fused = flat.clone().requires_grad_()
        loss(flat, flat, fused).backward()
        assert fused.grad is not None
        assert bool(torch.isfinite(fused.grad).all())
