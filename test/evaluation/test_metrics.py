"""The nine metrics: small cases worked out by hand, the definitions written out, and what must not change a figure."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from textbook import TEXTBOOK

from camf_ros.errors import CamfError, ImageError
from camf_ros.evaluation.metrics import (
    METRICS,
    SMALLEST,
    average_gradient,
    correlations_of_differences,
    edge_transfer,
    entropy,
    information_fidelity,
    mean,
    mutual_information,
    score,
    spatial_frequency,
    standard_deviation,
    structural_similarity,
)

pytest.importorskip("skimage")

Grey = NDArray[np.uint8]

# Products of the ceilings of the two logistic curves where an edge is kept: equal strength counts in grey levels, and
# those of the pictures here are so large that its curve has reached its ceiling.
FULL_EDGE = 0.9994 * 0.9879 / (1 + math.exp(-22 * 0.2))


def picture(seed: int, shape: tuple[int, int] = (43, 52)) -> Grey:
    """Smooth shapes with texture and some noise."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    shapes = 60 * np.sin(rows / (4 + seed)) + 50 * np.cos(columns / 5 + seed) + 40 * (rows + columns > 40)
    return (100 + shapes + random.normal(0, 8, shape)).clip(0, 255).round().astype(np.uint8)


def grey(rows: list[list[int]]) -> Grey:
    return np.array(rows, np.uint8)


def flat(value: int, shape: tuple[int, int] = (43, 52)) -> Grey:
    return np.full(shape, value, np.uint8)


# --- by hand --------------------------------------------------------------------------------------------------------


def test_entropy_by_hand() -> None:
    assert entropy(flat(77)) == pytest.approx(0, abs=1e-12)
    assert entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == pytest.approx(8)
    # One half, one quarter, two eighths: 1/2 + 2/4 + 2 · 3/8 bits.
    assert entropy(grey([[5, 5, 5, 5], [9, 9, 200, 0]])) == pytest.approx(1.75)


def test_mutual_information_by_hand() -> None:
    a = grey([[0, 0, 255, 255], [0, 0, 255, 255]])
    b = grey([[0, 0, 0, 0], [9, 9, 9, 9]])
    # A copy of A says all of A's one bit, ln 2 nats, and nothing about B, which is independent of it.
    assert mutual_information(a, b, a) == pytest.approx(math.log(2))
    assert mutual_information(a, a, a) == pytest.approx(2 * math.log(2))
    # Which levels they are does not matter: a negative tells as much.
    assert mutual_information(a, b, 255 - a) == pytest.approx(math.log(2))
    assert mutual_information(a, b, flat(3, (2, 4))) == pytest.approx(0, abs=1e-12)


def test_detail_by_hand() -> None:
    steps = grey([[0, 4, 8], [0, 4, 8], [0, 4, 8]])
    assert standard_deviation(steps) == pytest.approx(math.sqrt(32 / 3))
    # Every horizontal difference is 4, every vertical one 0.
    assert spatial_frequency(steps) == pytest.approx(4)
    assert average_gradient(steps) == pytest.approx(4 / math.sqrt(2))
    slope = grey([[0, 3, 6], [4, 7, 10], [8, 11, 14]])
    assert spatial_frequency(slope) == pytest.approx(5)
    assert average_gradient(slope) == pytest.approx(5 / math.sqrt(2))
    # Central differences do not see a single pixel in the middle, its eight neighbours do: (60 / 2) / sqrt(2) at four.
    point = grey([[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 60, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    assert average_gradient(point) == pytest.approx(4 * 30 / math.sqrt(2) / 25)


def test_detail_beyond_the_range_of_a_byte() -> None:
    """A difference of 255 downwards must not wrap around to 1."""
    stripes = grey([[255, 0, 255, 0]] * 4)
    assert spatial_frequency(stripes) == pytest.approx(255)
    assert standard_deviation(stripes) == pytest.approx(127.5)
    assert average_gradient(stripes) == pytest.approx(255 / math.sqrt(2) * 2 / 4)  # the outer columns only


def test_correlations_of_differences_by_hand() -> None:
    a, b = picture(1) // 2, picture(2) // 2
    # F = A + B: each difference is the other source.
    assert correlations_of_differences(a, b, a + b) == pytest.approx(2)
    # F = A: F - A is nothing at all, F - B is A - B.
    one, other = grey([[10, 20]]), grey([[7, 7]])
    assert correlations_of_differences(one, other, one) == pytest.approx(1)
    # A against F - B = 6, -3 is -1; B against F - A = 3, 3 is nothing.
    assert correlations_of_differences(grey([[10, 20]]), grey([[7, 26]]), grey([[13, 23]])) == pytest.approx(-1)


def test_a_copy_keeps_all_of_its_source() -> None:
    a, b = picture(1), picture(2)
    assert information_fidelity(a, a, a) == pytest.approx(2)
    assert structural_similarity(a, a, a) == pytest.approx(2)
    assert edge_transfer(a, a, a) == pytest.approx(FULL_EDGE, abs=1e-4)
    for metric in (information_fidelity, structural_similarity, edge_transfer):
        assert metric(a, b, a) < metric(a, a, a)


def test_more_contrast_is_fidelity_above_one_and_noise_is_below() -> None:
    a = picture(1) // 3
    assert information_fidelity(a, a, 2 * a) > 2
    noise = np.random.default_rng(0).integers(0, 20, a.shape).astype(np.uint8)
    assert information_fidelity(a, a, a + noise) < 1.8


def test_negative_has_no_fidelity() -> None:
    a = picture(1)
    assert information_fidelity(a, a, 255 - a) == 0
    assert structural_similarity(a, a, 255 - a) < 0


def test_similarity_of_shifted_levels() -> None:
    """Variances alike, means m and m + d: what is left is (2 m (m + d) + c) / (m² + (m + d)² + c), window by window."""
    a = np.tile(grey([[100, 102], [104, 106]]), (30, 30))
    shifted = a + np.uint8(50)
    value = structural_similarity(a, a, shifted) / 2
    assert value == pytest.approx(2 * 103 * 153 / (103**2 + 153**2), abs=1e-3)
    # With a range of 255 the constants would lift it.
    assert value < 0.935


def test_edges_lose_with_strength_and_with_direction() -> None:
    edge = flat(100, (60, 60))
    edge[:, 30:] = 200
    half = ((edge.astype(int) + 150) // 2).astype(np.uint8)
    # Both inside values are the curve's, away from the zeros around the picture; those edges are kept to 125 of 100.
    assert edge_transfer(edge, edge, half) < edge_transfer(edge, edge, edge)
    assert edge_transfer(edge, edge, np.ascontiguousarray(edge.T)) < edge_transfer(edge, edge, half)


def test_orientation_of_upright_gradients() -> None:
    """+90 degrees up or down where there is no horizontal part: the negative of stripes keeps their edges."""
    stripes = np.repeat(np.tile(grey([[50], [50], [150], [150]]), (15, 1)), 60, axis=1)
    inside = [np.pad(image[1:-1, 1:-1], 1) for image in (stripes, 200 - stripes)]
    upright = edge_transfer(inside[0], inside[0], inside[1])
    across = [np.ascontiguousarray(image.T) for image in inside]
    assert upright > 0.8
    # Sideways, atan(0 / x) is 0 for both signs as well.
    assert edge_transfer(across[0], across[0], across[1]) == pytest.approx(upright, abs=0.02)


# --- by definition --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(METRICS))
@pytest.mark.parametrize("kind", ["mixed", "maximum", "saturated", "upright"])
def test_definition(name: str, kind: str) -> None:
    """Equal to the definition written out in plain Python, on pictures that hit each of its cases."""
    a, b = picture(1), picture(2)
    if kind == "saturated":
        a = (a.astype(int) * 3 - 200).clip(0, 255).astype(np.uint8)
    if kind == "upright":  # flat areas and pure vertical gradients
        a = np.repeat(a[:, :1] // 16 * 16, a.shape[1], axis=1)
    f = np.maximum(a, b) if kind == "maximum" else ((2 * a.astype(int) + b) // 3).astype(np.uint8)
    expected = TEXTBOOK[name](*([[float(v) for v in row] for row in image] for image in (a, b, f)))
    assert METRICS[name].value(a, b, f) == pytest.approx(expected, rel=1e-7)


# --- what must not change a figure ----------------------------------------------------------------------------------

SYMMETRIC = ["EN", "SD", "SF", "AG", "MI", "SCD", "VIF", "Qabf", "SSIM"]


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_sources_are_alike(a: int, b: int, f: int) -> None:
    pictures = picture(a, (41, 44)), picture(b, (41, 44)), picture(f, (41, 44))
    one, other = score(*pictures), score(pictures[1], pictures[0], pictures[2])
    assert list(one) == SYMMETRIC
    assert one == pytest.approx(other, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("turn", [lambda x: x[:, ::-1], lambda x: x[::-1, ::-1]], ids=["mirrored", "upside down"])
def test_mirrored_pictures_score_alike(turn) -> None:  # type: ignore[no-untyped-def]
    # Sides with which the halving of VIF's scales meets the same pixels from either end: 17 + 8 k at every scale.
    pictures = picture(1, (49, 57)), picture(2, (49, 57)), picture(3, (49, 57))
    turned = [np.ascontiguousarray(turn(image)) for image in pictures]
    one, other = score(*pictures), score(*turned)
    # A gradient that is upright to the bit has one orientation only; mirrored, its neighbours have another sign.
    assert one.pop("Qabf") == pytest.approx(other.pop("Qabf"), abs=2e-3)
    assert one == pytest.approx(other, rel=1e-6)


def test_levels_do_not_matter_to_contrast_and_information() -> None:
    a, b, f = picture(1) // 2, picture(2) // 2, picture(3) // 2
    brighter = f + np.uint8(60)
    one, other = score(a, b, f), score(a, b, brighter)
    for name in ("EN", "SD", "SF", "AG", "MI", "SCD", "VIF"):
        assert one[name] == pytest.approx(other[name], rel=1e-7), name
    assert one["SSIM"] != pytest.approx(other["SSIM"], rel=1e-3)


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_even_pictures_have_finite_scores(a: int, b: int, f: int) -> None:
    """Nothing to keep, nothing to divide by."""
    scores = score(flat(a, (41, 41)), flat(b, (41, 41)), flat(f, (41, 41)))
    assert all(math.isfinite(value) for value in scores.values())
    assert [scores[name] for name in ("SD", "SF", "AG", "SCD", "VIF")] == [0, 0, 0, 0, 2]
    assert scores["EN"] == pytest.approx(0, abs=1e-12)
    assert scores["MI"] == pytest.approx(0, abs=1e-12)


def test_one_even_picture() -> None:
    a, even = picture(1), flat(90)
    for pictures in ((a, even, a), (even, a, even), (a, a, even)):
        assert all(math.isfinite(value) for value in score(*pictures).values())
    # A source without information loses none; the other one is lost.
    assert information_fidelity(a, even, even) == pytest.approx(1, abs=1e-9)


# --- together -------------------------------------------------------------------------------------------------------


def test_mean_counts_every_picture_alike() -> None:
    rows = [score(picture(i), picture(i + 1), picture(i + 2)) for i in range(3)]
    assert mean(rows) == pytest.approx({name: sum(row[name] for row in rows) / 3 for name in METRICS})


def test_smallest_picture() -> None:
    ok = [picture(seed, (SMALLEST, SMALLEST)) for seed in (1, 2, 3)]
    assert all(math.isfinite(value) for value in score(*ok).values())
    with pytest.raises(ImageError, match=r"40 x 41.*41 x 41 pixels or more"):
        score(*(image[:, :40] for image in ok))


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ((flat(1), flat(1), flat(1, (52, 43))), "the sizes differ: 52 x 43, 43 x 52"),
        ((flat(1), flat(1).astype(np.float64), flat(1)), "visible picture is float64"),
        ((np.zeros((43, 52, 3), np.uint8), flat(1), flat(1)), r"infrared picture is uint8 of shape \(43, 52, 3\)"),
    ],
)
def test_what_cannot_be_scored(pictures: tuple[Grey, Grey, Grey], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        score(*pictures)


def test_without_scikit_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(CamfError, match=r"scikit-image cannot be imported.*pip install 'scikit-image"):
        structural_similarity(picture(1), picture(2), picture(3))
