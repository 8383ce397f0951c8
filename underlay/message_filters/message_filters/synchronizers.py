"""Filters with several inputs, whose output is one message of each input with stamps that agree.

Both keep a queue for each input: a dict from stamp in nanoseconds to message. A second message with the same stamp
takes the place of the first; a queue that is too long loses its oldest stamp. A message is part of one output at most.

Callbacks run one at a time, in the thread that brought the last message. The lock is let go when one of them raises:
the next message is handled as if nothing had been.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from typing import Any

from rclpy.clock import ROSClock
from rclpy.logging import get_logger

from message_filters.filters import SimpleFilter

Queue = dict[int, Any]


def stamp_of(msg: Any) -> int | None:
    """Returns the stamp of a message's header in nanoseconds; None for a message without one."""
    stamp = getattr(getattr(msg, "header", None), "stamp", None)
    if stamp is None:
        return None
    nanoseconds = getattr(stamp, "nanoseconds", None)
    if nanoseconds is not None:
        return int(nanoseconds)
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


class TimeSynchronizer(SimpleFilter):
    """Puts out sets of messages whose stamps are equal, oldest set first."""

    def __init__(self, fs: Iterable[SimpleFilter], queue_size: int) -> None:
        """Connects the inputs.

        Args:
            fs: the input filters; the output has their messages in this order.
            queue_size: number of messages kept for each input.
        """
        super().__init__()
        self.queue_size = queue_size
        # Reentrant, so that a callback may feed the synchronizer again.
        self.lock = threading.RLock()
        self.connectInput(fs)

    def connectInput(self, fs: Iterable[SimpleFilter]) -> None:  # noqa: N802 - the real package's name
        """Takes new inputs, with empty queues. What comes from earlier inputs has no effect any more."""
        filters = list(fs)
        self.queues: list[Queue] = [{} for _ in filters]
        self.input_connections = [
            source.registerCallback(self.add, queue, index)
            for index, (source, queue) in enumerate(zip(filters, self.queues, strict=True))
        ]

    def add(self, msg: Any, my_queue: Queue, my_queue_index: int | None = None) -> None:  # noqa: ARG002 - as in the real one
        """Takes a message of one input and puts out the sets that it completes."""
        stamp = stamp_of(msg)
        if stamp is None:
            raise AttributeError(f"{type(msg).__name__} has no header.stamp to synchronize by")
        with self.lock:
            self._keep(stamp, msg, my_queue)
            # Looked up again after each set: a callback may have fed this synchronizer.
            while complete := set(self.queues[0]).intersection(*self.queues[1:]):
                ready = min(complete)
                self.signalMessage(*[queue.pop(ready) for queue in self.queues])

    def _keep(self, stamp: int, msg: Any, queue: Queue) -> None:
        queue[stamp] = msg
        while len(queue) > self.queue_size:
            del queue[min(queue)]


class ApproximateTimeSynchronizer(TimeSynchronizer):
    """Puts out sets of messages whose stamps lie close together.

    Greedy: a message that arrives goes at once with the nearest ones already there. One that would fit better, but
    has yet to arrive, is not waited for.
    """

    def __init__(
        self, fs: Iterable[SimpleFilter], queue_size: int, slop: float, *, allow_headerless: bool = False
    ) -> None:
        """Connects the inputs.

        Args:
            fs: the input filters; the output has their messages in this order.
            queue_size: number of messages kept for each input.
            slop: seconds; the stamps of a set lie less than this apart.
            allow_headerless: whether a message without a header gets the present time as its stamp. Such a message is
                dropped with a warning otherwise. By keyword only: its place differs between versions of the real
                package.
        """
        super().__init__(fs, queue_size)
        self.slop_nanoseconds = int(slop * 1_000_000_000)
        self.allow_headerless = allow_headerless

    def add(self, msg: Any, my_queue: Queue, my_queue_index: int | None = None) -> None:  # noqa: ARG002 - as in the real one
        """Takes a message of one input and puts out the set that it completes, if there is one."""
        stamp = stamp_of(msg)
        if stamp is None:
            if not self.allow_headerless:
                get_logger("message_filters").warning(
                    f"dropped a {type(msg).__name__}: it has no header.stamp, and allow_headerless is off"
                )
                return
            stamp = ROSClock().now().nanoseconds
        with self.lock:
            self._keep(stamp, msg, my_queue)
            chosen = self._nearest(stamp, my_queue)
            if chosen is not None:
                self.signalMessage(*[queue.pop(at) for queue, at in zip(self.queues, chosen, strict=True)])

    def _nearest(self, stamp: int, my_queue: Queue) -> tuple[int, ...] | None:
        """Returns a stamp for each queue, or None when no set is complete.

        Sets are tried in the order of their distance from the new message, input by input.
        """
        if stamp not in my_queue:  # older than all others in a full queue: already gone
            return None
        choices: list[list[int]] = []
        for queue in self.queues:
            if queue is my_queue:
                choices.append([stamp])
                continue
            near = [other for other in queue if abs(other - stamp) < self.slop_nanoseconds]
            choices.append(sorted(near, key=lambda other: abs(other - stamp)))
        for chosen in itertools.product(*choices):
            if max(chosen) - min(chosen) < self.slop_nanoseconds:
                return chosen
        return None
