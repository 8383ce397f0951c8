"""Change of size: exact sizes, no shift, no aliasing."""

from __future__ import annotations

import numpy as np
import plain_camf
import pytest

from camf_ros.imaging.warp import resized as align

SIZES = [(1, 1), (1, 9), (7, 5), (8, 8), (31, 17), (48, 64), (100, 37)]


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
@pytest.mark.parametrize("target", SIZES)
@pytest.mark.parametrize("source", SIZES)
def test_sizes(source: tuple[int, int], target: tuple[int, int], channels: tuple[int, ...]) -> None:
    even = np.full((*source, *channels), 77, np.uint8)
    got = align(even, target)
    assert (got.dtype, got.shape) == (np.uint8, (*target, *channels))
    assert (got == 77).all()


def test_equal_size_is_not_touched() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (6, 7), dtype=np.uint8)
    np.testing.assert_array_equal(align(picture, (6, 7)), picture)


def test_enlarging_is_bilinear_about_pixel_centres() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (13, 9, 3), dtype=np.uint8)
    for size in ((26, 18), (30, 21), (13, 40)):
        expected = plain_camf.resize(np.moveaxis(picture, 2, 0).astype(np.float64), *size)
        np.testing.assert_allclose(np.moveaxis(align(picture, size), 2, 0), expected, atol=1.5)


def test_shrinking_averages_areas() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (24, 36), dtype=np.uint8)
    for by in (2, 3, 4):
        blocks = picture.reshape(24 // by, by, 36 // by, by).mean(axis=(1, 3))
        np.testing.assert_allclose(align(picture, (24 // by, 36 // by)), blocks, atol=0.51)
    stripes = np.tile(np.array([0, 255], np.uint8), (20, 50))
    assert np.abs(align(stripes, (10, 40)).astype(int) - 127.5).max() < 60, "fine stripes alias into coarse ones"


@pytest.mark.parametrize("size", [(60, 80), (15, 20), (30, 80)])
def test_no_shift(size: tuple[int, int]) -> None:
    """The centre of gravity of a spot stays where it was, as a share of the picture."""
    rows, columns = np.mgrid[0:30, 0:40]
    spot = (255 * np.exp(-((rows - 11.5) ** 2 + (columns - 23.5) ** 2) / 18)).astype(np.uint8)
    got = align(spot, size).astype(np.float64)
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    centre = [((axis + 0.5) * got).sum() / got.sum() for axis in (rows, columns)]
    assert centre[0] / size[0] == pytest.approx(12 / 30, abs=0.004)
    assert centre[1] / size[1] == pytest.approx(24 / 40, abs=0.004)


def test_read_only_and_strided_pictures() -> None:
    picture = np.random.default_rng(4).integers(0, 256, (20, 30), dtype=np.uint8)
    view = picture[:, :21]
    view.flags.writeable = False
    for size in ((10, 10), (40, 50)):
        np.testing.assert_array_equal(align(view, size), align(view.copy(), size))
