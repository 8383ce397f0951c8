"""What steers the picture for detectors: trust in RGB, and what follows from it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from camf_ros.imaging.detector_recipe import BY_DAY, DAZZLING, LEFT, factors, trust_in_rgb, undazzled

Grey = NDArray[np.uint8]


def scene(seed: int = 1, height: int = 240, width: int = 320) -> Grey:
    """Coarse light and dark, with some noise."""
    random = np.random.default_rng(seed)
    coarse = cv2.GaussianBlur(random.normal(0, 1, (height, width)), (0, 0), 20)
    return np.clip(128 + 40 * coarse / coarse.std() + random.normal(0, 8, coarse.shape), 0, 255).astype(np.uint8)


def test_by_day_and_by_night() -> None:
    """By day RGB is as inverted thermal is, by night bright where thermal is, in part or wholly."""
    thermal = scene()
    assert trust_in_rgb(thermal, 255 - thermal) == 1
    assert trust_in_rgb(thermal, 255 - thermal // 2) == 1, "contrast and brightness do not count"
    assert trust_in_rgb(thermal, thermal) == 0
    mixed = np.clip(128 + 0.3 * (thermal - 128.0) + (scene(3) - 128.0), 0, 255).astype(np.uint8)
    assert 0 < trust_in_rgb(thermal, mixed) < 1


def test_pictures_of_one_level() -> None:
    flat = np.full((48, 64), 90, np.uint8)
    assert trust_in_rgb(flat, scene(1, 48, 64)) == 1
    assert trust_in_rgb(scene(1, 48, 64), flat) == 1
    assert trust_in_rgb(flat[:1, :1], flat[:1, :1]) == 1


def test_only_what_both_cameras_see_counts() -> None:
    thermal = scene()
    rgb = 255 - thermal
    rgb[:, 160:] = thermal[:, 160:]
    seen = np.zeros((480, 640), bool)
    assert trust_in_rgb(thermal, rgb, seen) == 1, "nobody sees anything"
    seen[:, :300] = True
    assert trust_in_rgb(thermal, rgb, seen) == 1
    assert trust_in_rgb(thermal, rgb, ~seen) < 0.2


def test_it_changes_little_by_little() -> None:
    """From day to night in steps of a hundredth, and with the noise of the cameras."""
    thermal, other = scene(1).astype(float), scene(2).astype(float)
    thermal_8 = thermal.astype(np.uint8)
    trusts = []
    for mixed in np.linspace(-1, 1, 201):
        rgb = 128 + mixed * (thermal - 128) + (1 - abs(mixed)) * (other - 128)
        trusts.append(trust_in_rgb(thermal_8, np.clip(rgb, 0, 255).astype(np.uint8)))
    assert trusts[0] == 1
    assert trusts[-1] == 0
    assert np.abs(np.diff(trusts)).max() < 0.2
    noise = np.random.default_rng(3).normal(0, 5, thermal.shape)
    noisy = np.clip(other + noise, 0, 255).astype(np.uint8)
    assert trust_in_rgb(thermal_8, noisy) == pytest.approx(trust_in_rgb(thermal_8, other.astype(np.uint8)), abs=0.05)


def test_factors() -> None:
    """By day less of thermal and more of RGB, by night the network's own amounts, and between them the mean."""
    assert factors(1.0) == pytest.approx(BY_DAY)
    assert BY_DAY[0] < 1 < BY_DAY[1]
    assert factors(0.0) == (1, 1)
    assert factors(0.5) == pytest.approx((0.9, 1.05))


def test_what_dazzles() -> None:
    """Above a level less is left of each level the less RGB is trusted; what is below stays."""
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(undazzled(ramp, 1), ramp)
    night, half = undazzled(ramp, 0).ravel().astype(float), undazzled(ramp, 0.5).ravel().astype(float)
    np.testing.assert_array_equal(night[: DAZZLING + 1], ramp.ravel()[: DAZZLING + 1])
    assert night[255] == pytest.approx(DAZZLING + LEFT * (255 - DAZZLING), abs=0.5)
    assert half[255] == pytest.approx((night[255] + 255) / 2, abs=1)
    assert (np.diff(night) >= 0).all(), "brighter stays brighter"
