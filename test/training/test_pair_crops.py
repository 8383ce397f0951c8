"""Crops of pairs: one place in both pictures, every folder as often as the others, and changes as often as wanted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_training import sharp, soft
from torch import Tensor

from camf_ros.training.classifier import Sources
from camf_ros.training.config import FusionRecipe
from camf_ros.training.crops import generator
from camf_ros.training.pair_crops import pair_crops

SIDE = 64
Picture = NDArray[np.uint8]


def sources(infrared: list[Picture], visible: list[Picture]) -> Sources:
    return Sources(infrared, visible, [Path(f"{number}.png") for number in range(len(infrared))])


#: The visible pictures are the negatives of the infrared ones, so that a place can be told from what is there.
NEGATIVES = sources([soft(1, 70, 81), sharp(2, 66, 75)], [255 - soft(1, 70, 81), 255 - sharp(2, 66, 75)])
TWINS = sources([soft(1, 70, 81)], [soft(1, 70, 81)])


def crops(
    folders: list[Sources], count: int = 40, *, vary: float = 0.0, blank: float = 0.0, seed: int = 1, step: int = 0
) -> tuple[Tensor, Tensor]:
    settings = FusionRecipe(pairs=("a",), batch=count, crop=SIDE, vary=vary, blank=blank)
    return pair_crops(folders, settings, generator(seed, "fusion", step))


def test_crops_depend_on_seed_and_step() -> None:
    def both(seed: int, step: int) -> Tensor:
        return torch.stack(crops([NEGATIVES], 5, vary=0.5, blank=0.3, seed=seed, step=step))

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
    torch.testing.assert_close(visible, -infrared, rtol=0, atol=1e-6)


def test_crops_are_parts_of_the_pictures() -> None:
    """Every picture, place and both directions occur; no row is like another by accident."""
    infrared, _ = crops([NEGATIVES], 60)
    found = set()
    for crop in (infrared * 127.5 + 127.5).round().to(torch.uint8).numpy()[:, 0]:
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


@pytest.mark.parametrize(("vary", "blank"), [(0, 0), (1, 0), (0, 1), (1, 1), (0.3, 0.03)])
def test_range(vary: float, blank: float) -> None:
    """Black and white pictures too stay in the range of the network."""
    for image in torch.stack(crops([NEGATIVES, level(0), level(255)], vary=vary, blank=blank)):
        assert float(image.min()) >= -1
        assert float(image.max()) <= 1


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
        np.testing.assert_allclose(crop.numpy(), slope * before.numpy() + shift, atol=1e-5)
        slopes.append(slope)
        shifts.append(float((crop - before).mean()))
    assert 0.5 <= min(slopes) < 0.7
    assert 1.1 < max(slopes) <= 1.25
    assert -0.3 <= min(shifts) < -0.2
    assert 0.2 < max(shifts) <= 0.3


def blanks(images: tuple[Tensor, Tensor]) -> list[tuple[bool, bool]]:
    """For each pair whether its crops are of one level."""
    flat = (torch.stack(images).std((-3, -2, -1)) < 1e-6).T
    return [(bool(infrared), bool(visible)) for infrared, visible in flat]


def test_share_of_blank_crops() -> None:
    assert blanks(crops([NEGATIVES], 60, vary=0.5)) == [(False, False)] * 60
    every = crops([NEGATIVES], 60, blank=1)
    kinds = blanks(every)
    assert set(kinds) == {(True, False), (False, True)}, "one source of each pair, never both, and not always the same"
    assert 15 < sum(infrared for infrared, _ in kinds) < 45
    levels = [float(pair[int(visible)].mean()) for (_, visible), *pair in zip(kinds, *every, strict=True)]
    assert min(levels) < -0.8 < 0.8 < max(levels), "from black to white"
    some = sum(map(any, blanks(crops([NEGATIVES], 200, blank=0.2))))
    assert 20 < some < 60


def test_pictures_stay_as_they_are() -> None:
    before = [image.copy() for image in NEGATIVES.infrared + NEGATIVES.visible]
    crops([NEGATIVES], vary=1, blank=1)
    assert all(
        np.array_equal(one, other) for one, other in zip(before, NEGATIVES.infrared + NEGATIVES.visible, strict=True)
    )
