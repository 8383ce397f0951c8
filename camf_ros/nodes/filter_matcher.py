"""The pairing policies of message_filters, without a node: its own synchronisers behind the face of a matcher."""

from __future__ import annotations

import message_filters

from camf_ros.nodes.stamped import Stamped
from camf_ros.pairing.matchers import Candidate, JumpWatch, Match, Matcher
from camf_ros.settings.fusion_settings import PairingSettings


class FilterMatcher(Matcher):
    """``exact`` by TimeSynchronizer, ``approximate`` by ApproximateTimeSynchronizer. Used from one thread."""

    def __init__(self, settings: PairingSettings) -> None:
        """Make the synchroniser.

        Args:
            settings: With one of the two policies.
        """
        self._inputs = [message_filters.SimpleFilter(), message_filters.SimpleFilter()]
        if settings.policy == "exact":
            self._filter = message_filters.TimeSynchronizer(self._inputs, settings.queue_size)
        else:
            self._filter = message_filters.ApproximateTimeSynchronizer(
                self._inputs, queue_size=settings.queue_size, slop=settings.slop
            )
        # Collected instead of handed on at once: some versions leave a lock locked when a callback raises.
        self._found: list[Match] = []
        self._filter.registerCallback(self._matched)
        self._watch = JumpWatch()

    def add(self, stream: int, frame: Candidate, now: float) -> list[Match]:  # noqa: ARG002 - see Matcher
        """See :class:`camf_ros.pairing.matchers.Matcher`."""
        limit = self._watch.limit(stream, frame.time)
        if limit is not None:
            self._forget_after(limit)
        self._inputs[stream].signalMessage(Stamped(frame, frame.time, frame.arrived))
        found, self._found = self._found, []
        return found

    def _matched(self, first: Stamped, second: Stamped) -> None:
        self._found.append((first.message, second.message))

    def _forget_after(self, limit: int) -> None:
        """Drop waiting frames with later stamps."""
        with self._filter.lock:
            for queue in self._filter.queues:
                for key in [key for key, frame in queue.items() if frame.time > limit]:
                    del queue[key]
