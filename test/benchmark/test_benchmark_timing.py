"""Rounds, turns and ratios, with a clock of the test's own."""

from __future__ import annotations

import pytest

from camf_ros.timing import LEAST_ROUNDS, ROUNDS, Rounds, Sample, ratio, take_turns


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Work:
    """Takes its time on the clock; the machine is slower by the second."""

    def __init__(self, name: str, seconds: float, clock: Clock, log: list[str], drift: float = 0.0) -> None:
        self.call_seconds = seconds
        self._name, self._clock, self._log, self._drift = name, clock, log, drift

    def turn(self, calls: int) -> list[Sample]:
        times = []
        for _ in range(calls):
            took = self.call_seconds * (1 + self._drift * self._clock.now)
            self._clock.now += took
            times.append(Sample(took, 2 * took))
        self._log.append(self._name)
        return times


def test_turns_fill_the_time_and_change_their_order() -> None:
    clock, log = Clock(), []
    fast, slow = (Work(name, seconds, clock, log) for name, seconds in (("fast", 1 / 64), ("slow", 1 / 8)))
    times = take_turns([fast, slow], 2.5, clock)
    assert [len(rounds) for rounds in times] == [ROUNDS, ROUNDS]
    assert [len(one) for one in times[0]] == [16] * ROUNDS
    assert [len(one) for one in times[1]] == [2] * ROUNDS
    assert log == ["fast", "slow", "slow", "fast"] * ROUNDS
    assert clock.now == pytest.approx(2.5)


def test_slow_work_has_its_rounds() -> None:
    clock, log = Clock(), []
    times = take_turns([Work("slow", 7.0, clock, log)], 3.0, clock)
    assert times == [[[(7.0, 14.0), (7.0, 14.0)]] * LEAST_ROUNDS]


def test_drift_does_not_get_into_the_ratio() -> None:
    """The machine gets much slower meanwhile; one after the other, equal cases would be far apart."""
    clock, log = Clock(), []
    times = take_turns([Work(name, 0.01, clock, log, drift=0.5) for name in ("one", "two")], 3.0, clock)
    assert max(times[0][-1]) > 2 * min(times[0][0])
    assert ratio(*times).wall == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(("call", "seconds", "calls"), [(1.0, 1.0, 1), (0.125, 10.0, 8), (0.0, 1.0, 10_000)])
def test_calls_fill_a_turn(call: float, seconds: float, calls: int) -> None:
    clock, log = Clock(), []
    work = Work("work", call, clock, log)
    ticks = iter(range(10**6))
    times = take_turns([work], seconds, lambda: clock.now if call else float(next(ticks)))
    assert len(times[0][0]) == 2 * calls


def test_ratio_is_taken_round_by_round() -> None:
    assert ratio(rounds([1.0, 1.0, 9.0], [8.0], [3.0]), rounds([2.0], [2.0, 2.0], [6.0])) == (0.5, 0.5)
    assert ratio([[Sample(1.0, 3.0)]], [[Sample(2.0, 2.0)]]) == (0.5, 1.5)


def rounds(*walls: list[float]) -> Rounds:
    return [[Sample(wall, wall) for wall in turn] for turn in walls]
