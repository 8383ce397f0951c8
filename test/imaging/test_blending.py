"""Blending by a Laplacian pyramid against a plain version, and what must hold for any amounts."""

from __future__ import annotations

import numpy as np
import plain_camf
import pytest
from numpy.typing import NDArray

from camf_ros.imaging.blending import Blender, padded, padding

SIZES = [(1, 1), (1, 40), (16, 16), (17, 33), (48, 31), (64, 80)]


def pair(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    one, other = np.random.default_rng(height).integers(0, 256, (2, height, width)).astype(np.uint8)
    return one, other


def amounts_for(height: int, width: int, levels: int, most: float = 1.5) -> list[NDArray[np.float32]]:
    below, right = padding(height, width, levels)
    rows, columns = height + below, width + right
    random = np.random.default_rng(width)
    shapes = [(2, rows >> max(level, 1), columns >> max(level, 1)) for level in range(levels)]
    return [(most * random.random(shape)).astype(np.float32) for shape in shapes]


def padded_pair(height: int, width: int, levels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    one, other = (
        np.pad(each.astype(float), [(0, missing) for missing in padding(height, width, levels)], "edge")
        for each in pair(height, width)
    )
    return one, other


@pytest.mark.parametrize("levels", [3, 4, 5, 7])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_picture_and_parts_are_the_plain_ones(height: int, width: int, levels: int) -> None:
    amounts = amounts_for(height, width, levels)
    blender = Blender(height, width, levels)
    expected = [part[:height, :width] for part in plain_camf.blend(*padded_pair(height, width, levels), amounts)]
    for _ in range(2):  # memory of the pair before does not show
        for got, wanted in zip(blender.parts(*pair(height, width), amounts), expected, strict=True):
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, wanted, atol=1e-3)
        fused = blender.blend(*pair(height, width), amounts)
        assert (fused.dtype, fused.shape) == (np.uint8, (height, width))
        assert np.abs(fused - np.clip(expected[0] + expected[1], 0, 255)).max() < 0.502


def test_one_picture_alone_comes_back() -> None:
    """All of one and nothing of the other; and half of both is their average."""
    for height, width in SIZES:
        one, other = pair(height, width)
        amounts = [np.ones_like(each) for each in amounts_for(height, width, 5)]
        for each in amounts:
            each[1] = 0
        blender = Blender(height, width, 5)
        np.testing.assert_array_equal(blender.blend(one, other, amounts), one)
        halves = [np.full_like(each, 0.5) for each in amounts]
        assert np.abs(blender.blend(one, other, halves) - (one.astype(float) + other) / 2).max() <= 0.501


def test_results_are_the_caller_s_and_inputs_stay() -> None:
    one, other = pair(33, 47)
    amounts = amounts_for(33, 47, 5)
    for array in (one, other, *amounts):
        array.flags.writeable = False
    blender = Blender(33, 47, 5)
    fused, parts = blender.blend(one, other, amounts), blender.parts(one, other, amounts)
    kept = [fused.copy(), *(part.copy() for part in parts)]
    blender.blend(other, one, amounts_for(33, 47, 5, most=0.3))
    for now, before in zip((fused, *parts), kept, strict=True):
        np.testing.assert_array_equal(now, before)


def test_padding_repeats_the_border() -> None:
    assert padding(48, 33, 5) == (0, 15)
    one, _ = pair(48, 33)
    grown = padded(one, (0, 15))
    np.testing.assert_array_equal(grown, np.pad(one, ((0, 0), (0, 15)), "edge"))
    assert padded(one, (0, 0)) is one
