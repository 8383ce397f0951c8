"""Noise, stripes and a veil: how much of each is found, and that what is left is nearer to the clean picture."""

from __future__ import annotations

import numpy as np
import pytest
from rigs import noisy, place

from camf_ros.training.adapt_targets import Faults, faults_of, noise_of, stripes_of, without


def error(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one.astype(float) - other) ** 2)))


@pytest.mark.parametrize("sigma", [3.0, 6.0, 12.0])
def test_the_noise_is_found(sigma: float):
    found = [noise_of(noisy(place(seed)[0], seed, sigma)) for seed in range(6)]
    assert np.mean(found) == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("stripes", [2.0, 5.0])
def test_the_stripes_are_found_in_their_direction(stripes: float):
    pictures = [noisy(place(seed)[0], seed, 3.0, stripes) for seed in range(6)]
    found = faults_of(pictures, veiled=False)
    assert found.columns == pytest.approx(stripes, rel=0.35)
    assert found.rows == 0
    turned = faults_of([np.ascontiguousarray(picture.T) for picture in pictures], veiled=False)
    assert (turned.columns, turned.rows) == (0, found.columns)


def test_a_good_camera_has_no_faults_and_its_pictures_stay_as_they_are():
    pictures = [place(seed)[0] for seed in range(6)]
    found = faults_of(pictures, veiled=True)
    assert found == Faults()
    assert without(pictures[0], found) is pictures[0]


@pytest.mark.parametrize(("sigma", "stripes", "left"), [(6.0, 0.0, 0.6), (6.0, 4.0, 0.65)])
def test_without_its_faults_a_picture_is_nearer_to_the_clean_one(sigma: float, stripes: float, left: float):
    clean = [place(seed)[0] for seed in range(6)]
    pictures = [noisy(picture, seed, sigma, stripes) for seed, picture in enumerate(clean)]
    found = faults_of(pictures, veiled=False)
    for picture, wanted in zip(pictures, clean, strict=True):
        taken = without(picture, found)
        assert error(taken, wanted) < left * error(picture, wanted)
        assert noise_of(taken) < 0.4 * sigma
        assert stripes_of(taken) <= 0.5 * stripes


def test_a_veil_is_found_and_taken_off():
    clean = [place(seed)[1] for seed in range(6)]
    veiled = [np.asarray((0.35 * picture + 0.65 * 230).round(), np.uint8) for picture in clean]
    assert faults_of(veiled, veiled=False).veil == 0
    found = faults_of(veiled, veiled=True)
    assert found.veil > 140
    for picture, wanted in zip(veiled, clean, strict=True):
        assert error(without(picture, found), wanted) < 0.35 * error(picture, wanted)
