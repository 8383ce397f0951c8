"""A mailbox with one slot between the executor's thread and the worker's: the newest item wins, losses are counted."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Mailbox(Generic[_T]):
    """One slot; :meth:`put` never waits and never raises."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: _T | None = None
        self._closed = False
        self._displaced = 0

    def put(self, item: _T) -> None:
        """Leave an item; one that nobody has taken yet is dropped for it. Once closed, it is dropped itself."""
        with self._changed:
            if self._closed:
                self._displaced += 1
                return
            if self._item is not None:
                self._displaced += 1
            self._item = item
            self._changed.notify()

    def take(self) -> _T | None:
        """Wait for an item and take it; None once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Wake the taker for the last time; an item that nobody has taken is dropped."""
        with self._changed:
            if self._item is not None:
                self._item = None
                self._displaced += 1
            self._closed = True
            self._changed.notify_all()

    @property
    def displaced(self) -> int:
        """How many items were dropped: for a newer one, or at the end."""
        with self._changed:
            return self._displaced
