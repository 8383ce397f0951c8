"""Where one camera sees nothing the other one is shown, and the way over is gradual."""

from __future__ import annotations

import numpy as np
import pytest

from camf_ros.imaging.blending import Coverage
from camf_ros.imaging.luminance import with_detail
from camf_ros.imaging.warp import resized

FUSED, THERMAL, VISIBLE = 200, 40, 120
SIZE = (20, 60)


def masks(thermal_to: int, rgb_from: int) -> tuple[np.ndarray, np.ndarray]:
    """The thermal camera sees the columns before the one, the RGB camera those from the other on."""
    columns = np.broadcast_to(np.arange(SIZE[1]), SIZE)
    return np.uint8(255) * (columns < thermal_to), np.uint8(255) * (columns >= rgb_from)


def fill(coverage: Coverage, channels: tuple[int, ...]) -> np.ndarray:
    fused = np.full((*SIZE, *channels), FUSED, np.uint8)
    rgb = np.full((*SIZE, *channels), VISIBLE, np.uint8)
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
    assert (got[:, 45:] == VISIBLE).all()
    assert coverage.overlap == pytest.approx(35 / 60)
    assert coverage.needs_thermal
    assert not coverage.complete


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
@pytest.mark.parametrize("feather", [1, 4, 9])
def test_feather_lies_in_the_fused_part(feather: int, channels: tuple[int, ...]) -> None:
    got = fill(Coverage(*masks(45, 10), feather=feather), channels).astype(float)
    assert (got[:, :10] == THERMAL).all()
    assert (got[:, 45:] == VISIBLE).all()
    assert (got[:, 10 + feather : 45 - feather] == FUSED).all()
    for number in range(feather):
        share = 1 - (number + 1) / (feather + 1)
        np.testing.assert_allclose(got[:, 10 + number], FUSED + share * (THERMAL - FUSED), atol=0.51)
        np.testing.assert_allclose(got[:, 44 - number], FUSED + share * (VISIBLE - FUSED), atol=0.51)


def test_where_nobody_sees_anything_it_is_black() -> None:
    thermal, rgb = masks(30, 0)
    thermal[:5] = rgb[:5] = 0
    got = fill(Coverage(thermal, rgb, feather=3), (3,))
    assert (got[:5] == 0).all()
    assert (got[5:, :26] == FUSED).all(), "no way over to where there is nothing"


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
    fused, rgb = np.full(SIZE, FUSED, np.uint8), np.full(SIZE, VISIBLE, np.uint8)
    assert (coverage.fill(fused, None, rgb)[:, 45:] == VISIBLE).all()


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
