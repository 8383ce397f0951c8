"""Our synchronizers among the filters of message_filters, and its own behind the same interface."""

from __future__ import annotations

import threading

import message_filters
import pytest
from hypothesis import given
from hypothesis import strategies as st
from std_msgs.msg import Header

from camf_ros.nodes.inputs import PolicyOfRos
from camf_ros.pairing.arrivals import Frame
from camf_ros.pairing.synchronizer import Filter, NearestStampSynchronizer, synchronizer
from camf_ros.settings.fusion_settings import PairingSettings

pytestmark = pytest.mark.ros


class Bench:
    """A synchroniser with two inputs and a clock that is set by hand."""

    def __init__(self, **settings) -> None:
        self.now = 0.0
        self.inputs = message_filters.SimpleFilter(), message_filters.SimpleFilter()
        values = {"queue_size": 10, "slop": 0.05, "max_delay": 0.1, **settings}
        self.synchronizer = NearestStampSynchronizer(self.inputs, clock=lambda: self.now, **values)
        self.pairs: list[tuple[object, object]] = []

    def collect(self) -> Bench:
        self.synchronizer.registerCallback(lambda *pair: self.pairs.append(tuple(each.message for each in pair)))
        return self

    def feed(self, index: int, milliseconds: int) -> None:
        self.inputs[index].signalMessage(Frame(f"{'ab'[index]}{milliseconds}", milliseconds * 1_000_000, self.now))


def test_messages_of_both_inputs_come_out_in_their_order():
    bench = Bench().collect()
    bench.feed(1, 100)
    bench.feed(0, 100)
    assert bench.pairs == [("a100", "b100")]


def test_callbacks_get_their_own_arguments_after_the_messages():
    bench, seen = Bench(), []
    bench.synchronizer.registerCallback(lambda first, second, *rest: seen.append(rest), "mine", 7)
    bench.feed(0, 100)
    bench.feed(1, 100)
    assert seen == [("mine", 7)]


def test_it_takes_messages_with_a_header():
    class Message:
        header = Header()

    bench, seen = Bench(), []
    bench.synchronizer.registerCallback(lambda *pair: seen.append(pair))
    messages = Message(), Message()
    for source, message in zip(bench.inputs, messages, strict=True):
        source.signalMessage(message)
    assert seen == [messages]


def test_its_output_feeds_other_filters():
    bench = Bench()
    behind = message_filters.SimpleFilter()
    bench.synchronizer.registerCallback(lambda first, _: behind.signalMessage(first))
    seen = []
    behind.registerCallback(seen.append)
    bench.feed(0, 100)
    bench.feed(1, 100)
    assert [each.message for each in seen] == ["a100"]


def test_a_pair_that_waits_comes_when_its_time_is_over():
    bench = Bench().collect()
    bench.feed(0, 100)
    assert bench.synchronizer.deadline() is None, "nothing to pair it with"
    bench.feed(1, 110)
    assert bench.synchronizer.deadline() == 0.1
    bench.now = 0.09
    bench.synchronizer.expire()
    assert bench.pairs == []
    bench.now = 0.1
    bench.synchronizer.expire()
    assert bench.pairs == [("a100", "b110")]
    assert bench.synchronizer.deadline() is None


def test_an_exception_in_a_callback_stops_nothing():
    bench, seen = Bench(), []

    def fail_once(first: Frame, _: Frame) -> None:
        seen.append(first.message)
        if len(seen) == 1:
            raise ValueError("once")

    bench.synchronizer.registerCallback(fail_once)
    for stamp in (100, 200):
        bench.feed(0, stamp)
        bench.feed(1, stamp)
    assert seen == ["a100", "a200"]


def test_a_callback_may_feed_the_filter_and_no_lock_is_held():
    bench, seen = Bench(), []

    def feed(first: Frame, _: Frame) -> None:
        seen.append(first.message)
        if len(seen) > 1:
            return
        # From another thread, which a lock would keep waiting for ever.
        other = threading.Thread(target=lambda: (bench.feed(0, 200), bench.feed(1, 200)))
        other.start()
        other.join(20)
        assert not other.is_alive()
        seen.append("fed")

    bench.synchronizer.registerCallback(feed)
    bench.feed(0, 100)
    bench.feed(1, 100)
    assert seen == ["a100", "fed", "a200"], "one after another, in order"


def test_what_came_into_no_pair_is_counted_by_input():
    bench = Bench().collect()
    for stamp in (100, 100, 133, 166):
        bench.feed(1, stamp)
    bench.feed(0, 133)
    assert bench.pairs == [("a133", "b133")]
    assert bench.synchronizer.dropped == ({}, {"duplicate": 1, "spare": 1})


MS = 1_000_000
# Some so far apart that the clock has jumped.
FRAMES = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.integers(0, 12) | st.integers(1000, 1012) | st.integers(100_000, 100_004)),
    max_size=60,
)


def matches(make, settings: PairingSettings, frames: list[tuple[int, int]]) -> list[tuple[int, int]]:
    inputs, found = (Filter(), Filter()), []
    made = make(inputs, settings)
    made.registerCallback(lambda *pair: found.append(tuple(frame.message for frame in pair)))
    for number, (stream, stamp) in enumerate(frames):
        inputs[stream].signalMessage(Frame(number, stamp * MS, 0.0))
    made.expire(9.0)
    assert (made.deadline(), made.dropped) == (None, ({}, {}))
    return found


@given(frames=FRAMES, queue_size=st.integers(1, 6))
def test_exact_is_the_same_with_message_filters_and_without(frames, queue_size):
    settings = PairingSettings(policy="exact", queue_size=queue_size)
    assert matches(synchronizer, settings, frames) == matches(PolicyOfRos, settings, frames)


def test_approximate_takes_what_is_there():
    settings = PairingSettings(policy="approximate", slop=0.02)
    assert matches(PolicyOfRos, settings, [(1, 1000), (0, 1015), (1, 1016), (0, 1100)]) == [(1, 0)]
