"""Where the stand-in for `message_filters` does better than the real package: after an exception, when fed again."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.ros

message_filters = pytest.importorskip("message_filters")
std_msgs = pytest.importorskip("std_msgs.msg")

if not hasattr(message_filters, "synchronizers"):
    pytest.skip("the real message_filters is installed here", allow_module_level=True)


class Stamped:
    def __init__(self, seconds: int) -> None:
        self.header = std_msgs.Header()
        self.header.stamp.sec = seconds


@pytest.fixture(params=["exact", "approximate"])
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any, Any]:
    first, second = message_filters.SimpleFilter(), message_filters.SimpleFilter()
    if request.param == "exact":
        return message_filters.TimeSynchronizer([first, second], 5), first, second
    return message_filters.ApproximateTimeSynchronizer([first, second], 5, slop=0.1), first, second


def test_the_next_set_comes_out_after_an_exception(pair: tuple[Any, Any, Any]) -> None:
    synchronizer, first, second = pair
    seen: list[int] = []

    def fail_once(message: Any, _: Any) -> None:
        seen.append(message.header.stamp.sec)
        if len(seen) == 1:
            raise ValueError("once")

    synchronizer.registerCallback(fail_once)
    first.signalMessage(Stamped(1))
    with pytest.raises(ValueError, match="once"):
        second.signalMessage(Stamped(1))
    first.signalMessage(Stamped(2))
    second.signalMessage(Stamped(2))
    assert seen == [1, 2]


def test_a_callback_may_feed_the_synchronizer(pair: tuple[Any, Any, Any]) -> None:
    synchronizer, first, second = pair
    seen: list[int] = []

    def feed(message: Any, _: Any) -> None:
        seen.append(message.header.stamp.sec)
        if len(seen) == 1:
            first.signalMessage(Stamped(2))
            second.signalMessage(Stamped(2))

    synchronizer.registerCallback(feed)
    first.signalMessage(Stamped(1))
    second.signalMessage(Stamped(1))
    assert seen == [1, 2]
