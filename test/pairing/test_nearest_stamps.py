"""Pairs by nearest stamps: against the best that is possible with all frames known, and within its bounds."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from streams import MS, NANO, Arrival, arriving, beat, mean_skew, nearest_of_each, run

SLOPS = (0.016, 0.033, 0.05, 0.1, 0.25)
# Frames after which the rates are known.
WARM = 8
rates = st.floats(9, 60)
latencies = st.floats(0, 0.12)
seeds = st.integers(0, 2**31)
# Small enough that the next beat can be foretold from any five frames.
jitters = st.floats(0, 1 / 70)


def within(pairs: list[tuple[int, int]], after: int, before: int) -> list[tuple[int, int]]:
    return [pair for pair in pairs if after < min(pair) and max(pair) < before]


@given(
    slow=rates,
    fast=rates,
    phase=st.floats(0, 0.1),
    jitter=jitters,
    latency=st.tuples(latencies, latencies),
    slop=st.sampled_from(SLOPS),
    first=st.integers(0, 1),
    seed=seeds,
)
def test_pairs_are_the_nearest_possible_at_any_rates(*, slow, fast, phase, jitter, latency, slop, first, seed):
    """Slower and faster stream in either order, each with its own latency: the pairs that hindsight would choose."""
    assume(fast > 1.15 * slow)
    slower = beat(slow, round(4 * slow), phase=phase, jitter=jitter, seed=seed)
    faster = beat(fast, round(4 * fast), jitter=jitter, seed=seed + 1)
    made = run(slop=slop, max_delay=1.0, queue_size=40)
    made.feed(sorted(arriving(first, slower, latency[0]) + arriving(1 - first, faster, latency[1])))
    made.wait_until(1e6)
    pairs = [pair if first == 0 else pair[::-1] for pair in made.pairs]
    span = max(slower[WARM], faster[WARM]), round(13.4 * NANO)
    expected = within(nearest_of_each(slower, faster, round(slop * NANO)), *span)
    assert within(pairs, *span) == expected


@given(
    slow=rates,
    fast=rates,
    phase=st.floats(0, 0.1),
    slop=st.sampled_from(SLOPS),
    overtaking=st.floats(0.0, 0.15),
    seed=seeds,
)
def test_pairs_are_the_nearest_possible_although_frames_overtake_each_other(
    *, slow, fast, phase, slop, overtaking, seed
):
    """Once it has been seen how late a frame can be, none is missed."""
    assume(fast > 1.15 * slow)
    chance = random.Random(seed)
    streams = beat(slow, round(5 * slow), phase=phase), beat(fast, round(5 * fast))
    arrivals = [Arrival(s / NANO + chance.uniform(0, overtaking), 0, s) for s in streams[0]]
    arrivals += [Arrival(s / NANO + chance.uniform(0, overtaking), 1, s) for s in streams[1]]
    learned = {0: streams[0][WARM], 1: streams[1][WARM]}
    arrivals = [
        # One frame of either stream that is later than any other will be.
        arrival._replace(time=arrival.stamp / NANO + 2 * overtaking + 0.12)
        if learned[arrival.stream] == arrival.stamp
        else arrival
        for arrival in arrivals
    ]
    made = run(slop=slop, max_delay=1.0, queue_size=60)
    made.feed(sorted(arrivals))
    made.wait_until(1e6)
    span = max(learned.values()) + NANO // 2, round(14.4 * NANO)
    assert within(made.pairs, *span) == within(nearest_of_each(*streams, round(slop * NANO)), *span)


@pytest.mark.parametrize("slop", SLOPS)
@pytest.mark.parametrize(("thermal", "rgb", "late"), [(9, 30, 0.05), (60, 30, 0.05), (9, 60, 0.1), (25, 30, 0.02)])
@pytest.mark.parametrize("later", [0, 1])
def test_the_mean_skew_does_not_depend_on_the_slop(thermal, rgb, late, later, slop):
    streams = beat(thermal, 200, phase=0.0047), beat(rgb, 200 * rgb // thermal)
    latency = (late, 0) if later == 0 else (0, late)
    made = run(slop=slop)
    made.feed(sorted(arriving(0, streams[0], latency[0]) + arriving(1, streams[1], latency[1])))
    slower = 0 if thermal < rgb else 1
    wide = nearest_of_each(streams[slower], streams[1 - slower], NANO)
    within = [pair for pair in wide if abs(pair[0] - pair[1]) <= slop * NANO]
    assert len(made.pairs) >= len(within) - 5
    assert mean_skew(made.pairs[WARM:]) == pytest.approx(mean_skew(within[WARM:]), rel=0.02)


@given(
    rate=rates,
    phase=st.floats(-0.2, 0.2),
    jitter=st.floats(0, 0.02),
    lost=st.floats(0, 0.4),
    late=latencies,
    seed=seeds,
)
def test_frames_of_one_moment_stay_together_whatever_is_lost(*, rate, phase, jitter, lost, late, seed):
    """Two cameras of one rate, a fifth of a period apart: a lost frame shifts no other pair, however wide the slop."""
    chance = random.Random(seed)
    both = [
        beat(rate, 80, jitter=jitter, seed=seed),
        beat(rate, 80, phase=phase / rate, jitter=jitter, seed=seed + 1),
    ]
    kept = [[chance.random() >= lost for _ in stamps] for stamps in both]
    arrivals = [
        arrival
        for stream in (0, 1)
        for arrival, there in zip(arriving(stream, both[stream], late * stream), kept[stream], strict=True)
        if there
    ]
    made = run(slop=0.25, max_delay=1.0, queue_size=60)
    made.feed(sorted(arrivals))
    made.wait_until(1e6)
    together = [pair for *pair, a, b in zip(*both, *kept, strict=True) if a and b]
    assert [pair for pair in together if tuple(pair) not in made.pairs] == []


@given(jitter=st.floats(0, 0.03), seed=seeds)
def test_cameras_half_a_period_apart_lose_no_pairs_and_hardly_wait(jitter, seed):
    streams = beat(30, 300, jitter=jitter, seed=seed), beat(30, 300, phase=1 / 60, jitter=jitter, seed=seed + 1)
    made = run(slop=0.1)
    made.feed(sorted(arriving(0, streams[0]) + arriving(1, streams[1])))
    assert len(made.pairs) >= 297
    assert mean_skew(made.pairs) == pytest.approx(1e3 / 60, rel=0.05)
    assert sum(made.delays) / len(made.delays) < 0.006


@st.composite
def disturbances(draw) -> tuple[list[Arrival], float]:
    """Two streams with lost frames, stops, frames that overtake each other, duplicates and wrong stamps.

    And by how much, in seconds, a frame may be older than one that came before it.
    """
    chance = random.Random(draw(seeds))
    arrivals = []
    overtaking = draw(st.sampled_from((0.0, 0.05, 0.2)))
    wrong = draw(st.sampled_from((0.0, 0.05)))
    for stream in (0, 1):
        rate, lost, late = draw(rates), draw(st.floats(0, 0.5)), draw(latencies)
        stop = draw(st.floats(10, 12))
        for stamp in beat(rate, round(3 * rate), jitter=draw(st.floats(0, 0.4)), seed=stream):
            if chance.random() < lost or stop < stamp / NANO < stop + 0.7:
                continue
            time = stamp / NANO + late + chance.uniform(0, overtaking)
            shift = chance.randint(-5 * NANO, 5 * NANO) if chance.random() < wrong else 0
            arrivals += [Arrival(time, stream, stamp + shift)] * chance.choice((1, 1, 1, 2))
    return sorted(arrivals), 10.0 if wrong else overtaking


@given(
    disturbed=disturbances(),
    slop=st.sampled_from(SLOPS),
    max_delay=st.floats(0, 0.2),
    queue_size=st.sampled_from((1, 3, 10)),
)
def test_bounds_hold_whatever_comes(disturbed, slop, max_delay, queue_size):
    arrivals, disorder = disturbed
    made = run(slop=slop, max_delay=max_delay, queue_size=queue_size)
    made.feed(arrivals)
    assert made.most <= 2 * queue_size
    assert all(delay <= max_delay + disorder + 1e-9 for delay in made.delays)
    assert all(abs(a - b) <= slop * NANO for a, b in made.pairs)
    for stream in (0, 1):
        paired = [pair[stream] for pair in made.pairs]
        # Two wrong stamps that agree are a jump of the clock, and then pairs may go back.
        assert disorder > 5 or all(a < b for a, b in pairwise(paired))
        came = sum(arrival.stream == stream for arrival in arrivals)
        # Every frame is in a pair, counted, or still waits: at most one of each stream for a second odd stamp.
        rest = came - len(paired) - made.matcher.dropped[stream].total()
        assert 0 <= rest <= queue_size + 1


def test_equal_stamps_pair_at_once_without_anything_being_known():
    made = run()
    assert made.feed([Arrival(1.0, 1, 5 * NANO), Arrival(1.01, 0, 5 * NANO)]) == [(5 * NANO, 5 * NANO)]
    assert made.delays == [0]


def test_a_lone_pair_comes_after_the_waiting_time():
    made = run(max_delay=0.1)
    assert made.feed([Arrival(1.0, 1, NANO), Arrival(1.02, 0, NANO + 5 * MS)]) == []
    assert made.matcher.deadline() == pytest.approx(1.12)
    assert made.wait_until(1.2) == [(NANO + 5 * MS, NANO)]


def test_without_waiting_time_the_first_pair_that_can_be_formed_is_taken():
    made = run(slop=0.1, max_delay=0.0)
    made.feed([Arrival(1.0, 1, NANO), Arrival(1.02, 0, NANO + 20 * MS), Arrival(1.03, 1, NANO + 21 * MS)])
    assert made.pairs == [(NANO + 20 * MS, NANO)]


def test_the_slop_is_the_last_distance_that_pairs():
    for distance, count in ((40 * MS, 1), (40 * MS + 1, 0)):
        made = run(slop=0.04)
        made.feed([Arrival(1.0, 0, NANO), Arrival(1.0, 1, NANO + distance)])
        made.wait_until(2.0)
        assert len(made.pairs) == count


def test_frames_with_the_stamp_of_an_earlier_one_are_counted_and_ignored():
    """As a thermal camera sends them while its shutter is closed."""
    made = run()
    stamps = [beat(30, 20), beat(30, 20)]
    arrivals = sorted(arriving(0, stamps[0]) + arriving(1, stamps[1]))
    made.feed(frame for arrival in arrivals for frame in (arrival, arrival))
    assert made.pairs == list(zip(*stamps, strict=True))
    assert [dict(dropped) for dropped in made.matcher.dropped] == [{"duplicate": 20}, {"duplicate": 20}]


def test_a_camera_that_stops_and_comes_back_is_paired_again_at_once():
    stamps = beat(9, 60, phase=0.003), beat(30, 200)
    stopped = [s for s in stamps[0] if not 12 * NANO < s < 14.5 * NANO]
    made = run()
    made.feed(sorted(arriving(0, stopped) + arriving(1, stamps[1], 0.02)))
    assert made.pairs[1:-1] == nearest_of_each(stopped, stamps[1], 40 * MS)[1:-1]
    dropped = made.matcher.dropped[1]
    assert dropped["unmatched"] > 40, "RGB frames of the time without thermal ones"
    assert dropped["queue full"] == 0


def test_the_slower_camera_is_found_again_when_rates_change():
    """An RGB camera that goes from 30 Hz to 7.5 Hz in the dark, beside a thermal one at 15 Hz."""
    thermal = beat(15, 150, phase=0.004)
    rgb = [s for k, s in enumerate(beat(30, 300)) if s < 14 * NANO or k % 4 == 0]
    made = run()
    made.feed(sorted(arriving(0, thermal) + arriving(1, rgb)))
    bright = [pair for pair in made.pairs if 11 * NANO < pair[0] < 13.9 * NANO]
    dark = [pair[::-1] for pair in made.pairs if 15.5 * NANO < pair[1] < 19 * NANO]
    assert made.matcher.reference == 1
    assert bright == [pair for pair in nearest_of_each(thermal, rgb, 40 * MS) if 11 * NANO < pair[0] < 13.9 * NANO]
    assert dark == [pair for pair in nearest_of_each(rgb, thermal, 40 * MS) if 15.5 * NANO < pair[0] < 19 * NANO]


def test_memory_is_bounded_over_many_frames():
    """Two cameras that never pair, and two that do."""
    for apart, pairs in ((0.5, 0), (0.001, 50_000)):
        made = run(queue_size=10, max_delay=0.1)
        streams = beat(30, 50_000), [stamp + round(apart * NANO) for stamp in beat(30, 50_000)]
        made.feed(
            sorted(arriving(0, streams[0]) + [Arrival(a.time - apart, 1, a.stamp) for a in arriving(1, streams[1])])
        )
        assert made.most <= 20
        assert len(made.pairs) == pytest.approx(pairs, abs=2)


class TestClockJumps:
    """Bags that loop, simulated time that starts anew, clocks that are set."""

    @staticmethod
    def both(start: float, *, came: float, count: int = 30) -> list[Arrival]:
        """Both streams at 30 Hz and 10 ms apart, stamped from a moment on and coming from another."""
        shift = came - start
        frames = arriving(0, [s + round((start - 10) * NANO) for s in beat(30, count)], shift)
        frames += arriving(1, [s + round((start - 10) * NANO) for s in beat(30, count, phase=0.01)], shift)
        return sorted(frames)

    @pytest.mark.parametrize("start", [3.0, 95.0, 5000.0])
    def test_a_recording_that_starts_anew_is_paired_from_its_second_frame_on(self, start):
        made = run()
        made.feed(self.both(100.0, came=1.0))
        pairs = made.feed(self.both(start, came=2.0))
        assert len(pairs) >= 29
        # At most the last pair of the time before, and no pair across.
        assert all(b - a == 10 * MS for a, b in pairs)

    def test_frames_of_the_time_before_are_counted(self):
        made = run(queue_size=20)
        made.feed(arriving(0, beat(30, 15)))
        made.feed(self.both(3.0, came=20.0))
        assert made.matcher.dropped[0]["clock jump"] == 15
        assert len(made.pairs) >= 29

    @pytest.mark.parametrize("wrong", [-50.0, -2.0, 2000.0])
    def test_a_lone_wrong_stamp_empties_nothing(self, wrong):
        made = run()
        frames = self.both(100.0, came=1.0, count=60)
        stray = Arrival(frames[60].time + 0.001, 0, round((100 + wrong) * NANO))
        made.feed(sorted([*frames, stray]))
        assert made.pairs == list(zip(*([f.stamp for f in frames if f.stream == s] for s in (0, 1)), strict=True))
        assert made.matcher.dropped[0] == {"clock jump": 1}

    def test_a_wrong_stamp_that_comes_twice_is_still_alone(self):
        made = run()
        frames = self.both(100.0, came=1.0)
        stray = Arrival(frames[30].time + 0.001, 0, 3 * NANO)
        made.feed(sorted([*frames, stray, stray]))
        assert len(made.pairs) == 30
        assert made.matcher.dropped[0] == {"clock jump": 2}

    def test_the_first_frame_of_a_camera_that_comes_with_the_jump_is_paired(self):
        made = run()
        made.feed(arriving(1, beat(30, 12)))
        assert made.feed([Arrival(20.0, 0, 3 * NANO), Arrival(20.01, 1, 3 * NANO)]) == [(3 * NANO, 3 * NANO)]

    def test_one_stream_may_jump_before_the_other(self):
        made = run()
        made.feed(self.both(100.0, came=1.0))
        new = self.both(3.0, came=2.0)
        first = [frame for frame in new if frame.stream == 0]
        second = [frame._replace(time=frame.time + 0.15) for frame in new if frame.stream == 1]
        old = [f for f in self.both(101.0, came=2.0) if f.stream == 1 and f.time < second[0].time]
        pairs = made.feed(sorted(first + old + second))
        # What comes while the other stream is still on the old clock has no counterpart there.
        assert sum(a < 50 * NANO for a, _ in pairs) >= 24
        assert all(b - a == 10 * MS for a, b in pairs)

    def test_a_recording_may_be_played_fast(self):
        made = run()
        made.feed(frame._replace(time=frame.time / 20) for frame in self.both(100.0, came=1.0, count=100))
        assert len(made.pairs) >= 99
        assert made.matcher.dropped[0]["clock jump"] == 0
