"""Alignment of pairs that share a mapping: found where there is one, doubted where there is none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import street_pairs as street

from camf_ros.calibration.align import Pair, Reach, agree
from camf_ros.calibration.comparison import Evidence, verdict
from camf_ros.calibration.motions import PlaneMotion, TurnMotion, corner_distance
from camf_ros.imaging.camera_model import Extrinsics

NOTHING = np.eye(3)


@pytest.mark.parametrize(
    ("turn", "zoom", "dx", "dy"), [(4.0, 1.08, 18.0, -11.0), (-5.0, 0.92, -24.0, 13.0), (0.0, 1.0, 0.0, 0.0)]
)
def test_known_similarity_is_found(turn: float, zoom: float, dx: float, dy: float) -> None:
    truth = street.similarity(turn, zoom, dx, dy)
    result = agree(street.misaligned(truth, 2), PlaneMotion("similarity", NOTHING, street.SIZE), Reach())
    assert corner_distance(result.motion.matrix(), truth, street.SIZE) < 1.5
    assert result.verdict.doubts == ()


def test_known_homography_is_found_and_a_stranger_left_out() -> None:
    truth = street.similarity(3.0, 0.95, 12.0, 8.0) @ np.array([[1.01, 0.01, 0], [0, 0.99, 0], [4e-5, -3e-5, 1]])
    pairs = street.misaligned(truth, 4)
    # The thermal picture of this one is turned round: its edges are elsewhere.
    stranger = pairs[3]._replace(thermal=np.ascontiguousarray(pairs[3].thermal[::-1, ::-1]), name="stranger")
    ticks: list[str] = []
    result = agree([*pairs[:3], stranger], PlaneMotion("homography", NOTHING, street.SIZE), Reach(), tick=ticks.append)
    assert corner_distance(result.motion.matrix(), truth, street.SIZE) < 2.0
    assert result.left_out == ("stranger",)
    assert result.used == ("00", "01", "02")
    assert result.best < 3
    assert result.verdict.doubts == ()
    assert {"reading", "searching", "refining", "judging"} == set(ticks)


def test_pictures_of_nothing_in_common_are_doubted() -> None:
    pair = street.registered(1)[0]
    noise = np.random.default_rng(1).normal(128, 6, street.SIZE).astype(np.uint8)
    for thermal in (noise, np.full(street.SIZE, 90, np.uint8), np.ascontiguousarray(pair.thermal[::-1])):
        result = agree(
            [Pair(thermal, pair.rgb, "x")], PlaneMotion("similarity", NOTHING, street.SIZE), Reach(0.1, 4, 0.08)
        )
        assert any("edges agree" in doubt for doubt in result.verdict.doubts)


def test_rotation_is_refined() -> None:
    """Two calibrated cameras side by side before a plane, the thermal one turned by what nobody measured."""
    k = np.array([[420.0, 0, 255.5], [0, 420.0, 143.5], [0, 0, 1]])
    turned = cv2.Rodrigues(np.array([0.03, -0.04, 0.05]))[0]
    truth = TurnMotion(k, k, Extrinsics(tuple(turned.ravel()), (0.1, 0.0, 0.0)), 5.0, street.SIZE)
    start = TurnMotion(k, k, Extrinsics((1, 0, 0, 0, 1, 0, 0, 0, 1), (0.1, 0.0, 0.0)), 5.0, street.SIZE)
    result = agree(street.misaligned(truth.matrix(), 2), start, Reach())
    assert corner_distance(result.motion.matrix(), truth.matrix(), street.SIZE) < 1.5
    assert isinstance(result.motion, TurnMotion)
    apart = cv2.Rodrigues(result.motion.extrinsics.r @ turned.T)[0]
    assert np.degrees(np.linalg.norm(apart)) < 0.25
    assert result.verdict.doubts == ()


@pytest.mark.parametrize(
    ("agreement", "lead", "doubt"),
    [
        (0.226, 0.01, "under another alignment nearby by only 0.010 less"),
        (0.226, 0.05, ""),
        (0.30, 0.0, ""),
        (0.15, 0.2, "little more than by chance"),
    ],
)
def test_weak_pictures_are_trusted_only_if_no_alignment_nearby_is_as_good(
    agreement: float, lead: float, doubt: str
) -> None:
    found = verdict([Evidence(agreement, lead, np.array([0.5]), 1.0)], street.SIZE, 1)
    assert len(found.doubts) == bool(doubt)
    assert all(doubt in each for each in found.doubts)


def test_the_lead_over_other_alignments_is_measured() -> None:
    """The street's house fronts repeat themselves less than a fence does."""
    columns = (np.arange(street.SIZE[1]) // 9 % 2 * 120 + 60).astype(np.uint8)
    fence = np.tile(columns, (street.SIZE[0], 1))
    fence[: street.SIZE[0] // 4] = 90
    start = PlaneMotion("similarity", NOTHING, street.SIZE)
    repeating = agree([Pair(fence, fence, "fence")], start, Reach(0.02, 0, 0)).verdict.lead
    assert repeating < agree(list(street.registered(1)), start, Reach(0.02, 0, 0)).verdict.lead
