"""What camf_ros relies on in `message_filters`, stated once for the real package and for the stand-in in `underlay/`.

The suite runs on whichever of the two Python imports. Nothing here is true of one of them only, and nothing that
camf_ros relies on is missing. Stamps are in milliseconds; messages are named after their input and stamp ("a10").
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.ros

message_filters = pytest.importorskip("message_filters")
rclpy = pytest.importorskip("rclpy")
std_msgs = pytest.importorskip("std_msgs.msg")
sensor_msgs = pytest.importorskip("sensor_msgs.msg")

# After the test whether there is ROS:
from rclpy.callback_groups import ReentrantCallbackGroup  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402


def message(name: str, milliseconds: int) -> Any:
    header = std_msgs.Header(frame_id=name)
    header.stamp.sec, rest = divmod(milliseconds, 1000)
    header.stamp.nanosec = rest * 1_000_000
    return sensor_msgs.Temperature(header=header)


class Bench:
    """A synchronizer with inputs to feed, and a list of the sets that come out."""

    def __init__(self, make: Callable[[list[Any]], Any], inputs: str = "ab") -> None:
        self.inputs = {name: message_filters.SimpleFilter() for name in inputs}
        self.sets: list[tuple[str, ...]] = []
        self.synchronizer = make(list(self.inputs.values()))
        self.synchronizer.registerCallback(
            lambda *messages: self.sets.append(tuple(each.header.frame_id for each in messages))
        )

    def feed(self, *names: str) -> list[tuple[str, ...]]:
        """Feeds messages such as "a10" and returns the sets that came out of these."""
        before = len(self.sets)
        for name in names:
            self.inputs[name[0]].signalMessage(message(name, int(name[1:].rstrip("'"))))
        return self.sets[before:]


def exact(queue_size: int = 10, inputs: str = "ab") -> Bench:
    return Bench(lambda filters: message_filters.TimeSynchronizer(filters, queue_size), inputs)


def approximate(queue_size: int = 10, slop: float = 0.020, inputs: str = "ab", **options: Any) -> Bench:
    return Bench(
        lambda filters: message_filters.ApproximateTimeSynchronizer(
            filters, queue_size=queue_size, slop=slop, **options
        ),
        inputs,
    )


@pytest.fixture(params=[exact, approximate], ids=["exact", "approximate"])
def either(request: pytest.FixtureRequest) -> Callable[..., Bench]:
    make: Callable[..., Bench] = request.param
    return make


class TestSimpleFilter:
    def test_a_callback_gets_the_messages_and_then_its_own_arguments(self) -> None:
        source, calls = message_filters.SimpleFilter(), []
        source.registerCallback(lambda *arguments: calls.append(arguments), "mine", 7)
        source.signalMessage("first", "second")
        assert calls == [("first", "second", "mine", 7)]

    def test_callbacks_run_in_the_order_of_their_registration(self) -> None:
        source, calls = message_filters.SimpleFilter(), []
        for name in "xyz":
            source.registerCallback(lambda _, name: calls.append(name), name)
        source.signalMessage("message")
        assert calls == ["x", "y", "z"]

    def test_connections_are_numbered_from_zero(self) -> None:
        source = message_filters.SimpleFilter()
        assert [source.registerCallback(print), source.registerCallback(print)] == [0, 1]

    def test_an_exception_reaches_whoever_sent_the_message(self) -> None:
        source = message_filters.SimpleFilter()
        source.registerCallback(lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            source.signalMessage("message")

    def test_a_filter_without_callbacks_swallows_messages(self) -> None:
        assert message_filters.SimpleFilter().signalMessage("message") is None


class TestBothSynchronizers:
    def test_equal_stamps_make_a_set_whoever_comes_first(self, either: Callable[..., Bench]) -> None:
        bench = either()
        assert bench.feed("a10") == []
        assert bench.feed("b10") == [("a10", "b10")]
        assert bench.feed("b50") == []
        assert bench.feed("a50") == [("a50", "b50")]

    def test_a_message_is_used_once(self, either: Callable[..., Bench]) -> None:
        bench = either()
        assert bench.feed("a10", "b10") == [("a10", "b10")]
        assert bench.feed("b10'") == []
        assert bench.feed("a10'") == [("a10'", "b10'")]

    def test_the_later_of_two_messages_with_one_stamp_stays(self, either: Callable[..., Bench]) -> None:
        assert either().feed("a10", "a10'", "b10") == [("a10'", "b10")]

    def test_stamps_may_go_backwards(self, either: Callable[..., Bench]) -> None:
        bench = either()
        assert bench.feed("a500", "a100", "b100") == [("a100", "b100")]
        assert bench.feed("b500") == [("a500", "b500")]

    def test_a_full_queue_loses_its_oldest_stamp(self, either: Callable[..., Bench]) -> None:
        bench = either(queue_size=2)
        bench.feed("a100", "a200", "a300")
        assert bench.feed("b100") == []
        assert bench.feed("b200", "b300") == [("a200", "b200"), ("a300", "b300")]

    def test_a_full_queue_takes_nothing_older_than_all_it_has(self, either: Callable[..., Bench]) -> None:
        bench = either(queue_size=2)
        bench.feed("a200", "a300", "b100", "a100")
        assert bench.sets == []
        assert bench.feed("b200") == [("a200", "b200")]

    def test_each_input_has_a_queue_of_its_own(self, either: Callable[..., Bench]) -> None:
        bench = either(queue_size=1)
        bench.feed("a100")
        assert bench.feed("b900", "b100") == []
        assert bench.feed("a900") == [("a900", "b900")]

    def test_three_inputs(self, either: Callable[..., Bench]) -> None:
        bench = either(inputs="abc")
        assert bench.feed("c10", "a10") == []
        assert bench.feed("b10") == [("a10", "b10", "c10")]

    def test_output_has_the_order_of_the_inputs_and_the_same_objects(self, either: Callable[..., Bench]) -> None:
        bench, seen = either(), []
        bench.synchronizer.registerCallback(lambda *messages: seen.extend(messages))
        first, second = message("b", 10), message("a", 10)
        bench.inputs["b"].signalMessage(first)
        bench.inputs["a"].signalMessage(second)
        assert seen[0] is second
        assert seen[1] is first

    def test_queues_can_be_emptied(self, either: Callable[..., Bench]) -> None:
        """What a node does when the time stamps jump back: one queue an input, stamp in nanoseconds to message."""
        bench = either()
        bench.feed("a10", "a40")
        assert [sorted(queue) for queue in bench.synchronizer.queues] == [[10_000_000, 40_000_000], []]
        for queue in bench.synchronizer.queues:
            queue.clear()
        assert bench.feed("b10", "b40") == []
        assert bench.feed("a40") == [("a40", "b40")]

    def test_new_inputs_replace_the_old_ones(self, either: Callable[..., Bench]) -> None:
        bench = either()
        bench.feed("a10")
        old = bench.inputs
        bench.inputs = {name: message_filters.SimpleFilter() for name in "ab"}
        bench.synchronizer.connectInput(list(bench.inputs.values()))
        assert bench.feed("b10") == []
        old["a"].signalMessage(message("old", 10))
        assert bench.sets == []
        assert bench.feed("a10") == [("a10", "b10")]

    def test_synchronizers_are_filters(self, either: Callable[..., Bench]) -> None:
        bench, seen = either(), []
        assert isinstance(bench.synchronizer, message_filters.SimpleFilter)
        bench.synchronizer.registerCallback(lambda *arguments: seen.append(len(arguments)), "extra")
        bench.feed("a10", "b10")
        assert seen == [3]

    def test_an_exception_in_a_callback_reaches_the_source(self, either: Callable[..., Bench]) -> None:
        """Later messages differ: the real package is stuck then, which is why camf_ros never raises there."""
        bench = either()
        bench.synchronizer.registerCallback(lambda *_: 1 / 0)
        bench.feed("a10")
        with pytest.raises(ZeroDivisionError):
            bench.feed("b10")
        assert bench.sets == [("a10", "b10")]

    def test_threads_do_not_lose_or_double_messages_and_callbacks_never_overlap(
        self, either: Callable[..., Bench]
    ) -> None:
        bench, count, inside, overlaps = either(queue_size=1000), 300, [], []

        def watch(*_: Any) -> None:
            inside.append(1)
            time.sleep(0)
            overlaps.append(len(inside) > 1)
            inside.pop()

        bench.synchronizer.registerCallback(watch)
        names = [[f"{side}{100 * index}" for index in range(count)] for side in "ab"]
        threads = [threading.Thread(target=bench.feed, args=each) for each in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(bench.sets) == sorted(zip(*names, strict=True))
        assert overlaps == [False] * count


class TestTimeSynchronizer:
    def test_a_nanosecond_apart_is_no_set(self) -> None:
        bench = exact()
        other = message("b10", 10)
        other.header.stamp.nanosec += 1
        bench.feed("a10")
        bench.inputs["b"].signalMessage(other)
        assert bench.sets == []

    def test_what_is_left_behind_does_not_stop_later_sets(self) -> None:
        assert exact().feed("a10", "a20", "b20", "b30", "a30") == [("a20", "b20"), ("a30", "b30")]

    def test_a_message_without_header_is_an_error(self) -> None:
        with pytest.raises(AttributeError):
            exact().inputs["a"].signalMessage(std_msgs.String())


class TestApproximateTimeSynchronizer:
    def test_within_the_slop(self) -> None:
        assert approximate(slop=0.020).feed("a100", "b119") == [("a100", "b119")]
        assert approximate(slop=0.020).feed("b119", "a100") == [("a100", "b119")]

    @pytest.mark.parametrize("late", ["b120", "b121", "b500"])
    def test_the_slop_itself_is_too_much(self, late: str) -> None:
        assert approximate(slop=0.020).feed("a100", late) == []

    def test_the_nearest_of_those_that_are_there(self) -> None:
        assert approximate(slop=0.050).feed("a100", "a130", "a140", "b128") == [("a130", "b128")]

    def test_it_is_greedy_and_does_not_wait_for_a_better_one(self) -> None:
        bench = approximate(slop=0.050)
        assert bench.feed("a100", "b140") == [("a100", "b140")]
        assert bench.feed("a139") == []

    def test_one_set_for_each_arrival(self) -> None:
        bench = approximate(slop=0.050)
        assert bench.feed("a100", "a110", "b104") == [("a100", "b104")]
        assert bench.feed("b105") == [("a110", "b105")]

    def test_messages_that_found_no_partner_wait(self) -> None:
        bench = approximate(slop=0.020)
        assert bench.feed("a100", "b200") == []
        assert bench.feed("b110") == [("a100", "b110")]
        assert bench.feed("a190") == [("a190", "b200")]

    def test_all_of_a_set_lie_within_the_slop(self) -> None:
        """b and c are both near a, but too far from each other."""
        assert approximate(slop=0.020, inputs="abc").feed("b85", "c115", "a100") == []
        assert approximate(slop=0.020, inputs="abc").feed("b95", "c110", "a100") == [("a100", "b95", "c110")]

    def test_a_farther_message_is_taken_when_the_nearest_fits_no_other(self) -> None:
        bench = approximate(slop=0.020, inputs="abc")
        assert bench.feed("b106", "c91", "c112", "a100") == [("a100", "b106", "c91")]
        bench = approximate(slop=0.020, inputs="abc")
        assert bench.feed("b112", "c90", "c113", "a100") == [("a100", "b112", "c113")]

    def test_thirty_hertz_and_nine_hertz(self) -> None:
        """RGB arrives late here: each thermal frame gets a partner, by arrival and not the best one."""
        rgb = [(round(index * 33.3) + 20, f"b{round(index * 33.3)}") for index in range(30)]
        thermal = [(index * 111, f"a{index * 111}") for index in range(9)]
        sets = approximate(slop=0.050).feed(*(name for _, name in sorted(rgb + thermal)))
        assert [first for first, _ in sets] == [name for _, name in thermal]
        assert all(abs(int(second[1:]) - int(first[1:])) < 50 for first, second in sets)

    def test_a_message_without_header_is_dropped(self) -> None:
        bench = approximate()
        bench.inputs["a"].signalMessage(std_msgs.String())
        assert bench.feed("a10", "b10") == [("a10", "b10")]
        assert [len(queue) for queue in bench.synchronizer.queues] == [0, 0]

    def test_a_message_without_header_can_be_stamped_on_arrival(self) -> None:
        seen: list[tuple[Any, ...]] = []
        inputs = [message_filters.SimpleFilter(), message_filters.SimpleFilter()]
        synchronizer = message_filters.ApproximateTimeSynchronizer(
            inputs, queue_size=10, slop=60.0, allow_headerless=True
        )
        synchronizer.registerCallback(lambda *messages: seen.append(messages))
        first, second = std_msgs.String(data="first"), std_msgs.String(data="second")
        inputs[0].signalMessage(first)
        inputs[1].signalMessage(second)
        assert seen == [(first, second)]


@pytest.fixture
def node() -> Iterator[Any]:
    context = rclpy.Context()
    rclpy.init(context=context)
    made = rclpy.create_node("message_filters_contract", context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


class TestSubscriber:
    @staticmethod
    def receive(node: Any, publisher: Any, seen: list[Any]) -> None:
        """Publishes until something has arrived."""
        executor = SingleThreadedExecutor(context=node.context)
        executor.add_node(node)
        patience = time.monotonic() + 20
        while not seen and time.monotonic() < patience:
            publisher.publish(message("here", 10))
            executor.spin_once(timeout_sec=0.05)
        executor.remove_node(node)

    def test_messages_of_the_topic_come_out(self, node: Any) -> None:
        seen: list[Any] = []
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        subscriber = message_filters.Subscriber(node, sensor_msgs.Temperature, "contract", qos_profile=qos)
        subscriber.registerCallback(seen.append)
        self.receive(node, node.create_publisher(sensor_msgs.Temperature, "contract", qos), seen)
        assert seen[0].header.frame_id == "here"

    def test_the_profile_is_the_subscriptions(self, node: Any) -> None:
        best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        message_filters.Subscriber(node, sensor_msgs.Temperature, "contract_best", qos_profile=best_effort)
        message_filters.Subscriber(node, sensor_msgs.Temperature, "contract_default")
        profiles = [
            node.get_subscriptions_info_by_topic(f"/{topic}")[0].qos_profile.reliability
            for topic in ("contract_best", "contract_default")
        ]
        assert profiles == [ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE]

    def test_options_reach_the_subscription(self, node: Any) -> None:
        """Such as the callbacks for incompatible QoS."""
        group = ReentrantCallbackGroup()
        subscriber = message_filters.Subscriber(
            node, sensor_msgs.Temperature, "contract", qos_profile=5, callback_group=group
        )
        assert subscriber.sub.callback_group is group

    def test_it_answers_for_its_subscription(self, node: Any) -> None:
        subscriber = message_filters.Subscriber(node, sensor_msgs.Temperature, "contract", qos_profile=5)
        assert subscriber.getTopic() == "contract"
        assert subscriber.topic_name == "/contract"
        assert node.destroy_subscription(subscriber.sub)

    def test_two_topics_pair(self, node: Any) -> None:
        seen: list[Any] = []
        names = ("contract_a", "contract_b")
        subscribers = [
            message_filters.Subscriber(node, sensor_msgs.Temperature, name, qos_profile=10) for name in names
        ]
        publishers = [node.create_publisher(sensor_msgs.Temperature, name, 10) for name in names]
        synchronizer = message_filters.ApproximateTimeSynchronizer(subscribers, queue_size=5, slop=0.02)
        synchronizer.registerCallback(lambda *pair: seen.append([each.header.frame_id for each in pair]))

        class Both:
            @staticmethod
            def publish(_: Any) -> None:
                for publisher, name in zip(publishers, names, strict=True):
                    publisher.publish(message(name, 10))

        self.receive(node, Both(), seen)
        assert seen[0] == list(names)


@pytest.mark.skipif(not hasattr(message_filters, "synchronizers"), reason="the real message_filters is installed here")
class TestStandIn:
    """Where it does better than the real package, whose lock stays locked."""

    def test_the_next_set_comes_out_after_an_exception(self, either: Callable[..., Bench]) -> None:
        bench, seen = either(), []

        def fail_once(first: Any, _: Any) -> None:
            seen.append(first.header.frame_id)
            if len(seen) == 1:
                raise ValueError("once")

        bench.synchronizer.registerCallback(fail_once)
        bench.feed("a10")
        with pytest.raises(ValueError, match="once"):
            bench.feed("b10")
        bench.feed("a200", "b200")
        assert seen == ["a10", "a200"]

    def test_a_callback_may_feed_the_synchronizer(self, either: Callable[..., Bench]) -> None:
        bench = either()
        bench.synchronizer.registerCallback(lambda *_: len(bench.sets) == 1 and bench.feed("a200", "b200"))
        bench.feed("a10", "b10")
        assert bench.sets == [("a10", "b10"), ("a200", "b200")]
