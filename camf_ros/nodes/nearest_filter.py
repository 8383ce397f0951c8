"""The nearest-stamp pairing as a filter of message_filters."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import message_filters
from rclpy.logging import get_logger

from camf_ros.nodes.stamped import nanoseconds
from camf_ros.pairing.nearest import NearestPair, NearestStamps


class NearestStampSynchronizer(message_filters.SimpleFilter):  # type: ignore[misc]
    """Two filters in, pairs of messages out, by the rule of :mod:`camf_ros.pairing.nearest`.

    Takes the place of ``message_filters.ApproximateTimeSynchronizer`` for two inputs. May be fed from any threads:
    pairs come out one after another and in order, in one of these threads. No lock is held while a callback runs, so it
    may feed the filter again; an exception from a callback is logged and goes no further.
    """

    def __init__(
        self,
        fs: Sequence[Any],
        queue_size: int,
        slop: float,
        max_delay: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect the inputs.

        Args:
            fs: The two input filters; callbacks get a message of the first and one of the second.
            queue_size: Messages of each input that wait.
            slop: Largest difference of stamps in a pair, seconds.
            max_delay: Longest time for which a pair that could be formed waits for a nearer message, seconds; the owner
                calls :meth:`expire` for what no further message sets free.
            clock: Seconds, never going back.
        """
        super().__init__()
        first, second = fs
        self._matcher: NearestStamps[Any] = NearestStamps(
            slop=round(1e9 * slop), max_delay=max_delay, queue_size=queue_size
        )
        self._clock = clock
        self._lock = threading.Lock()
        self._outgoing: deque[NearestPair[Any]] = deque()
        self._emitting = False
        self.input_connections = [
            source.registerCallback(self.add, index) for index, source in enumerate((first, second))
        ]

    def add(self, message: Any, index: int) -> None:
        """Take a message of an input and put out the pairs that are certain now."""
        stamp = nanoseconds(message.header.stamp)
        with self._lock:
            self._outgoing.extend(self._matcher.add(index, stamp, message, self._clock()))
        self._emit()

    def expire(self) -> None:
        """Put out the pairs that have waited for ``max_delay``."""
        with self._lock:
            self._outgoing.extend(self._matcher.expire(self._clock()))
        self._emit()

    @property
    def waiting(self) -> bool:
        """Whether a pair waits for a nearer message: whether :meth:`expire` must be called in time."""
        with self._lock:
            return self._matcher.deadline() is not None

    @property
    def dropped(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """For each input, how many messages came into no pair, by reason."""
        with self._lock:
            first, second = self._matcher.dropped
            return dict(first), dict(second)

    def _emit(self) -> None:
        while True:
            with self._lock:
                # One thread at a time, or pairs might overtake each other; and a callback that feeds us does not nest.
                if self._emitting or not self._outgoing:
                    return
                self._emitting = True
                pair = self._outgoing.popleft()
            try:
                self.signalMessage(pair.first.item, pair.second.item)
            except Exception:
                get_logger("camf_ros.pairing").error(f"a callback for pairs failed: {traceback.format_exc()}")
            finally:
                with self._lock:
                    self._emitting = False
