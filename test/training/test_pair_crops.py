"""Crops of pairs: one place in both pictures, every folder as often as the others, and changes as often as wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_training import sharp, soft
from torch import Tensor

from camf_ros.training.config import CropsRecipe
from camf_ros.training.data import PairCrops, Sources, generator, pair_crops

SIDE = 64
Picture = NDArray[np.uint8]


def sources(infrared: list[Picture], visible: list[Picture]) -> Sources:
    return Sources(infrared, visible, [Path(f"{number}.png") for number in range(len(infrared))])


#: The visible pictures are the negatives of the infrared ones, so that a place can be told from what is there.
NEGATIVES = sources([soft(1, 70, 81), sharp(2, 66, 75)], [255 - soft(1, 70, 81), 255 - sharp(2, 66, 75)])
TWINS = sources([soft(1, 70, 81)], [soft(1, 70, 81)])


def both_kinds(folders: list[Sources], count: int = 40, *, seed: int = 1, step: int = 0, **shares: float) -> PairCrops:
    """Crops that are altered in no other way than it is said."""
    none = {"rescale": 0.0, "vary": 0.0, "blank": 0.0, "invert": 0.0, "noise": 0.0}
    settings = CropsRecipe(side=SIDE, **{**none, **shares})  # type: ignore[arg-type]
    return pair_crops(folders, count, settings, generator(seed, "fusion", step))


def crops(folders: list[Sources], count: int = 40, **more: Any) -> tuple[Tensor, Tensor]:
    """Infrared and visible, clean."""
    infrared, visible = both_kinds(folders, count, **more).clean
    return infrared, visible


def test_crops_depend_on_seed_and_step() -> None:
    def both(seed: int, step: int) -> Tensor:
        shares = {"rescale": 0.5, "vary": 0.5, "blank": 0.3, "invert": 0.5, "noise": 0.5}
        return both_kinds([NEGATIVES], 5, seed=seed, step=step, **shares).seen

    first = both(1, 5)
    assert (first.shape, first.dtype) == ((2, 5, 1, SIDE, SIDE), torch.float32)
    both(1, 6)
    np.random.seed(0)  # noqa: NPY002 - other generators have no say
    torch.manual_seed(0)
    assert torch.equal(both(1, 5), first)
    assert not torch.equal(both(1, 6), first)
    assert not torch.equal(both(2, 5), first)


def test_both_crops_are_of_one_place() -> None:
    infrared, visible = crops([NEGATIVES])
    assert torch.equal(visible, 255 - infrared)
    infrared, visible = crops([NEGATIVES], rescale=1.0)
    torch.testing.assert_close(visible, 255 - infrared, rtol=0, atol=1.01)  # of whole grey levels


def test_crops_are_parts_of_the_pictures() -> None:
    """Every picture, place and both directions occur; no row is like another by accident."""
    infrared, _ = crops([NEGATIVES], 60)
    found = set()
    for crop in infrared.numpy()[:, 0]:
        places = [
            (number, top, left, flipped)
            for flipped in (False, True)
            for number, image in enumerate(NEGATIVES.infrared)
            for top in range(image.shape[0] - SIDE + 1)
            for left in range(image.shape[1] - SIDE + 1)
            if np.array_equal(image[top : top + SIDE, left : left + SIDE], crop[:, ::-1] if flipped else crop)
        ]
        assert places
        found.update(places)
    numbers, tops, lefts, flips = (set(column) for column in zip(*found, strict=True))
    assert numbers == {0, 1}
    assert len(tops) > 3
    assert len(lefts) > 8
    assert flips == {False, True}


def level(value: int, count: int = 1) -> Sources:
    pictures = [np.full((SIDE, SIDE), value, np.uint8)] * count
    return sources(pictures, pictures)


def test_every_folder_is_used_as_often_as_the_others() -> None:
    """Whatever the number of its pairs."""
    infrared, _ = crops([level(0, 50), level(100), level(200, 3)], 300)
    _, counts = np.unique(infrared[:, 0, 0, 0].numpy().round(3), return_counts=True)
    assert len(counts) == 3
    assert counts.min() > 70


@pytest.mark.parametrize("shares", [{}, {"vary": 1}, {"blank": 1}, {"noise": 1}, {"vary": 1, "invert": 1, "noise": 1}])
def test_range(shares: dict[str, float]) -> None:
    """Black and white pictures too stay in the range of grey levels."""
    for images in both_kinds([NEGATIVES, level(0), level(255)], sigma=100, **shares):
        assert images.dtype == torch.float32
        assert float(images.min()) >= 0
        assert float(images.max()) <= 255


def differing(images: tuple[Tensor, Tensor]) -> int:
    """Pairs of which the crops differ, though the pictures are equal."""
    return sum(not torch.equal(one, other) for one, other in zip(*images, strict=True))


def test_share_of_varied_crops() -> None:
    assert differing(crops([TWINS], 100, vary=0)) == 0
    assert differing(crops([TWINS], 100, vary=1)) == 100
    # Of 0.3 of the crops, a pair has one or two with a probability of 0.51.
    assert 30 < differing(crops([TWINS], 100, vary=0.3)) < 70


def test_varied_crops_show_the_same() -> None:
    """Another contrast and brightness, source by source, of what is there: where nothing saturates, all goes along."""
    image = (100 + soft(1, SIDE, SIDE) // 8).astype(np.uint8)
    plain = crops([sources([image], [image])], 30)[0]
    slopes, shifts = [], []
    for crop, before in zip(
        torch.cat(crops([sources([image], [image])], 30, vary=1)), torch.cat((plain, plain)), strict=True
    ):
        slope, shift = np.polyfit(before.numpy().ravel(), crop.numpy().ravel(), 1)
        np.testing.assert_allclose(crop.numpy(), slope * before.numpy() + shift, atol=1e-3)
        slopes.append(slope)
        shifts.append(float((crop - before).mean()))
    assert 0.5 <= min(slopes) < 0.7
    assert 1.1 < max(slopes) <= 1.25
    assert -38.01 <= min(shifts) < -25
    assert 25 < max(shifts) <= 38.01


def blanks(images: tuple[Tensor, Tensor]) -> list[tuple[bool, bool]]:
    """For each pair whether its crops are of one level."""
    flat = (torch.stack(images).std((-3, -2, -1)) < 1e-3).T
    return [(bool(infrared), bool(visible)) for infrared, visible in flat]


def test_share_of_blank_crops() -> None:
    assert blanks(crops([NEGATIVES], 60, vary=0.5)) == [(False, False)] * 60
    every = crops([NEGATIVES], 60, blank=1)
    kinds = blanks(every)
    assert set(kinds) == {(True, False), (False, True)}, "one source of each pair, never both, and not always the same"
    assert 15 < sum(infrared for infrared, _ in kinds) < 45
    levels = [float(pair[int(visible)].mean()) for (_, visible), *pair in zip(kinds, *every, strict=True)]
    assert min(levels) < 26, "from black"
    assert max(levels) > 229, "to white"
    some = sum(map(any, blanks(crops([NEGATIVES], 200, blank=0.2))))
    assert 20 < some < 60


def test_pictures_stay_as_they_are() -> None:
    before = [image.copy() for image in NEGATIVES.infrared + NEGATIVES.visible]
    both_kinds([NEGATIVES], vary=1, blank=1, invert=1, noise=1, rescale=1)
    assert all(
        np.array_equal(one, other) for one, other in zip(before, NEGATIVES.infrared + NEGATIVES.visible, strict=True)
    )


def test_both_polarities() -> None:
    """Infrared alone is inverted, as often as the share says."""
    plain, inverted = crops([TWINS], 60), crops([TWINS], 60, invert=1)
    assert torch.equal(plain[0], plain[1])
    assert torch.equal(inverted[0], 255 - inverted[1])
    some = crops([TWINS], 200, invert=0.5)
    kinds = [(torch.equal(one, other), torch.equal(one, 255 - other)) for one, other in zip(*some, strict=True)]
    assert set(kinds) == {(True, False), (False, True)}
    assert 75 < sum(same for same, _ in kinds) < 125


def noise(source: int, count: int = 200, **shares: float) -> NDArray[np.float64]:
    """What is added to the crops of a source, (count, side, side), where no level is near the ends."""
    clean, seen = both_kinds([level(128)], count, noise=1, **shares)
    return (seen - clean)[source, :, 0].double().numpy()


def test_share_of_noisy_crops() -> None:
    clean, seen = both_kinds([TWINS], 100)
    assert torch.equal(clean, seen)
    clean, seen = both_kinds([TWINS], 100, noise=0.3)
    noisy = [not torch.equal(*pair) for pair in zip(clean.flatten(0, 1), seen.flatten(0, 1), strict=True)]
    assert 40 < sum(noisy) < 80
    clean, seen = both_kinds([TWINS], 20, noise=1)
    assert all(not torch.equal(*pair) for pair in zip(clean.flatten(0, 1), seen.flatten(0, 1), strict=True))


@pytest.mark.parametrize("source", [0, 1])
def test_strength_of_the_noise(source: int) -> None:
    deviations = noise(source, sigma=10).std((1, 2))
    # Soft noise is a little weaker than it was drawn, and stripes add to it.
    assert 0.5 < deviations.min() < 2
    assert 8.5 < deviations.max() < 12
    assert abs(noise(source, sigma=10).mean()) < 0.2


def test_kinds_of_noise() -> None:
    """Some of it is soft, in both sources; some has stripes along the columns, in infrared alone."""

    def shares(made: NDArray[np.float64]) -> tuple[float, float]:
        made = made / made.std((1, 2), keepdims=True)
        along = (made[:, 1:] * made[:, :-1]).mean((1, 2))
        striped = made.mean(1).std(1) > 0.3
        soft_ones = (made[:, :, 1:] * made[:, :, :-1]).mean((1, 2)) > 0.2
        assert (along[~striped & ~soft_ones] < 0.1).all()
        return float(striped.mean()), float(soft_ones.mean())

    striped, soft_ones = shares(noise(0))
    assert 0.2 < striped < 0.4
    assert 0.15 < soft_ones < 0.45
    striped, soft_ones = shares(noise(1))
    assert striped == 0
    assert 0.2 < soft_ones < 0.4


def test_rescaled_crops_show_more_or_less_of_the_picture() -> None:
    """A slope across the picture becomes flatter where the crop is enlarged, and steeper where it is reduced."""
    slope = np.tile(np.arange(250, dtype=np.uint8), (200, 1))
    infrared, _ = crops([sources([slope], [slope])], 100, rescale=1)
    steps = np.abs(infrared[:, 0, 8:-8, 8:-8].diff(dim=-1).numpy()).mean((1, 2))
    assert 0.6 < steps.min() < 0.7
    assert 1.4 < steps.max() < 1.7
    small = slope[:SIDE, :SIDE]
    infrared, _ = crops([sources([small], [small])], 20, rescale=1)  # no larger part than the whole is there
    assert infrared.shape == (20, 1, SIDE, SIDE)
    some = crops([sources([slope], [slope])], 100, rescale=0.3)[0]
    changed = [not np.allclose(np.abs(np.diff(crop[0, 0])), 1) for crop in some.numpy()]
    assert 18 < sum(changed) < 42
