"""Thermal part + RGB part + clipping + rounding is the fused luminance before colour, at every size and coverage."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from explaining import LEVELS, colour, coverage, fused, grey, network
from hypothesis import given, settings
from hypothesis import strategies as st

from camf_ros.errors import ImageError
from camf_ros.explain.parts import fused_pictures, levels_of, parts_of, share_of
from camf_ros.fused_frame import FusedFrame
from camf_ros.imaging.blending import Blender
from camf_ros.imaging.luminance import RgbPicture, with_detail

# Of float32 sums of a few hundred grey levels.
ARITHMETIC = 2e-3
HEIGHT, WIDTH = 53, 70
# Size at which it is fused, feather of the coverage (None: both see everything), and whether RGB has colour.
CASES = {
    "full": (None, None, False),
    "full, colour": (None, None, True),
    "smaller": ((24, 40), None, True),
    "smaller, odd": ((23, 31), None, False),
    "larger": ((80, 110), None, True),
    "coverage, hard edge": (None, 0, False),
    "coverage": (None, 6, True),
    "coverage, smaller": ((24, 40), 6, False),
}


def frame_of(case: str, seed: int = 3) -> FusedFrame:
    work, feather, coloured = CASES[case]
    rgb = (colour if coloured else grey)(seed, HEIGHT, WIDTH)
    seen = None if feather is None else coverage(HEIGHT, WIDTH, feather)
    return fused(rgb, grey(seed + 9, HEIGHT, WIDTH), work=work, seen=seen, seed=seed)


def bound(case: str) -> float:
    """Largest rounding: to whole grey levels once, twice where it is enlarged, twice more in a transition."""
    work, feather, _ = CASES[case]
    return 0.5 + (0.5 if work else 0) + (1 if feather else 0) + ARITHMETIC


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", [3, 4])
def test_they_add_up(case, seed):
    frame = frame_of(case, seed)
    parts = parts_of(frame, frame.amounts)
    total = parts.thermal + parts.rgb + parts.clipping + parts.rounding
    np.testing.assert_allclose(total, parts.fused, rtol=0, atol=ARITHMETIC)
    # Rounding is no place where anything else could hide, and clipping is nothing but that.
    assert np.abs(parts.rounding).max() <= bound(case)
    clipped = np.abs(parts.clipping) > 1
    assert clipped.any()
    assert not clipped.all()
    if CASES[case][0] is None and CASES[case][1] is None:
        np.testing.assert_allclose(
            parts.thermal + parts.rgb + parts.clipping, np.clip(parts.thermal + parts.rgb, 0, 255), atol=ARITHMETIC
        )
        assert np.isin(parts.fused[clipped], (0, 255)).all()


@pytest.mark.parametrize("case", CASES)
def test_their_sum_is_what_the_picture_shows(case):
    frame = frame_of(case)
    parts = parts_of(frame, frame.amounts)
    assert frame.aligned is not None
    if frame.image.ndim == 2:
        np.testing.assert_array_equal(parts.fused, frame.image)
    elif frame.aligned.coverage is None:
        np.testing.assert_array_equal(RgbPicture(frame.aligned.rgb).with_luminance(parts.fused), frame.image)
    else:
        # Colours that do not fit the new luminance are clipped, which changes the luminance of the coloured picture.
        apart = np.abs(RgbPicture(frame.image).luminance.astype(int) - parts.fused)
        assert np.median(apart) <= 1


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 90), st.integers(1, 90), st.integers(0, 99))
@settings(max_examples=60)
def test_at_every_size(height, width, rows, columns, seed):
    frame = fused(grey(seed, height, width), grey(seed + 1, height, width), work=(rows, columns), seed=seed)
    parts = parts_of(frame, frame.amounts)
    total = parts.thermal + parts.rgb + parts.clipping + parts.rounding
    np.testing.assert_allclose(total, frame.image, rtol=0, atol=ARITHMETIC)
    assert np.abs(parts.rounding).max() <= 1 + ARITHMETIC


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("camera", [0, 1])
def test_leaving_out_a_camera_takes_away_its_part(case, camera):
    frame = frame_of(case)
    parts = parts_of(frame, frame.amounts)
    aligned, luminance, small = fused_pictures(frame)
    held = tuple(level.copy() for level in frame.amounts)
    for level in held:
        level[camera] = 0
    # The picture that the pipeline would make of these amounts.
    without = Blender(*small.shape, LEVELS).blend(aligned.thermal, small, held)
    without = without if small.shape == luminance.shape else with_detail(without, small, luminance)
    left = parts_of(frame._replace(luminance=without), held)
    assert np.abs(left.rounding).max() <= bound(case)
    other = "rgb" if camera == 0 else "thermal"
    np.testing.assert_array_equal(getattr(left, other), getattr(parts, other))
    removed = ("thermal", "rgb")[camera]
    if camera == 0:
        # Of thermal nothing is left but what thermal alone sees, with its level.
        rest, detail = 0, np.float32(0)
    else:
        # Of RGB the detail that is put back, and what RGB alone sees, with its level.
        enlarged = cv2.resize(small.astype(np.float32), luminance.shape[::-1], interpolation=cv2.INTER_LINEAR)
        rest = detail = luminance - enlarged if small.shape != luminance.shape else np.float32(0)
    if aligned.coverage is not None:
        nothing = np.zeros(luminance.shape, np.float32)
        thermal_and_rgb = aligned.coverage.fill_parts(
            (nothing, nothing + detail, nothing), aligned.full_thermal, luminance
        )
        rest = thermal_and_rgb[camera]
    np.testing.assert_allclose(getattr(left, removed), np.broadcast_to(rest, parts.rgb.shape), atol=ARITHMETIC)


def test_where_one_camera_sees_the_part_is_its_picture():
    frame = frame_of("coverage, hard edge")
    parts = parts_of(frame, frame.amounts)
    _, luminance, _ = fused_pictures(frame)
    below, left, right = HEIGHT - HEIGHT // 8, WIDTH // 4, WIDTH - WIDTH // 5
    np.testing.assert_array_equal(parts.rgb[:below, :left], luminance[:below, :left])
    assert not parts.thermal[:below, :left].any()
    np.testing.assert_array_equal(parts.thermal[:below, right:], frame.aligned.full_thermal[:below, right:])
    assert not parts.rgb[:below, right:].any()
    assert not any(each[below:].any() for each in parts)
    share = share_of(parts.thermal, parts.rgb)[:below]
    lit = parts.fused[:below] > 0  # black is nobody's
    assert (share[:, :left][lit[:, :left]] == 0).all()
    assert (share[:, right:][lit[:, right:]] == 1).all()


def test_shares_of_a_coverage_are_what_it_mixes():
    for feather in (0, 7):
        seen = coverage(40, 60, feather)
        pictures = [grey(seed, 40, 60) for seed in (1, 2, 3)]
        shares = seen.shares()
        nothing = np.zeros((40, 60), np.float32)
        parts = seen.fill_parts((nothing, pictures[0].astype(np.float32), nothing), *pictures[1:])
        # Once to whole grey levels, once more in the transition.
        np.testing.assert_allclose(seen.fill(*pictures), sum(parts), atol=0.5 + 0.5 * (feather > 0) + ARITHMETIC)
        if not feather:
            mixed = sum(share * picture for share, picture in zip(shares, pictures, strict=True))
            np.testing.assert_allclose(sum(parts), mixed, atol=ARITHMETIC)
        total = shares.fused + shares.thermal + shares.rgb
        np.testing.assert_allclose(total[:35], 1, atol=1e-6)
        assert not total[35:].any()


def test_they_are_those_of_the_network():
    net, a, b = network(), grey(1, 48, 64), grey(2, 48, 64)
    tensors = [torch.from_numpy(x)[None, None].float() for x in (a, b)]
    output = net(*tensors, net.class_activation_weights())
    amounts = tuple(level[0].numpy() for level in output.amounts)
    fused_picture = Blender(48, 64, LEVELS).blend(a, b, amounts)
    frame = fused(b, a)._replace(luminance=fused_picture, amounts=amounts)
    parts = parts_of(frame, amounts)
    np.testing.assert_allclose(parts.thermal, output.infrared_part[0, 0], atol=0.01)
    np.testing.assert_allclose(parts.rgb, output.visible_part[0, 0], atol=0.01)


@pytest.mark.parametrize("case", ["full", "smaller, odd"])
def test_levels_are_what_the_parts_are_collapsed_from(case):
    frame = frame_of(case)
    aligned, _, small = fused_pictures(frame)
    blender = Blender(*small.shape, LEVELS)
    bands = blender.bands(aligned.thermal, small, frame.amounts)
    levels = levels_of(frame, frame.amounts)
    assert len(levels) == len(bands) == LEVELS
    for number, (level, (thermal, rgb)) in enumerate(zip(levels, bands, strict=True)):
        assert level.share_map.shape == tuple(-(-side // 2**number) for side in small.shape)
        one, other = np.abs(thermal).sum(dtype=float), np.abs(rgb).sum(dtype=float)
        assert level.share == pytest.approx(one / (one + other), rel=1e-5)
        np.testing.assert_array_equal(level.share_map, share_of(thermal, rgb))
    if not any(side % 2 ** (LEVELS - 1) for side in small.shape):
        return
    # Without padding in the way: collapse the bands of a picture whose sides fit.
    a, b = grey(1, 48, 64), grey(2, 48, 64)
    frame = fused(b, a)
    blender = Blender(48, 64, LEVELS)
    for source, part in enumerate(blender.parts(a, b, frame.amounts)):
        *finer, picture = (band[source] for band in blender.bands(a, b, frame.amounts))
        for band in reversed(finer):
            picture = cv2.resize(picture, band.shape[::-1], interpolation=cv2.INTER_LINEAR) + band
        np.testing.assert_allclose(picture, part, atol=ARITHMETIC)


def test_levels_count_only_what_both_cameras_see():
    rgb, thermal = grey(1, 48, 64), grey(2, 48, 64)
    thermal[:, :16] = 0  # as where it sees nothing
    seen = coverage(48, 64, 0)
    both = levels_of(*((frame := fused(rgb, thermal, seen=seen)), frame.amounts))
    everything = levels_of(*((frame := fused(rgb, thermal)), frame.amounts))
    assert both[-1].share > everything[-1].share, "the black strip is not thermal's fault"


def test_share():
    thermal, rgb = np.float32([[3, -3, 0, 0, 5]]), np.float32([[1, 1, 2, 0, 0]])
    assert share_of(thermal, rgb).tolist() == [[0.75, 0.75, 0, 0.5, 1]]


def test_a_frame_must_say_what_it_was_made_of():
    frame = frame_of("full")
    for lacking in (frame._replace(aligned=None), frame._replace(luminance=None)):
        with pytest.raises(ImageError, match="does not say what it was fused from"):
            parts_of(lacking, frame.amounts)
