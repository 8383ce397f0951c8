"""Blending by a Laplacian pyramid against a plain version; where one camera sees nothing the other one is shown."""

from __future__ import annotations

import cv2
import numpy as np
import plain_camf
import pytest
from numpy.typing import NDArray

from camf_ros.imaging.blending import Blender, Coverage, padded, padding
from camf_ros.imaging.luminance import with_detail
from camf_ros.imaging.warp import resized

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


FUSED, THERMAL, RGB = 200, 40, 120
SIZE = (20, 60)


def masks(thermal_to: int, rgb_from: int) -> tuple[np.ndarray, np.ndarray]:
    """The thermal camera sees the columns before the one, the RGB camera those from the other on."""
    columns = np.broadcast_to(np.arange(SIZE[1]), SIZE)
    return np.uint8(255) * (columns < thermal_to), np.uint8(255) * (columns >= rgb_from)


def fill(coverage: Coverage, channels: tuple[int, ...]) -> np.ndarray:
    fused = np.full((*SIZE, *channels), FUSED, np.uint8)
    rgb = np.full((*SIZE, *channels), RGB, np.uint8)
    fused.flags.writeable = rgb.flags.writeable = False
    result = coverage.fill(fused, np.full(SIZE, THERMAL, np.uint8), rgb)
    assert result.shape == fused.shape
    return result if result.ndim == 2 else result[:, :, 1]


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
def test_hard_border(channels: tuple[int, ...]) -> None:
    coverage = Coverage(*masks(45, 10), feather=0)
    got = fill(coverage, channels)
    assert (got[:, :10] == THERMAL).all()
    assert (got[:, 10:45] == FUSED).all()
    assert (got[:, 45:] == RGB).all()
    assert coverage.overlap == pytest.approx(35 / 60)
    assert coverage.needs_thermal
    assert not coverage.complete


def wave(reach: float, distance: np.ndarray) -> np.ndarray:
    """1 at the border, 0 from the reach on."""
    return 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance / reach, 1))


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
@pytest.mark.parametrize("feather", [1, 4, 9])
@pytest.mark.parametrize(("fused", "rgb"), [(40, 128), (200, 120), (130, 128)])
def test_levels_match_at_the_border(fused: int, rgb: int, feather: int, channels: tuple[int, ...]) -> None:
    """The step is spread over 27 of 160 cells; beyond it the fused picture is as it was."""
    shape, border, reach = (240, 960), 480, 27 * 6
    seen = np.broadcast_to(np.arange(shape[1]) < border, shape)
    coverage = Coverage(np.uint8(255) * seen, np.full(shape, 255, np.uint8), feather)
    pictures = [np.full((*shape, *channels), level, np.uint8) for level in (fused, rgb)]
    result = coverage.fill(pictures[0], None, pictures[1])
    got = (result if result.ndim == 2 else result[:, :, 1]).astype(float)
    distance = border - np.arange(border)
    expected = fused + (rgb - fused) * wave(reach, distance)
    assert (got[:, border:] == rgb).all()
    assert (got[:, : border - int(reach) - 8] == fused).all()
    np.testing.assert_allclose(
        got[:, : border - feather], np.broadcast_to(expected, (240, 480))[:, : 480 - feather], atol=1.5
    )
    assert np.abs(np.diff(got, axis=1)).max() <= 2, "no edge"
    assert (np.diff(got[:, :-1], axis=0) == 0).all()


def test_only_the_level_goes_over_far_from_the_border_detail_stays() -> None:
    """A warm person beside the border is as far above what is around it as before."""
    shape = (240, 960)
    seen = np.broadcast_to(np.arange(shape[1]) < 480, shape)
    coverage = Coverage(np.uint8(255) * seen, np.full(shape, 255, np.uint8), 4)
    fused = np.full(shape, 60, np.uint8)
    person = np.s_[100:140, 450:462]
    fused[person] = 200
    result = coverage.fill(fused, None, np.full(shape, 120, np.uint8)).astype(int)
    around = result[100:140, 430].mean()
    assert result[person].mean() - around > 0.8 * (200 - 60)


def test_holes_do_not_change_the_level() -> None:
    """Occlusions and pixels without depth leave holes all over a picture."""
    shape = (240, 960)
    thermal = np.full(shape, 255, np.uint8)
    for row, column in ((40, 100), (120, 480), (200, 800)):
        thermal[row : row + 24, column : column + 18] = 0
    coverage = Coverage(thermal, np.full(shape, 255, np.uint8), 1)
    got = coverage.fill(np.full(shape, 40, np.uint8), None, np.full(shape, 128, np.uint8))
    grown = cv2.dilate(1 - thermal // 255, np.ones((5, 5), np.uint8)) > 0
    assert (got[~grown] == 40).all()
    assert (got[thermal == 0] == 128).all()


@pytest.mark.parametrize("feather", [1, 4, 9])
def test_detail_goes_over_within_the_feather(feather: int) -> None:
    shape, border = (240, 960), 480
    seen = np.broadcast_to(np.arange(shape[1]) < border, shape)
    coverage = Coverage(np.uint8(255) * seen, np.full(shape, 255, np.uint8), feather)
    stripes = np.where(np.arange(shape[0]) % 2, 80, 160)[:, None]  # of one mean with what lies beside it
    fused = np.broadcast_to(stripes, shape).astype(np.uint8)
    got = coverage.fill(fused, None, np.full(shape, 120, np.uint8)).astype(float)
    assert np.abs(got[:, : border - feather] - stripes).max() <= 1
    for number in range(feather):
        share = 1 - (number + 1) / (feather + 1)
        np.testing.assert_allclose(got[:, border - 1 - number], (stripes + share * (120 - stripes))[:, 0], atol=1)


def test_where_nobody_sees_anything_it_is_black() -> None:
    thermal, rgb = masks(30, 0)
    thermal[:5] = rgb[:5] = 0
    got = fill(Coverage(thermal, rgb, feather=3), (3,))
    assert (got[:5] == 0).all()
    assert (got[5:, :2] == FUSED).all(), "no way over to where there is nothing"


def test_narrow_overlap_has_one_way_over_at_most() -> None:
    """Where both borders are nearer than the feather is wide, every pixel still is a mean of what is there."""
    got = fill(Coverage(*masks(33, 30), feather=8), (3,))
    assert got.min() >= THERMAL
    assert got.max() <= FUSED


def test_complete() -> None:
    everything = np.full(SIZE, 255, np.uint8)
    coverage = Coverage(everything, everything, feather=5)
    assert coverage.complete
    assert not coverage.needs_thermal
    assert (fill(coverage, (3,)) == FUSED).all()


def test_rgb_reference_needs_no_thermal_picture() -> None:
    coverage = Coverage(*masks(45, 0), feather=2)
    assert not coverage.needs_thermal
    fused, rgb = np.full(SIZE, FUSED, np.uint8), np.full(SIZE, RGB, np.uint8)
    assert (coverage.fill(fused, None, rgb)[:, 45:] == RGB).all()


@pytest.mark.parametrize("size", [(10, 30), (7, 23), (40, 90)])
def test_detail_is_kept_where_the_network_changes_nothing(size: tuple[int, int]) -> None:
    full = np.random.default_rng(1).integers(0, 256, SIZE, dtype=np.uint8)
    small = resized(full, size)
    assert small.shape == size
    np.testing.assert_array_equal(with_detail(small, small, full), full)


def test_change_is_added_and_clipped() -> None:
    full = np.random.default_rng(1).integers(0, 256, SIZE, dtype=np.uint8)
    small = resized(full, (10, 30))
    for change in (-300, -20, 35, 300):
        fused = np.clip(small.astype(int) + change, 0, 255).astype(np.uint8)
        evenly = fused.astype(int) - small
        if np.ptp(evenly) == 0:
            expected = np.clip(full.astype(int) + change, 0, 255)
            np.testing.assert_array_equal(with_detail(fused, small, full), expected)
        else:
            got = with_detail(fused, small, full).astype(int)
            assert ((got - full) * np.sign(change) >= 0).all()
