"""Luminance out, colour kept: BT.601 against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from camf_ros.imaging.luminance import RgbPicture

#: Weights of red, green and blue in the luminance.
BT601 = np.array([0.299, 0.587, 0.114])


def random_colours(seed: int = 1) -> NDArray[np.uint8]:
    colours = np.random.default_rng(seed).integers(0, 256, (200, 150, 3), dtype=np.uint8)
    corners = np.array([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)], np.uint8)
    colours[0, :8] = corners
    return colours


def test_luminance_is_bt601() -> None:
    colours = random_colours()
    luminance = RgbPicture(colours).luminance
    assert (luminance.dtype, luminance.shape) == (np.uint8, (200, 150))
    assert luminance.flags.c_contiguous
    np.testing.assert_allclose(luminance, colours @ BT601, atol=0.51)


def test_unchanged_luminance_gives_the_colour_back() -> None:
    colours = random_colours()
    visible = RgbPicture(colours)
    got = visible.with_luminance(visible.luminance)
    assert (got.dtype, got.shape) == (np.uint8, colours.shape)
    assert np.abs(got.astype(int) - colours).max() <= 2


def test_grey_frame_stays_grey() -> None:
    grey = np.random.default_rng(2).integers(0, 256, (9, 7), dtype=np.uint8)
    visible = RgbPicture(grey)
    np.testing.assert_array_equal(visible.luminance, grey)
    np.testing.assert_array_equal(visible.with_luminance(255 - grey), 255 - grey)


def test_colour_frame_without_colour_stays_without_colour() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    visible = RgbPicture(np.stack([grey] * 3, axis=2))
    np.testing.assert_array_equal(visible.luminance, grey)
    for fused in (grey, grey[::-1], np.full_like(grey, 200)):
        np.testing.assert_array_equal(visible.with_luminance(fused), np.stack([fused] * 3, axis=2))


def test_fused_luminance_and_kept_colour() -> None:
    """Where the colour can be shown at the fused luminance, it has that luminance and the old colour differences."""
    colours = random_colours(3)
    fused = np.random.default_rng(4).integers(0, 256, colours.shape[:2], dtype=np.uint8)
    got = RgbPicture(colours).with_luminance(fused)
    luminance = colours @ BT601
    expected = colours + (fused - luminance)[:, :, None]
    shown = ((expected > 2) & (expected < 253)).all(axis=2)
    assert shown.mean() > 0.1
    np.testing.assert_allclose((got @ BT601)[shown], fused[shown], atol=1.0)
    np.testing.assert_allclose(got[shown], expected[shown], atol=2.0)


def test_weaker_colour() -> None:
    """The colour differences are multiplied; nothing of it stays for the next call."""
    colours = np.random.default_rng(5).integers(90, 160, (40, 30, 3), dtype=np.uint8)
    visible = RgbPicture(colours)
    full = visible.with_luminance(visible.luminance)
    half = visible.with_luminance(visible.luminance, 0.5)
    grey = visible.luminance.astype(float)[:, :, None]
    np.testing.assert_allclose(half - grey, (full - grey) / 2, atol=2)
    np.testing.assert_array_equal(
        visible.with_luminance(visible.luminance, 0), np.repeat(visible.luminance[:, :, None], 3, 2)
    )
    np.testing.assert_array_equal(visible.with_luminance(visible.luminance), full)


def test_frame_itself_is_not_written() -> None:
    colours = random_colours()
    colours.flags.writeable = False
    before = colours.copy()
    visible = RgbPicture(colours)
    visible.with_luminance(np.zeros(colours.shape[:2], np.uint8))
    first = visible.with_luminance(visible.luminance)
    np.testing.assert_array_equal(visible.with_luminance(visible.luminance), first)
    np.testing.assert_array_equal(colours, before)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_frames_that_are_views(order: tuple[int, int, int]) -> None:
    colours = random_colours()
    view = colours[::2, 1::3][:, :, list(order)]
    packed = RgbPicture(np.ascontiguousarray(view))
    np.testing.assert_array_equal(RgbPicture(view).luminance, packed.luminance)
    padded = np.zeros((20, 40, 3), np.uint8)
    padded[:, :30] = colours[:20, :30]
    np.testing.assert_array_equal(RgbPicture(padded[:, :30]).luminance, RgbPicture(colours[:20, :30].copy()).luminance)


def test_results_that_left_do_not_change() -> None:
    colours = random_colours()
    visible = RgbPicture(colours)
    luminance = visible.luminance.copy()
    first = visible.with_luminance(255 - luminance)
    kept = first.copy()
    visible.with_luminance(np.zeros_like(luminance))
    RgbPicture(random_colours(7)).with_luminance(luminance)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(visible.luminance, luminance)
