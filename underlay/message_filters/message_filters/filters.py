"""The source of messages: a filter that hands on what it gets, and one that gets it from a topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class SimpleFilter:
    """Something with an output, to which callbacks can be connected."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable[..., Any], tuple[Any, ...]]] = {}

    def registerCallback(self, cb: Callable[..., Any], *args: Any) -> int:  # noqa: N802 - the real package's name
        """Connects a callback to this filter's output.

        Args:
            cb: called with the output's messages, followed by `args`.
            *args: handed to `cb` after the messages.

        Returns:
            The number of the connection, from 0.
        """
        number = len(self.callbacks)
        self.callbacks[number] = (cb, args)
        return number

    def signalMessage(self, *msg: Any) -> None:  # noqa: N802 - the real package's name
        """Calls every callback with the messages, in the order of their registration."""
        for cb, extra in list(self.callbacks.values()):
            cb(*msg, *extra)


class Subscriber(SimpleFilter):
    """A topic as a filter: every message that arrives is its output.

    Attributes that are not found here are the subscription's.
    """

    def __init__(self, node: Any, msg_type: Any, topic: str, *, qos_profile: Any = 10, **options: Any) -> None:
        """Subscribes.

        Args:
            node: the rclpy node that subscribes.
            msg_type: class of the messages.
            topic: name of the topic, before remapping.
            qos_profile: as for `Node.create_subscription`; the default is reliable with depth 10.
            **options: handed to `Node.create_subscription`.
        """
        super().__init__()
        self.node = node
        self.topic = topic
        self.sub = node.create_subscription(msg_type, topic, self.callback, qos_profile=qos_profile, **options)

    def callback(self, msg: Any) -> None:
        """Takes a message from the subscription."""
        self.signalMessage(msg)

    def getTopic(self) -> str:  # noqa: N802 - the real package's name
        """Returns the topic's name as it was given."""
        return self.topic

    def __getattr__(self, name: str) -> Any:
        # Without this test a copy of an unfinished object would ask for `sub` for ever.
        if name == "sub":
            raise AttributeError(name)
        return getattr(self.sub, name)
