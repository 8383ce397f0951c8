"""Plain measures of pictures."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from made_up import coloured, textured

from camf_ros.source_check.measured import LEAST_DETAIL, LEAST_STRUCTURE
from camf_ros.source_check.measures import SMALLEST_SIDE, measure, unsuitable
from camf_ros.source_check.source_model import place, reduction


@given(
    hnp.arrays(
        np.uint8,
        st.tuples(*[st.integers(SMALLEST_SIDE, 70)] * 2).flatmap(lambda hw: st.sampled_from([hw, (*hw, 3)])),
        elements=st.integers(0, 255),
        fill=st.integers(0, 255),
    )
)
def test_every_measure_is_a_number_in_its_range(image: np.ndarray) -> None:
    found = measure(image)
    assert all(math.isfinite(value) for value in asdict(found).values())
    assert 0 <= found.mean <= 255
    assert all(0 <= share <= 1 for share in (found.black, found.white))
    assert found.detail >= 0
    assert found.structure >= 0


def test_flat_pictures() -> None:
    black = measure(np.zeros((100, 100, 3), np.uint8))
    assert (black.mean, black.deviation, black.black, black.white, black.structure) == (0, 0, 1, 0, 0)
    assert measure(np.full((100, 100), 255, np.uint8)).white == 1


def test_shares_are_counted() -> None:
    image = np.full((96, 96), 100, np.uint8)
    image[:24] = 0
    image[24:36] = 255
    found = measure(image)
    assert (found.black, found.white) == (0.25, 0.125)


def test_colour() -> None:
    grey = textured(128)
    assert measure(grey).colour == 0
    assert measure(np.repeat(grey[..., None], 3, axis=2)).grey
    assert not measure(coloured(grey)).grey


def test_noise_has_no_structure_and_a_picture_has() -> None:
    rng = np.random.default_rng(0)
    loud = measure(np.clip(rng.normal(128, 40, (480, 640)), 0, 255).astype(np.uint8))
    assert loud.structure < LEAST_STRUCTURE
    quiet = measure(np.clip(rng.normal(2, 2, (480, 640)), 0, 255).astype(np.uint8))
    assert quiet.detail < LEAST_DETAIL
    picture = measure(textured(128, (480, 640)))
    assert picture.structure > LEAST_STRUCTURE
    assert picture.detail > LEAST_DETAIL


def test_places_cover_the_square() -> None:
    places = np.array([place(number) for number in range(64)])
    assert np.histogram2d(*places.T, bins=4, range=[[0, 1], [0, 1]])[0].min() >= 2


def test_large_pictures_are_reduced() -> None:
    assert [reduction(shape) for shape in ((120, 160), (512, 640), (720, 1280, 3), (1080, 1920), (2160, 3840))] == [
        1,
        1,
        2,
        3,
        5,
    ]


@pytest.mark.parametrize(
    "image",
    [
        None,
        np.zeros((SMALLEST_SIDE - 1, 200), np.uint8),
        np.zeros((200, 200), np.uint16),
        np.zeros((9,), np.uint8),
        np.zeros((99, 99, 4), np.uint8),
    ],
    ids=["none", "small", "raw", "flat", "alpha"],
)
def test_unsuitable_pictures_have_a_reason(image: np.ndarray | None) -> None:
    assert unsuitable(image)
