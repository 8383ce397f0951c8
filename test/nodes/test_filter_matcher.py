"""The policies of message_filters behind the face of a matcher; the exact one equals our own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camf_ros.nodes.filter_matcher import FilterMatcher
from camf_ros.pairing.matchers import Candidate, ExactMatcher, Matcher
from camf_ros.settings.fusion_settings import PairingSettings

pytestmark = pytest.mark.ros

MS = 1_000_000
# Some so far apart that the clock has jumped.
FRAMES = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.integers(0, 12) | st.integers(1000, 1012) | st.integers(100_000, 100_004)),
    max_size=60,
)


def matches(matcher: Matcher, frames: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [
        (first.message, second.message)
        for number, (stream, stamp) in enumerate(frames)
        for first, second in matcher.add(stream, Candidate(number, stamp * MS, 0.0), 0.0)
    ]


@given(frames=FRAMES, queue_size=st.integers(1, 6))
def test_exact_is_the_same_with_message_filters_and_without(frames, queue_size):
    settings = PairingSettings(policy="exact", queue_size=queue_size)
    assert matches(ExactMatcher(settings), frames) == matches(FilterMatcher(settings), frames)


def test_approximate_takes_what_is_there():
    matcher = FilterMatcher(PairingSettings(policy="approximate", slop=0.02))
    assert matches(matcher, [(1, 1000), (0, 1015), (1, 1016), (0, 1100)]) == [(1, 0)]
    assert (matcher.expire(9.0), matcher.deadline(), matcher.dropped) == ([], None, ({}, {}))
