"""The share of a fused channel that comes from infrared, against its formula."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from camf_ros.pipeline import infrared_share

POSITIVE = st.one_of(st.just(0.0), st.floats(2**-20, 1e6, width=32))


@given(st.lists(st.tuples(POSITIVE, POSITIVE, POSITIVE, POSITIVE), min_size=1, max_size=20))
def test_share_is_the_formula(rows: list[tuple[float, float, float, float]]) -> None:
    table = np.array(rows, np.float32)
    share = infrared_share(table[:, :2].T, table[:, 2], table[:, 3])
    assert (share.dtype, share.shape) == (np.float32, (len(rows),))
    for got, (infrared_weight, visible_weight, infrared, visible) in zip(share, rows, strict=True):
        total = infrared_weight * infrared + visible_weight * visible
        expected = infrared_weight * infrared / total if total > 0 else 0.5
        assert 0 <= got <= 1
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_extremes() -> None:
    weights = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 3.0, 0.0]], np.float32)
    infrared = np.array([2.0, 0.0, 3.0, 5.0], np.float32)
    visible = np.array([0.0, 2.0, 1.0, 5.0], np.float32)
    assert infrared_share(weights, infrared, visible).tolist() == [1.0, 0.0, 0.5, 0.5]


def test_silent_channels_are_undecided() -> None:
    silent = np.zeros(3, np.float32)
    assert infrared_share(np.ones((2, 3), np.float32), silent, silent).tolist() == [0.5, 0.5, 0.5]


def test_arguments_are_not_written() -> None:
    weights, infrared, visible = np.ones((2, 3), np.float32), np.ones(3, np.float32), np.ones(3, np.float32)
    infrared_share(weights, infrared, visible)
    assert weights.sum() == 6
    assert infrared.sum() == visible.sum() == 3


@given(st.floats(0.01, 4.0))
def test_the_gain_cancels(gain: float) -> None:
    rng = np.random.default_rng(3)
    weights, infrared, visible = (rng.uniform(0.01, 2, size).astype(np.float32) for size in ((2, 9), 9, 9))
    np.testing.assert_allclose(
        infrared_share(np.float32(gain) * weights, infrared, visible),
        infrared_share(weights, infrared, visible),
        rtol=1e-5,
    )
