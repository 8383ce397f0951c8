"""Geometry and motion of the street's parts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from camf_scene.arrays import TILE, sample, tile
from camf_scene.camera import EYE, MARGIN, PERIOD, RGB_CAMERA, THERMAL_CAMERA, Pinhole, sway
from camf_scene.carpaint import Car
from camf_scene.cars import Pose, draw_car
from camf_scene.figures import Clothes, draw_body
from camf_scene.paths import Way
from camf_scene.skeleton import Build, walker
from camf_scene.sprite import place


def test_a_point_lies_in_the_same_place_of_both_pictures() -> None:
    u, v = RGB_CAMERA.project(1.5, 0.4, 9.0)
    x, y = THERMAL_CAMERA.project(1.5, 0.4, 9.0)
    assert (x + 0.5) / 640 == pytest.approx((u + 0.5) / 1280)
    assert (y + 0.5) / 512 == pytest.approx((v + 0.5) / 720)


def test_projection_of_the_optical_axis_and_of_the_ground() -> None:
    camera = Pinhole(100, 80, 50.0, 60.0, 49.5, 39.5)
    assert camera.project(0.0, EYE, 7.0) == (49.5, 39.5)
    assert camera.project(2.0, 0.0, 4.0) == pytest.approx((74.5, 39.5 + 60 * EYE / 4))


def test_sway_stays_within_the_margin_and_repeats() -> None:
    moves = [sway(float(t)) for t in np.arange(0, PERIOD, 0.05)]
    assert max(abs(m[0]) for m in moves) < MARGIN[0] - 2
    assert max(abs(m[1]) for m in moves) < MARGIN[1] - 2
    assert sway(3.0 + PERIOD) == pytest.approx(sway(3.0))


def test_noise_tiles_have_no_seam() -> None:
    noise = tile(np.random.default_rng(0), 8, 3)
    assert noise.mean() == pytest.approx(0.0, abs=1e-3)
    assert noise.std() == pytest.approx(1.0, abs=1e-3)
    inner = np.abs(np.diff(noise, axis=1)).mean()
    assert np.abs(noise[:, 0] - noise[:, -1]).mean() < 1.5 * inner
    x = np.asarray([[3.0, 3.0 + TILE, 3.0 - TILE]], np.float32)
    assert np.ptp(sample(noise, x, np.full_like(x, 7.0))) < 1e-4


def test_a_car_brakes_without_rolling_back() -> None:
    way = Way(
        ((0.0, 0.0, 100.0), (8.0, 0.0, 20.0), (11.0, 0.0, 14.0), (20.0, 0.0, 13.9), (24.0, 0.0, 3.0)), smooth=True
    )
    z = np.asarray([spot[1] for t in np.arange(0, 24.0, 0.1) if (spot := way.at(float(t))) is not None])
    assert len(z) == 240
    assert np.diff(z).max() <= 1e-9
    assert np.abs(np.diff(z, 2)).max() < 0.12


def test_nothing_is_on_a_way_before_and_after_it() -> None:
    way = Way(((2.0, 0.0, 5.0), (4.0, 2.0, 5.0)))
    assert way.at(1.9) is None
    assert way.at(4.1) is None
    assert way.at(3.0) == (1.0, 5.0)
    assert way.at(3.0 + PERIOD) == way.at(3.0)
    assert way.heading(3.0) == pytest.approx(math.pi / 2)


@pytest.mark.parametrize("phase", [0.0, 0.13, 0.4, 0.77])
def test_walkers_stand_on_the_ground(phase: float) -> None:
    limbs = walker(Build(), phase)
    lowest = min(min(limb.a[2] - limb.ra, limb.b[2] - limb.rb) for limb in limbs)
    assert -0.02 < lowest < 0.04
    top = max(max(limb.a[2] + limb.ra, limb.b[2] + limb.rb) for limb in limbs)
    assert 1.6 < top < 1.95


def test_legs_swing_against_each_other() -> None:
    feet = [[limb.b[0] for limb in walker(Build(), phase) if limb.part == "shoe"] for phase in (0.25, 0.75)]
    assert (feet[0][0] - feet[0][1]) * (feet[1][0] - feet[1][1]) < 0


def test_a_body_is_hottest_in_the_face() -> None:
    folds = tile(np.random.default_rng(0), 16, 3)
    sprite = draw_body(walker(Build(), 0.2), math.pi / 2, Clothes(), 100.0, folds)
    solid = sprite.alpha > 250
    rows = np.nonzero(solid & (sprite.celsius > 30.5))[0]
    assert len(rows) > 20
    assert rows.min() < 0.2 * sprite.alpha.shape[0]
    assert 15 < np.median(sprite.celsius[solid]) < 26
    assert np.median(sprite.colour[solid]) < 90


def test_a_driven_car_is_warmer_than_a_parked_one_and_only_its_lamps_glow() -> None:
    pose = Pose(-2.0, 9.0, False)
    driven = draw_car(Car((0.2, 0.2, 0.2), "AB 12", False, 1.0, True), pose)
    parked = draw_car(Car((0.2, 0.2, 0.2), "AB 12", False), pose)
    assert driven is not None
    assert parked is not None
    assert np.array_equal(driven.alpha, parked.alpha)
    solid = driven.alpha > 250
    assert driven.celsius[solid].mean() - parked.celsius[solid].mean() > 3
    assert parked.glow is None
    assert driven.glow is not None
    assert 0.005 < (driven.glow.max(axis=2) > 200)[solid].mean() < 0.2


def test_sprites_outside_of_the_frame_are_left_out() -> None:
    folds = tile(np.random.default_rng(0), 16, 3)
    sprite = draw_body(walker(Build(), 0.2), 0.0, Clothes(), 50.0, folds)
    assert place(sprite, (-500.0, 300.0), (1.0, 1.0), (640, 512)) is None
    inside = place(sprite, (5.0, 300.0), (1.0, 1.0), (640, 512))
    assert inside is not None
    assert inside.columns.start == 0
    assert inside.size == (inside.columns.stop, inside.rows.stop - inside.rows.start)
