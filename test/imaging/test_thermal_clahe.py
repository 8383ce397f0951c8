"""Equalisation by tiles, against its definition and against OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np
import plain_thermal as plain
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from camf_ros.imaging.thermal.agc import NODES, curves
from camf_ros.imaging.thermal.front_end import ThermalFrontEnd
from camf_ros.settings.thermal_settings import ThermalSettings

CLAHE = ThermalSettings(agc="clahe", dead_pixels="off", least_span=1.0)


@pytest.mark.parametrize("size", [(48, 64), (33, 40), (16, 16), (9, 70)])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_it_is_what_it_is_defined_to_be(size: tuple[int, int], dtype: type[np.generic]) -> None:
    rng = np.random.default_rng(1)
    picture = (7000 + np.cumsum(rng.normal(0, 8, size), axis=1) + rng.normal(0, 3, size)).astype(dtype)
    front_end = ThermalFrontEnd(CLAHE)
    got = front_end.apply(picture, 0.0)
    tiles = (max(1, size[0] // 16), max(1, size[1] // 16))
    expected = plain.equalised_by_tiles(
        picture.astype(np.float64), tiles, front_end.state.levels, nodes=NODES, limit=CLAHE.clahe_limit
    )
    # Rows, nodes and places are rounded.
    np.testing.assert_allclose(got, expected, atol=2.5)
    assert np.abs(got - expected).mean() < 0.7


def test_it_looks_like_opencvs() -> None:
    counts = plain.street().thermal(4.0)
    front_end = ThermalFrontEnd(CLAHE)
    got = front_end.apply(counts, 0.0).astype(np.float64)
    low, high = front_end.state.levels
    # In 8 bit: with 65536 bins, of which a 14-bit camera fills a few hundred, its limit means something else.
    scaled = np.clip((counts - low) / (high - low) * 256, 0, 255).astype(np.uint8)
    opencv = cv2.createCLAHE(CLAHE.clahe_limit, (8, 8)).apply(scaled).astype(np.float64)
    # OpenCV's curve is at the end of a bin and ours in its middle, and it samples all pixels where we take some.
    assert np.abs(got - opencv).mean() < 3.0
    assert np.corrcoef(got.ravel(), opencv.ravel())[0, 1] > 0.998


@given(
    histograms=hnp.arrays(np.intp, (3, 16), elements=st.integers(0, 1000)).filter(lambda each: each.sum(1).all()),
    limit=st.floats(1, 20),
)
def test_curves_rise_within_their_limits(histograms: np.ndarray, limit: float) -> None:
    got = curves(histograms, limit)
    rises = np.diff(got, axis=1)
    assert (rises >= -1e-9).all()
    # What is cut off is spread over all bins, which adds less than a linear stretch has.
    assert rises.max() <= 255 / 16 * (limit + 1) + 1e-9
    assert got.min() >= 0
    assert got.max() <= 255 + 1e-9


def test_contrast_where_a_linear_stretch_has_little() -> None:
    """A structure of a few counts in the shade of a hot wall."""
    x = np.tile(np.arange(320), (256, 1))
    picture = 7000 + 20 * np.sign(np.sin(x / 8.0)) + 2000.0 * (x > 240)
    picture = (picture + np.random.default_rng(1).normal(0, 2, picture.shape)).astype(np.uint16)
    contrast = {
        agc: ThermalFrontEnd(ThermalSettings(agc=agc, clahe_limit=4.0)).apply(picture, 0.0)[:, :150].std()
        for agc in ("linear", "clahe")
    }
    assert contrast["clahe"] > 2 * contrast["linear"]


def test_another_size_starts_anew() -> None:
    front_end = ThermalFrontEnd(CLAHE)
    large, small = (plain.street(*size).thermal(4.0) for size in ((320, 256), (160, 128)))
    front_end.apply(large, 0.0)
    got = front_end.apply(small, 0.1)
    assert got.shape == small.shape
    assert np.abs(got.astype(int) - ThermalFrontEnd(CLAHE).apply(small, 0.0)).mean() < 2
